//! Certificates from an authority: pebble, which refuses half of all nonces, behind a line that drops half of all
//! connections. Skipped where it is not.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::support::house::{CLICK_HOST, House, Settings};
use crate::support::program::Serving;
use crate::support::secure::{Authority, OTHER_HOST};
use crate::support::{Connection, client, logs, until};

/// Seconds that pebble's certificates live: long enough to be seen, short enough to be renewed.
const LIFE: u32 = 20;

/// pebble and its name server; killed when dropped.
struct Pebble(Vec<Child>);

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that was free a moment ago, for programs that take none as 0.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Pebble {
    /// Starts in the house, where its own certificate is; None, with a notice, where it is not installed.
    fn start(house: &House, http: u16, acme: u16) -> Option<Self> {
        let [management, dns] = [port(), port()];
        let config = format!(
            r#"{{"pebble": {{"listenAddress": "127.0.0.1:{acme}", "managementListenAddress": "127.0.0.1:{management}",
            "certificate": "{}", "privateKey": "{}", "httpPort": {http}, "tlsPort": {http},
            "ocspResponderURL": "", "externalAccountBindingRequired": false, "certificateValidityPeriod": {LIFE}}}}}"#,
            house.path("data/pebble.pem").display(),
            house.path("data/pebble-key.pem").display(),
        );
        std::fs::write(house.path("pebble.json"), config).unwrap();
        let names = format!("127.0.0.1:{dns}");
        let mut server = Command::new("pebble-challtestsrv");
        server.args(["-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-management", ""]);
        server.args(["-dns01", &names]);
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(house.path("pebble.json")).args(["-dnsserver", &names]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "50").env("PEBBLE_AUTHZREUSE", "0");
        let mut children = Vec::new();
        for command in [&mut server, &mut pebble] {
            let out = std::fs::File::create(logs::stem("pebble").with_extension("txt")).unwrap();
            let child = command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).spawn();
            let Ok(child) = child else {
                eprintln!("skipped: no pebble here to order certificates from");
                return None;
            };
            children.push(child);
        }
        Some(Self(children))
    }
}

/// A line to the authority that drops every second connection.
async fn bad_line(authority: u16) -> (u16, AbortOnDropHandle<()>) {
    let line = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = line.local_addr().unwrap().port();
    let relay = async move {
        loop {
            drop(line.accept().await.unwrap());
            let (mut client, _) = line.accept().await.unwrap();
            tokio::spawn(async move {
                let Ok(mut server) = TcpStream::connect(("127.0.0.1", authority)).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    };
    (port, AbortOnDropHandle::new(tokio::spawn(relay)))
}

/// The one file with a certificate of this host.
fn kept(house: &House, host: &str) -> Option<PathBuf> {
    let folder = std::fs::read_dir(house.path("data/acme")).ok()?;
    let is_of = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(&format!("{host}-"));
    folder.map(|entry| entry.unwrap().path()).find(|path| is_of(path) && path.extension().is_some_and(|it| it == "pem"))
}

/// Asks over TLS, trusting whoever signed the kept certificate; None while that is not what is shown.
async fn health(house: &House, edge: SocketAddr, host: &str) -> Option<u16> {
    let chain = std::fs::read(kept(house, host)?).unwrap();
    let issuer = CertificateDer::pem_slice_iter(&chain).last()?.ok()?;
    let mut roots = RootCertStore::empty();
    roots.add(issuer).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let stream = TlsConnector::from(config).connect(name, TcpStream::connect(edge).await.ok()?).await.ok()?;
    Some(Connection::over(stream).get(host, "/healthz", "").await?.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_ordered_renewed_and_kept_when_the_authority_fails() {
    let authority = Authority::new();
    let http = port();
    let settings = Settings { base_url: format!("https://{CLICK_HOST}"), ..Settings::default() };
    let house = House::new(&settings);
    authority.write(&house, "pebble", &["127.0.0.1"]);
    house.write_secret("data/roots.pem", &authority.root());
    let acme = port();
    let Some(pebble) = Pebble::start(&house, http, acme) else { return };
    let (line, _line) = bad_line(acme).await;
    let edge = format!(
        r#"http_listen = ["127.0.0.1:{http}"]
[edge.acme]
domains = ["{CLICK_HOST}", "{OTHER_HOST}"]
contact = "mailto:ops@shop.example"
directory = "https://127.0.0.1:{line}/dir"
roots = "data/roots.pem"
retry = "100ms"
[[edge.domain]]
base_url = "https://{OTHER_HOST}""#
    );
    house.configure(&Settings { edge, ..settings });
    let (serving, house) = tokio::task::spawn_blocking(move || (Serving::start(&house), house)).await.unwrap();
    for host in [CLICK_HOST, OTHER_HOST] {
        until("a certificate", async || health(&house, serving.edge, host).await.filter(|status| *status == 200)).await;
    }
    for file in std::fs::read_dir(house.path("data/acme")).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
    let ordered = |host: &str| {
        let log = serving.logged();
        log.lines().filter(|line| line.contains("a new certificate is in use") && line.contains(host)).count()
    };
    let log = serving.logged();
    let first = log.lines().find(|line| line.contains("\"host\":")).unwrap();
    assert!(first.contains(CLICK_HOST), "in the order of the file, whatever came of it: {first}");
    until("a renewal", async || (ordered(CLICK_HOST) > 1 && ordered(OTHER_HOST) > 1).then_some(())).await;
    assert_eq!(health(&house, serving.edge, CLICK_HOST).await, Some(200));
    drop(pebble);
    // It keeps nothing: an account of before is none of its own any more.
    let pebble = Pebble::start(&house, http, acme).unwrap();
    let before = ordered(CLICK_HOST);
    until("a renewal by a new account", async || (ordered(CLICK_HOST) > before).then_some(())).await;
    drop(pebble);
    let failed = serving.logged().matches("no new certificate").count();
    until("a failed order", async || (serving.logged().matches("no new certificate").count() > failed).then_some(()))
        .await;
    let request = client::get("anything.example", "/.well-known/acme-challenge/none", "");
    let refused = client::ask(SocketAddr::from(([127, 0, 0, 1], http)), request.as_bytes());
    assert_eq!(refused.await.status, 421, "no proof is left behind");
    assert!(kept(&house, CLICK_HOST).is_some(), "what is there stays");
    assert_eq!(tokio::task::spawn_blocking(|| serving.terminate()).await.unwrap(), 0);
}
