//! One accept loop for every HTTP listener of ours: plain or TLS, HTTP/1.1 or HTTP/2 as the client
//! chose by ALPN, with a limit on everything, and a drain that answers what has been asked.
//!
//! A connection is spawned first and served under its permit, its handshake included; a slow or silent
//! client holds nothing but that permit, and that not for long.

mod address;
mod admission;
mod alarm;
mod caps;
mod head;
mod http1;
mod http2;
pub mod limits;
mod mender;
mod preface;
mod sockets;
mod streams;

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use address::{ForwardedBy, Network, Peer, Proxies};
pub use admission::{Refusal, admit, is_host};
pub use caps::Caps;
pub use sockets::Passed;

use caps::Place;

use crate::metrics::Labelled;
use crate::overload::{Door, Grade, Load};

/// What a listener speaks.
#[derive(Clone, Default)]
pub struct Protocol {
    /// TLS, with HTTP/1.1 or HTTP/2 inside; None for plain HTTP/1.1.
    pub tls: Option<Arc<ServerConfig>>,
    /// Counts what is refused before a handler sees it, by [`Refusal::kind`].
    pub refused: Labelled,
}

/// What a listener's connections have to pass before they are served; by default nothing.
#[derive(Clone, Default)]
pub struct Guard {
    /// How many each address may have.
    pub caps: Option<Arc<Caps>>,
    /// While it says so, new ones wait in the kernel.
    pub load: Option<Arc<Load>>,
}

/// A connection, who opened it, and what it holds as long as it lives.
struct Accepted {
    stream: TcpStream,
    peer: Peer,
    held: (OwnedSemaphorePermit, Option<Place>),
}

impl Guard {
    /// Lets a connection in; None when its address has as many as it may, or its client reset it: then it closes.
    fn admit(&self, stream: TcpStream, peer: IpAddr, permit: OwnedSemaphorePermit) -> Option<Accepted> {
        if self.is_given_up(&stream) {
            return None;
        }
        let place = match &self.caps {
            Some(caps) => Some(caps.place(peer)?),
            None => None,
        };
        Some(Accepted { stream, peer: Peer(peer), held: (permit, place) })
    }

    /// Whether its client reset it while it stood in line: what it asked would be answered to nobody, and those
    /// behind it would wait for that. Not asked while there is no line.
    fn is_given_up(&self, stream: &TcpStream) -> bool {
        let stands = self.load.as_ref().is_some_and(|load| load.is(Grade::Shedding));
        stands && !matches!(stream.take_error(), Ok(None))
    }

    async fn may_accept(&self) {
        if let Some(load) = &self.load {
            load.eases_below(Grade::Holding).await;
        }
    }
}

/// Accepts until `stop`, then lets every connection finish what it was asked. Returns when the last
/// one is closed; the caller sets the deadline.
pub async fn serve<H, F, B>(
    listener: TcpListener,
    guard: Guard,
    protocol: Protocol,
    handler: H,
    stop: CancellationToken,
) where
    H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let spawn = |Accepted { stream, peer, held }: Accepted| {
        let (protocol, handler, stop) = (protocol.clone(), handler.clone(), stop.clone());
        let handler = move |request| handler(request, peer);
        connections.spawn(async move {
            connection(stream, protocol, handler, stop).await;
            drop(held);
        });
    };
    let door = guard.load.as_ref().map(|load| load.door());
    let mut let_in = 0_u64;
    while let Some(accepted) = accept(&listener, &guard, door.as_deref(), &permits, &stop).await {
        spawn(accepted);
        let_in += 1;
        if let_in.is_multiple_of(limits::LET_IN) {
            tokio::task::yield_now().await;
        }
    }
    connected(listener, &guard, &permits).for_each(spawn);
    connections.close();
    connections.wait().await;
}

/// The next connection with its permit; None once `stop` is called.
async fn accept(
    listener: &TcpListener,
    guard: &Guard,
    door: Option<&Door>,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<Accepted> {
    let next = async {
        loop {
            let permit = permit(permits, door).await?;
            guard.may_accept().await;
            match next_connection(listener, door).await {
                Ok((stream, peer)) => match guard.admit(stream, peer.ip(), permit) {
                    Some(accepted) => return Some(accepted),
                    None => continue,
                },
                // Out of file descriptors, or the peer is gone already: look again, but do not spin.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    door.inspect(|door| door.rests());
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

/// Room for one more connection. Those who wait for it wait for others to leave, however calm it is.
async fn permit(permits: &Arc<Semaphore>, door: Option<&Door>) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = permits.clone().try_acquire_owned() {
        return Some(permit);
    }
    door.inspect(|door| door.rests());
    permits.clone().acquire_owned().await.ok()
}

/// Tells the door whether anybody had been waiting.
async fn next_connection(listener: &TcpListener, door: Option<&Door>) -> std::io::Result<(TcpStream, SocketAddr)> {
    let next = std::future::poll_fn(|context| {
        let next = listener.poll_accept(context);
        if let (Poll::Pending, Some(door)) = (&next, door) {
            door.rests();
        }
        next
    });
    let next = next.await;
    if let Some(door) = door {
        door.let_in();
    }
    next
}

/// Who had connected before the stop: closing the listener on them would look like a crash.
fn connected(listener: TcpListener, guard: &Guard, permits: &Arc<Semaphore>) -> impl Iterator<Item = Accepted> {
    let listener = listener.into_std().ok();
    let waiting = std::iter::from_fn(move || {
        let permit = permits.clone().try_acquire_owned().ok()?;
        let (stream, peer) = listener.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer.ip(), permit))
    });
    waiting.take(limits::BACKLOG as usize).filter_map(|(stream, peer, permit)| guard.admit(stream, peer, permit))
}

async fn connection<H, F, B>(stream: TcpStream, protocol: Protocol, handler: H, stop: CancellationToken)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    // A socket that refuses the option still works, only slower.
    drop(stream.set_nodelay(true));
    // Nothing is set up for who says nothing.
    let mut first = [0];
    tokio::select! {
        begun = tokio::time::timeout(limits::HEADER, stream.peek(&mut first)) => match begun {
            Ok(Ok(1..)) => {}
            _ => return,
        },
        () = stop.cancelled() => {}
    }
    // A task is as large as the largest thing it ever holds: what is needed for a while is on the heap.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits::WRITE_STALL));
    let stream = Box::pin(stream);
    match protocol.tls.clone() {
        None => Box::pin(http1::serve(stream, &protocol, &handler, &stop)).await,
        Some(tls) => Box::pin(secure(stream, tls, &protocol, handler, &stop)).await,
    }
}

/// Serves over TLS what the client chose by ALPN.
async fn secure<H, F, B>(
    stream: Pin<Box<TimeoutStream<TcpStream>>>,
    tls: Arc<ServerConfig>,
    protocol: &Protocol,
    handler: H,
    stop: &CancellationToken,
) where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let Some(stream) = Box::pin(handshake(stream, tls)).await else { return };
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Box::pin(http2::serve(stream, handler, stop)).await,
        _ => Box::pin(http1::serve(stream, protocol, &handler, stop)).await,
    }
}

/// Who does not finish a handshake, or fails in it, is no client of ours: nobody learns of it.
async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(stream: S, tls: Arc<ServerConfig>) -> Option<Box<TlsStream<S>>> {
    let accepted = tokio::time::timeout(limits::HANDSHAKE, TlsAcceptor::from(tls).accept(stream)).await;
    accepted.ok()?.ok().map(Box::new)
}

/// Completes when a connection should end: at a stop, or at its age.
async fn retire(stop: &CancellationToken) {
    let age = limits::CONNECTION_AGE.mul_f64(1.0 - limits::AGE_JITTER * fastrand::f64());
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(age) => {}
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    /// What a connection holds while its client says nothing.
    #[tokio::test]
    async fn a_silent_connection_is_a_small_task() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let handler = |_: Request<Incoming>| async {
            let much = [0_u8; 8192];
            tokio::task::yield_now().await;
            Response::new(Full::new(Bytes::copy_from_slice(&much)))
        };
        let task = connection(stream, Protocol::default(), handler, CancellationToken::new());
        let size = std::mem::size_of_val(&task);
        assert!(size <= 1024, "{size} bytes");
    }
}
