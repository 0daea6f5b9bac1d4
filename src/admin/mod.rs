//! The listener for operators: metrics, health, readiness. Never on the public side.
//!
//! `/healthz` and `/readyz` need no token, so that whatever supervises the process can ask them; all
//! else needs the bearer token. The `Host` must be an address, `localhost` or a configured name, so
//! that no web page can talk to it by a name of its own (DNS rebinding).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::listener::{self, Refusal};
use crate::metrics::Metrics;

type Answer = Response<Full<Bytes>>;

/// Whether clicks should be sent here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet.
    Starting,
    /// Yes.
    Ready,
    /// No longer.
    Draining,
}

/// A [`Readiness`] that is written by the app and read by whoever asks.
#[derive(Debug)]
pub struct ReadinessFlag(AtomicU8);

impl ReadinessFlag {
    /// Says how it stands now.
    pub fn store(&self, readiness: Readiness) {
        self.0.store(readiness as u8, Ordering::Relaxed);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Readiness::Ready as u8
    }
}

/// What the admin listener answers from.
#[derive(Debug)]
pub struct Admin {
    token: Zeroizing<String>,
    metrics: Metrics,
    hosts: Vec<String>,
    /// Written by the app at start and stop.
    pub readiness: ReadinessFlag,
}

impl Admin {
    /// `hosts` are the names, beside addresses and `localhost`, by which the listener may be called.
    pub fn new(token: Zeroizing<String>, metrics: Metrics, hosts: Vec<String>) -> Self {
        Self { token, metrics, hosts, readiness: ReadinessFlag(AtomicU8::new(Readiness::Starting as u8)) }
    }

    /// Answers one request.
    pub async fn answer(self: Arc<Self>, request: Parts) -> Answer {
        let host = match listener::admit(&request) {
            Ok(host) => host,
            Err(refusal) => return refused(refusal),
        };
        if !self.is_own_host(host) {
            return text(
                StatusCode::MISDIRECTED_REQUEST,
                "no such host here: use an address, localhost or a name in admin.hosts\n",
            );
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
        }
        match request.uri.path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" if self.readiness.is_ready() => text(StatusCode::OK, "ready\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            _ if !self.is_authorised(&request) => unauthorised(),
            "/metrics" => openmetrics(self.metrics.render()),
            _ => text(StatusCode::NOT_FOUND, "no such page\n"),
        }
    }

    fn is_own_host(&self, host: &str) -> bool {
        let name = host.parse::<http::uri::Authority>().map(|authority| authority.host().to_ascii_lowercase());
        name.is_ok_and(|name| {
            let literal = name.trim_start_matches('[').trim_end_matches(']');
            name == "localhost"
                || literal.parse::<IpAddr>().is_ok()
                || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(&name))
        })
    }

    fn is_authorised(&self, request: &Parts) -> bool {
        let value = request.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let token = value
            .split_at_checked(7)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
            .map(|(_, token)| token);
        token.is_some_and(|token| bool::from(token.ct_eq(self.token.as_bytes())))
    }
}

/// The end of a connection whose request cannot be trusted to be what it seems.
fn refused(refusal: Refusal) -> Answer {
    let mut answer = text(StatusCode::BAD_REQUEST, format!("bad request: {}\n", refusal.kind()));
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn unauthorised() -> Answer {
    let mut answer = text(StatusCode::UNAUTHORIZED, "expected Authorization: Bearer with the admin token\n");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

fn openmetrics(body: String) -> Answer {
    let mut answer = text(StatusCode::OK, body);
    let media_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, media_type);
    answer
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
