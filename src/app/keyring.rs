//! The keyring file: found, read, written and watched. What is in it is [`identity`](crate::identity)'s.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::identity::{Keyring, KeyringFileError, Secret};

/// Why there is no keyring to work with.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Nothing at its path.
    #[error(
        "there is no keyring at {0}: make one with `reaid keys init`, or bring back a backup with `reaid keys restore`"
    )]
    Missing(PathBuf),
    /// There is one already.
    #[error("there is a keyring at {0} already: a new one would kill every link and REAID made with it")]
    Exists(PathBuf),
    /// Somebody else on this machine can read it.
    #[error("the keyring {path} is open to others (mode {mode:04o}): chmod 600 it")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It says something else than a keyring.
    #[error("{path}: {source}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: KeyringFileError,
    },
    /// The file system says no.
    #[error("cannot {doing} the keyring {path}: {source}")]
    Io {
        /// `read`, `write` or `lock`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system has no randomness for a new key.
    #[error("the system gave no random bytes for a new key")]
    Random,
}

impl KeyringError {
    /// Whether the person at the keyboard can mend it: exit code 64.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Random)
    }
}

/// Reads the keyring at `path`.
///
/// # Errors
/// It is missing, open to others, or no keyring.
pub fn read(path: &Path) -> Result<Keyring, KeyringError> {
    let io_error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyringError::Missing(path.to_owned()),
        _ => KeyringError::Io { doing: "read", path: path.to_owned(), source },
    };
    let mode = fs::metadata(path).map_err(io_error)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeyringError::Open { path: path.to_owned(), mode: mode & 0o7777 });
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(io_error)?);
    Keyring::from_toml(&text).map_err(|source| KeyringError::Content { path: path.to_owned(), source })
}

/// The right to change a keyring, until it is dropped or the process ends.
pub struct KeyringLock(#[expect(dead_code, reason = "holds the lock")] File);

/// Waits for the right to change the keyring at `path`: of two that read, change and write it at once,
/// one would undo what the other did, and a key would be lost.
///
/// # Errors
/// The file system says no.
pub fn lock(path: &Path) -> Result<KeyringLock, KeyringError> {
    let io_error = |source| KeyringError::Io { doing: "lock", path: path.to_owned(), source };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    fs::create_dir_all(folder_of(path)).map_err(io_error)?;
    let file =
        OpenOptions::new().create(true).append(true).mode(0o600).open(PathBuf::from(beside)).map_err(io_error)?;
    file.lock().map_err(io_error)?;
    Ok(KeyringLock(file))
}

/// Writes a keyring where none was; the caller has the [`lock`].
///
/// # Errors
/// There is one already, or the file system says no.
pub fn create(path: &Path, keyring: &Keyring) -> Result<(), KeyringError> {
    if path.exists() {
        return Err(KeyringError::Exists(path.to_owned()));
    }
    replace(path, keyring)
}

/// Puts a keyring in the place of whatever is there, in one atomic step: after this returns, a crash
/// finds the new one, before it the old one.
///
/// # Errors
/// The file system says no; then the old one stays.
pub fn replace(path: &Path, keyring: &Keyring) -> Result<(), KeyringError> {
    write_atomically(path, keyring.to_toml().as_bytes()).map_err(|source| KeyringError::Io {
        doing: "write",
        path: path.to_owned(),
        source,
    })
}

/// 32 random bytes for a new key.
///
/// # Errors
/// The system has none.
pub fn new_secret() -> Result<Secret, KeyringError> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| KeyringError::Random)?;
    Ok(Secret::from_bytes(*bytes))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A temporary name, fsync, rename, fsync of the folder.
fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report; the leftover is harmless.
        drop(fs::remove_file(&temporary));
    }
    written?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_keyring_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/keyring.toml");
        assert!(matches!(read(&path), Err(KeyringError::Missing(_))));
        let ring = Keyring::init(new_secret().unwrap(), new_secret().unwrap(), Timestamp::from_secs(0));
        create(&path, &ring).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().to_toml(), ring.to_toml());
        assert!(matches!(create(&path, &ring), Err(KeyringError::Exists(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path), Err(KeyringError::Open { mode: 0o640, .. })));
    }
}
