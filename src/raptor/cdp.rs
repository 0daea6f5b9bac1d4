//! Raptor's CDP API: which audiences there are, who is in one, and who came and went since.
//!
//! Promises: a failure that may pass is tried again a bounded number of times; what broke off is never taken for
//! whole; a membership goes to a nameless file on disk, so that any number of members takes no memory; no error
//! text holds a URL, an address or an id of a person.

use std::fs::File;
use std::io::{BufReader, Seek as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use url::Url;

use super::cdp_wire::{self as wire, Audience, Change};
use crate::backoff::Backoff;
use crate::config::{self, CdpAuth};
use crate::outbound::{self, Options, OutboundError};

/// A membership of millions takes minutes; what takes longer than this has stopped.
const TOTAL: Duration = Duration::from_secs(900);

/// A list of audiences: a hundred thousand of them.
const LARGEST_LIST: usize = 16 << 20;

/// One page of changes, about 80,000 of them: it is kept in memory twice, as it came and as it was read.
const LARGEST_CHANGES: usize = 8 << 20;

/// Pages of changes: pages so small that these are too few cost more calls than the memberships.
const MOST_PAGES: usize = 1000;

/// A membership on disk: thirty million people.
const LARGEST_MEMBERSHIP: u64 = 4 << 30;

/// How much of it is written until it is looked again whether there is room.
const LOOK_EVERY: u64 = 16 << 20;

/// More changes than this are not cheaper than the memberships themselves; each takes about 100 bytes of memory.
const MOST_CHANGES: usize = 200_000;

/// A call is tried this often: with the waits below about 8 s. What lasts longer is for the next run.
const ATTEMPTS: u32 = 5;

const RETRY: Backoff = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(30), jitter: 0.5 };

/// No wait that Raptor asks for is longer.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Why the CDP did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum CdpError {
    /// The API key is refused.
    #[error("the CDP API refuses the API key ({0}): expected one that may read audiences")]
    Key(u16),
    /// A status that is no success.
    #[error("the CDP API answered {status} to {call}")]
    Status {
        /// What was asked.
        call: &'static str,
        /// What it answered.
        status: u16,
        /// How long to wait, if it said.
        after: Option<Duration>,
    },
    /// There is no such audience, or its changes are not kept for so long.
    #[error("the CDP API no longer has {0}")]
    Gone(&'static str),
    /// No answer, or one that broke off.
    #[error("no answer of the CDP API to {call}: {reason}")]
    Transport {
        /// What was asked.
        call: &'static str,
        /// What happened.
        reason: &'static str,
    },
    /// A body that is something else.
    #[error("the CDP API answered {call} with something that cannot be read: expected {expected}")]
    Unreadable {
        /// What was asked.
        call: &'static str,
        /// What should have come.
        expected: &'static str,
    },
    /// The disk refuses.
    #[error("cannot keep an answer of the CDP API on disk: {0}")]
    File(#[from] std::io::Error),
    /// TLS cannot be set up.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

impl CdpError {
    /// A stable word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "cdp_key",
            Self::Status { .. } => "cdp_status",
            Self::Gone(_) => "cdp_gone",
            Self::Transport { reason, .. } => reason,
            Self::Unreadable { .. } => "cdp_unreadable",
            Self::File(_) => "file",
            Self::Outbound(error) => error.kind(),
        }
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::Transport { reason, .. } => *reason != "private_address",
            _ => false,
        }
    }
}

/// Raptor's CDP API.
#[derive(Debug)]
pub struct Cdp {
    http: reqwest::Client,
    base: Url,
    auth: (HeaderName, HeaderValue),
    calls: AtomicU64,
    bytes: AtomicU64,
}

/// The members of one audience, on disk.
#[derive(Debug)]
pub struct Membership(File);

/// Says whether more may be written to a folder.
pub type Room = fn(&Path) -> std::io::Result<()>;

impl Membership {
    /// Tells `each` the identifiers of these types of each member, where it has them; returns the sequence number. Blocks.
    ///
    /// # Errors
    /// The body is no membership, or what `each` failed with.
    pub fn read(
        &mut self,
        types: [&str; 2],
        each: &mut dyn FnMut([Option<&str>; 2]) -> std::io::Result<()>,
    ) -> Result<u64, CdpError> {
        self.0.rewind()?;
        let mut failed = None;
        let mut noting = |who: [Option<&str>; 2]| {
            each(who).map_err(|error| {
                let kind = error.kind();
                failed = Some(error);
                kind.into()
            })
        };
        let read = wire::membership(BufReader::with_capacity(1 << 16, &self.0), types, &mut noting);
        match (read, failed) {
            (_, Some(error)) => Err(error.into()),
            (Ok(sequence), None) => Ok(sequence),
            (Err(_), None) => {
                Err(CdpError::Unreadable { call: "membership", expected: "sequenceNumber and all profiles" })
            }
        }
    }
}

impl Cdp {
    /// A client with this key.
    ///
    /// # Errors
    /// TLS cannot be set up, or the key is none that a header can hold.
    pub fn new(settings: &config::Cdp, key: &str) -> Result<Self, CdpError> {
        let options = Options { connect: Duration::from_secs(10), total: TOTAL, allow_private: settings.allow_private };
        let (name, value) = match settings.auth {
            CdpAuth::XApiKey => (HeaderName::from_static("x-api-key"), key.to_owned()),
            CdpAuth::Bearer => (AUTHORIZATION, format!("Bearer {key}")),
        };
        let mut value = HeaderValue::try_from(value).map_err(|_| CdpError::Key(0))?;
        value.set_sensitive(true);
        Ok(Self {
            http: outbound::client(&settings.url, options)?,
            base: settings.url.clone(),
            auth: (name, value),
            calls: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    /// Calls so far, and the bytes of their answers.
    pub fn spent(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// All audiences: the whole list or none.
    ///
    /// # Errors
    /// As [`CdpError`] says.
    pub async fn audiences(&self) -> Result<Vec<Audience>, CdpError> {
        let body = self.get("audiences", self.url(&wire::AUDIENCES, &[]), LARGEST_LIST).await?;
        let expected = "the whole list of audiences, each with id and name";
        wire::audiences(&body).ok_or(CdpError::Unreadable { call: "audiences", expected })
    }

    /// What kinds of identifiers there are.
    ///
    /// # Errors
    /// As [`CdpError`] says.
    pub async fn identifiers(&self) -> Result<Vec<String>, CdpError> {
        let body = self.get("identifiers", self.url(&wire::IDENTIFIERS, &[]), LARGEST_LIST).await?;
        let read: Result<wire::Identifiers, _> = serde_json::from_slice(&body);
        let expected = "identifiers, each with identifierType";
        let read = read.map_err(|_| CdpError::Unreadable { call: "identifiers", expected })?;
        Ok(read.identifiers.into_iter().map(|it| it.identifier_type).collect())
    }

    /// Who is in an audience, kept in `folder` without a name, as long as there is `room`.
    ///
    /// # Errors
    /// As [`CdpError`] says.
    pub async fn membership(&self, audience: &str, folder: &Path, room: Room) -> Result<Membership, CdpError> {
        let url = self.url(&wire::MEMBERSHIP, &[audience]);
        let mut failures = 0;
        loop {
            match self.to_disk(url.clone(), folder, room).await {
                Err(error) if wait_to_retry(&error, &mut failures).await => {}
                settled => return settled.map(Membership),
            }
        }
    }

    /// Tells `each` everything that changed since then, oldest first, for members who have an identifier of this type;
    /// returns where the next ones begin, or `None` when that is too long ago, or more than is worth it. Without a
    /// number what was told is no whole.
    ///
    /// # Errors
    /// As [`CdpError`] says.
    pub async fn changes(
        &self,
        identifier_type: &str,
        since: u64,
        each: &mut (dyn FnMut(Change) + Send),
    ) -> Result<Option<u64>, CdpError> {
        let (mut sequence, mut count) = (since, 0);
        for _ in 0..MOST_PAGES {
            let mut url = self.url(&wire::MEMBERSHIP, &[wire::CHANGES, identifier_type]);
            url.query_pairs_mut().append_pair(wire::SINCE, &sequence.to_string());
            let body = match self.get("changes", url, LARGEST_CHANGES).await {
                Err(CdpError::Gone(_)) => return Ok(None),
                settled => settled?,
            };
            let read: Result<wire::Changes, _> = serde_json::from_slice(&body);
            let expected = "sequenceNumber and changes";
            let page = read.map_err(|_| CdpError::Unreadable { call: "changes", expected })?;
            // Numbers that went back are those of another history; more without an end has none.
            let stands_still = page.more && page.sequence_number <= sequence;
            if page.sequence_number < sequence || stands_still || !page.are_whole() {
                return Ok(None);
            }
            count += page.changes.len();
            if count > MOST_CHANGES {
                return Ok(None);
            }
            sequence = page.sequence_number;
            page.changes.into_iter().for_each(&mut *each);
            if !page.more {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }

    fn url(&self, path: &[&str], more: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path).extend(more);
        }
        url
    }

    async fn get(&self, call: &'static str, url: Url, limit: usize) -> Result<Vec<u8>, CdpError> {
        let mut failures = 0;
        loop {
            match self.in_memory(call, url.clone(), limit).await {
                Err(error) if wait_to_retry(&error, &mut failures).await => {}
                settled => return settled,
            }
        }
    }

    async fn in_memory(&self, call: &'static str, url: Url, limit: usize) -> Result<Vec<u8>, CdpError> {
        let (mut answer, mut body) = (self.send(call, url).await?, Vec::new());
        while let Some(chunk) = self.chunk(call, &mut answer).await? {
            if body.len() + chunk.len() > limit {
                return Err(CdpError::Unreadable { call, expected: "a shorter answer" });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn to_disk(&self, url: Url, folder: &Path, room: Room) -> Result<File, CdpError> {
        let call = "membership";
        let (mut answer, mut file) = (self.send(call, url).await?, tempfile::tempfile_in(folder)?);
        let (mut length, mut looked): (u64, Option<u64>) = (0, None);
        while let Some(chunk) = self.chunk(call, &mut answer).await? {
            length += chunk.len() as u64;
            if length > LARGEST_MEMBERSHIP {
                return Err(CdpError::Unreadable { call, expected: "a shorter answer" });
            }
            if looked.replace(length / LOOK_EVERY) != Some(length / LOOK_EVERY) {
                room(folder)?;
            }
            let writing = tokio::task::spawn_blocking(move || file.write_all(&chunk).map(|()| file));
            file = writing.await.map_err(std::io::Error::other)??;
        }
        Ok(file)
    }

    async fn chunk(&self, call: &'static str, answer: &mut Response) -> Result<Option<bytes::Bytes>, CdpError> {
        let chunk = answer.chunk().await;
        let chunk = chunk.map_err(|error| CdpError::Transport { call, reason: outbound::reason(&error) })?;
        self.bytes.fetch_add(chunk.as_ref().map_or(0, bytes::Bytes::len) as u64, Ordering::Relaxed);
        Ok(chunk)
    }

    async fn send(&self, call: &'static str, url: Url) -> Result<Response, CdpError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (name, value) = self.auth.clone();
        let sent = self.http.get(url).header(name, value).send().await;
        let answer = sent.map_err(|error| CdpError::Transport { call, reason: outbound::reason(&error) })?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(CdpError::Key(status.as_u16())),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(CdpError::Gone(call)),
            status => Err(CdpError::Status { call, status: status.as_u16(), after: retry_after(&answer) }),
        }
    }
}

/// Whether a call is worth another attempt; waits until then.
async fn wait_to_retry(error: &CdpError, failures: &mut u32) -> bool {
    *failures += 1;
    if !error.may_pass() || *failures == ATTEMPTS {
        return false;
    }
    tracing::debug!(kind = error.kind(), failures, "a call to the CDP failed, trying again");
    let asked = match error {
        CdpError::Status { after, .. } => *after,
        _ => None,
    };
    tokio::time::sleep(asked.unwrap_or_else(|| RETRY.delay(*failures, fastrand::f64()))).await;
    true
}

/// Only seconds are understood: a date would trust two clocks.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}
