//! TLS of the public listener: which certificate answers for which name, from files or from an
//! authority, swapped whole while connections go on.
//!
//! The profile is Mozilla's "intermediate": TLS 1.2 and 1.3, forward secrecy and authenticated
//! encryption alone, the order of ciphers the client's. No early data: it can be replayed, and a
//! replayed click would count twice.

pub mod acme;
mod certificate;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::{CertificateOf, ConfigError, Edge};

pub use certificate::{Certificate, CertificateError};

/// What a client may choose by ALPN, the better first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificates in use, by the name that a client asks for.
#[derive(Debug, Default)]
pub struct Certificates(ArcSwap<Names>);

#[derive(Clone, Debug, Default)]
struct Names {
    /// From files, by host.
    files: BTreeMap<String, Arc<Certificate>>,
    /// From an authority, by host; a file for the same host comes first.
    ordered: BTreeMap<String, Arc<Certificate>>,
    /// For whoever names no host of ours: it is told the first one's certificate, and by HTTP that
    /// this is the wrong place.
    first: String,
}

impl Names {
    fn of_host(&self, host: &str) -> Option<&Arc<Certificate>> {
        self.files.get(host).or_else(|| self.ordered.get(host))
    }
}

impl Certificates {
    /// Puts what was read from files in use, in the place of all that were before; `first` is the host
    /// whose certificate answers for unknown names.
    pub fn put_files(&self, files: &BTreeMap<String, Arc<Certificate>>, first: &str) {
        self.0.rcu(|names| Names { files: files.clone(), first: first.to_owned(), ..Names::clone(names) });
    }

    /// Puts one that an authority made in use.
    pub fn put_ordered(&self, host: &str, certificate: &Arc<Certificate>) {
        self.0.rcu(|names| {
            let mut names = Names::clone(names);
            names.ordered.insert(host.to_owned(), certificate.clone());
            names
        });
    }

    /// The one that an authority made for a host.
    pub fn ordered(&self, host: &str) -> Option<Arc<Certificate>> {
        self.0.load().ordered.get(host).cloned()
    }

    /// The hosts with their certificates, in the order of their names.
    pub fn all(&self) -> BTreeMap<String, Arc<Certificate>> {
        let names = self.0.load();
        let mut all = names.ordered.clone();
        all.extend(names.files.clone());
        all
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let names = self.0.load();
        let named = hello.server_name().and_then(|name| names.of_host(&name.to_ascii_lowercase()));
        named.or_else(|| names.of_host(&names.first)).map(|certificate| certificate.key())
    }
}

/// Reads every certificate that `[edge]` names files for, by the host that it answers for.
///
/// # Errors
/// A file cannot be read, is no certificate or key, or does not name its domain.
pub fn load(edge: &Edge) -> Result<BTreeMap<String, Arc<Certificate>>, ConfigError> {
    let mut all = BTreeMap::new();
    for (base_url, host, from) in edge.certificates() {
        let CertificateOf::Files(files) = from else { continue };
        let certificate = Certificate::load(files)?;
        if !certificate.names(&host) {
            let shown = files.certificate.value.display();
            return Err(base_url.place.complain(format!("the certificate in {shown} does not name `{host}`")));
        }
        all.insert(host, Arc::new(certificate));
    }
    Ok(all)
}

/// How the public listener speaks TLS, with whatever `certificates` holds at each handshake.
///
/// # Errors
/// The machine gives no random numbers.
pub fn server_config(certificates: Arc<Certificates>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    // Tickets, whose keys change every six hours, instead of a memory of sessions for each client.
    config.ticketer = ring::Ticketer::new()?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_mozillas_intermediate() {
        let config = server_config(Arc::default()).unwrap();
        let suites: Vec<_> =
            config.crypto_provider().cipher_suites.iter().map(|suite| format!("{:?}", suite.suite())).collect();
        assert_eq!(
            suites,
            [
                "TLS13_AES_256_GCM_SHA384",
                "TLS13_AES_128_GCM_SHA256",
                "TLS13_CHACHA20_POLY1305_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            ]
        );
        let groups: Vec<_> = config.crypto_provider().kx_groups.iter().map(|it| format!("{:?}", it.name())).collect();
        assert_eq!(groups, ["X25519", "secp256r1", "secp384r1"]);
        assert!(!config.ignore_client_order && config.max_early_data_size == 0);
    }
}
