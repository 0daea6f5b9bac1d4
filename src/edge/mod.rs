//! The public listener: answers clicks and opens, takes webhooks in, and does nothing that could keep a person
//! from landing.
//!
//! A request reads top to bottom in [`Edge::answer`]: admission, host, route, handler, response. The
//! hot path changes three things alone: the per-thread cache of opened tokens (`opener`), the
//! counters (`metrics`) and the recorder's queue.

mod agent;
mod click;
mod hook;
mod metrics;
mod opener;
mod pixel;
mod recorded;
mod response;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use http_body_util::Full;
use hyper::body::Body;

use crate::links::{CLICK_PATH, PIXEL_PATH, Policy};
use crate::listener::{self, Refusal};
use crate::tracking::{Event, Recorder};

pub use hook::{HOOK_PATH, Hook, Hooks, Take, Taken};
pub use metrics::EdgeMetrics;
pub use opener::open_link;

use response as reply;

/// An answer of the public listener.
pub type Answer = Response<Full<Bytes>>;

/// What a request is answered with.
pub struct Edge {
    /// Swapped whole by whoever reloads keys or configuration; a request keeps the one it began with.
    pub policy: ArcSwap<Policy>,
    /// Where events go.
    pub recorder: Recorder,
    /// How long a click waits for its event to be on disk.
    pub commit_wait: Duration,
    /// Who takes webhooks in.
    pub hooks: Hooks,
    /// Counts.
    pub metrics: EdgeMetrics,
}

/// What a path asks for.
enum Route<'a> {
    Click(&'a str),
    Pixel(&'a str),
    Hook,
    Health,
    Robots,
    Unknown,
}

impl Edge {
    /// Answers one request. No `body` is read but that of a webhook with the right secret.
    pub async fn answer<B>(self: Arc<Self>, request: Parts, body: B) -> Answer
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let host = match listener::admit(&request) {
            Ok(host) => host,
            Err(refusal) => return self.refuse(refusal),
        };
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        let route = route(request.uri.path());
        if is_read && matches!(route, Route::Health) {
            return reply::health(&request.method);
        }
        let policy = self.policy.load_full();
        if !policy.domain.is_host(host) {
            return if listener::is_host(host) { self.misdirected() } else { self.refuse(Refusal::Host) };
        }
        if matches!(route, Route::Hook) {
            return self.hook(&request, body).await;
        }
        if !is_read {
            return reply::method_not_allowed();
        }
        match route {
            Route::Click(token) => self.click(&policy, &request, token).await,
            Route::Pixel(token) => self.pixel(&policy, &request, token).await,
            Route::Robots => reply::robots(&request.method),
            Route::Health | Route::Hook | Route::Unknown => reply::not_found(&request.method),
        }
    }

    /// After this returns the event is on disk, or `commit_wait` is over; the recorder counts which.
    async fn record(&self, event: Event) {
        self.recorder.record(event).on_disk(self.commit_wait).await;
    }

    fn refuse(&self, refusal: Refusal) -> Answer {
        self.metrics.refused.count(refusal.kind());
        reply::refused(refusal)
    }

    fn misdirected(&self) -> Answer {
        self.metrics.misdirected.inc();
        reply::misdirected()
    }
}

fn route(path: &str) -> Route<'_> {
    if let Some(token) = path.strip_prefix(CLICK_PATH) {
        return Route::Click(token);
    }
    if let Some(token) = path.strip_prefix(PIXEL_PATH) {
        return Route::Pixel(token);
    }
    if path.starts_with(HOOK_PATH) {
        return Route::Hook;
    }
    match path {
        "/healthz" => Route::Health,
        "/robots.txt" => Route::Robots,
        _ => Route::Unknown,
    }
}

/// Whether the person asked by Global Privacy Control to be nobody.
fn declines(policy: &Policy, headers: &HeaderMap) -> bool {
    policy.respect_gpc && headers.get("sec-gpc").is_some_and(|value| value == "1")
}
