//! One connection of HTTP/1.1.

use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::{HeaderValue, Request, Response, header};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
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
    let alarm = Alarm::default();
    let (builder, mut stream) = (builder(alarm.clone()), MendedHeads::new(stream, alarm.clone()));
    // Whoever asks in the last call is answered and told that it was the last time: a connection that is closed while
    // a request is on its way looks like a failure.
    let last_call = async {
        retire(stop).await;
        retiring.store(true, Ordering::Relaxed);
        sleep(limits::LAST_CALL).await;
    };
    // With a waker of its own: it is looked at when it has to end, and not with every request.
    let mut end = FuturesUnordered::from_iter([last_call]);
    // How many requests there had been when it was last woken: empty lines wake it and are none.
    let mut woken = None;
    loop {
        // On the heap, so that nothing of it is left while the connection rests.
        let mut connection = Box::pin(builder.serve_connection(TokioIo::new(&mut stream), &service));
        tokio::select! {
            biased;
            ended = connection.as_mut() => match ended {
                Err(error) if error.is_timeout() && alarm.is_quiet() && woken != Some(served.load(Ordering::Relaxed)) => {}
                ended => return count(protocol, &ended),
            },
            _ = end.next() => {
                connection.as_mut().graceful_shutdown();
                drop(timeout(limits::LAST_REQUEST, connection).await);
                return;
            }
        }
        drop(connection);
        tokio::select! {
            biased;
            begins = timeout(limits::HEADER, stream.begins()) => if begins != Ok(true) { break },
            _ = end.next() => break,
        }
        woken = Some(served.load(Ordering::Relaxed));
    }
    // TLS says that this is the end.
    drop(timeout(limits::LAST_CALL, stream.shutdown()).await);
}

fn builder(alarm: Alarm) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(alarm).header_read_timeout(limits::HEADER).max_headers(limits::HEADERS).max_buf_size(limits::BUFFER);
    builder
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use http_body_util::Full;
    use tokio::io::{AsyncReadExt as _, DuplexStream, ReadBuf, duplex, join, split};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// Tells when somebody waits for a single byte: hyper never does.
    struct Watched<R> {
        reader: R,
        rests: Arc<Notify>,
    }

    impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let is_one = buf.remaining() == 1;
            let read = Pin::new(&mut self.reader).poll_read(cx, buf);
            if is_one && read.is_pending() {
                self.rests.notify_one();
            }
            read
        }
    }

    fn begin(stop: CancellationToken) -> (DuplexStream, Arc<Notify>, JoinHandle<()>) {
        let (client, stream) = duplex(64 << 10);
        let ((reader, writer), rests) = (split(stream), Arc::new(Notify::new()));
        let stream = join(Watched { reader, rests: rests.clone() }, writer);
        let handler = |_| async { Response::new(Full::<Bytes>::default()) };
        let served = tokio::spawn(async move { serve(stream, &Protocol::default(), &handler, &stop).await });
        (client, rests, served)
    }

    async fn answer(client: &mut DuplexStream) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(client.read_u8().await.unwrap());
        }
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_connection_rests_between_its_requests_and_ends_when_it_is_told_to() {
        let stop = CancellationToken::new();
        let (mut client, rests, served) = begin(stop.clone());
        rests.notified().await;
        for _ in 0..2 {
            client.write_all(REQUEST).await.unwrap();
            assert!(answer(&mut client).await.starts_with("HTTP/1.1 200 "));
            rests.notified().await;
        }
        stop.cancel();
        // It sees that first.
        tokio::task::yield_now().await;
        client.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut client).await.contains("connection: close"), "the last call");
        served.await.unwrap();
    }

    #[tokio::test]
    async fn empty_lines_keep_nobody_here() {
        let (mut client, rests, served) = begin(CancellationToken::new());
        rests.notified().await;
        client.write_all(b"\r\n").await.unwrap();
        tokio::select! {
            () = rests.notified() => panic!("it rests once more"),
            served = served => served.unwrap(),
        }
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_connection_that_rests_ends_at_a_stop() {
        let stop = CancellationToken::new();
        let (mut client, rests, served) = begin(stop.clone());
        rests.notified().await;
        stop.cancel();
        served.await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
}
