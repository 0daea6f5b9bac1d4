//! Which cookies the clicks of a site may set.

use std::time::Duration;

use url::Host;

use super::{Account, Destination};

/// The rules of one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieRules {
    /// What the cookies are for: this domain and all below it.
    pub domain: CookieDomain,
    /// The site's account: older scripts put it before the names.
    pub account: Account,
    /// Name and value of the cookie by which a visitor consents; None where nothing has to be asked.
    pub consent: Option<(String, String)>,
    /// Whether they are for TLS only.
    pub secure: bool,
    /// How long the cookie with the REAID lives.
    pub reaid_max_age: Duration,
}

/// The domain of a cookie, in lower case and as A-labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieDomain(String);

/// A text that is no domain of cookies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a domain like `shop.example`, found `{0}`")]
pub struct CookieDomainError(String);

impl CookieDomain {
    /// Reads a domain; a dot before it, as in older days, means nothing.
    ///
    /// # Errors
    /// `written` is no host, or has a port or anything else around it.
    pub fn parse(written: &str) -> Result<Self, CookieDomainError> {
        let error = || CookieDomainError(written.to_owned());
        let host = written.strip_prefix('.').unwrap_or(written);
        if host.is_empty() || host.contains(['/', '?', '#', '@', ':', '*']) {
            return Err(error());
        }
        let url = Destination::parse(&format!("https://{host}/")).map_err(|_| error())?;
        let is_of_cookies = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !url.host().bytes().all(is_of_cookies) {
            return Err(error());
        }
        Ok(Self(url.host().to_owned()))
    }

    /// The domain as it stands in a cookie.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `host` is this domain or below it: then it may set the cookie, and is sent it.
    pub fn covers(&self, host: &str) -> bool {
        let below = || host.strip_suffix(&self.0).is_some_and(|labels| labels.ends_with('.'));
        // An address has nothing below it, and no browser takes cookies for a whole top-level domain.
        host == self.0 || (self.0.contains('.') && matches!(Host::parse(&self.0), Ok(Host::Domain(_))) && below())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_covers_itself_and_what_is_below() {
        let shop = CookieDomain::parse(".Shop.Example").unwrap();
        assert_eq!(shop.as_str(), "shop.example");
        assert!(shop.covers("shop.example") && shop.covers("click.shop.example"));
        assert!(!shop.covers("notshop.example") && !shop.covers("example") && !shop.covers("shop.example.evil"));
        assert_eq!(CookieDomain::parse("bücher.example").unwrap().as_str(), "xn--bcher-kva.example");
        assert!(!CookieDomain::parse("example").unwrap().covers("shop.example"));
        let address = CookieDomain::parse("127.0.0.1").unwrap();
        assert!(address.covers("127.0.0.1") && !address.covers("a.127.0.0.1"));
    }

    #[test]
    fn only_hosts_are_domains() {
        for wrong in ["", ".", "https://x", "x:80", "x/", "a b", "*.x", "u@x", "x;y"] {
            assert!(CookieDomain::parse(wrong).is_err(), "{wrong}");
        }
    }
}
