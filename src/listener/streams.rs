//! The streams of one HTTP/2 connection, as far as they bound how long it may live.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::limits;

/// What is known of a connection's streams. Written by the tasks of its streams, read by its own.
pub(super) struct Streams {
    state: Mutex<State>,
    /// Told when a body begins to be sent, and at the last request.
    changed: Notify,
}

struct State {
    begun: u32,
    answering: usize,
    /// Since when each body under way is being sent, by the number of its stream.
    sending: BTreeMap<u32, Instant>,
    /// When the last stream began or ended.
    last: Instant,
}

impl Default for Streams {
    fn default() -> Self {
        let state = State { begun: 0, answering: 0, sending: BTreeMap::new(), last: Instant::now() };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

impl Streams {
    /// Counts a request in; it is over when what this returns is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Stream {
        let mut state = self.state();
        state.begun += 1;
        state.answering += 1;
        state.last = Instant::now();
        let number = state.begun;
        drop(state);
        if number >= limits::REQUESTS_PER_CONNECTION {
            self.changed.notify_waiters();
        }
        Stream { number, streams: self.clone() }
    }

    /// Completes when a body has been on its way for too long: the client takes nothing.
    pub(super) async fn stalled(&self) {
        loop {
            let changed = self.changed.notified();
            let oldest = self.state().sending.iter().map(|(number, since)| (*number, *since)).min_by_key(|it| it.1);
            let Some((number, since)) = oldest else {
                changed.await;
                continue;
            };
            sleep_until(since + limits::WRITE_STALL).await;
            if self.state().sending.contains_key(&number) {
                return;
            }
        }
    }

    /// Completes when as many requests were made as one connection may make.
    pub(super) async fn spent(&self) {
        loop {
            let changed = self.changed.notified();
            if self.state().begun >= limits::REQUESTS_PER_CONNECTION {
                return;
            }
            changed.await;
        }
    }

    /// How long the client may still ask when the connection is to end: who never asked is in no request.
    pub(super) fn patience(&self) -> Duration {
        if self.state().begun == 0 { limits::LAST_CALL } else { limits::LAST_REQUEST }
    }

    /// Completes when nothing has been asked and nothing answered for too long. The first header has as long as one of
    /// HTTP/1.1.
    pub(super) async fn idle(&self) {
        loop {
            let (begun, answering, last) = {
                let state = self.state();
                (state.begun, state.answering, state.last)
            };
            let now = Instant::now();
            let limit = if begun == 0 { limits::HEADER } else { limits::IDLE };
            let until = if answering == 0 { last + limit } else { now + limit };
            if until <= now {
                return;
            }
            sleep_until(until).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request and its answer.
pub(super) struct Stream {
    number: u32,
    streams: Arc<Streams>,
}

impl Stream {
    fn sends(&self) {
        self.streams.state().sending.insert(self.number, Instant::now());
        self.streams.changed.notify_waiters();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.streams.state();
        state.answering -= 1;
        state.sending.remove(&self.number);
        state.last = Instant::now();
    }
}

/// A body on its way. Its last byte is a frame of its own, which hyper takes only when the client's
/// window has room for it, so all before has gone out: a body that was taken whole was sent whole.
pub(super) struct Sending<B> {
    body: B,
    last: Option<Bytes>,
    _stream: Stream,
}

impl<B: Body> Sending<B> {
    pub(super) fn new(body: B, stream: Stream) -> Self {
        if !body.is_end_stream() {
            stream.sends();
        }
        Self { body, last: None, _stream: stream }
    }
}

impl<B: Body<Data = Bytes, Error = Infallible> + Unpin> Body for Sending<B> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(last) = self.last.take() {
            return Poll::Ready(Some(Ok(Frame::data(last))));
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = frame else { return frame };
        Poll::Ready(Some(match frame.into_data() {
            Ok(mut data) if self.body.is_end_stream() && data.len() > 1 => {
                self.last = Some(data.split_off(data.len() - 1));
                Ok(Frame::data(data))
            }
            Ok(data) => Ok(Frame::data(data)),
            Err(frame) => Ok(frame),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.last.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.last.as_ref().map(|last| SizeHint::with_exact(last.len() as u64));
        left.unwrap_or_else(|| self.body.size_hint())
    }
}
