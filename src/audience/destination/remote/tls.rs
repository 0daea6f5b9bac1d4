//! TLS with a file server: who it must be, and one session for all its connections.
//!
//! Servers take a data connection for ours because its TLS session is that of the control connection (vsftpd's
//! `require_ssl_reuse`): all connections share one configuration, which remembers sessions.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use ring::digest::SHA256;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use suppaftp::tokio::{AsyncTlsConnector, TokioTlsStream};
use suppaftp::tokio_rustls::TlsConnector;
use suppaftp::tokio_rustls::client::TlsStream;
use suppaftp::{FtpError, FtpResult};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::error::RemoteError;
use crate::config::{Authority, CertificatePin, Fingerprint, Ftps};

/// Makes connections to one server.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    config: Arc<ClientConfig>,
    judge: Arc<Judge>,
    name: ServerName<'static>,
}

impl Connector {
    pub(super) fn new(how: &Ftps, name: ServerName<'static>) -> Result<Self, RemoteError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = chain(how, &provider)?;
        let judge = Judge { pinned: how.certificates.clone(), chain, provider, refused: Mutex::default() };
        let judge = Arc::new(judge);
        let config = ClientConfig::builder_with_provider(judge.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| RemoteError::Setup(format!("TLS: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(judge.clone())
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), judge, name })
    }

    /// Why the certificate was refused, if it was.
    pub(super) fn refusal(&self) -> Option<RemoteError> {
        self.judge.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait::async_trait]
impl AsyncTlsConnector for Connector {
    type Stream = Stream;

    async fn connect(&self, _domain: &str, stream: TcpStream) -> FtpResult<Stream> {
        let connecting = TlsConnector::from(self.config.clone()).connect(self.name.clone(), stream);
        connecting.await.map(Stream).map_err(FtpError::ConnectionError)
    }
}

/// What judges certificates by authority and name; none where a pinned certificate says enough.
fn chain(how: &Ftps, provider: &Arc<CryptoProvider>) -> Result<Option<Arc<dyn ServerCertVerifier>>, RemoteError> {
    let path = match &how.authority {
        Some(Authority::File(path)) => path,
        None if !how.certificates.is_empty() => return Ok(None),
        Some(Authority::System) | None => {
            let system = rustls_platform_verifier::Verifier::new(provider.clone());
            let failed = |error| RemoteError::Setup(format!("no certificates of authorities: {error}"));
            return Ok(Some(Arc::new(system.map_err(failed)?)));
        }
    };
    let wrong = |why: String| RemoteError::Setup(format!("certificate_authority: {}: {why}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    Ok(Some(verifier.map_err(|error| wrong(format!("expected certificates as PEM: {error}")))?))
}

/// Judges the server's certificate, before anything is sent to it.
#[derive(Debug)]
struct Judge {
    pinned: Vec<CertificatePin>,
    chain: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
    /// Written by a handshake that fails, and taken by whoever asked for it.
    refused: Mutex<Option<RemoteError>>,
}

impl Judge {
    fn judge(&self, found: &[CertificatePin], by_chain: Result<(), rustls::Error>) -> Result<(), String> {
        if !self.pinned.is_empty() && !found.iter().any(|it| self.pinned.contains(it)) {
            let expected: Vec<String> = self.pinned.iter().map(CertificatePin::to_string).collect();
            return Err(format!("expected the fingerprint {}", expected.join(" or ")));
        }
        by_chain.map_err(|error| error.to_string())
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // What has no key that can be read is refused when it signs.
        let key = ParsedCertificate::try_from(certificate).ok().map(|it| it.subject_public_key_info());
        let found: Vec<CertificatePin> = std::iter::once(CertificatePin::Certificate(fingerprint(certificate)))
            .chain(key.map(|key| CertificatePin::PublicKey(fingerprint(&key))))
            .collect();
        let by_chain = self.chain.as_ref().map(|chain| chain.verify_server_cert(certificate, others, name, ocsp, now));
        match self.judge(&found, by_chain.map_or(Ok(()), |judged| judged.map(drop))) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(why) => {
                let found: Vec<String> = found.iter().map(CertificatePin::to_string).collect();
                let refused = RemoteError::Certificate { why, found: found.join(", of its public key ") };
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&SHA256, bytes).as_ref());
    Fingerprint::new(digest)
}

/// A connection. That its end cannot be said is no error: the server's answer and the file's size say what arrived,
/// and a server that refuses a file closes first.
#[derive(Debug)]
pub(super) struct Stream(TlsStream<TcpStream>);

impl TokioTlsStream for Stream {
    type InnerStream = TlsStream<TcpStream>;

    fn tcp_stream(self) -> FtpResult<TcpStream> {
        Ok(self.0.into_inner().0)
    }

    fn get_ref(&self) -> &TcpStream {
        self.0.get_ref().0
    }

    fn mut_ref(&mut self) -> &mut Self::InnerStream {
        &mut self.0
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx).map(|_| Ok(()))
    }
}
