//! What hyper alone costs: a canned redirect (`canned`), one that checks the tag of a link token and of a REAID with
//! two HMACs and does nothing else (`hmac`), or one that has the click on disk as well before it answers, by the
//! least that does so (`durable`). Also Raptor's stand-in (`ok`), which takes every event.
//!
//! `bare MODE ADDRESS [CERTIFICATE PRIVATE_KEY MAC_KEY CHECK_KEY DATABASE]`: files as PEM (`-` for plain HTTP), keys
//! in hexadecimal.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot be set up has nothing to measure")]

mod table;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use ring::hmac;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use table::{Row, Table};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;

const PAGE: &str = "https://shop.example/kaffe/no-4?utm_source=newsletter&utm_medium=email&part=cup";

/// Bytes of a link token's tag, of a REAID without its check, and of the check.
const TAG: usize = 16;
const ID: usize = 14;
const CHECK: usize = 4;

enum Mode {
    Canned,
    Ok,
    /// With a table where clicks are kept, if they are.
    Click(Box<Keys>, Option<Table>),
}

struct Keys {
    mac: hmac::Key,
    check: hmac::Key,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(serve(&arguments));
}

async fn serve(arguments: &[String]) {
    let argument = |at: usize| arguments.get(at).map(String::as_str);
    let key = |at| hmac::Key::new(hmac::HMAC_SHA256, &unhex(argument(at).expect("a key")));
    let keys = || Box::new(Keys { mac: key(4), check: key(5) });
    let mode = match argument(0) {
        Some("canned") => Mode::Canned,
        Some("ok") => Mode::Ok,
        Some("hmac") => Mode::Click(keys(), None),
        Some("durable") => Mode::Click(keys(), Some(Table::open(argument(6).expect("a database")))),
        other => panic!("expected canned, ok, hmac or durable, found {other:?}"),
    };
    let address: SocketAddr = argument(1).and_then(|it| it.parse().ok()).expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(address).expect("a free port");
    let listener = socket.listen(4096).expect("a free port");
    let tls = match (argument(2), argument(3)) {
        (Some(certificate), Some(key)) if certificate != "-" => Some(acceptor(certificate, key)),
        _ => None,
    };
    accept(listener, tls, Arc::new(mode)).await;
}

fn acceptor(certificate: &str, key: &str) -> TlsAcceptor {
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(certificate).expect("a file").map(|it| it.expect("PEM")).collect();
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate that fits");
    config.ticketer = rustls::crypto::ring::Ticketer::new().expect("random numbers");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, mode: Arc<Mode>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // As every server here does.
        let _ = stream.set_nodelay(true);
        let (tls, mode) = (tls.clone(), mode.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, false, mode).await,
                Some(tls) => {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    connection(stream, is_h2, mode).await;
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, is_h2: bool, mode: Arc<Mode>) {
    let service = service_fn(move |request| {
        let mode = mode.clone();
        async move { Ok::<_, Infallible>(answer(&mode, &request).await) }
    });
    // A client that goes away is no news.
    let _ = match is_h2 {
        false => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
        true => http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await,
    };
}

async fn answer(mode: &Mode, request: &Request<Incoming>) -> Response<Empty<Bytes>> {
    let (keys, table) = match mode {
        Mode::Ok => return status(StatusCode::OK),
        Mode::Canned => return redirect(PAGE),
        Mode::Click(keys, table) => (keys, table),
    };
    let Some(reaid) = checked(keys, request) else { return status(StatusCode::NOT_FOUND) };
    let page = format!("{PAGE}&reaid={reaid}");
    if let Some(table) = table {
        table.keep(Row { reaid: reaid.to_owned(), page: page.clone() }).await;
    }
    redirect(&page)
}

fn checked<'a>(keys: &Keys, request: &'a Request<Incoming>) -> Option<&'a str> {
    let token = URL_SAFE_NO_PAD.decode(request.uri().path().strip_prefix("/c/")?).ok()?;
    let (signed, tag) = token.split_at_checked(token.len().checked_sub(TAG)?)?;
    let reaid = request.uri().query()?.strip_prefix("reaid=")?;
    let bytes = URL_SAFE_NO_PAD.decode(reaid).ok().filter(|bytes| bytes.len() == ID + CHECK)?;
    let good = hmac::sign(&keys.mac, signed).as_ref()[..TAG] == *tag
        && hmac::sign(&keys.check, &bytes[..ID]).as_ref()[..CHECK] == bytes[ID..];
    good.then_some(reaid)
}

fn redirect(location: &str) -> Response<Empty<Bytes>> {
    let mut response = status(StatusCode::FOUND);
    response.headers_mut().insert(LOCATION, location.parse().expect("a URL"));
    response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("private, no-store"));
    response
}

fn status(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(byte).collect()
}
