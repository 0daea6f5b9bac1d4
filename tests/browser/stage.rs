//! Every host but our own: serves the page that drives the browser, the pages whose links it clicks,
//! and wherever those lead, and says what it was asked for there, byte for byte.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::chromium::Chromium;

/// Where the driver and its pages live.
const DRIVER: &str = "driver.example";

/// A browser that needs more than this has stopped: a run takes half a minute, on a busy machine two.
const DEADLINE: Duration = Duration::from_secs(300);

/// The longest request: a driver's report of a few thousand pages.
const MAX_REQUEST: usize = 256 << 20;

/// Gives `documents` to the script of the page `driver`, and gives back what it reports. `edge` is our click
/// host and where it listens.
pub(crate) async fn run<T: DeserializeOwned>(
    browser: &PathBuf,
    edge: Option<(&str, SocketAddr)>,
    driver: &[u8],
    documents: Vec<Vec<u8>>,
) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (report, mut reports) = mpsc::channel(1);
    let count = documents.len().to_string().into_bytes();
    let numbered = documents.into_iter().enumerate().map(|(number, document)| (format!("/{number}"), document));
    let files = numbered.chain([("/".to_owned(), driver.to_vec()), ("/count".to_owned(), count)]).collect();
    let stage = Arc::new(Stage { files, report });
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stage.clone(), stream));
        }
    });
    let own = edge.map_or(String::new(), |(host, address)| format!("MAP {host} {address},"));
    let chromium = Chromium::start(browser, &format!("{own}MAP * {address}"), &format!("http://{DRIVER}/"));
    let report = tokio::time::timeout(DEADLINE, reports.recv()).await;
    drop(chromium);
    serving.abort();
    let report = report.unwrap_or_else(|_| panic!("the browser reported nothing within {DEADLINE:?}")).unwrap();
    serde_json::from_slice(&report).unwrap_or_else(|e| panic!("{e} in {}", String::from_utf8_lossy(&report)))
}

struct Stage {
    files: HashMap<String, Vec<u8>>,
    report: mpsc::Sender<Vec<u8>>,
}

/// One request of a connection.
struct Request {
    target: String,
    host: String,
    body: Vec<u8>,
}

async fn serve(stage: Arc<Stage>, mut stream: TcpStream) {
    let mut received = Vec::new();
    while let Some(request) = read(&mut stream, &mut received).await {
        let (status, body) = match (request.host.as_str(), request.target.as_str()) {
            (DRIVER, "/done") => {
                let _ = stage.report.send(request.body).await;
                ("200 OK", Vec::new())
            }
            (DRIVER, file) => match stage.files.get(file) {
                Some(file) => ("200 OK", file.clone()),
                None => ("404 Not Found", Vec::new()),
            },
            _ => ("200 OK", landing_page(&request)),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
            return;
        }
    }
}

/// A page that tells the driver where it is and what was asked for to get it.
fn landing_page(request: &Request) -> Vec<u8> {
    let asked = serde_json::json!({ "host": request.host, "target": request.target });
    let asked = asked.to_string().replace('<', "\\u003c");
    format!("<!doctype html><script>parent.postMessage({{ ...{asked}, href: location.href }}, '*')</script>")
        .into_bytes()
}

/// None at the end of the connection, and for what is no HTTP.
async fn read(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, received).await?;
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let field = |name: &str| {
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    let length: usize = field("content-length").map_or(0, |length| length.parse().unwrap());
    while received.len() < end + length {
        more(stream, received).await?;
    }
    let body = received[end..end + length].to_vec();
    received.drain(..end + length);
    let target = head.lines().next()?.split(' ').nth(1)?.to_owned();
    Some(Request { target, host: field("host")?, body })
}

async fn more(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<()> {
    let is_http = received.first().is_none_or(u8::is_ascii_uppercase);
    match stream.read_buf(received).await {
        Ok(1..) if is_http && received.len() <= MAX_REQUEST => Some(()),
        _ => None,
    }
}
