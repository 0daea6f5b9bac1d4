//! The one place where the sandbox builds HTTP answers.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;

/// An answer, complete.
pub(super) type Reply = Response<Full<Bytes>>;

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
    let mut reply = Response::new(Full::default());
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
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
