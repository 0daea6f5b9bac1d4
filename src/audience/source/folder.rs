//! A folder with one file for each audience: `Cat owners.csv` with a header, or `Cat owners.ndjson`.
//!
//! Who writes there writes to another name and renames. Files that begin with a dot, and other endings, are not
//! looked at. A file that changes while it is read is not taken.

use std::fs::{self, File, Metadata};
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::Listed;
use super::quotes::Quotes;
use crate::actito::target;
use crate::config::{AudienceFolder, PersonIdentifier};

/// Longest line, or record of several lines: a person with all that is known of them.
pub(super) const LONGEST_LINE: usize = 1 << 20;

/// Files in the folder: more audiences than people look after.
const MOST_FILES: usize = 10_000;

/// A folder of audiences.
#[derive(Debug)]
pub struct Folder {
    settings: AudienceFolder,
    bytes: AtomicU64,
}

/// Why a folder does not say what it is asked. No text holds a line of a file.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what its ending says.
    #[error("{path}, line {line}: expected {expected}")]
    Content {
        /// The file.
        path: PathBuf,
        /// Counted from 1; 0 for the file as a whole.
        line: u64,
        /// What should have stood there.
        expected: String,
    },
    /// A file became another one meanwhile.
    #[error("{0} changed while it was read: write to another name, then rename")]
    Changed(PathBuf),
}

impl FolderError {
    /// A stable word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "folder_file",
            Self::Content { .. } => "folder_content",
            Self::Changed(_) => "folder_changed",
        }
    }
}

type Each<'a> = &'a mut dyn FnMut(Option<&str>) -> io::Result<()>;

impl Folder {
    pub(super) fn new(settings: &AudienceFolder) -> Self {
        Self { settings: settings.clone(), bytes: AtomicU64::new(0) }
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn list(&self) -> Result<Vec<Listed>, FolderError> {
        let path = &self.settings.path;
        let failed = |source| FolderError::File { path: path.to_owned(), source };
        let mut listed = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((stem, "csv" | "ndjson")) = name.rsplit_once('.').filter(|(stem, _)| !stem.starts_with('.'))
            else {
                continue;
            };
            // Through a link, too.
            let found = fs::metadata(entry.path()).map_err(failed)?;
            if found.is_file() && !stem.is_empty() {
                let version = Some(version(&found));
                listed.push(Listed { id: name.clone(), name: stem.to_owned(), version });
            }
            if listed.len() > MOST_FILES {
                return Err(Self::wrong(path.to_owned(), 0, format!("at most {MOST_FILES} audiences")));
            }
        }
        Ok(listed)
    }

    /// Tells `each` the identifier of each line; returns the version of what was read.
    pub(super) fn read(
        &self,
        audience: &Listed,
        identifier: PersonIdentifier,
        each: Each<'_>,
    ) -> Result<String, FolderError> {
        let path = self.settings.path.join(&audience.id);
        let failed = |source| FolderError::File { path: path.to_owned(), source };
        let file = File::open(&path).map_err(failed)?;
        let before = file.metadata().map_err(failed)?;
        if audience.id.ends_with(".ndjson") {
            self.read_json(&path, &file, identifier, each)?;
        } else {
            self.read_csv(&path, &file, identifier, each)?;
        }
        self.bytes.fetch_add(before.len(), Ordering::Relaxed);
        let (after, named) = (file.metadata().map_err(failed)?, fs::metadata(&path).map_err(failed)?);
        match [after, named].iter().all(|it| version(it) == version(&before)) {
            true => Ok(version(&before)),
            false => Err(FolderError::Changed(path)),
        }
    }

    fn read_csv(
        &self,
        path: &Path,
        file: &File,
        identifier: PersonIdentifier,
        each: Each<'_>,
    ) -> Result<(), FolderError> {
        let failed = |source| FolderError::File { path: path.to_owned(), source };
        let mut rows = csv::ReaderBuilder::new()
            .delimiter(self.settings.separator)
            .buffer_capacity(1 << 16)
            .from_reader(Quotes::new(file, self.settings.separator));
        let columns = self.columns(identifier);
        let header = match rows.headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(Self::bad_csv(path, error, rows.get_ref())),
        };
        let is_column = |name: &str| {
            let name = name.trim_start_matches('\u{feff}').trim();
            columns.iter().any(|column| name.eq_ignore_ascii_case(column))
        };
        let Some(column) = header.iter().position(is_column) else {
            return Err(Self::wrong(
                path.to_owned(),
                1,
                format!("a header with the column `{}`", columns.join("` or `")),
            ));
        };
        let mut row = csv::StringRecord::new();
        loop {
            match rows.read_record(&mut row) {
                Ok(true) => each(row.get(column)).map_err(failed)?,
                Ok(false) => return Ok(()),
                Err(error) => return Err(Self::bad_csv(path, error, rows.get_ref())),
            }
        }
    }

    fn read_json(
        &self,
        path: &Path,
        file: &File,
        identifier: PersonIdentifier,
        each: Each<'_>,
    ) -> Result<(), FolderError> {
        let failed = |source| FolderError::File { path: path.to_owned(), source };
        let (mut from, mut line, mut number) = (BufReader::with_capacity(1 << 16, file), Vec::new(), 0);
        let columns = self.columns(identifier);
        loop {
            line.clear();
            let read = io::Read::take(&mut from, LONGEST_LINE as u64).read_until(b'\n', &mut line).map_err(failed)?;
            number += 1;
            if read == 0 {
                return Ok(());
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let Ok(Value::Object(fields)) = serde_json::from_slice(&line) else {
                return Err(Self::wrong(
                    path.to_owned(),
                    number,
                    "a JSON object in one line of at most 1 MiB".to_owned(),
                ));
            };
            let own = fields.iter().find(|(name, _)| columns.iter().any(|column| name.eq_ignore_ascii_case(column)));
            match own.map(|(_, value)| value) {
                None | Some(Value::Null) => each(None).map_err(failed)?,
                Some(Value::String(text)) => each(Some(text)).map_err(failed)?,
                Some(other) => each(Some(&other.to_string())).map_err(failed)?,
            }
        }
    }

    /// What the identifier may be called.
    fn columns(&self, identifier: PersonIdentifier) -> Vec<String> {
        let usual = match identifier {
            PersonIdentifier::Email => ["email", target::header(identifier, None)],
            PersonIdentifier::UserId => ["userId", target::header(identifier, None)],
        };
        self.settings.column.clone().map_or_else(|| usual.map(str::to_owned).to_vec(), |column| vec![column])
    }

    /// Without the error's own text, which may repeat the line.
    fn bad_csv(path: &Path, error: csv::Error, quotes: &Quotes<&File>) -> FolderError {
        let path = path.to_owned();
        if let Some((line, expected)) = quotes.wrong {
            return Self::wrong(path, line, expected.to_owned());
        }
        let line = error.position().map_or(0, csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(source) => FolderError::File { path, source },
            _ => Self::wrong(path, line, "CSV in UTF-8 with as many fields in every line as in the header".to_owned()),
        }
    }

    fn wrong(path: PathBuf, line: u64, expected: String) -> FolderError {
        FolderError::Content { path, line, expected }
    }
}

/// What is another one when a file is: its length, when it was written, and which one it is.
fn version(found: &Metadata) -> String {
    format!("{}-{}.{:09}-{}", found.len(), found.mtime(), found.mtime_nsec(), found.ino())
}
