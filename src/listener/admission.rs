//! What RFC 9112 says to refuse and hyper lets pass, refused before anything is routed.

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Method, header};

use super::limits;

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
}

impl Refusal {
    /// A word for metrics.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Target => "target",
            Self::TargetTooLong => "target_too_long",
            Self::Framing => "framing",
            Self::Method => "method",
        }
    }

    /// All of them.
    pub const ALL: [Self; 5] = [Self::Host, Self::Target, Self::TargetTooLong, Self::Framing, Self::Method];
}

/// Lets a request pass and gives the text of its one `Host`.
///
/// # Errors
/// Why it must not be answered as what it seems to be.
pub fn admit(request: &Parts) -> Result<&str, Refusal> {
    if matches!(request.method, Method::TRACE | Method::CONNECT) {
        return Err(Refusal::Method);
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
    let host = the_one_host(request)?;
    match target.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => Err(Refusal::Host),
        _ => Ok(host),
    }
}

fn the_one_host(request: &Parts) -> Result<&str, Refusal> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) => Ok(host),
        _ => Err(Refusal::Host),
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
        let mut request = Request::builder().method(method).uri(target);
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
            ("TRACE", "/", vec![HOST], Refusal::Method),
            ("CONNECT", "click.example:80", vec![HOST], Refusal::Method),
        ] {
            assert_eq!(admitted(method, target, &headers), Err(refusal), "{method} {target}");
        }
    }

    #[test]
    fn hosts_are_told_from_noise() {
        assert!(is_host("other.example") && is_host("other.example:8080") && is_host("[::1]:80"));
        assert!(!is_host("a b") && !is_host("u@x") && !is_host("a/b") && !is_host(""));
    }
}
