//! Every answer of the admin listener: the one place of it that knows headers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::channel::Channel;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, SizeHint};
use serde::Serialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::error::Error;
use crate::listener::Refusal;

/// An answer of the admin listener.
pub type Answer = Response<AnswerBody>;

/// What is answered: all of it at once, or as it is made.
pub struct AnswerBody {
    bytes: Either<Full<Bytes>, Channel<Bytes>>,
    /// The right to be in memory, as long as this is.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.bytes {
            Either::Left(whole) => Pin::new(whole).poll_frame(cx),
            Either::Right(stream) => Pin::new(stream).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.bytes {
            Either::Left(whole) => whole.is_end_stream(),
            Either::Right(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Either::Left(whole) => whole.size_hint(),
            Either::Right(stream) => stream.size_hint(),
        }
    }
}

/// A line of text.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    whole(status, HeaderValue::from_static("text/plain; charset=utf-8"), body, None)
}

/// The metrics.
pub(super) fn openmetrics(body: String) -> Answer {
    let media_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    whole(StatusCode::OK, media_type, body, None)
}

/// A JSON value on a line of its own.
pub(super) fn json(status: StatusCode, value: &impl Serialize, permit: Option<OwnedSemaphorePermit>) -> Answer {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            body.push(b'\n');
            whole(status, HeaderValue::from_static("application/json"), body, permit)
        }
        Err(_) => failed(&Error::Internal),
    }
}

/// A document, as the type that the client named.
pub(super) fn document(media_type: HeaderValue, body: Vec<u8>, permit: OwnedSemaphorePermit) -> Answer {
    let mut answer = whole(StatusCode::OK, media_type, body, Some(permit));
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Whoever opens it in a browser must not run what is in it beside the admin pages.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    answer
}

/// Lines of JSON, as they are made.
pub(super) fn lines(stream: Channel<Bytes>, permit: OwnedSemaphorePermit) -> Answer {
    let body = AnswerBody { bytes: Either::Right(stream), _permit: Some(permit) };
    of(StatusCode::OK, HeaderValue::from_static("application/x-ndjson"), body)
}

/// Why something was not done, as JSON.
pub(super) fn failed(error: &Error) -> Answer {
    let body = json!({ "error": { "code": error.kind(), "message": error.to_string() } });
    let body = whole(error.status(), HeaderValue::from_static("application/json"), format!("{body}\n"), None);
    with_headers_of(error, body)
}

/// The same for the paths that speak plain text.
pub(super) fn failed_in_text(error: &Error) -> Answer {
    with_headers_of(error, text(error.status(), format!("{error}\n")))
}

/// The end of a connection whose request cannot be trusted to be what it seems.
pub(super) fn refused(refusal: Refusal) -> Answer {
    closing(text(StatusCode::BAD_REQUEST, format!("bad request: {}\n", refusal.kind())))
}

fn with_headers_of(error: &Error, mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    match error {
        Error::Method(allowed) => drop(headers.insert(header::ALLOW, HeaderValue::from_static(allowed))),
        Error::Unauthorised | Error::NoKey => {
            drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
        }
        Error::Busy | Error::Overloaded => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"))),
        // What is left of the body would be taken for the next request.
        Error::TooSlow | Error::Broken => return closing(answer),
        _ => {}
    }
    answer
}

fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn whole(
    status: StatusCode,
    media_type: HeaderValue,
    body: impl Into<Bytes>,
    permit: Option<OwnedSemaphorePermit>,
) -> Answer {
    of(status, media_type, AnswerBody { bytes: Either::Left(Full::new(body.into())), _permit: permit })
}

fn of(status: StatusCode, media_type: HeaderValue, body: AnswerBody) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
