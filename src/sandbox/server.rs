//! The listener: accepts, serves HTTP/1.1, routes by path, drains on stop.
//!
//! Its limits protect the machine it runs on, not a public service: generous, but finite.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::reply::{self, Dropped, Reply};
use super::{State, actito, cdp, control, newsletter, raptor, shop, wrapper};

/// Connections at once: more than any client of ours opens, fewer than the usual limit on files.
const MAX_CONNECTIONS: usize = 800;
/// Time for a request's headers, and how long a connection may idle between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest request body: a profile or a fault is far below.
const MAX_BODY: usize = 256 * 1024;
/// Most that is read of a refused request's body: an import and a little.
const MAX_DRAINED: usize = 128 * 1024 * 1024;
/// Buffer for a request's head, and so the longest URL: above any edge's own limit.
const MAX_HEAD: usize = 64 * 1024;
/// Headers in a request.
const MAX_HEADERS: usize = 64;
/// Pause after a failed accept, so that a full table of files does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What requests under way get after the stop.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves until `stop`, then drains.
pub(super) async fn run(listener: TcpListener, state: Arc<State>, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    while let Some((stream, permit)) = next(&listener, &permits, &stop).await {
        connections.spawn(connection(stream, permit, Arc::clone(&state), stop.clone()));
    }
    drop(listener);
    state.stopping.cancel();
    connections.close();
    connections.wait().await;
    state.background.close();
    // Whatever takes longer has seen the stop and changes nothing any more.
    let _ = tokio::time::timeout(DRAIN, state.background.wait()).await;
}

/// The next connection with its permit; `None` once `stop` is cancelled.
async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accepted = async {
        let permit = Arc::clone(permits).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, permit)),
                Err(error) => {
                    tracing::warn!(kind = ?error.kind(), "sandbox: accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        connection = accepted => connection,
    }
}

/// One connection from its first byte to its last. A failure of it is the client's to notice.
async fn connection(stream: TcpStream, permit: OwnedSemaphorePermit, state: Arc<State>, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { answer(&state, request).await }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    server.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    let mut serving = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = serving.as_mut() => {}
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(DRAIN, serving).await;
        }
    }
    drop(permit);
}

/// Who answers a path. What belongs to nobody is a page of the shop.
async fn answer(state: &Arc<State>, request: Request<Incoming>) -> Result<Reply, Dropped> {
    let path = request.uri().path();
    match path.split('/').nth(1).unwrap_or_default() {
        "sandbox" if path.starts_with("/sandbox/newsletter/") => Ok(newsletter::answer(state, &request)),
        "sandbox" => Ok(control::answer(state, request).await),
        "wrap" => Ok(wrapper::answer(&request)),
        "api" if path.starts_with("/api/v3/") => cdp::answer(state, &request).await,
        first if raptor::is_tracking(first) => raptor::answer(state, &request).await,
        first if actito::is_actito(first) => actito::answer(state, request).await,
        _ => shop::answer(state, &request).await,
    }
}

/// Reads and forgets the request's body, so that a client that is still sending hears the answer.
pub(super) async fn drain(request: Request<Incoming>) {
    let mut body = Limited::new(request.into_body(), MAX_DRAINED);
    let drained = async { while let Some(Ok(_)) = body.frame().await {} };
    // Whoever sends more, or slower, may lose the answer.
    let _ = tokio::time::timeout(BODY_TIMEOUT, drained).await;
}

/// The request's body, or the answer for one that is too large or too slow.
pub(super) async fn body(request: Request<Incoming>) -> Result<Bytes, Reply> {
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(request.into_body(), MAX_BODY).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err(reply::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is over 256 KiB or broken")),
        Err(_) => Err(reply::text(StatusCode::REQUEST_TIMEOUT, "the body took over 10 s")),
    }
}
