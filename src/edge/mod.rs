//! The public listener: answers clicks and opens, takes webhooks in, and does nothing that could keep a person
//! from landing.
//!
//! A request reads top to bottom in [`Edge::answer`]: admission, host, route, handler, response. The
//! hot path changes three things alone: the per-thread cache of opened tokens (`opener`), the
//! counters (`metrics`) and the recorder's queue.

mod agent;
mod click;
mod cookies;
mod hook;
mod limiter;
mod metrics;
mod opener;
mod pixel;
mod plain;
mod recorded;
mod remembered;
mod response;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body_util::Full;
use hyper::body::Body;

use crate::links::{CLICK_PATH, PIXEL_PATH, Policy};
use crate::listener::{self, Network, Peer, Proxies, Refusal};
use crate::overload::{Grade, Load};
use crate::tracking::{Event, Kind, Recorder};

pub use agent::{Agents, AgentsError, OwnAgents};
pub use hook::{HOOK_PATH, Hook, Hooks, Take, Taken};
pub use limiter::EventLimit;
pub use metrics::EdgeMetrics;
pub use opener::open_link;

use response as reply;

/// Why an event is not recorded: its address had its share.
const ADDRESS_LIMIT: &str = "address_limit";

/// Why an open is not recorded: clicks come first.
const OVERLOAD: &str = "overload";

/// An answer of the public listener.
pub type Answer = Response<Full<Bytes>>;

/// What an authority that makes certificates must find under a token of ours, if there is such a token.
pub type Challenge = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

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
    /// Knows what kind of program asks.
    pub agents: Agents,
    /// Proves to an authority that this is the domain.
    pub challenge: Option<Challenge>,
    /// `Strict-Transport-Security`, for answers over TLS.
    pub hsts: Option<HeaderValue>,
    /// How many events one address may record; None for no limit.
    pub event_limit: Option<EventLimit>,
    /// Whose word is taken for who asks.
    pub proxies: Arc<Proxies>,
    /// How far the work is behind.
    pub load: Arc<Load>,
    /// Counts.
    pub metrics: EdgeMetrics,
}

/// The path before the token of a challenge (RFC 8555, 8.3).
const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";

/// What a path asks for.
enum Route<'a> {
    Click(&'a str),
    Pixel(&'a str),
    Hook,
    Challenge(&'a str),
    Health,
    Robots,
    Unknown,
}

impl Edge {
    /// Answers one request. No `body` is read but that of a webhook with the right secret.
    pub async fn answer<B>(self: Arc<Self>, request: Parts, peer: Peer, body: B) -> Answer
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let host = match listener::admit(&request) {
            Ok(host) => host,
            Err(refusal) => return self.refuse(refusal),
        };
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        let route = route(request.uri.path());
        if is_read && let Some(answer) = self.answer_any_host(&route, &request.method) {
            return answer;
        }
        let policy = self.policy.load_full();
        let Some(domain) = policy.domains.of_host(host) else {
            return self.misdirected(host);
        };
        if !matches!(route, Route::Click(_) | Route::Pixel(_)) && self.load.is(Grade::Refusing) {
            self.metrics.overloaded.inc();
            return reply::overloaded();
        }
        if matches!(route, Route::Hook) {
            return self.hook(&request, body).await;
        }
        if !is_read {
            return reply::method_not_allowed();
        }
        match route {
            Route::Click(token) => self.click(&policy, domain, &request, peer, token).await,
            Route::Pixel(token) => self.pixel(&policy, &request, peer, token).await,
            Route::Robots => reply::robots(&request.method),
            Route::Challenge(_) | Route::Health | Route::Hook | Route::Unknown => reply::not_found(&request.method),
        }
    }

    /// What does not depend on the host that was asked.
    fn answer_any_host(&self, route: &Route<'_>, method: &Method) -> Option<Answer> {
        match route {
            Route::Health => Some(reply::health(method)),
            Route::Challenge(token) => Some(reply::challenge(self.challenge.as_ref()?(token)?, method)),
            _ => None,
        }
    }

    /// After this returns the event is on disk, or `commit_wait` is over; the recorder counts which.
    async fn record(&self, request: &Parts, peer: Peer, event: Event) {
        if let Some(reason) = self.passes_over(request, peer, &event) {
            return self.metrics.not_recorded.count(reason);
        }
        self.recorder.record(event).on_disk(self.commit_wait).await;
    }

    /// Why this event is not recorded, when it is not. Nothing is kept of the address but how much it may.
    fn passes_over(&self, request: &Parts, Peer(peer): Peer, event: &Event) -> Option<&'static str> {
        if event.kind == Kind::Open && self.load.is(Grade::Refusing) {
            return Some(OVERLOAD);
        }
        let limit = self.event_limit.as_ref()?;
        let client = Network::of(self.proxies.client(peer, &request.headers));
        (!limit.admits(client, Instant::now())).then_some(ADDRESS_LIMIT)
    }

    fn refuse(&self, refusal: Refusal) -> Answer {
        self.metrics.refused.count(refusal.kind());
        reply::refused(refusal)
    }

    fn misdirected(&self, host: &str) -> Answer {
        if !listener::is_host(host) {
            return self.refuse(Refusal::Host);
        }
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
    if let Some(token) = path.strip_prefix(CHALLENGE_PATH) {
        return Route::Challenge(token);
    }
    match path {
        "/healthz" => Route::Health,
        "/robots.txt" => Route::Robots,
        _ => Route::Unknown,
    }
}

/// Global Privacy Control.
static SEC_GPC: HeaderName = HeaderName::from_static("sec-gpc");

/// Whether the person asks by Global Privacy Control not to be tracked, whatever the configuration makes of it.
fn asks_not_to(headers: &HeaderMap) -> bool {
    headers.get(&SEC_GPC).is_some_and(|value| value == "1")
}

/// Whether the person is nobody because of that.
fn declines(policy: &Policy, headers: &HeaderMap) -> bool {
    policy.respect_gpc && asks_not_to(headers)
}
