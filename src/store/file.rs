//! The database's files: private to their owner, whatever the umask says.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::StoreError;

/// Makes sure that the main file exists with mode 0600; SQLite gives its mode to `-wal` and `-shm`.
/// A file that others may read is closed to them.
pub(super) fn prepare(path: &Path) -> Result<(), StoreError> {
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |source| StoreError::File { path, source }
    };
    let folder = folder_of(path);
    if !folder.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at(&folder))?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        // The folder's entry must be as durable as what will be committed into the file.
        Ok(_) => File::open(&folder).and_then(|opened| opened.sync_all()).map_err(at(&folder))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(at(path)(error)),
    }
    let mode = path.metadata().map_err(at(path))?.permissions().mode();
    if mode & 0o777 != 0o600 {
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(at(path))?;
    }
    Ok(())
}

/// The main file, to be read and written beside SQLite.
pub(super) fn open(path: &Path) -> Result<File, StoreError> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map_err(|source| StoreError::File { path: path.to_path_buf(), source })
}

/// The write-ahead log that belongs to the database at `path`.
pub(super) fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// The folder that a file lies in.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}
