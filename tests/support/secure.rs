//! An authority of the tests, the certificates it makes, and clients that trust it.

use std::net::SocketAddr;
use std::sync::Arc;

use h2::client::SendRequest;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::house::{CLICK_HOST, House, Settings};

/// The second click domain of [`Authority::house`].
pub(crate) const OTHER_HOST: &str = "click.two.example";

/// Makes certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: rcgen::Certificate,
}

impl Authority {
    /// A new one.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// Its own certificate in PEM.
    pub(crate) fn root(&self) -> String {
        self.root.pem()
    }

    /// A chain and its key in PEM, for these names.
    pub(crate) fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes a certificate and its key as `data/NAME.pem` and `data/NAME-key.pem`.
    pub(crate) fn write(&self, house: &House, name: &str, hosts: &[&str]) {
        let (chain, key) = self.issue(hosts);
        house.write_secret(&format!("data/{name}.pem"), &chain);
        house.write_secret(&format!("data/{name}-key.pem"), &key);
    }

    /// A house that speaks TLS as [`CLICK_HOST`] and [`OTHER_HOST`], each with a certificate of its own,
    /// and redirects plain HTTP; `edge` are more lines for that table.
    pub(crate) fn house(&self, edge: &str) -> House {
        let house = House::new(&secure_settings(edge));
        self.write(&house, "click", &[CLICK_HOST]);
        self.write(&house, "two", &[OTHER_HOST]);
        house
    }

    /// A client that trusts it and offers these protocols.
    pub(crate) fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// Connects to `address` as to `host`.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        host: &str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        TlsConnector::from(self.client(protocols)).connect(name, stream).await
    }

    /// A connection of HTTP/2, kept going in the background.
    pub(crate) async fn http2(&self, address: SocketAddr) -> SendRequest<bytes::Bytes> {
        let stream = self.connect(address, CLICK_HOST, &["h2"]).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// The settings of [`Authority::house`].
pub(crate) fn secure_settings(edge: &str) -> Settings {
    let edge = format!(
        r#"http_listen = ["127.0.0.1:0"]
fallback_url = "https://shop.example/lost"
{edge}
[edge.tls]
certificate = "data/click.pem"
private_key = "data/click-key.pem"
[[edge.domain]]
base_url = "https://{OTHER_HOST}"
fallback_url = "https://shop.example/two"
tls = {{ certificate = "data/two.pem", private_key = "data/two-key.pem" }}"#
    );
    Settings { base_url: format!("https://{CLICK_HOST}"), edge, ..Settings::default() }
}
