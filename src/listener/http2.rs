//! One connection of HTTP/2, as the client chose it by ALPN.
//!
//! hyper bounds streams and windows; what it does not bound is bounded here: how long the client takes
//! to begin, how long it may leave an answer untaken, how long it may ask for nothing, how many
//! requests it may make. A connection that is to end is told so by GOAWAY, so that no request is lost.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response, header};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::streams::{Sending, Streams};
use super::{Refusal, limits, preface, retire};

/// Answers what is asked on `stream` until it ends, is old, has asked enough, or `stop` is called.
pub(super) async fn serve<S, H, F, B>(stream: S, handler: H, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    // hyper waits for it without an end.
    let Ok(Some(stream)) = timeout(limits::HEADER, preface::read(stream)).await else { return };
    let streams = Arc::new(Streams::default());
    let service = service_fn(|request| {
        let stream = streams.begin();
        let answer = handler(request);
        async move {
            let mut response = answer.await;
            // A stream is refused alone; what HTTP/1 would close goes on.
            if response.extensions().get::<Refusal>().is_some_and(|refusal| refusal.is_malformed()) {
                return Err(h2::Error::from(Reason::PROTOCOL_ERROR));
            }
            response.headers_mut().remove(header::CONNECTION);
            Ok(response.map(|body| Sending::new(body, stream)))
        }
    });
    let mut connection = pin!(builder().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = streams.stalled() => return,
        () = streams.spent() => {}
        () = streams.idle() => {}
        () = retire(stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection.as_mut() => {}
        () = streams.stalled() => {}
        () = tokio::time::sleep(streams.patience()) => {}
    }
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS)
        .initial_stream_window_size(limits::WINDOW)
        .initial_connection_window_size(limits::WINDOW)
        .max_header_list_size(limits::HEADER_LIST)
        .max_send_buf_size(limits::SEND_BUFFER)
        .max_pending_accept_reset_streams(limits::PENDING_RESETS)
        .max_local_error_reset_streams(limits::LOCAL_RESETS)
        .keep_alive_interval(limits::PING)
        .keep_alive_timeout(limits::PONG);
    builder
}
