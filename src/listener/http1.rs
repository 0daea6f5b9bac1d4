//! One connection of HTTP/1.1.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::{HeaderValue, Request, Response, header};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::head::MendedHeads;
use super::{Protocol, Refusal, limits, retire};

/// Answers what is asked on `stream` until it ends, is old, or `stop` is called.
pub(super) async fn serve<S, H, F, B>(stream: S, protocol: &Protocol, handler: &H, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let (served, retiring) = (AtomicU32::new(0), &AtomicBool::new(false));
    let service = service_fn(|request: Request<Incoming>| {
        let spent = 1 + served.fetch_add(1, Ordering::Relaxed) >= limits::REQUESTS_PER_CONNECTION;
        // Heads behind a body in chunks were not looked at as they came.
        let last = spent || request.headers().contains_key(header::TRANSFER_ENCODING);
        let answer = handler(request);
        async move {
            let mut response = answer.await;
            if last || retiring.load(Ordering::Relaxed) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(Alarm::default())
        .header_read_timeout(limits::HEADER)
        .max_headers(limits::HEADERS)
        .max_buf_size(limits::BUFFER);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(MendedHeads::new(stream)), service));
    // With a waker of its own: it is looked at when it has to end, and not with every request.
    let mut end = FuturesUnordered::from_iter([retire(stop)]);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return count(protocol, &ended),
        _ = end.next() => retiring.store(true, Ordering::Relaxed),
    }
    // Whoever asks now is answered and told that it was the last time: a connection that is closed
    // while a request is on its way looks like a failure.
    match tokio::time::timeout(limits::LAST_CALL, connection.as_mut()).await {
        Ok(ended) => count(protocol, &ended),
        Err(_) => {
            connection.as_mut().graceful_shutdown();
            drop(tokio::time::timeout(limits::LAST_REQUEST, connection).await);
        }
    }
}

/// What hyper refused by itself is counted like what we refuse. Any other end of a connection is its
/// client's affair, and not worth a line in the log.
fn count(protocol: &Protocol, ended: &hyper::Result<()>) {
    match ended {
        Err(error) if error.is_parse_too_large() => protocol.refused.count(Refusal::HeadTooLarge.kind()),
        Err(error) if error.is_parse() => protocol.refused.count(Refusal::Malformed.kind()),
        _ => {}
    }
}
