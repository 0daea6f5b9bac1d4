//! The client: one profile table, its budget, and which generation of the API answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::{Call, Error};
use super::generation::{Choice, Settled};
use super::key::ApiKey;
use super::limits::Limits;
use super::profile::ListPage;
use super::structure::Note;
use super::token::Tokens;
use super::transport::Request;
use super::{wire_structure, wire_v5};
use crate::config;
use crate::outbound;

/// Name, TCP and TLS together take a few round trips; five seconds are for a lost packet or two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Characters of a REAID: what the attribute must hold.
const REAID_LENGTH: u64 = 24;

/// Actito, for one entity and profile table. Shared by reference; all methods may run at once.
#[derive(Debug)]
pub struct Client {
    pub(super) http: reqwest::Client,
    pub(super) settings: config::Actito,
    pub(super) key: ApiKey,
    pub(super) tokens: Tokens,
    pub(super) limits: Arc<Limits>,
    pub(super) profiles: Choice,
    pub(super) imports: Choice,
    /// Requests sent, tokens and repetitions included.
    calls: AtomicU64,
}

impl Client {
    /// A client for the table that `settings` name, with a budget of its own. Nothing is sent yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(settings: &config::Actito, key: ApiKey) -> Result<Self, Error> {
        let limits = Limits::new(settings.calls_per_minute, settings.concurrency);
        Self::with_limits(settings, key, Arc::new(limits))
    }

    /// A client that shares the budget of its licence: see [`Licences`](super::Licences).
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn with_limits(settings: &config::Actito, key: ApiKey, limits: Arc<Limits>) -> Result<Self, Error> {
        Ok(Self {
            http: http_client(settings)?,
            settings: settings.clone(),
            key,
            tokens: Tokens::default(),
            limits,
            profiles: Choice::new("profiles", settings.profiles_api),
            imports: Choice::new("mass imports", settings.import_api),
            calls: AtomicU64::new(0),
        })
    }

    /// The budget that its calls take from.
    pub const fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Which generations of the API answered last: worth keeping, so that the next process asks the
    /// right one first.
    pub fn settled(&self) -> Settled {
        Settled { profiles: self.profiles.settled(), imports: self.imports.settled() }
    }

    /// Asks first those that answered an earlier process. What `proxy.toml` decides stays decided.
    pub fn settle(&self, settled: Settled) {
        self.profiles.recall(settled.profiles);
        self.imports.recall(settled.imports);
    }

    /// Requests sent so far, tokens and repetitions included.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that may be under way at once.
    pub fn concurrency(&self) -> usize {
        self.settings.concurrency.max(1)
    }

    /// Checks that the profile table has the address attribute, and a REAID attribute that holds REAIDs;
    /// gives what is no error and worth knowing.
    ///
    /// # Errors
    /// What is wrong with which attribute, or why the structure could not be read.
    pub async fn check_structure(&self) -> Result<Vec<Note>, Error> {
        let request = Request::get(Call::Structure, wire_structure::structure_url(&self.settings));
        let structure: wire_structure::StructureBody = self.ask(&request, "a list of attributes").await?;
        structure.check(&self.settings, REAID_LENGTH)
    }

    /// One page of the list of profiles, counted from 0, as long as `list_page_size` in `proxy.toml`. At
    /// most half of the budget goes here.
    ///
    /// # Errors
    /// Why the page could not be read.
    pub async fn list_page(&self, number: u32) -> Result<ListPage, Error> {
        self.list_page_of(number, self.settings.assumed.list_page_size).await
    }

    pub(super) async fn list_page_of(&self, number: u32, size: u32) -> Result<ListPage, Error> {
        let request = Request::get(Call::List, wire_v5::list_url(&self.settings, number, size));
        let list: wire_v5::ListBody = self.ask(&request, "a list of profiles").await?;
        Ok(list.into_page(&self.settings, number, size))
    }
}

fn http_client(settings: &config::Actito) -> Result<reqwest::Client, Error> {
    let options =
        outbound::Options { connect: CONNECT_TIMEOUT, total: settings.timeout, allow_private: settings.allow_private };
    outbound::client(&settings.api_endpoint, options).map_err(|_| {
        Error::Unsupported("no TLS for calls to Actito: install this machine's root certificates (ca-certificates)")
    })
}
