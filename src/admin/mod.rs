//! The listener for operators: metrics, health, readiness, and what newsletters ask for. Never on the
//! public side.
//!
//! `/healthz` and `/readyz` need no token, so that whatever supervises the process can ask them;
//! `/GetOrCreate` needs the key of an integration, all else the admin token. The `Host` must be an address, `localhost` or a configured name, so
//! that no web page can talk to it by a name of its own (DNS rebinding).
//!
//! Nothing here runs in the way of a click: what computes does so on threads of its own, at most
//! `limits::turns` of them, and what is in memory at once is bounded.

mod accept;
mod access;
mod activations;
mod answer;
mod body;
mod erasure;
mod error;
mod get_or_create;
mod inspect;
mod limits;
mod links;
mod newsletter;
mod query;
mod readiness;

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::authoring::Author;
use crate::listener;
use crate::metrics::Metrics;
use crate::overload::{Grade, Load};
use crate::rewrite::Report;

pub use activations::Activations;
pub use answer::{Answer, AnswerBody};
pub use erasure::{Erase, Erasing};
pub use get_or_create::IdDesk;
pub use readiness::{Readiness, ReadinessFlag};

use access::Access;
use body::Upload;
use error::Error;

/// Keeps what the links of a rewritten newsletter are called. Blocks on the disk; a failure is its own to tell.
pub type KeepLinks = Box<dyn Fn(&Report) + Send + Sync>;

/// Whom the API asks to do what it is asked for.
pub struct Handles {
    /// Swapped whole by whoever reloads keys; a request keeps the one it began with.
    pub author: Arc<ArcSwap<Author>>,
    /// For whoever counts clicks later.
    pub keep_links: KeepLinks,
    /// Forgets people.
    pub erase: Erase,
    /// One for each integration with a key for `GetOrCreate`.
    pub desks: Vec<IdDesk>,
    /// What activations are looked up and saved with.
    pub activations: Activations,
    /// How far the public listener is behind: what computes here waits for it.
    pub load: Arc<Load>,
}

/// What the admin listener answers from.
pub struct Admin {
    access: Access,
    metrics: Metrics,
    author: Arc<ArcSwap<Author>>,
    keep_links: Arc<KeepLinks>,
    erase: Erase,
    desks: Vec<Arc<IdDesk>>,
    load: Arc<Load>,
    activations: Activations,
    /// Written by the app at start and stop.
    pub readiness: ReadinessFlag,
    /// What may be in memory, in [`limits::MEMORY_UNIT`]s.
    memory: Arc<Semaphore>,
    /// Threads that may compute.
    turns: Arc<Semaphore>,
}

/// What a path asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Route {
    Health,
    Ready,
    Metrics,
    Rewrite,
    Links,
    Inspect,
    Erasures,
    GetOrCreate,
    Activations,
    Activation,
    Audiences,
    Unknown,
}

impl Route {
    fn of(path: &str) -> Self {
        match path {
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/v1/rewrite" => Self::Rewrite,
            "/v1/links" => Self::Links,
            "/v1/links/inspect" => Self::Inspect,
            "/v1/erasures" => Self::Erasures,
            "/GetOrCreate" => Self::GetOrCreate,
            "/v1/activations" => Self::Activations,
            "/v1/audiences" => Self::Audiences,
            path if path.starts_with("/v1/activations/") => Self::Activation,
            _ => Self::Unknown,
        }
    }

    /// Whether it takes a processor for longer than a click does.
    fn computes(self) -> bool {
        matches!(self, Self::Rewrite | Self::Links | Self::Inspect)
    }

    /// What `Allow` says, when it is not `method`.
    fn check(self, method: &Method) -> Result<(), Error> {
        match self {
            Self::Health | Self::Ready | Self::Metrics | Self::Audiences
                if !matches!(*method, Method::GET | Method::HEAD) =>
            {
                Err(Error::Method("GET, HEAD"))
            }
            Self::Rewrite | Self::Links | Self::Inspect | Self::Erasures | Self::GetOrCreate
                if *method != Method::POST =>
            {
                Err(Error::Method("POST"))
            }
            Self::Activations if !matches!(*method, Method::GET | Method::HEAD | Method::POST) => {
                Err(Error::Method("GET, HEAD, POST"))
            }
            Self::Activation if !matches!(*method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE) => {
                Err(Error::Method("GET, HEAD, PUT, DELETE"))
            }
            _ => Ok(()),
        }
    }
}

impl Admin {
    /// `hosts` are the names, beside addresses and `localhost`, by which the listener may be called.
    pub fn new(token: Zeroizing<String>, metrics: Metrics, hosts: Vec<String>, handles: Handles) -> Self {
        let Handles { author, keep_links, erase, desks, activations, load } = handles;
        Self {
            access: Access { token, hosts },
            metrics,
            author,
            keep_links: Arc::new(keep_links),
            erase,
            desks: desks.into_iter().map(Arc::new).collect(),
            load,
            activations,
            readiness: ReadinessFlag::starting(),
            memory: Arc::new(Semaphore::new(limits::MEMORY / limits::MEMORY_UNIT)),
            turns: Arc::new(Semaphore::new(limits::turns())),
        }
    }

    /// Answers one request.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (request, body) = request.into_parts();
        let host = match listener::admit(&request) {
            Ok(host) => host,
            Err(refusal) => return answer::refused(refusal),
        };
        let mut body = Some(Upload::new(body));
        let answer = match self.access.is_own_host(host) {
            true => self.route(&request, &mut body).await,
            false => Err(Error::Misdirected),
        };
        // A client that asked before it sends is told; what it did not send needs no throwing away.
        let waits = request.headers.contains_key(http::header::EXPECT);
        if let Some(rest) = body.filter(|_| !waits) {
            rest.discard();
        }
        match answer {
            Ok(answer) => answer,
            Err(error) if request.uri.path().starts_with("/v1/") => answer::failed(&error),
            Err(error) => answer::failed_in_text(&error),
        }
    }

    /// `body` is left where nobody took it.
    async fn route(&self, request: &Parts, body: &mut Option<Upload>) -> Result<Answer, Error> {
        let route = Route::of(request.uri.path());
        let has_own_key = matches!(route, Route::Health | Route::Ready | Route::GetOrCreate);
        if !has_own_key && !self.access.is_authorised(request) {
            return Err(Error::Unauthorised);
        }
        route.check(&request.method)?;
        if route.computes() && self.load.is(Grade::Shedding) {
            return Err(Error::Overloaded);
        }
        match route {
            Route::Health => Ok(answer::text(StatusCode::OK, "ok\n")),
            Route::Ready if self.readiness.is_ready() => Ok(answer::text(StatusCode::OK, "ready\n")),
            Route::Ready => Ok(answer::text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")),
            Route::Metrics => Ok(answer::openmetrics(self.metrics.render())),
            Route::Rewrite => self.rewrite(request, body).await,
            Route::Links => self.links(request, body).await,
            Route::Inspect => self.inspect(request, body).await,
            Route::Erasures => self.erasure(request, body).await,
            Route::GetOrCreate => self.get_or_create(request, body).await,
            Route::Activations => self.activations(request, body).await,
            Route::Activation => self.activation(request, body).await,
            Route::Audiences => self.audiences().await,
            Route::Unknown => Err(Error::NotFound),
        }
    }

    /// The right to have so many bytes in memory; all of it is enough for everything.
    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        let units = bytes.min(limits::MEMORY).div_ceil(limits::MEMORY_UNIT).max(1);
        let units = u32::try_from(units).map_err(|_| Error::Internal)?;
        let room = timeout(limits::WAIT, self.memory.clone().acquire_many_owned(units)).await;
        room.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)
    }

    /// Computes on a thread that no click waits for.
    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        compute(self.turns.clone(), work).await
    }
}

/// Computes when it is its turn. A turn ends with the work, even when nobody waits for it any more.
async fn compute<T: Send + 'static>(
    turns: Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let turn = turns.acquire_owned().await.map_err(|_| Error::Internal)?;
    let work = move || {
        let done = work();
        drop(turn);
        done
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a request of the admin listener broke");
        Error::Internal
    })
}
