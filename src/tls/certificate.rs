//! One certificate chain with its key: read from PEM, checked against one another.

use std::path::Path;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::client::verify_server_name;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use crate::clock::Timestamp;
use crate::config::{CertificateFiles, ConfigError};

/// The largest file that is read: a chain is a few KiB, and this bounds a mistaken path.
const MAX_LEN: u64 = 256 * 1024;

/// A certificate that can be used: the key belongs to it.
#[derive(Debug)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Why PEM texts are no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// No certificate in the chain.
    #[error("expected a certificate in PEM, found none")]
    NoCertificate,
    /// No key.
    #[error("expected a private key in PEM, found none")]
    NoKey,
    /// No PEM, or not one that TLS can use.
    #[error("expected {0} in PEM")]
    Pem(&'static str),
    /// The certificate does not parse.
    #[error("expected an X.509 certificate")]
    X509,
    /// A kind of key that TLS does not use.
    #[error("expected an ECDSA, Ed25519 or RSA key of 2048 to 8192 bits")]
    KeyKind,
    /// Certificate and key are not of one pair.
    #[error("expected the private key of the certificate, found that of another")]
    OtherKey,
}

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// Names the file and what is wrong with it. A key that everybody may read is refused.
    pub fn load(files: &CertificateFiles) -> Result<Self, ConfigError> {
        let chain = read(&files.certificate.value).map_err(|says| files.certificate.place.complain(says))?;
        let key = read_private(&files.private_key.value).map_err(|says| files.private_key.place.complain(says))?;
        Self::from_pem(&chain, &key).map_err(|error| {
            let of_key = matches!(error, CertificateError::NoKey | CertificateError::KeyKind);
            let file = if of_key { &files.private_key } else { &files.certificate };
            file.place.complain(format!("{}: {error}", file.value.display()))
        })
    }

    /// From the PEM of a chain, the domain's own certificate first, and of its key.
    ///
    /// # Errors
    /// Says which of them cannot be used.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| CertificateError::Pem("certificates"))?;
        let first = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(first).map_err(|_| CertificateError::X509)?;
        let time = |time: x509_parser::time::ASN1Time| Timestamp::from_secs(time.timestamp().try_into().unwrap_or(0));
        let (not_before, not_after) = (time(parsed.validity().not_before), time(parsed.validity().not_after));
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        let key = any_supported_type(&key).map_err(|_| CertificateError::KeyKind)?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|_| CertificateError::OtherKey)?;
        Ok(Self { key: Arc::new(certified), not_before, not_after })
    }

    /// Whether it answers for this host, as a browser decides it.
    pub fn names(&self, host: &str) -> bool {
        let (Some(first), Ok(name)) = (self.key.cert.first(), ServerName::try_from(host)) else { return false };
        ParsedCertificate::try_from(first).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
    }

    /// When it begins to be valid.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// When it ends to be valid.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The first 8 bytes of the SHA-256 of the chain, to tell one from another.
    pub fn fingerprint(&self) -> [u8; 8] {
        let all: Vec<u8> = self.key.cert.iter().flat_map(|der| der.iter().copied()).collect();
        let mut short = [0; 8];
        short.copy_from_slice(&digest(&SHA256, &all).as_ref()[..8]);
        short
    }

    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        self.key.clone()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_LEN), &mut bytes).map_err(cannot)?;
    Ok(bytes)
}

fn read_private(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let shown = path.display();
    let mode = std::fs::metadata(path).map_err(|e| format!("cannot read {shown}: {e}"))?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(format!("the key in {shown} is open to everybody (mode {:04o}): chmod 600 it", mode & 0o7777));
    }
    read(path).map(zeroize::Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_names_its_domains_and_no_others() {
        let (chain, key) = pair(&["click.example", "*.two.example", "127.0.0.1"]);
        let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        assert!(["click.example", "a.two.example", "127.0.0.1"].iter().all(|host| certificate.names(host)));
        assert!(!["two.example", "x.click.example", "127.0.0.2", ""].iter().any(|host| certificate.names(host)));
        assert!(certificate.not_before() < certificate.not_after());
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let ((chain, key), (other, _)) = (pair(&["click.example"]), pair(&["click.example"]));
        let refused = |chain: &str, key: &str| Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(matches!(refused(&other, &key), CertificateError::OtherKey));
        assert!(matches!(refused("", &key), CertificateError::NoCertificate));
        assert!(matches!(refused(&chain, ""), CertificateError::NoKey));
        assert!(matches!(refused(&chain, &chain), CertificateError::NoKey));
        let broken = chain.replace("MII", "AAA");
        assert!(matches!(refused(&broken, &key), CertificateError::X509 | CertificateError::Pem(_)));
    }
}
