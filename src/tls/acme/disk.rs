//! What is kept: the account, and each domain's certificate with its key, one file each, mode 0600.
//!
//! A file is written beside its place, synced and moved there: a crash leaves the one before or the
//! new one. Their names tell authorities apart, so that a trial with one leaves nothing for another.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use instant_acme::AccountCredentials;
use ring::digest::{SHA256, digest};

use super::AcmeError;
use crate::config::{Acme, ConfigError, Place};
use crate::tls::{Certificate, CertificateError};

/// The folder `edge.acme.path`.
pub(super) struct Folder {
    path: PathBuf,
    /// Tells one authority's files from another's.
    authority: String,
}

impl Folder {
    pub(super) fn open(config: &Acme) -> Result<Self, ConfigError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&config.path);
        made.map_err(|e| Place::of_file(&config.path).complain(format!("cannot make this folder: {e}")))?;
        let hash = digest(&SHA256, config.directory.as_str().as_bytes());
        let authority = hash.as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path: config.path.clone(), authority })
    }

    /// The kept certificate of a host.
    pub(super) fn certificate(&self, host: &str) -> Result<Option<Certificate>, CertificateError> {
        let Ok(text) = fs::read(self.of_host(host)) else { return Ok(None) };
        Certificate::from_pem(&text, &text).map(Some)
    }

    /// After this returns the certificate outlives a crash.
    pub(super) fn keep_certificate(&self, host: &str, chain: &str, key: &str) -> Result<(), AcmeError> {
        self.keep(self.of_host(host), format!("{key}{chain}").as_bytes())
    }

    /// The kept account; None when there is none that can be used.
    pub(super) fn account(&self) -> Option<AccountCredentials> {
        let text = fs::read(self.of_account()).ok()?;
        let account = serde_json::from_slice(&text);
        account.inspect_err(|error| tracing::warn!(%error, "the kept account cannot be used: a new one is made")).ok()
    }

    pub(super) fn keep_account(&self, account: &AccountCredentials) -> Result<(), AcmeError> {
        let text = serde_json::to_vec(account).map_err(|error| AcmeError::Disk(error.to_string()))?;
        self.keep(self.of_account(), &text)
    }

    /// The next order makes a new one.
    pub(super) fn set_account_aside(&self) {
        let (from, to) = (self.of_account(), self.of_account().with_extension("forgotten"));
        if let Err(error) = fs::rename(&from, &to) {
            tracing::warn!(%error, "the account that the authority does not know any more stays in use");
        }
    }

    fn of_host(&self, host: &str) -> PathBuf {
        self.path.join(format!("{host}-{}.pem", self.authority))
    }

    fn of_account(&self) -> PathBuf {
        self.path.join(format!("account-{}.json", self.authority))
    }

    fn keep(&self, path: PathBuf, bytes: &[u8]) -> Result<(), AcmeError> {
        let keep = || -> io::Result<()> {
            let beside = path.with_extension("new");
            // One that a crash left may have other rights.
            drop(fs::remove_file(&beside));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(&self.path)?.sync_all()
        };
        keep().map_err(|error| AcmeError::Disk(format!("cannot keep {}: {error}", path.display())))
    }
}
