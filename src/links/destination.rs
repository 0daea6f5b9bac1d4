//! A URL as a browser would understand it, kept byte for byte as it was written.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use memchr::memchr3;
use percent_encoding::{AsciiSet, percent_encode};
use url::Url;

use super::{parameters, reserved, split_query};

/// The longest destination, not counting a leading `https://`: what a link token holds.
const MAX_LEN: usize = 2048;

/// Spaces are the only ASCII that is encoded; everything non-ASCII is, too.
const SPACE: &AsciiSet = &AsciiSet::EMPTY.add(b' ');

/// A well-formed `http` or `https` URL. Whether people may be sent there is the word of
/// [`Sites::accept`](super::Sites::accept), or of the operator who wrote it into the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    url: String,
    host: String,
    port: Option<u16>,
    effective_port: u16,
}

/// Why a URL is no destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// Neither `http` nor `https`, or not followed by `//`.
    #[error("expected a URL that starts with http:// or https://")]
    Scheme,
    /// A control character inside.
    #[error("expected no control characters, found 0x{0:02X}")]
    ControlCharacter(u8),
    /// Browsers read a backslash as a slash.
    #[error("expected no backslash")]
    Backslash,
    /// `https://user@host`.
    #[error("expected no user name or password")]
    Userinfo,
    /// No host, or one that the URL standard refuses.
    #[error("expected a URL with a valid host: {0}")]
    Invalid(String),
    /// Percent-encoded, full-width, octal … : a browser would go elsewhere than the eye.
    #[error("expected a host that reads as it is meant: written `{written}`, means `{parsed}`")]
    HostDiffers {
        /// The host as written.
        written: String,
        /// The host as a browser understands it.
        parsed: String,
    },
    /// A port with leading zeros.
    #[error("expected a port number without leading zeros after `:`")]
    Port,
    /// Too long for a link token.
    #[error("expected at most {MAX_LEN} bytes after `https://`, found {0}")]
    TooLong(usize),
    /// The host is on no site's list.
    #[error("host `{0}` is on no site's list")]
    HostNotListed(String),
    /// It leads back to ourselves.
    #[error("host `{0}` is one of our own click hosts")]
    OwnClickHost(String),
}

impl DestinationError {
    /// A word for metrics, reports and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::ControlCharacter(_) => "control_character",
            Self::Backslash => "backslash",
            Self::Userinfo => "userinfo",
            Self::Invalid(_) => "invalid_url",
            Self::HostDiffers { .. } => "host_differs",
            Self::Port => "port",
            Self::TooLong(_) => "too_long",
            Self::HostNotListed(_) => "host_not_listed",
            Self::OwnClickHost(_) => "own_click_host",
        }
    }
}

impl Destination {
    /// Reads a URL: strips what a browser strips, percent-encodes spaces and non-ASCII, turns an IDN
    /// host into its A-label, and keeps every other byte.
    ///
    /// # Errors
    /// Says why the URL can be nobody's destination.
    pub fn parse(written: &str) -> Result<Self, DestinationError> {
        let written = strip(written);
        if let Some(control) = written.bytes().find(u8::is_ascii_control) {
            return Err(DestinationError::ControlCharacter(control));
        }
        if written.contains('\\') {
            return Err(DestinationError::Backslash);
        }
        let (scheme, rest) = split_scheme(&written)?;
        let (authority, rest) = rest.split_at(memchr3(b'/', b'?', b'#', rest.as_bytes()).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(DestinationError::Userinfo);
        }
        let rest: Cow<'_, str> = percent_encode(rest.as_bytes(), SPACE).into();
        let destination = if is_plain(authority) {
            let effective_port = if scheme.len() == "https://".len() { 443 } else { 80 };
            let (url, host) = ([scheme, authority, &rest].concat(), authority.to_ascii_lowercase());
            Self { url, host, port: None, effective_port }
        } else {
            // What follows a host cannot be wrong. Without one, more slashes may follow, and a host behind them.
            let end = if authority.is_empty() { written.len() } else { scheme.len() + authority.len() };
            let parsed = Url::parse(&written[..end]).map_err(|e| DestinationError::Invalid(e.to_string()))?;
            let host = parsed.host_str().unwrap_or_default().to_owned();
            let (written_host, port) = split_port(authority)?;
            let url = [scheme, same_host(written_host, &host)?, port, &rest].concat();
            let effective_port = parsed.port_or_known_default().unwrap_or_default();
            Self { url, host, port: parsed.port(), effective_port }
        };
        let len = destination.url.strip_prefix("https://").unwrap_or(&destination.url).len();
        if len <= MAX_LEN { Ok(destination) } else { Err(DestinationError::TooLong(len)) }
    }

    /// The URL: visible ASCII.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The bytes of the URL.
    pub fn as_bytes(&self) -> &[u8] {
        self.url.as_bytes()
    }

    /// The host as a browser understands it: lower case, A-labels.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where it is not the scheme's own.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The port, the scheme's own included.
    pub fn effective_port(&self) -> u16 {
        self.effective_port
    }

    /// Whether it is asked for over TLS.
    pub fn is_https(&self) -> bool {
        self.url.starts_with("https:")
    }

    /// Whether both live on one host and port, whatever their scheme.
    pub fn is_same_host(&self, other: &Self) -> bool {
        self.host == other.host && self.port == other.port
    }

    /// The same destination without reserved parameters: what is signed never holds one.
    pub(super) fn without_reserved(&self) -> Cow<'_, Self> {
        let (head, query, fragment) = split_query(self.as_bytes());
        let query = query.unwrap_or_default();
        if !parameters(query).any(|parameter| reserved::is_reserved(parameter.name)) {
            return Cow::Borrowed(self);
        }
        let kept: Vec<&[u8]> = parameters(query).filter(|p| !reserved::is_reserved(p.name)).map(|p| p.raw).collect();
        let mark: &[u8] = if kept.is_empty() { b"" } else { b"?" };
        let url = [head, mark, &kept.join(&b'&'), fragment].concat();
        Cow::Owned(Self { url: String::from_utf8_lossy(&url).into_owned(), ..self.clone() })
    }
}

/// What a browser strips before it looks: spaces and control characters at the ends; tab, CR and LF
/// everywhere. Other white space is not stripped: a browser encodes it.
fn strip(written: &str) -> Cow<'_, str> {
    let trimmed = written.trim_matches(|c: char| c <= ' ');
    if memchr3(b'\t', b'\r', b'\n', trimmed.as_bytes()).is_none() {
        return Cow::Borrowed(trimmed);
    }
    trimmed.chars().filter(|c| !matches!(c, '\t' | '\r' | '\n')).collect()
}

fn split_scheme(url: &str) -> Result<(&str, &str), DestinationError> {
    for scheme in ["https://", "http://"] {
        if let Some((head, rest)) = url.split_at_checked(scheme.len())
            && head.eq_ignore_ascii_case(scheme)
        {
            return Ok((head, rest));
        }
    }
    Err(DestinationError::Scheme)
}

/// Whether this is a host that a browser only turns into lower case, which most are: no port, no letters but
/// ASCII and no A-label (which holds two hyphens), no number at the end.
fn is_plain(authority: &str) -> bool {
    let last = authority.rsplit('.').next().unwrap_or_default();
    last.starts_with(|c: char| c.is_ascii_alphabetic())
        && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && !authority.contains("--")
}

/// The host, and the port with its colon or nothing; a colon alone means the scheme's own port. An
/// IPv6 literal keeps its brackets.
fn split_port(authority: &str) -> Result<(&str, &str), DestinationError> {
    let after_literal = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority[after_literal..].find(':') else {
        return Ok((authority, ""));
    };
    let (host, port) = authority.split_at(after_literal + colon);
    let digits = &port[1..];
    let canonical = digits.parse::<u16>().is_ok_and(|number| number.to_string() == digits);
    if canonical || digits.is_empty() { Ok((host, port)) } else { Err(DestinationError::Port) }
}

/// The host to write: as written where that is ASCII, else its A-label. Refused when the two differ
/// in more than case or IDNA form.
fn same_host<'a>(written: &'a str, parsed: &'a str) -> Result<&'a str, DestinationError> {
    if written.is_ascii() && written.eq_ignore_ascii_case(parsed) {
        return Ok(written);
    }
    let lower = written.to_lowercase();
    let unicode = ComposingNormalizerBorrowed::new_nfc().normalize(&lower);
    if !written.is_ascii() && idna::domain_to_unicode(parsed).0 == unicode {
        return Ok(parsed);
    }
    Err(DestinationError::HostDiffers { written: written.to_owned(), parsed: parsed.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(written: &str) -> Result<String, &'static str> {
        Destination::parse(written).map(|d| d.url).map_err(|e| e.kind())
    }

    #[test]
    fn bytes_stay_as_written() {
        for same in [
            "https://shop.example",
            "https://shop.example?x",
            "HTTPS://Shop.Example/A?b=c",
            "http://shop.example:80/",
            "https://shop.examplehttps://shop.example/",
            "https://shop.example/p?x=a+b&e=%c3%A9&flag&t==&q=\"<>`{}|^'[]#/r?a=#b",
            "https://shop.example/a/../b/./c//d?",
            "https://shop.example/;p=1,2~!*()@:$",
            "https://[::1]:8080/",
            "http://127.0.0.1:9/x",
        ] {
            assert_eq!(parse(same), Ok(same.to_owned()));
        }
    }

    #[test]
    fn what_a_browser_mends_is_mended() {
        assert_eq!(parse("\u{0} \thttps://shop.example/a\r\nb\tc \n"), Ok("https://shop.example/abc".into()));
        assert_eq!(parse("https://shop.example/a b?c d#e f"), Ok("https://shop.example/a%20b?c%20d#e%20f".into()));
        assert_eq!(parse("https://shop.example/größe?ü"), Ok("https://shop.example/gr%C3%B6%C3%9Fe?%C3%BC".into()));
        assert_eq!(parse("https://shop.example/a\u{a0}"), Ok("https://shop.example/a%C2%A0".into()));
        assert_eq!(parse("\u{a0}https://shop.example/a"), Err("scheme"));
        assert_eq!(parse("https://Bücher.example:8443/x"), Ok("https://xn--bcher-kva.example:8443/x".into()));
    }

    #[test]
    fn tricks_are_refused() {
        for (written, kind) in [
            ("javascript:alert(1)", "scheme"),
            ("JaVaScRiPt://shop.example/%0aalert(1)", "scheme"),
            ("//shop.example/", "scheme"),
            ("https:shop.example", "scheme"),
            ("https:/shop.example", "scheme"),
            ("ftp://shop.example/", "scheme"),
            ("", "scheme"),
            ("https:///shop.example", "host_differs"),
            ("https://", "invalid_url"),
            ("https://shop.example\\@evil.example/", "backslash"),
            ("https://shop.example/a\\b", "backslash"),
            ("https://shop.example@evil.example/", "userinfo"),
            ("https://u:p@shop.example/", "userinfo"),
            ("https://shop%2Eexample/", "host_differs"),
            ("https://ｓhop.example/", "host_differs"),
            ("https://shop。example/", "host_differs"),
            ("https://shop.exam\u{ad}ple/", "host_differs"),
            ("http://0x7f.1/", "host_differs"),
            ("http://0177.0.0.1/", "host_differs"),
            ("http://2130706433/", "host_differs"),
            ("https://shop.example:0443/", "port"),
            ("https://shop.example:99999/", "invalid_url"),
            ("https://shop.example/\u{7f}", "control_character"),
            ("https://shop.example/\u{1}x", "control_character"),
            ("https://shop .example/", "invalid_url"),
        ] {
            assert_eq!(parse(written), Err(kind), "{written:?}");
        }
        assert_eq!(parse(&format!("https://shop.example/{}", "a".repeat(2036))), Err("too_long"));
        assert!(parse(&format!("https://shop.example/{}", "a".repeat(2035))).is_ok());
    }

    #[test]
    fn reserved_parameters_are_left_out_and_nothing_else() {
        for (written, kept) in [
            ("https://shop.example/?reaid=x", "https://shop.example/"),
            ("https://shop.example/?a=1&amp;REAID=x&b==&email=q#f", "https://shop.example/?a=1&b==#f"),
            ("https://shop.example/?a=1&&b", "https://shop.example/?a=1&&b"),
            ("https://shop.example/#?reaid=x", "https://shop.example/#?reaid=x"),
        ] {
            assert_eq!(Destination::parse(written).unwrap().without_reserved().as_str(), kept);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn a_plain_host_is_what_the_url_standard_makes_of_it(
            host in "([a-zA-Z0-9-]{0,5}|[xX][nN]-{1,2}[a-z0-9]{0,3}|0[xX])([.][a-zA-Z0-9-]{0,4}){0,3}"
        ) {
            if is_plain(&host) {
                let url = Url::parse(&format!("https://{host}")).unwrap();
                prop_assert_eq!(url.host_str().unwrap(), host.to_ascii_lowercase());
            }
        }
    }
}
