//! What RFC 9112 says to refuse and hyper lets pass, refused before anything is routed.

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Method, Version, header};

use super::{head, limits};

/// Why a request is not looked at. Whoever sends one of these is not waited for: the connection closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No `Host`, two of them, one that is no host, or one that the target contradicts.
    Host,
    /// `GET *`, or an authority where a path belongs.
    Target,
    /// A target over the limit.
    TargetTooLong,
    /// A body whose length is told twice, or that no `GET` has.
    Framing,
    /// `TRACE` or `CONNECT`.
    Method,
    /// No HTTP at all.
    Malformed,
    /// More header than is read.
    HeadTooLarge,
}

impl Refusal {
    /// Whether the request is malformed in itself: on HTTP/2 its stream is reset (RFC 9113, 8.1.1).
    pub(super) fn is_malformed(self) -> bool {
        match self {
            Self::Host | Self::Target | Self::Framing | Self::Malformed => true,
            Self::TargetTooLong | Self::Method | Self::HeadTooLarge => false,
        }
    }

    /// A word for metrics.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Target => "target",
            Self::TargetTooLong => "target_too_long",
            Self::Framing => "framing",
            Self::Method => "method",
            Self::Malformed => "malformed",
            Self::HeadTooLarge => "head_too_large",
        }
    }

    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Host,
        Self::Target,
        Self::TargetTooLong,
        Self::Framing,
        Self::Method,
        Self::Malformed,
        Self::HeadTooLarge,
    ];
}

/// Lets a request pass and gives the text of the one host that it is for.
///
/// # Errors
/// Why it must not be answered as what it seems to be.
pub fn admit(request: &Parts) -> Result<&str, Refusal> {
    if request.headers.contains_key(&head::REFUSED) {
        return Err(Refusal::Framing);
    }
    // On HTTP/1.1 the parser has taken the white space away.
    if request.version == Version::HTTP_2 && request.headers.values().any(is_padded) {
        return Err(Refusal::Malformed);
    }
    if request.method == Method::CONNECT && request.uri.authority().is_none() {
        return Err(Refusal::Target);
    }
    if matches!(request.method, Method::TRACE | Method::CONNECT) {
        return Err(Refusal::Method);
    }
    // HTTP/1.1 is held to the same by its parser.
    if request.headers.len() > limits::HEADERS {
        return Err(Refusal::HeadTooLarge);
    }
    let target = &request.uri;
    if !target.path().starts_with('/') {
        return Err(Refusal::Target);
    }
    if target.path().len() + target.query().map_or(0, str::len) > limits::TARGET {
        return Err(Refusal::TargetTooLong);
    }
    if request.headers.contains_key(header::TRANSFER_ENCODING)
        && (request.method == Method::GET
            || request.method == Method::HEAD
            || request.headers.contains_key(header::CONTENT_LENGTH))
    {
        return Err(Refusal::Framing);
    }
    the_one_host(request)
}

/// Whether a value begins or ends with white space (RFC 9113, 8.2.1).
fn is_padded(value: &HeaderValue) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_blank(value.as_bytes().first()) || is_blank(value.as_bytes().last())
}

/// HTTP/1 says its host in `Host`, and may repeat it in the target; HTTP/2 in `:authority`, and may
/// repeat it in `Host`. What is said twice must be said alike.
fn the_one_host(request: &Parts) -> Result<&str, Refusal> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let field = match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) => Some(host),
        (None, None) if request.version == Version::HTTP_2 => None,
        _ => return Err(Refusal::Host),
    };
    match (field, request.uri.authority().map(Authority::as_str)) {
        (Some(field), Some(authority)) if !authority.eq_ignore_ascii_case(field) => Err(Refusal::Host),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(Refusal::Host),
    }
}

/// Whether a `Host` that is none of ours is a host at all.
pub fn is_host(host: &str) -> bool {
    !host.contains('@') && host.parse::<Authority>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn admitted(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<String, Refusal> {
        admitted_by(Version::HTTP_11, method, target, headers)
    }

    fn admitted_by(version: Version, method: &str, target: &str, headers: &[(&str, &str)]) -> Result<String, Refusal> {
        let mut request = Request::builder().version(version).method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        admit(&request.body(()).unwrap().into_parts().0).map(str::to_owned)
    }

    const HOST: (&str, &str) = ("host", "click.example");

    #[test]
    fn an_ordinary_request_passes() {
        assert_eq!(admitted("GET", "/c/x?y", &[HOST]), Ok("click.example".into()));
        assert_eq!(admitted("GET", "http://Click.example/c/x", &[HOST]), Ok("click.example".into()));
        assert_eq!(admitted("POST", "/hooks", &[HOST, ("transfer-encoding", "chunked")]), Ok("click.example".into()));
    }

    #[test]
    fn what_the_rfc_refuses_is_refused() {
        let long = format!("/{}", "a".repeat(limits::TARGET));
        for (method, target, headers, refusal) in [
            ("GET", "/", vec![], Refusal::Host),
            ("GET", "/", vec![HOST, HOST], Refusal::Host),
            ("GET", "http://other.example/", vec![HOST], Refusal::Host),
            ("GET", "*", vec![HOST], Refusal::Target),
            ("GET", "click.example:80", vec![HOST], Refusal::Target),
            ("GET", long.as_str(), vec![HOST], Refusal::TargetTooLong),
            ("GET", "/", vec![HOST, ("transfer-encoding", "chunked")], Refusal::Framing),
            ("POST", "/", vec![HOST, ("transfer-encoding", "chunked"), ("content-length", "1")], Refusal::Framing),
            ("GET", "/", vec![HOST, (head::REFUSED.as_str(), "")], Refusal::Framing),
            ("TRACE", "/", vec![HOST], Refusal::Method),
            ("CONNECT", "click.example:80", vec![HOST], Refusal::Method),
        ] {
            assert_eq!(admitted(method, target, &headers), Err(refusal), "{method} {target}");
        }
    }

    #[test]
    fn http_2_may_say_its_host_in_one_place_or_alike_in_both() {
        let two = |target: &str, headers: &[_]| admitted_by(Version::HTTP_2, "GET", target, headers);
        assert_eq!(two("https://click.example/c/x", &[]), Ok("click.example".into()));
        assert_eq!(two("https://click.example/c/x", &[HOST]), Ok("click.example".into()));
        assert_eq!(two("/c/x", &[HOST]), Ok("click.example".into()));
        assert_eq!(two("https://other.example/c/x", &[HOST]), Err(Refusal::Host));
        assert_eq!(two("/c/x", &[]), Err(Refusal::Host));
        assert_eq!(two("https://click.example/", &[("a", " b")]), Err(Refusal::Malformed));
        assert_eq!(two("https://click.example/", &[("a", "b\t")]), Err(Refusal::Malformed));
        assert_eq!(admitted("GET", "/", &[HOST, ("a", "")]), Ok("click.example".into()));
        assert_eq!(two("/c/x", &[HOST, HOST]), Err(Refusal::Host));
    }

    #[test]
    fn hosts_are_told_from_noise() {
        assert!(is_host("other.example") && is_host("other.example:8080") && is_host("[::1]:80"));
        assert!(!is_host("a b") && !is_host("u@x") && !is_host("a/b") && !is_host(""));
    }
}
