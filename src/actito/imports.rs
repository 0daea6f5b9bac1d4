//! Mass imports: sent once, then asked about.

use tokio::sync::mpsc;

use super::client::Client;
use super::error::{Call, Error};
use super::generation::Generation;
use super::import::{ImportId, ImportState, Rejected};
use super::import_file::ImportFile;
use super::rejected;
use super::transport::Request;
use super::wire_import::{self, ResultBody, Started, Status};

/// Rejected rows between the thread that reads them and whom they are for.
const AHEAD: usize = 256;

impl Client {
    /// Sends an import, once. After an error, [`Error::may_have_arrived`] says whether Actito may have
    /// taken it all the same; then it counts as spent. A 429 is [`Error::Throttled`] and means that too
    /// many calls are under way or that the day's imports are spent: only who counts them can tell.
    ///
    /// # Errors
    /// Why it was not confirmed.
    pub async fn start_import(&self, file: &ImportFile) -> Result<ImportId, Error> {
        let first = self.imports.first();
        match (self.send_import(first, file).await, self.imports.second(first)) {
            (Err(missing @ Error::NotFound { .. }), Some(second)) => match self.send_import(second, file).await {
                Err(Error::NotFound { .. }) => Err(missing),
                settled => settled,
            },
            (settled, _) => settled,
        }
    }

    /// How an import stands, of the generation that started it. One or two calls.
    ///
    /// # Errors
    /// Why nothing is known. [`Error::NotFound`] when Actito knows no such import.
    pub async fn import_state(&self, id: &ImportId) -> Result<ImportState, Error> {
        let request = Request::get(Call::ImportState, wire_import::status_url(&self.settings, id));
        let status = Status::of_body(&self.call(&request).await?, &self.settings.assumed);
        let rejected = match status {
            Status::Running => return Ok(ImportState::Running),
            Status::Failed { word } => return Ok(ImportState::Failed { word }),
            Status::Done { rejected } => Some(rejected),
            Status::Unknown => None,
        };
        // A result proves an end whatever the word; without one, the word alone has to do.
        match (self.import_result(id).await?, rejected) {
            (Some(result), _) => Ok(result.state()),
            (None, Some(rejected)) => Ok(ImportState::Done { rejected }),
            (None, None) => Ok(ImportState::Running),
        }
    }

    /// Hands every rejected row of an import to `each`, in their order.
    ///
    /// # Errors
    /// Why they could not be read; `each` may have seen some of them by then. [`Error::NotFound`] when there
    /// is no such file although rows were rejected: then nothing is known about any row.
    pub async fn import_errors(&self, id: &ImportId, mut each: impl FnMut(Rejected)) -> Result<(), Error> {
        let call = Call::ImportErrors;
        let request = Request::get(call, wire_import::errors_url(&self.settings, id));
        let archive = self.fetch(&request, rejected::LARGEST_ARCHIVE).await?;
        let (sender, mut rows) = mpsc::channel(AHEAD);
        let reading =
            tokio::task::spawn_blocking(move || rejected::read(archive, |row| sender.blocking_send(row).is_ok()));
        while let Some(row) = rows.recv().await {
            each(row);
        }
        let read = reading.await.unwrap_or(Err("a zip"));
        read.map_err(|expected| Error::Unreadable { call, expected })
    }

    async fn send_import(&self, generation: Generation, file: &ImportFile) -> Result<ImportId, Error> {
        let unreadable = |expected| Error::Unreadable { call: Call::Import, expected };
        let parameters = wire_import::parameters(&self.settings, generation)
            .map_err(|_| unreadable("parameters that can be written as JSON"))?;
        let assumed = &self.settings.assumed;
        let request = Request::import(
            wire_import::start_url(&self.settings, generation),
            (&assumed.import_file_part, file),
            (&assumed.import_parameters_part, parameters),
        );
        let expected = "the id of the import";
        let started: Started = self.ask(&request, expected).await?;
        let id = started.id(generation).ok_or_else(|| unreadable(expected))?;
        self.imports.answered(generation);
        Ok(id)
    }

    /// The result, where there is one yet.
    async fn import_result(&self, id: &ImportId) -> Result<Option<ResultBody>, Error> {
        let Some(url) = wire_import::result_url(&self.settings, id) else { return Ok(None) };
        match self.ask(&Request::get(Call::ImportState, url), "withErrors and rowsInError").await {
            Ok(result) => Ok(Some(result)),
            // Refused while it runs, as far as anybody knows.
            Err(Error::NotFound { .. } | Error::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks about an import that cannot exist.
    pub(super) async fn ask_about_no_import(&self) -> Result<(), Error> {
        let Some(id) = ImportId::new(self.imports.first(), "0") else { return Ok(()) };
        let request = Request::get(Call::ImportState, wire_import::status_url(&self.settings, &id));
        self.call(&request).await.map(drop)
    }
}
