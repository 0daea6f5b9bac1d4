//! Who may ask: by a `Host` that no web page can have, and with the token.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderValue, header};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What a request must name and carry.
pub(super) struct Access {
    pub(super) token: Zeroizing<String>,
    pub(super) hosts: Vec<String>,
}

impl Access {
    /// Whether a `Host` is an address, `localhost` or a configured name.
    pub(super) fn is_own_host(&self, host: &str) -> bool {
        let name = host.parse::<http::uri::Authority>().map(|authority| authority.host().to_ascii_lowercase());
        name.is_ok_and(|name| {
            let literal = name.trim_start_matches('[').trim_end_matches(']');
            name == "localhost"
                || literal.parse::<IpAddr>().is_ok()
                || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(&name))
        })
    }

    /// Whether a request carries the token.
    pub(super) fn is_authorised(&self, request: &Parts) -> bool {
        carries(request, &self.token)
    }
}

/// Whether a request carries this bearer token.
pub(super) fn carries(request: &Parts, token: &str) -> bool {
    let value = request.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let carried = value
        .split_at_checked(7)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
        .map(|(_, carried)| carried);
    carried.is_some_and(|carried| bool::from(carried.ct_eq(token.as_bytes())))
}
