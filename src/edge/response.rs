//! Every answer of the public listener: the one place that knows status codes and headers.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;

use super::Answer;
use super::hook::Outcome;
use crate::links::Location;
use crate::listener::Refusal;

/// A transparent image of one pixel.
const GIF: &[u8; 43] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

const NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

const NOT_FOUND: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"robots\" content=\"noindex\"><title>Not found</title>\n<p>This link leads nowhere.</p></html>\n";

/// Sends a person on.
pub(super) fn redirect(location: Location) -> Answer {
    #[expect(clippy::expect_used, reason = "a Location is visible ASCII")]
    let location = HeaderValue::from_maybe_shared(Bytes::from(location.into_bytes())).expect("visible ASCII");
    let mut response = bare(StatusCode::FOUND);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    response
}

/// The pixel.
pub(super) fn gif(method: &Method) -> Answer {
    let mut response = page(StatusCode::OK, HeaderValue::from_static("image/gif"), GIF, method);
    response.headers_mut().insert("x-robots-tag", HeaderValue::from_static("noindex"));
    response
}

pub(super) fn health(method: &Method) -> Answer {
    page(StatusCode::OK, TEXT, b"ok\n", method)
}

pub(super) fn robots(method: &Method) -> Answer {
    page(StatusCode::OK, TEXT, b"User-agent: *\nDisallow: /\n", method)
}

pub(super) fn not_found(method: &Method) -> Answer {
    page(StatusCode::NOT_FOUND, HTML, NOT_FOUND.as_bytes(), method)
}

pub(super) fn misdirected() -> Answer {
    page(StatusCode::MISDIRECTED_REQUEST, TEXT, b"No such host here.\n", &Method::GET)
}

pub(super) fn method_not_allowed() -> Answer {
    let mut response = closing(StatusCode::METHOD_NOT_ALLOWED, b"GET or HEAD.\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// The end of a connection whose request cannot be trusted to be what it seems.
pub(super) fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Host | Refusal::Target | Refusal::Framing => closing(StatusCode::BAD_REQUEST, b"Bad request.\n"),
        Refusal::TargetTooLong => closing(StatusCode::URI_TOO_LONG, b"Too long.\n"),
        Refusal::Method => method_not_allowed(),
    }
}

/// What a webhook is answered. Whoever sends no good one is not listened to any longer.
pub(super) fn hook(outcome: Outcome) -> Answer {
    let (status, body): (_, &'static [u8]) = match outcome {
        Outcome::Stored | Outcome::Dropped => return page(StatusCode::OK, TEXT, b"ok\n", &Method::POST),
        Outcome::Unknown => (StatusCode::NOT_FOUND, b"No such webhook.\n"),
        Outcome::Method => (StatusCode::METHOD_NOT_ALLOWED, b"POST.\n"),
        Outcome::Unauthorised => (StatusCode::UNAUTHORIZED, b"Expected X-Hook-Secret with the secret.\n"),
        Outcome::Encoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, b"Expected no Content-Encoding.\n"),
        Outcome::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, b"Expected at most 256 KiB and 1000 profiles.\n"),
        Outcome::TooSlow => (StatusCode::REQUEST_TIMEOUT, b"Expected the whole body within 10 s.\n"),
        Outcome::Broken => (StatusCode::BAD_REQUEST, b"The body ended before it was complete.\n"),
        Outcome::Unreadable => (StatusCode::BAD_REQUEST, b"Expected JSON with profiles under `data`.\n"),
        Outcome::Busy | Outcome::NotStored => (StatusCode::SERVICE_UNAVAILABLE, b"Not stored: try again.\n"),
    };
    let mut response = closing(status, body);
    let headers = response.headers_mut();
    match outcome {
        Outcome::Method => drop(headers.insert(header::ALLOW, HeaderValue::from_static("POST"))),
        Outcome::Busy | Outcome::NotStored => {
            drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        _ => {}
    }
    response
}

fn closing(status: StatusCode, body: &'static [u8]) -> Answer {
    let mut response = page(status, TEXT, body, &Method::GET);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A body that never changes; HEAD gets its length alone.
fn page(status: StatusCode, media_type: HeaderValue, body: &'static [u8], method: &Method) -> Answer {
    let mut response = bare(status);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    if *method == Method::HEAD {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    } else {
        *response.body_mut() = Full::new(Bytes::from_static(body));
    }
    response
}

fn bare(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}
