//! The copy of all suppressions that lies beside the keyring: whoever brings back yesterday's database has not
//! brought back who was erased since.
//!
//! A record a line, appended and fsynced: after [`append`] returned, a crash loses nothing. A line without its end
//! is one that nobody was told of; it is passed over, and cut off by the next append. Any other line that does not
//! open is complained about: passing over it would forget somebody's erasure.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::SuppressionsError;
use crate::identity::{Suppression, SuppressionKey};

/// A million erasures of three REAIDs each.
const MAX_LEN: u64 = 256 << 20;

/// Where the copy lies.
pub(super) fn beside(keyring: &Path) -> PathBuf {
    let mut path = keyring.as_os_str().to_owned();
    path.push(".suppressions");
    PathBuf::from(path)
}

/// What changes whenever the file does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp(u64, u64, i64, i64);

/// How the file is now; of none, nothing.
pub(super) fn stamp(path: &Path) -> Stamp {
    path.metadata()
        .map_or_else(|_| Stamp::default(), |file| Stamp(file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
}

/// Every record of the file; of none, nothing.
pub(super) fn read(path: &Path, key: Option<&SuppressionKey>) -> Result<Vec<Suppression>, SuppressionsError> {
    let cannot = |source| SuppressionsError::File { doing: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(cannot)?,
    };
    let mode = file.metadata().map_err(cannot)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SuppressionsError::Open { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(MAX_LEN + 1).read_to_string(&mut text).map_err(cannot)?;
    if text.len() as u64 > MAX_LEN {
        return Err(SuppressionsError::TooLong(path.to_owned()));
    }
    let complete = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    if complete.is_empty() {
        return Ok(Vec::new());
    }
    let key = key.ok_or_else(|| SuppressionsError::NoSecret(path.to_owned()))?;
    let record = |(at, line): (usize, &str)| {
        key.from_line(line).map_err(|_| SuppressionsError::Line { place: path.display().to_string(), line: at + 1 })
    };
    complete.lines().enumerate().map(record).collect()
}

/// Adds records. The caller has the keyring's lock.
pub(super) fn append(path: &Path, key: &SuppressionKey, records: &[Suppression]) -> Result<(), SuppressionsError> {
    let lines: String = records.iter().map(|record| format!("{}\n", key.to_line(record))).collect();
    write(path, lines.as_bytes()).map_err(|source| SuppressionsError::File {
        doing: "write",
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, lines: &[u8]) -> io::Result<()> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end as u64 + 1);
    if complete < text.len() as u64 {
        file.set_len(complete)?;
    }
    file.seek(SeekFrom::Start(complete))?;
    file.write_all(lines)?;
    file.sync_all()?;
    match path.parent() {
        Some(folder) if is_new => File::open(if folder == Path::new("") { Path::new(".") } else { folder })?.sync_all(),
        _ => Ok(()),
    }
}

/// Puts the file out of the way, where a keyring cannot read it.
pub(super) fn set_aside(path: &Path) -> Result<(), SuppressionsError> {
    let aside = path.with_extension(format!("suppressions.of-another-keyring-{}", crate::clock::now().secs()));
    match std::fs::rename(path, aside) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(SuppressionsError::File { doing: "rename", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::{Digest, Secret, Word};

    fn key() -> SuppressionKey {
        SuppressionKey::derive(&Secret::from_bytes([9; 32]))
    }

    fn record(of: u8) -> Suppression {
        let tag = key().tag(&Digest::from_bytes([of; 32]));
        Suppression { tag, word: Word::Erased, at: Timestamp::from_secs(1), reaids: vec![] }
    }

    #[test]
    fn what_was_appended_is_read_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("keyring.toml"));
        assert_eq!(read(&path, None).unwrap(), []);
        append(&path, &key(), &[record(1), record(2)]).unwrap();
        append(&path, &key(), &[record(3)]).unwrap();
        assert_eq!(read(&path, Some(&key())).unwrap(), [record(1), record(2), record(3)]);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(read(&path, None), Err(SuppressionsError::NoSecret(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path, Some(&key())), Err(SuppressionsError::Open { mode: 0o640, .. })));
    }

    #[test]
    fn a_torn_end_is_passed_over_and_cut_off_by_the_next_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("keyring.toml"));
        append(&path, &key(), &[record(1), record(2)]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in whole.len() / 2 + 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read(&path, Some(&key())).unwrap(), [record(1)], "cut at {cut}");
            append(&path, &key(), &[record(3)]).unwrap();
            assert_eq!(read(&path, Some(&key())).unwrap(), [record(1), record(3)], "cut at {cut}");
        }
    }

    #[test]
    fn a_line_that_does_not_open_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("keyring.toml"));
        append(&path, &key(), &[record(1), record(2), record(3)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let second = text.lines().nth(1).unwrap();
        std::fs::write(&path, text.replace(second, &second.replacen('A', "B", 1))).unwrap();
        assert!(matches!(read(&path, Some(&key())), Err(SuppressionsError::Line { line: 2, .. })));
    }
}
