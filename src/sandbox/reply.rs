//! The one place where the sandbox builds HTTP answers.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use serde::Serialize;
use serde_json::json;

/// An answer.
pub(super) type Reply = Response<ReplyBody>;

/// The body of an answer.
#[derive(Default)]
pub(super) struct ReplyBody {
    whole: Full<Bytes>,
    /// After so many bytes the connection is closed.
    breaks_after: Option<usize>,
}

impl From<Vec<u8>> for ReplyBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self { whole: Full::from(bytes), breaks_after: None }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        let frame = match Pin::new(&mut self.whole).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(never))) => match never {},
            // The bytes before were sent: now it breaks.
            Poll::Ready(None) if self.breaks_after.is_some() => return Poll::Ready(Some(Err(Dropped))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        let Some(after) = self.breaks_after else { return Poll::Ready(Some(Ok(frame))) };
        let bytes = frame.into_data().unwrap_or_default();
        Poll::Ready(Some(Ok(Frame::data(bytes.slice(..after.min(bytes.len()))))))
    }

    fn is_end_stream(&self) -> bool {
        self.breaks_after.is_none() && self.whole.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.whole.size_hint()
    }
}

/// `reply`, but for the end of its body: whoever reads it loses the connection.
pub(super) fn broken_off(mut reply: Reply, after: u64) -> Reply {
    reply.body_mut().breaks_after = Some(usize::try_from(after).unwrap_or(usize::MAX));
    reply
}

/// What ends a connection without an answer: hyper closes it when the service fails with this.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer, as a switched fault asks")]
pub(super) struct Dropped;

/// `body` as JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    match serde_json::to_vec(body) {
        Ok(bytes) => typed(status, "application/json", bytes),
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// An error as Actito's clients see it: `{"status":404,"message":"…"}`.
pub(super) fn actito_error(status: StatusCode, message: &str) -> Reply {
    json(status, &json!({ "status": status.as_u16(), "message": message }))
}

/// An error of Actito's that is not an answer yet.
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// 400.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn reply(&self) -> Reply {
        actito_error(self.status, &self.message)
    }
}

/// An error of the sandbox's own pages.
pub(super) fn control_error(status: StatusCode, message: &str) -> Reply {
    json(status, &json!({ "error": message }))
}

/// Bytes of another kind, as a download.
pub(super) fn bytes(content_type: &'static str, body: Vec<u8>) -> Reply {
    typed(StatusCode::OK, content_type, body)
}

/// Where a body is wrong, without its text: it may hold addresses.
pub(super) fn describe(error: &serde_json::Error) -> String {
    format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column())
}

/// A page. `policy` is its Content-Security-Policy.
pub(super) fn html(page: String, policy: &'static str) -> Reply {
    let mut reply = typed(StatusCode::OK, "text/html; charset=utf-8", page.into_bytes());
    reply.headers_mut().insert("content-security-policy", HeaderValue::from_static(policy));
    reply
}

/// A line of text.
pub(super) fn text(status: StatusCode, line: &str) -> Reply {
    typed(status, "text/plain; charset=utf-8", format!("{line}\n").into_bytes())
}

/// A status and nothing else.
pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(ReplyBody::default());
    *reply.status_mut() = status;
    reply
}

/// 302 to `location`.
pub(super) fn redirect(location: HeaderValue) -> Reply {
    with_header(empty(StatusCode::FOUND), LOCATION, location)
}

/// `reply` with one header more.
pub(super) fn with_header(mut reply: Reply, name: HeaderName, value: HeaderValue) -> Reply {
    reply.headers_mut().insert(name, value);
    reply
}

fn typed(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(ReplyBody::from(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
