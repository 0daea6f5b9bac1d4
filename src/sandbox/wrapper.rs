//! The stand-in for Actito's own click wrapper: `/wrap?to=<percent-encoded url>` redirects to the URL
//! with Actito's parameters appended. The path is ours, and so is its openness: Actito's wrapper only
//! knows links of its own e-mails, while this one sends anybody anywhere. It belongs on loopback.

use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::query;
use super::reply::{self, Reply};

/// What Actito appends, with an `actId` of the documented beginning and invented rest.
const PARAMETERS: &str = "actId=%7Eebwn-sandbox-0001&actCampaignType=CAMPAIGN_MAIL&actSource=123456";
/// What cannot stand in a header as it is; non-ASCII is always encoded.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ');

/// Answers 302, or 400 when `to` is no http(s) URL.
pub(super) fn answer(request: &Request<Incoming>) -> Reply {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return reply::text(StatusCode::METHOD_NOT_ALLOWED, "a wrapped link is a GET");
    }
    let to = query::value(request.uri().query().unwrap_or_default(), "to").unwrap_or_default();
    let location = wrapped(&to).and_then(|location| HeaderValue::try_from(location).ok());
    match location {
        Some(location) => reply::redirect(location),
        None => reply::text(StatusCode::BAD_REQUEST, "to must be an absolute http or https URL"),
    }
}

/// The path and query that send `url` through the wrapper.
pub(super) fn path_for(url: &str) -> String {
    format!("/wrap?to={}", utf8_percent_encode(url, NON_ALPHANUMERIC))
}

/// `url` with Actito's parameters after its own query and before its fragment, other bytes untouched.
fn wrapped(url: &str) -> Option<String> {
    let parsed = Url::parse(url).ok()?;
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return None;
    }
    let (before, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let join = match before.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    Some(utf8_percent_encode(&format!("{before}{join}{PARAMETERS}{fragment}"), UNSAFE).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_follow_the_query_and_precede_the_fragment() {
        let expect = |url: &str, before: &str, after: &str| {
            assert_eq!(wrapped(url).as_deref(), Some(format!("{before}{PARAMETERS}{after}").as_str()), "{url}");
        };
        expect("https://shop.example", "https://shop.example?", "");
        expect("https://shop.example/?", "https://shop.example/?", "");
        expect("https://shop.example/p?x=%7e+1&y", "https://shop.example/p?x=%7e+1&y&", "");
        expect("https://shop.example/p?x&", "https://shop.example/p?x&", "");
        expect("https://shop.example/p#top?x", "https://shop.example/p?", "#top?x");
    }

    #[test]
    fn only_absolute_http_urls_are_wrapped() {
        for url in ["", "/p", "//shop.example", "javascript:alert(1)", "mailto:a@b.example", "ftp://shop.example/"] {
            assert_eq!(wrapped(url), None, "{url}");
        }
    }

    #[test]
    fn what_a_header_cannot_hold_is_encoded() {
        let location = wrapped("https://shop.example/a b\r\nX: é").unwrap();
        assert!(location.starts_with("https://shop.example/a%20b%0D%0AX:%20%C3%A9?"), "{location}");
        assert!(HeaderValue::try_from(location).is_ok());
    }
}
