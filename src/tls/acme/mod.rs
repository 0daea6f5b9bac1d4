//! Certificates that are ordered and renewed by themselves (ACME, RFC 8555, by HTTP-01).
//!
//! One task, one domain after the other, in the order of the configuration. What is on disk is used
//! until something better is: a failed order changes nothing, is said, and is tried again later and
//! later. A certificate is on disk before it is in use.

mod call;
mod challenges;
mod disk;
mod order;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Certificate, CertificateError, Certificates};
use crate::backoff::Backoff;
use crate::clock::{self, Timestamp};
use crate::config::{self, ConfigError};

pub use challenges::Challenges;

use disk::Folder;

/// Of a certificate's life, how much passes before it is renewed; then there is a third left for
/// whatever fails.
const RENEWED_AFTER: f64 = 2.0 / 3.0;

/// By how much of its life a renewal may be earlier, so that many machines do not ask at once.
const JITTER: f64 = 0.05;

/// How long one order may take, all its attempts and waits included. An authority answers within seconds.
const ORDER: Duration = Duration::from_secs(300);

/// The longest wait without a look at the clock, which may be set, or stand still with the machine.
const LOOK: Duration = Duration::from_secs(3600);

/// The longest wait after failures. Let's Encrypt forgets failed orders after an hour.
const MAX_WAIT: Duration = Duration::from_secs(6 * 3600);

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The authority said no, or nothing.
    #[error(transparent)]
    Authority(#[from] instant_acme::Error),
    /// It wants another proof than the one that can be given.
    #[error("the authority offers no HTTP-01 challenge")]
    NoHttp01,
    /// It looked for the proof and did not find it.
    #[error("the authority does not take the proof: {0}")]
    Refused(String),
    /// What it made is not for this domain.
    #[error("the authority made a certificate for another domain")]
    OtherName,
    /// What it made cannot be used.
    #[error("the authority's certificate cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// No key, or no request for a certificate.
    #[error("no key: {0}")]
    Key(#[from] rcgen::Error),
    /// Nothing can be kept.
    #[error("{0}")]
    Disk(String),
    /// The whole order took too long.
    #[error("no certificate within {ORDER:?}")]
    Late,
}

impl AcmeError {
    /// Whether the authority has forgotten our account.
    fn is_of_unknown_account(&self) -> bool {
        self.problem() == Some("urn:ietf:params:acme:error:accountDoesNotExist")
    }

    /// Whether it says nothing about the next attempt: a nonce that was refused, a connection that broke.
    fn is_passing(&self) -> bool {
        let is_of_line = matches!(self, Self::Authority(instant_acme::Error::Other(_)));
        is_of_line || self.problem() == Some("urn:ietf:params:acme:error:badNonce")
    }

    /// What the authority calls it (RFC 8555, 6.7).
    fn problem(&self) -> Option<&str> {
        match self {
            Self::Authority(instant_acme::Error::Api(problem)) => problem.r#type.as_deref(),
            _ => None,
        }
    }

    /// A word for logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Authority(_) => "authority",
            Self::NoHttp01 => "no_http_01",
            Self::Refused(_) => "refused",
            Self::OtherName => "other_name",
            Self::Certificate(_) => "certificate",
            Self::Key(_) => "key",
            Self::Disk(_) => "disk",
            Self::Late => "late",
        }
    }
}

/// Orders that ended, for the metrics.
#[derive(Debug, Default)]
pub struct Orders {
    /// With a certificate in use.
    pub done: AtomicU64,
    /// Without one.
    pub failed: AtomicU64,
}

/// Orders and renews; made with everything that can fail at a start.
pub struct Acme {
    config: config::Acme,
    folder: Folder,
    call: call::Call,
    challenges: Challenges,
    certificates: Arc<Certificates>,
    orders: Arc<Orders>,
}

/// When a domain is looked at again.
struct Due {
    host: String,
    at: Timestamp,
    failures: u32,
}

impl Acme {
    /// Puts in use what is on disk, and makes ready to order the rest.
    ///
    /// # Errors
    /// The folder cannot be used, or the roots cannot be read.
    pub fn new(
        config: &config::Acme,
        challenges: Challenges,
        certificates: Arc<Certificates>,
        orders: Arc<Orders>,
    ) -> Result<Self, ConfigError> {
        let folder = Folder::open(config)?;
        for domain in &config.domains {
            match folder.certificate(&domain.value) {
                Ok(Some(certificate)) => certificates.put_ordered(&domain.value, &Arc::new(certificate)),
                Ok(None) => {}
                Err(error) => tracing::warn!(host = domain.value, %error, "a kept certificate cannot be used"),
            }
        }
        Ok(Self { call: call::Call::new(config)?, config: config.clone(), folder, challenges, certificates, orders })
    }

    /// Keeps every domain's certificate fresh until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep_fresh()).await.unwrap_or_default();
    }

    async fn keep_fresh(&self) {
        let mut all: Vec<Due> = self.config.domains.iter().map(|domain| self.first_due(&domain.value)).collect();
        // The first that is due, and of several the first in the configuration.
        while let Some(due) = all.iter_mut().min_by_key(|due| due.at) {
            let now = clock::now();
            if due.at > now {
                sleep(due.at.since(now).min(LOOK)).await;
                continue;
            }
            *due = self.renew(&due.host, due.failures).await;
        }
    }

    fn first_due(&self, host: &str) -> Due {
        let kept = self.certificates.ordered(host);
        let at = kept.map_or_else(clock::now, |kept| renewal(&kept));
        Due { host: host.to_owned(), at, failures: 0 }
    }

    async fn renew(&self, host: &str, failures: u32) -> Due {
        let ordered = timeout(ORDER, self.order(host)).await.unwrap_or(Err(AcmeError::Late));
        match ordered {
            Ok(certificate) => {
                self.orders.done.fetch_add(1, Ordering::Relaxed);
                // One that is due already was made by another clock than ours: no reason to order without an end.
                let at = renewal(&certificate).max(clock::now().after(self.config.retry));
                let until = certificate.not_after().rfc3339();
                tracing::info!(host, until, renewal = at.rfc3339(), "a new certificate is in use");
                Due { host: host.to_owned(), at, failures: 0 }
            }
            Err(error) => {
                self.orders.failed.fetch_add(1, Ordering::Relaxed);
                if error.is_of_unknown_account() {
                    self.folder.set_account_aside();
                }
                let failures = failures.saturating_add(1);
                let waits = Backoff { first: self.config.retry, max: MAX_WAIT, jitter: 0.5 };
                let at = clock::now().after(waits.delay(failures, fastrand::f64()));
                tracing::error!(host, kind = error.kind(), %error, again = at.rfc3339(), "no new certificate");
                Due { host: host.to_owned(), at, failures }
            }
        }
    }
}

/// When a certificate is to be replaced.
fn renewal(certificate: &Certificate) -> Timestamp {
    let life = certificate.not_after().since(certificate.not_before());
    certificate.not_before().after(life.mul_f64(RENEWED_AFTER - JITTER * fastrand::f64()))
}
