//! A stand-in for Actito that answers by script and keeps every request.
//!
//! Unlike the sandbox it knows nothing: what is scripted for a method and path is answered, the last
//! answer again and again, and everything else is 404. Tokens are given by itself.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// This status, these header lines (each ending in CRLF), this body.
    Say(u16, &'static str, Vec<u8>),
    /// Nothing: the request is read, and the connection closed.
    Lose,
}

/// A success with this JSON.
pub(crate) fn ok(json: &serde_json::Value) -> Reply {
    Reply::Say(200, "", json.to_string().into_bytes())
}

/// A status without a body.
pub(crate) fn status(status: u16) -> Reply {
    Reply::Say(status, "", Vec::new())
}

type Script = Vec<(&'static str, String, VecDeque<Reply>)>;

#[derive(Default)]
struct State {
    script: Mutex<Script>,
    asked: Mutex<Vec<Asked>>,
    tokens: AtomicUsize,
    inside: AtomicUsize,
    peak: AtomicUsize,
}

/// Runs until dropped.
pub(crate) struct Vendor {
    address: SocketAddr,
    state: Arc<State>,
    running: JoinHandle<()>,
}

impl Vendor {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(State::default()));
        let running = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, running }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers requests of `method` to `path` (its query left out) with these, one after the other.
    pub(crate) fn on(&self, method: &'static str, path: &str, replies: impl IntoIterator<Item = Reply>) -> &Self {
        let mut script = self.state.script.lock().unwrap();
        script.retain(|(own, known, _)| (*own, known.as_str()) != (method, path));
        script.push((method, path.to_owned(), replies.into_iter().collect()));
        self
    }

    /// Everything asked so far but tokens.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let asked = self.state.asked.lock().unwrap().clone();
        asked.into_iter().filter(|asked| asked.target != "/auth/token").collect()
    }

    /// The same, as `METHOD /path`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect()
    }

    pub(crate) fn tokens(&self) -> usize {
        self.state.tokens.load(Ordering::SeqCst)
    }

    /// Most requests that were being answered at once.
    pub(crate) fn peak(&self) -> usize {
        self.state.peak.load(Ordering::SeqCst)
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let mut stream = stream;
            while answer(&mut stream, &state).await.is_some() {}
        });
    }
}

/// Answers one request; `None` when the connection is over.
async fn answer(stream: &mut TcpStream, state: &State) -> Option<()> {
    let asked = read(stream).await?;
    state.peak.fetch_max(state.inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    // Long enough for others to come in meanwhile.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let reply = state.reply(&asked);
    state.asked.lock().unwrap().push(asked);
    state.inside.fetch_sub(1, Ordering::SeqCst);
    let Reply::Say(status, headers, body) = reply else { return None };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).await.ok()
}

impl State {
    fn reply(&self, asked: &Asked) -> Reply {
        if asked.target == "/auth/token" {
            let number = self.tokens.fetch_add(1, Ordering::SeqCst) + 1;
            return ok(&serde_json::json!({"accessToken": format!("token-{number}"), "expiresIn": "900s"}));
        }
        let path = asked.target.split('?').next().unwrap();
        let mut script = self.script.lock().unwrap();
        let known = script.iter_mut().find(|(method, known, _)| *method == asked.method && known == path);
        match known {
            Some((_, _, replies)) if replies.len() > 1 => replies.pop_front().unwrap(),
            Some((_, _, replies)) => replies[0].clone(),
            None => status(404),
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut received = Vec::new();
    let end = loop {
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = received.split_off(end);
    let head = String::from_utf8(received).unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "a body of unknown length: {head}");
    let length: usize = length.unwrap_or(0);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Asked { method, target, head, body })
}
