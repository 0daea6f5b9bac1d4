//! Every answer of the public listener: the one place that knows status codes and headers.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;

use super::Answer;
use super::hook::Outcome;
use crate::links::Location;
use crate::listener::Refusal;

/// A transparent image of one pixel.
const GIF: &[u8; 43] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

static X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

const NO_INDEX: HeaderValue = HeaderValue::from_static("noindex");
const NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

const NOT_FOUND: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"robots\" content=\"noindex\"><title>Not found</title>\n<p>This link leads nowhere.</p></html>\n";

/// Sends a person on.
pub(super) fn redirect(location: Location) -> Answer {
    let mut response = moved(StatusCode::FOUND, location);
    let headers = response.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_ROBOTS_TAG.clone(), NO_INDEX);
    response
}

/// The same with cookies of the site that the page belongs to.
pub(super) fn redirect_with(location: Location, cookies: impl IntoIterator<Item = HeaderValue>) -> Answer {
    let mut response = redirect(location);
    response.headers_mut().extend(cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

/// Sends a person from plain HTTP to the same page by TLS.
pub(super) fn secure(location: Location) -> Answer {
    moved(StatusCode::MOVED_PERMANENTLY, location)
}

/// What an authority must find.
pub(super) fn challenge(proof: String, method: &Method) -> Answer {
    page(StatusCode::OK, HeaderValue::from_static("application/octet-stream"), proof.into(), method)
}

/// The pixel.
pub(super) fn gif(method: &Method) -> Answer {
    let mut response = fixed(StatusCode::OK, HeaderValue::from_static("image/gif"), GIF, method);
    response.headers_mut().insert(X_ROBOTS_TAG.clone(), NO_INDEX);
    response
}

pub(super) fn health(method: &Method) -> Answer {
    fixed(StatusCode::OK, TEXT, b"ok\n", method)
}

pub(super) fn robots(method: &Method) -> Answer {
    fixed(StatusCode::OK, TEXT, b"User-agent: *\nDisallow: /\n", method)
}

pub(super) fn not_found(method: &Method) -> Answer {
    fixed(StatusCode::NOT_FOUND, HTML, NOT_FOUND.as_bytes(), method)
}

pub(super) fn misdirected() -> Answer {
    fixed(StatusCode::MISDIRECTED_REQUEST, TEXT, b"No such host here.\n", &Method::GET)
}

pub(super) fn method_not_allowed() -> Answer {
    let mut response = closing(StatusCode::METHOD_NOT_ALLOWED, b"GET or HEAD.\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Too much to do: whoever asked this can ask again.
pub(super) fn overloaded() -> Answer {
    let mut response = closing(StatusCode::SERVICE_UNAVAILABLE, b"Too busy.\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The end of a connection whose request cannot be trusted to be what it seems. The listener finds the refusal in
/// the answer: HTTP/2 has another way to say it.
pub(super) fn refused(refusal: Refusal) -> Answer {
    let mut answer = match refusal {
        Refusal::Host | Refusal::Target | Refusal::Framing | Refusal::Malformed => {
            closing(StatusCode::BAD_REQUEST, b"Bad request.\n")
        }
        Refusal::HeadTooLarge => closing(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, b"Too long.\n"),
        Refusal::TargetTooLong => closing(StatusCode::URI_TOO_LONG, b"Too long.\n"),
        Refusal::Method => method_not_allowed(),
    };
    answer.extensions_mut().insert(refusal);
    answer
}

/// What a webhook is answered. Whoever sends no good one is not listened to any longer.
pub(super) fn hook(outcome: Outcome) -> Answer {
    let (status, body): (_, &'static [u8]) = match outcome {
        Outcome::Stored | Outcome::Dropped => return fixed(StatusCode::OK, TEXT, b"ok\n", &Method::POST),
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
    let mut response = fixed(status, TEXT, body, &Method::GET);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn moved(status: StatusCode, location: Location) -> Answer {
    #[expect(clippy::expect_used, reason = "a Location is visible ASCII")]
    let location = HeaderValue::from_maybe_shared(Bytes::from(location.into_bytes())).expect("visible ASCII");
    let mut response = bare(status);
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    response
}

fn fixed(status: StatusCode, media_type: HeaderValue, body: &'static [u8], method: &Method) -> Answer {
    page(status, media_type, Bytes::from_static(body), method)
}

/// A page; HEAD gets its length alone.
fn page(status: StatusCode, media_type: HeaderValue, body: Bytes, method: &Method) -> Answer {
    let mut response = bare(status);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    if *method == Method::HEAD {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    } else {
        *response.body_mut() = Full::new(body);
    }
    response
}

fn bare(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}
