//! The client for calls to vendors. It follows no redirect, uses no system proxy, and connects to a
//! private address only where the operator wrote the address or allowed it.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::Url;

/// Idle connections to one host: as many as delivery has calls in flight at most.
const IDLE_PER_HOST: usize = 512;

/// How a vendor may be called.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long connecting (name, TCP, TLS) may take.
    pub connect: Duration,
    /// How long a call may take, from the first byte to the last.
    pub total: Duration,
    /// Whether names may resolve to private addresses.
    pub allow_private: bool,
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no client for calls to vendors: {0}")]
pub struct OutboundError(#[source] reqwest::Error);

impl OutboundError {
    /// The label for metrics and logs.
    pub fn kind(&self) -> &'static str {
        "outbound_client"
    }
}

/// A client for calls to `base`. When `base` is https, nothing but https is spoken.
///
/// # Errors
/// When TLS cannot be set up, as on a machine without root certificates.
pub fn client(base: &Url, options: Options) -> Result<reqwest::Client, OutboundError> {
    let builder = builder(base, options);
    // Without TLS no root certificates are needed, and a bare machine may have none.
    let builder = if base.scheme() == "https" { builder } else { builder.tls_certs_only([]) };
    builder.build().map_err(|error| OutboundError(error.without_url()))
}

/// The same, trusting the roots in `pem` and no others.
///
/// # Errors
/// There is no certificate in `pem`, or TLS cannot be set up.
pub fn client_trusting(base: &Url, options: Options, pem: &[u8]) -> Result<reqwest::Client, OutboundError> {
    let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(OutboundError)?;
    builder(base, options).tls_certs_only(roots).build().map_err(|error| OutboundError(error.without_url()))
}

fn builder(base: &Url, options: Options) -> reqwest::ClientBuilder {
    // Whoever came first has installed the same provider.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = reqwest::Client::builder()
        .user_agent(concat!("reaid/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(options.connect)
        .timeout(options.total)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .dns_resolver(Arc::new(Guard { allow_private: options.allow_private }));
    builder.https_only(base.scheme() == "https")
}

/// What a failed call says, without the URL, which may hold an identity.
pub fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        if is_private_refusal(error) { "private_address" } else { "connect" }
    } else {
        "broken"
    }
}

/// Resolves names by the system and refuses private addresses. Literal addresses never come here.
struct Guard {
    allow_private: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the name resolves to a private address only; set allow_private = true where that is meant")]
struct PrivateAddress;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let usable = found.filter(|address| allow_private || is_public(address.ip()));
            let usable: Vec<SocketAddr> = usable.collect();
            if usable.is_empty() {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

fn is_private_refusal(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<PrivateAddress>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether an address belongs to the public internet: anything reserved, local or embedding such an
/// address does not (IANA's special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // Mapped, and translated by NAT64.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo and documentation.
        [0x2001, 0 | 0xdb8, ..] => false,
        // Everything else that is public so far lies in 2000::/3.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn options(allow_private: bool) -> Options {
        Options { connect: Duration::from_secs(5), total: Duration::from_secs(5), allow_private }
    }

    /// Answers one connection with a redirect; returns what was asked.
    async fn answer_once(listener: TcpListener) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4096];
        let length = stream.read(&mut asked).await.unwrap();
        let answer = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&asked[..length]).into_owned()
    }

    #[test]
    fn special_addresses_are_not_public() {
        let special = "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 192.0.0.8 192.168.1.1 \
            198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 fe80::1 fc00::1 fd12::1 ff02::1 ::ffff:10.0.0.1 \
            64:ff9b::127.0.0.1 2002:7f00:1:: 2001:db8::1 2001::1 ::127.0.0.1";
        for address in special.split_whitespace() {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_with_a_private_address_is_refused_unless_allowed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://localhost:{}/", listener.local_addr().unwrap().port()).parse::<Url>().unwrap();
        let refused = client(&base, options(false)).unwrap().get(base.clone()).send().await.unwrap_err();
        assert_eq!(reason(&refused), "private_address");
        let server = tokio::spawn(answer_once(listener));
        client(&base, options(true)).unwrap().get(base.clone()).send().await.unwrap();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_literal_address_is_called_and_its_redirect_is_not_followed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap()).parse::<Url>().unwrap();
        let server = tokio::spawn(answer_once(listener));
        let answer = client(&base, options(false)).unwrap().get(base.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        assert!(server.await.unwrap().contains(concat!("user-agent: reaid/", env!("CARGO_PKG_VERSION"))));
    }

    #[tokio::test]
    async fn nothing_but_https_is_spoken_to_a_vendor_with_https() {
        let Ok(client) = client(&"https://vendor.example/".parse().unwrap(), options(true)) else {
            return; // A machine without root certificates.
        };
        let refused = client.get("http://127.0.0.1:9/").send().await.unwrap_err();
        assert!(refused.is_builder(), "{refused}");
    }
}
