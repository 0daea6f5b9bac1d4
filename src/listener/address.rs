//! Whose connection or request it is, as far as limits need to know. Addresses stay in memory and go with what
//! they limit: none is stored, logged, or a metric's label.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Hops of a forwarding header that are looked at, from the right: more proxies of one's own stand in no row.
const HOPS: usize = 16;

/// Who opened the connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Whom a limit is for: an IPv4 address, or the /64 of an IPv6 address, which one customer has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            v4 => v4,
        })
    }
}

/// The proxies of one's own that stand in front, and the header in which they say for whom they ask.
#[derive(Clone, Debug)]
pub struct Proxies {
    /// Their networks.
    pub networks: Vec<IpNet>,
    /// What they write.
    pub header: ForwardedBy,
}

/// A header in which proxies say for whom they ask. A client can write the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedBy {
    /// `X-Forwarded-For: client, proxy`
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239)
    Forwarded,
}

impl Proxies {
    /// Whether a proxy of one's own has this address.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Who asks: the rightmost address that is no proxy of one's own. What stands to the left of it anybody
    /// can have written.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.has(client) {
            return client;
        }
        let fields: Vec<_> = headers.get_all(self.header.name()).iter().collect();
        let hops = fields.iter().rev().flat_map(|field| field.as_bytes().rsplit(|&byte| byte == b','));
        for hop in hops.take(HOPS) {
            // A hop that hides itself hides all who stand behind it.
            let Some(address) = self.header.address(hop) else { break };
            client = address.to_canonical();
            if !self.has(client) {
                break;
            }
        }
        client
    }
}

impl ForwardedBy {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => http::header::FORWARDED,
        }
    }

    fn address(self, hop: &[u8]) -> Option<IpAddr> {
        let hop = std::str::from_utf8(hop).ok()?;
        match self {
            Self::XForwardedFor => address(hop),
            Self::Forwarded => hop.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then(|| address(value.trim().trim_matches('"')))?
            }),
        }
    }
}

/// An address with or without a port, one of IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split(']').next()?.parse().ok().map(IpAddr::V6);
    }
    text.parse().ok().or_else(|| Some(text.parse::<std::net::SocketAddrV4>().ok()?.ip().to_owned().into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(header: ForwardedBy, peer: &str, fields: &[&str]) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).into();
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header.name(), field.parse().unwrap());
        }
        Proxies { networks, header }.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_asks() {
        for (peer, fields, expected) in [
            ("192.0.2.1", vec!["1.1.1.1"], "192.0.2.1"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["192.0.2.1"], "192.0.2.1"),
            ("::ffff:10.0.0.1", vec!["::ffff:192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", vec!["1.1.1.1, 192.0.2.1 ,10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", vec!["1.1.1.1", "192.0.2.1:4711, 10.0.0.2"], "192.0.2.1"),
            ("fd00::1", vec!["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", vec!["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", vec!["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", vec!["1.1.1.1, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            assert_eq!(client(ForwardedBy::XForwardedFor, peer, &fields), expected, "{peer} {fields:?}");
        }
        for (fields, expected) in [
            (vec!["for=192.0.2.1;proto=http;by=10.0.0.2"], "192.0.2.1"),
            (vec!["for=1.1.1.1, For=\"[2001:db8::1]:4711\" , for=10.0.0.2"], "2001:db8::1"),
            (vec!["for=192.0.2.1", "proto=https;for=\"10.0.0.2:80\""], "192.0.2.1"),
            (vec!["for=192.0.2.1, for=_hidden"], "10.0.0.1"),
            (vec!["by=192.0.2.1"], "10.0.0.1"),
        ] {
            assert_eq!(client(ForwardedBy::Forwarded, "10.0.0.1", &fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn an_ipv6_customer_is_a_64() {
        let of = |address: &str| Network::of(address.parse().unwrap());
        assert!(of("2001:db8:0:1::1") == of("2001:db8:0:1:ffff::2") && of("2001:db8:0:1::1") != of("2001:db8:0:2::1"));
        assert!(of("192.0.2.1") != of("192.0.2.2") && of("::ffff:192.0.2.1") == of("192.0.2.1"));
    }

    proptest! {
        #[test]
        fn nobody_behind_a_stranger_is_believed(noise in "[ -~]{0,40}") {
            for header in [ForwardedBy::XForwardedFor, ForwardedBy::Forwarded] {
                let own = if header == ForwardedBy::Forwarded { "for=192.0.2.1" } else { "192.0.2.1" };
                prop_assert_eq!(client(header, "10.0.0.1", &[&noise, own]), "192.0.2.1");
                prop_assert_eq!(client(header, "192.0.2.9", &[&noise]), "192.0.2.9");
                client(header, "10.0.0.1", &[&noise]);
            }
        }
    }
}
