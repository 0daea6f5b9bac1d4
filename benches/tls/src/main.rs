//! What a TLS 1.3 handshake costs the server, by cryptography: `cargo run --release --manifest-path benches/tls/Cargo.toml`.
//!
//! Client and server talk in memory; the time of the server's side alone counts. Rounds are interleaved, the median
//! of each is printed.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, ServerConfig, ServerConnection,
    SignatureScheme,
};

const HOST: &str = "click.shop.example";
const ROUNDS: usize = 7;
const HANDSHAKES: u32 = 400;

type Anyhow<T> = Result<T, Box<dyn Error>>;

/// One way to shake hands.
struct Way {
    name: &'static str,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    kind: HandshakeKind,
}

fn main() -> Anyhow<()> {
    let ways = ways()?;
    let mut seen: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for way in &ways {
            seen.entry(way.name).or_default().push(round(way)?);
        }
    }
    println!("| | server CPU per handshake | a second on one core |\n| --- | ---: | ---: |");
    for way in &ways {
        let Some(rounds) = seen.get_mut(way.name) else { continue };
        rounds.sort();
        let one = rounds[ROUNDS / 2];
        println!("| {} | {:.0} µs | {:.0} |", way.name, one.as_secs_f64() * 1e6, 1.0 / one.as_secs_f64());
    }
    Ok(())
}

fn ways() -> Anyhow<Vec<Way>> {
    let (x25519, hybrid) = (aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::X25519MLKEM768);
    let aws = |group: &'static dyn SupportedKxGroup| CryptoProvider {
        kx_groups: vec![group],
        ..aws_lc_rs::default_provider()
    };
    let ring = || CryptoProvider { kx_groups: vec![ring::kx_group::X25519], ..ring::default_provider() };
    let (full, resumed) = (HandshakeKind::Full, HandshakeKind::Resumed);
    Ok(vec![
        Way::new("ring, X25519", ring(), ring::Ticketer::new()?, full)?,
        Way::new("ring, X25519, resumed", ring(), ring::Ticketer::new()?, resumed)?,
        Way::new("aws-lc-rs, X25519", aws(x25519), aws_lc_rs::Ticketer::new()?, full)?,
        Way::new("aws-lc-rs, X25519, resumed", aws(x25519), aws_lc_rs::Ticketer::new()?, resumed)?,
        Way::new("aws-lc-rs, X25519MLKEM768", aws(hybrid), aws_lc_rs::Ticketer::new()?, full)?,
        Way::new("aws-lc-rs, X25519MLKEM768, resumed", aws(hybrid), aws_lc_rs::Ticketer::new()?, resumed)?,
    ])
}

impl Way {
    fn new(
        name: &'static str,
        provider: CryptoProvider,
        ticketer: Arc<dyn rustls::server::ProducesTickets>,
        kind: HandshakeKind,
    ) -> Anyhow<Self> {
        let provider = Arc::new(provider);
        let certified = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der())?;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)?;
        server.ticketer = ticketer;
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
            .with_no_client_auth();
        if kind == HandshakeKind::Full {
            client.resumption = rustls::client::Resumption::disabled();
        }
        Ok(Self { name, server: server.into(), client: client.into(), kind })
    }
}

/// The server's time for one handshake, on average.
fn round(way: &Way) -> Anyhow<Duration> {
    // Whoever resumes has been here before.
    handshake(way)?;
    let mut total = Duration::ZERO;
    for _ in 0..HANDSHAKES {
        let (took, kind) = handshake(way)?;
        assert_eq!(kind, Some(way.kind), "{}", way.name);
        total += took;
    }
    Ok(total / HANDSHAKES)
}

fn handshake(way: &Way) -> Anyhow<(Duration, Option<HandshakeKind>)> {
    let mut client = ClientConnection::new(way.client.clone(), ServerName::try_from(HOST)?)?;
    let begun = Instant::now();
    let mut server = ServerConnection::new(way.server.clone())?;
    let mut took = begun.elapsed();
    // Until nobody has anything to say: the tickets that follow belong to it.
    loop {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire)?;
        }
        let begun = Instant::now();
        let mut to_read = wire.as_slice();
        while !to_read.is_empty() {
            server.read_tls(&mut to_read)?;
            server.process_new_packets()?;
        }
        let mut answer = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut answer)?;
        }
        took += begun.elapsed();
        if answer.is_empty() && wire.is_empty() {
            return Ok((took, server.handshake_kind()));
        }
        let mut to_read = answer.as_slice();
        while !to_read.is_empty() {
            client.read_tls(&mut to_read)?;
            client.process_new_packets()?;
        }
    }
}

/// The client's opinion costs the server nothing.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
