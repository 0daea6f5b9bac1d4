//! One accept loop for every HTTP listener of ours: HTTP/1.1 with a limit on everything, and a drain
//! that answers what has been asked.
//!
//! A request is spawned first and served under its connection's permit; a slow or silent client
//! holds nothing but that permit, and that not for long.

mod admission;
mod head;
pub mod limits;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use admission::{Refusal, admit, is_host};

use head::MendedHeads;

/// A connection, and its permit to be one.
type Accepted = (TcpStream, OwnedSemaphorePermit);

/// Accepts until `stop`, then lets every connection finish what it was asked. Returns when the last
/// one is closed; the caller sets the deadline.
pub async fn serve<H, F, B>(listener: TcpListener, handler: H, stop: CancellationToken)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let spawn = |(stream, permit): Accepted| {
        let (handler, stop) = (handler.clone(), stop.clone());
        connections.spawn(async move {
            connection(stream, handler, stop).await;
            drop(permit);
        });
    };
    while let Some(accepted) = accept(&listener, &permits, &stop).await {
        spawn(accepted);
    }
    connected(listener, &permits).for_each(spawn);
    connections.close();
    connections.wait().await;
}

/// The next connection with its permit; None once `stop` is called.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>, stop: &CancellationToken) -> Option<Accepted> {
    let next = async {
        loop {
            let permit = permits.clone().acquire_owned().await.ok()?;
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, permit)),
                // Out of file descriptors, or the peer is gone already: look again, but do not spin.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        next = next => next,
    }
}

/// Who had connected before the stop: closing the listener on them would look like a crash.
fn connected(listener: TcpListener, permits: &Arc<Semaphore>) -> impl Iterator<Item = Accepted> {
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        let permit = permits.clone().try_acquire_owned().ok()?;
        let (stream, _) = listener.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, permit))
    })
    .take(limits::BACKLOG)
}

async fn connection<H, F, B>(stream: TcpStream, handler: H, stop: CancellationToken)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    // A socket that refuses the option still works, only slower.
    drop(stream.set_nodelay(true));
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits::WRITE_STALL));
    let (served, retiring) = (AtomicU32::new(0), &AtomicBool::new(false));
    let service = service_fn(|request: Request<Incoming>| {
        let served = 1 + served.fetch_add(1, Ordering::Relaxed);
        let last = served >= limits::REQUESTS_PER_CONNECTION || head::is_last(request.headers());
        let answer = handler(request);
        async move {
            let mut response = answer.await;
            if last || retiring.load(Ordering::Relaxed) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER)
        .max_headers(limits::HEADERS)
        .max_buf_size(limits::BUFFER)
        .serve_connection(TokioIo::new(MendedHeads::new(Box::pin(stream))), service);
    tokio::pin!(connection);
    // Whatever ends a connection is its client's affair and not worth a line in the log.
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = retire(&stop) => retiring.store(true, Ordering::Relaxed),
    }
    // Whoever asks now is answered and told that it was the last time: a connection that is closed
    // while a request is on its way looks like a failure.
    if tokio::time::timeout(limits::LAST_CALL, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        drop(tokio::time::timeout(limits::LAST_REQUEST, connection).await);
    }
}

/// Completes when a connection should end: at a stop, or at its age.
async fn retire(stop: &CancellationToken) {
    let age = limits::CONNECTION_AGE.mul_f64(1.0 - limits::AGE_JITTER * fastrand::f64());
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(age) => {}
    }
}
