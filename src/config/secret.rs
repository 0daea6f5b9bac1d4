//! Secrets: named in the configuration, never written there.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{ConfigError, Place};

/// The largest secret file that is read: a secret is a line, and this bounds a mistaken path.
const MAX_LEN: u64 = 16 * 1024;

/// The least of a secret that strangers may try: 16 random characters are 64 bits and more.
const STRONG: usize = 16;

/// Where a secret is found: `{ file = "…" }` or `{ env = "…" }`.
#[derive(Clone, Debug)]
pub struct SecretSource {
    pub(super) origin: Origin,
    /// Somewhere else: what holds a secret is held by much.
    pub(super) place: Box<Place>,
}

#[derive(Clone, Debug)]
pub(super) enum Origin {
    File(PathBuf),
    Env(String),
}

impl SecretSource {
    /// Reads the secret, without the line break at its end.
    ///
    /// # Errors
    /// It is missing, empty, or readable by everybody on this machine; says where it was named.
    pub fn read(&self) -> Result<Zeroizing<String>, ConfigError> {
        let text = match &self.origin {
            Origin::File(path) => read_file(path).map_err(|message| self.place.complain(message))?,
            Origin::Env(name) => Zeroizing::new(std::env::var(name).map_err(|_| {
                self.place.complain(format!("expected a secret in the environment variable {name}, found none"))
            })?),
        };
        let text = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
        if text.is_empty() {
            return Err(self.complain("expected a secret, found nothing"));
        }
        Ok(text)
    }

    /// Reads a secret that comes in a header of requests from outside.
    ///
    /// # Errors
    /// As for [`read`](Self::read), and when it is short or cannot stand in a header.
    pub fn read_strong(&self) -> Result<Zeroizing<String>, ConfigError> {
        let secret = self.read()?;
        if secret.len() < STRONG || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(self.complain(format!("expected {STRONG} or more letters, digits and signs, without spaces")));
        }
        Ok(secret)
    }

    /// A complaint about the secret.
    pub fn complain(&self, message: impl Into<String>) -> ConfigError {
        self.place.complain(message)
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self.origin, Origin::File(_))
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let shown = path.display();
    let cannot = |e: std::io::Error| format!("cannot read the secret file {shown}: {e}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mode = file.metadata().map_err(cannot)?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(format!("the secret file {shown} is open to everybody (mode {:04o}): chmod 600 it", mode & 0o7777));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_LEN).read_to_string(&mut text).map_err(cannot)?;
    Ok(text)
}
