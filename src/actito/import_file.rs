//! The file of a mass import: one CSV in a zip, written row by row.
//!
//! Promises: memory stays flat however many rows come; the file has no name, so that nothing of it is
//! left after a drop, a crash or a kill; it never grows beyond what Actito takes, whether Actito means
//! the zip or the CSV in it. The CSV is UTF-8 without BOM, with a header, `;` and `\n`.
//! Everything here but sending blocks: call it where blocking is allowed.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::error::Error;
use super::profile::ProfileId;
use super::wire_import::{ID_COLUMN, SEPARATOR};
use crate::config;

/// The name of the CSV in the zip. Nothing is known to depend on it.
const ENTRY: &str = "profiles.csv";

/// REAIDs hardly compress: stronger levels take half as long again for 4 % less.
const LEVEL: i64 = 1;

/// What is read from the disk at once while sending.
const CHUNK: usize = 64 * 1024;

/// Writes the CSV of an import into a zip on disk.
pub struct ImportWriter {
    csv: csv::Writer<ZipWriter<File>>,
    rows: u64,
    /// Bytes of the CSV so far.
    length: u64,
    /// Bytes that the CSV may have.
    limit: u64,
}

impl ImportWriter {
    /// An empty import for the attributes that `settings` name, kept in `folder` on disk.
    ///
    /// # Errors
    /// [`Error::File`] when nothing can be written there.
    pub fn create(folder: &Path, settings: &config::Actito) -> Result<Self, Error> {
        // Without a name and for its owner alone, from its first byte.
        let file = tempfile::tempfile_in(folder).map_err(|error| Error::file(&error))?;
        let mut zip = ZipWriter::new(file);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(LEVEL))
            .unix_permissions(0o600);
        zip.start_file(ENTRY, options).map_err(|error| Error::file(&error.into()))?;
        let csv =
            csv::WriterBuilder::new().delimiter(SEPARATOR).terminator(csv::Terminator::Any(b'\n')).from_writer(zip);
        let mut writer = Self { csv, rows: 0, length: 0, limit: settings.assumed.import_max_size };
        writer.write([ID_COLUMN, settings.reaid_attribute.as_str()])?;
        Ok(writer)
    }

    /// Adds a row; `Ok(false)` when the file is full: the row was not taken. The empty text is an empty
    /// field. Whether Actito then empties the attribute is not known: what must surely be emptied is
    /// better written with [`Client::put_reaid`](super::Client::put_reaid).
    ///
    /// # Errors
    /// [`Error::File`] when the disk refuses.
    pub fn push(&mut self, id: ProfileId, reaid: &str) -> Result<bool, Error> {
        let id = id.to_string();
        let row = [id.as_str(), reaid];
        if self.length + longest(row) > self.limit {
            return Ok(false);
        }
        self.write(row)?;
        self.rows += 1;
        Ok(true)
    }

    /// Rows so far, the header not counted.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`Error::File`] when the disk refuses.
    pub fn finish(self) -> Result<ImportFile, Error> {
        let zip = self.csv.into_inner().map_err(|error| Error::file(error.error()))?;
        let file = zip.finish().map_err(|error| Error::file(&error.into()))?;
        let bytes = file.metadata().map_err(|error| Error::file(&error))?.len();
        Ok(ImportFile { file: Arc::new(file), rows: self.rows, bytes })
    }

    fn write(&mut self, row: [&str; 2]) -> Result<(), Error> {
        self.length += longest(row);
        self.csv.write_record(row).map_err(|error| Error::file(&error.into()))
    }
}

/// No row takes more: two fields in quotes, every quote in them doubled, `;` and `\n`. A row of an id and a
/// REAID, which need no quotes, is counted as it is.
fn longest(row: [&str; 2]) -> u64 {
    let plain = |field: &str| field.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let field = |field: &str| if plain(field) { field.len() } else { 2 + 2 * field.len() };
    row.iter().map(|text| field(text) as u64 + 1).sum()
}

impl fmt::Debug for ImportWriter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ImportWriter({} rows)", self.rows)
    }
}

/// A whole import, ready to be sent. Gone from the disk when dropped.
#[derive(Debug)]
pub struct ImportFile {
    file: Arc<File>,
    rows: u64,
    bytes: u64,
}

impl ImportFile {
    /// Rows, the header not counted.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of the zip.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The zip from its beginning, piece by piece. Each stream has its own place in the file, so that a
    /// broken one that still reads does not disturb its successor.
    pub(super) fn stream(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        stream::try_unfold((Arc::clone(&self.file), 0), |(file, at)| async move {
            let (file, read) = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; CHUNK];
                let read = file.read_at(&mut chunk, at);
                (file, read.map(|length| (chunk, length)))
            })
            .await?;
            let (mut chunk, length) = read?;
            chunk.truncate(length);
            Ok((length > 0).then(|| (Bytes::from(chunk), (file, at + length as u64))))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};

    use futures_util::TryStreamExt as _;

    use super::super::wire_url::test_settings;
    use super::*;

    fn id(number: i64) -> ProfileId {
        ProfileId::from_i64(number).unwrap()
    }

    fn csv_of(file: &ImportFile) -> String {
        let mut zip = zip::ZipArchive::new(&*file.file).unwrap();
        assert_eq!(zip.len(), 1);
        let mut text = String::new();
        zip.by_name(ENTRY).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_zip_holds_one_csv_as_actito_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = ImportWriter::create(folder.path(), &test_settings()).unwrap();
        assert!(writer.push(id(812), "AVCX2Xn3aHNLYEVZLOeLQLnM").unwrap());
        assert!(writer.push(id(813), "").unwrap());
        let file = writer.finish().unwrap();
        assert_eq!((file.rows(), file.bytes()), (2, file.file.metadata().unwrap().len()));
        assert_eq!(csv_of(&file), "profileId;reaid\n812;AVCX2Xn3aHNLYEVZLOeLQLnM\n813;\n");
    }

    #[test]
    fn nothing_of_it_has_a_name_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = ImportWriter::create(folder.path(), &test_settings()).unwrap();
        writer.push(id(1), "x").unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let missing = ImportWriter::create(&folder.path().join("missing"), &test_settings()).unwrap_err();
        assert_eq!(missing, Error::File { problem: io::ErrorKind::NotFound });
    }

    #[test]
    fn a_full_file_refuses_the_next_row_and_stays_within_its_limit() {
        let (folder, mut settings) = (tempfile::tempdir().unwrap(), test_settings());
        settings.reaid_attribute = "the \"reaid\"; ours".into();
        for limit in [500, 501, 540] {
            settings.assumed.import_max_size = limit;
            let mut writer = ImportWriter::create(folder.path(), &settings).unwrap();
            let mut taken = 0;
            while writer.push(id(taken), "AVCX2Xn3aHNLYEVZLOeLQLnM").unwrap() {
                taken += 1;
            }
            assert!(!writer.push(id(taken), "AVCX2Xn3aHNLYEVZLOeLQLnM").unwrap());
            let file = writer.finish().unwrap();
            let length = csv_of(&file).len() as u64;
            assert!(length <= limit && length > limit - 60, "{length} of {limit}");
            assert_eq!(file.rows(), taken.cast_unsigned());
        }
    }

    #[tokio::test]
    async fn two_streams_of_one_file_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = ImportWriter::create(folder.path(), &test_settings()).unwrap();
        for number in 0..9000 {
            writer.push(id(number), &format!("{:024x}", u128::from(fastrand::u64(..)))).unwrap();
        }
        let file = writer.finish().unwrap();
        assert!(file.bytes() > CHUNK as u64);
        let (mut first, mut second) = (Box::pin(file.stream()), Box::pin(file.stream()));
        let mut all = [Vec::new(), Vec::new()];
        while let Some(chunk) = first.try_next().await.unwrap() {
            all[0].extend_from_slice(&chunk);
            all[1].extend_from_slice(&second.try_next().await.unwrap().unwrap());
        }
        let mut whole = Vec::new();
        let mut reader = &*file.file;
        reader.rewind().unwrap();
        reader.read_to_end(&mut whole).unwrap();
        assert!(all[0] == whole && all[1] == whole);
    }
}
