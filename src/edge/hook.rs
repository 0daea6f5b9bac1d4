//! `POST /hooks/actito/{integration}`: what Actito tells us, taken in where it carries the secret.
//!
//! Nothing of a body is read before the secret is found right, and `200` is answered only when what was
//! said is on disk. What is in a body, and what becomes of it, is whose business the handle is ([`Take`]).

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{Answer, Edge, reply};

/// Where webhooks are sent; the name of an integration follows.
pub const HOOK_PATH: &str = "/hooks/actito/";

/// What carries the secret.
const SECRET: &str = "x-hook-secret";

/// Bytes of a body: 50 profiles, the most that Actito sends at once, with 5 kB each.
const LARGEST: usize = 256 << 10;

/// How long a body may take in all: Actito's come in one piece.
const BODY: Duration = Duration::from_secs(10);

/// Bodies in memory at once, 8 MiB in all: Actito sends a few, and clicks must not run out of memory.
const AT_ONCE: usize = 32;

/// Puts what a body says where it is not forgotten.
pub type Take = Box<dyn Fn(Bytes) -> Pin<Box<dyn Future<Output = Taken> + Send>> + Send + Sync>;

/// What became of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is on disk.
    Stored,
    /// Nobody wants to know: the integration is switched off.
    Dropped,
    /// It is no delivery of Actito's.
    Unreadable,
    /// It names more profiles than any delivery does.
    TooMany,
    /// It could not be kept; it may be sent again.
    NotStored,
}

/// The webhooks of one integration.
pub struct Hook {
    /// What they must carry.
    pub secret: Zeroizing<String>,
    /// What takes them in.
    pub take: Take,
}

/// The webhooks of all integrations.
pub struct Hooks {
    /// By the path that they are sent to.
    by_path: HashMap<String, Hook>,
    bodies: Semaphore,
}

impl Hooks {
    /// Each with its whole path, as it stands in a URL.
    pub fn new(by_path: HashMap<String, Hook>) -> Self {
        Self { by_path, bodies: Semaphore::new(AT_ONCE) }
    }

    async fn receive<B>(&self, request: &Parts, body: B) -> Outcome
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let Some(hook) = self.by_path.get(request.uri.path()) else { return Outcome::Unknown };
        if request.method != Method::POST {
            return Outcome::Method;
        }
        if !carries(&request.headers, &hook.secret) {
            return Outcome::Unauthorised;
        }
        let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
        if !request.headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
            return Outcome::Encoding;
        }
        if body.size_hint().lower() > LARGEST as u64 {
            return Outcome::TooLarge;
        }
        let Ok(_room) = self.bodies.try_acquire() else { return Outcome::Busy };
        match timeout(BODY, Limited::new(body, LARGEST).collect()).await {
            Ok(Ok(whole)) => (hook.take)(whole.to_bytes()).await.into(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Outcome::TooLarge,
            Ok(Err(_)) => Outcome::Broken,
            Err(_) => Outcome::TooSlow,
        }
    }
}

/// Whether the secret is there, once.
fn carries(headers: &HeaderMap, secret: &str) -> bool {
    let mut found = headers.get_all(SECRET).iter();
    match (found.next(), found.next()) {
        (Some(value), None) => value.as_bytes().ct_eq(secret.as_bytes()).into(),
        _ => false,
    }
}

/// How a webhook ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored,
    Dropped,
    Unknown,
    Method,
    Unauthorised,
    Encoding,
    TooLarge,
    TooSlow,
    Broken,
    Unreadable,
    Busy,
    NotStored,
}

impl Outcome {
    pub(super) const ALL: [Self; 12] = [
        Self::Stored,
        Self::Dropped,
        Self::Unknown,
        Self::Method,
        Self::Unauthorised,
        Self::Encoding,
        Self::TooLarge,
        Self::TooSlow,
        Self::Broken,
        Self::Unreadable,
        Self::Busy,
        Self::NotStored,
    ];

    /// A word for metrics.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Dropped => "dropped",
            Self::Unknown => "unknown",
            Self::Method => "method",
            Self::Unauthorised => "unauthorised",
            Self::Encoding => "encoding",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Broken => "broken",
            Self::Unreadable => "unreadable",
            Self::Busy => "busy",
            Self::NotStored => "not_stored",
        }
    }
}

impl From<Taken> for Outcome {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Stored => Self::Stored,
            Taken::Dropped => Self::Dropped,
            Taken::Unreadable => Self::Unreadable,
            Taken::TooMany => Self::TooLarge,
            Taken::NotStored => Self::NotStored,
        }
    }
}

impl Edge {
    /// Takes a webhook in.
    pub(super) async fn hook<B>(&self, request: &Parts, body: B) -> Answer
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let outcome = self.hooks.receive(request, body).await;
        self.metrics.webhooks.count(outcome.kind());
        reply::hook(outcome)
    }
}
