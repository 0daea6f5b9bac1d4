//! An HTTP/1.1 client that sends the bytes it is given and shows the bytes it gets, plain or over TLS.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::PATIENCE;

/// One answer, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The header fields, names and values as sent, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// Status line and header fields, as sent.
    pub(crate) head: String,
}

impl Answer {
    /// The value of a header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The `Location`.
    pub(crate) fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no Location in {}", self.head))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// What bytes go over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Stream for S {}

/// A connection that stays open for as many requests as the server allows.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    received: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// Over a stream that is connected already.
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), received: Vec::new() }
    }

    /// Sends `request` as it is and reads one answer; None when the server closed before it was whole.
    /// Waits no longer than [`PATIENCE`].
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Option<Answer> {
        let exchange = async {
            // A server that refuses early may close before it has read everything.
            let _ = self.stream.write_all(request).await;
            self.receive(request.starts_with(b"HEAD ")).await
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("an answer in time")
    }

    /// Sends these bytes and waits for nothing.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// `GET target` with this `Host` and the header fields in `more` (each ending in CRLF).
    pub(crate) async fn get(&mut self, host: &str, target: &str, more: &str) -> Option<Answer> {
        self.exchange(get(host, target, more).as_bytes()).await
    }

    /// Whether the server closed the connection, with nothing more to read.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let closed = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await;
        self.received.is_empty() && !matches!(closed, Ok(Ok(1..)) | Err(_))
    }

    async fn receive(&mut self, to_head: bool) -> Option<Answer> {
        let mut answer = self.head().await?;
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await? {
                answer.body.extend(chunk);
            }
            return Some(answer);
        }
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let length = if to_head || answer.status == 304 { 0 } else { length };
        while self.received.len() < length {
            self.read_more().await?;
        }
        answer.body = self.received.drain(..length).collect();
        Some(answer)
    }

    /// Sends `request` and reads the head of its answer, whose body is to come in chunks.
    pub(crate) async fn begin(&mut self, request: &[u8]) -> Answer {
        self.send(request).await;
        let head = async { self.head().await.expect("an answer") };
        tokio::time::timeout(PATIENCE, head).await.expect("an answer in time")
    }

    /// The next chunk of a body; None at its end.
    pub(crate) async fn next_chunk(&mut self) -> Option<Vec<u8>> {
        let chunk = async { self.chunk().await.expect("a whole body") };
        tokio::time::timeout(PATIENCE, chunk).await.expect("a chunk in time")
    }

    async fn chunk(&mut self) -> Option<Option<Vec<u8>>> {
        let line = self.until(b"\r\n").await?;
        let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim_end(), 16).unwrap();
        while self.received.len() < size + 2 {
            self.read_more().await?;
        }
        let chunk: Vec<u8> = self.received.drain(..size + 2).take(size).collect();
        Some((size > 0).then_some(chunk))
    }

    /// What stands up to and with `end`.
    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        let length = loop {
            if let Some(at) = self.received.windows(end.len()).position(|bytes| bytes == end) {
                break at + end.len();
            }
            self.read_more().await?;
        };
        Some(self.received.drain(..length).collect())
    }

    async fn head(&mut self) -> Option<Answer> {
        Some(parse(String::from_utf8(self.until(b"\r\n\r\n").await?).unwrap()))
    }

    async fn read_more(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.received).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

/// The bytes of `GET target`; `more` are header fields, each ending in CRLF.
pub(crate) fn get(host: &str, target: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")
}

/// The bytes of `POST target` with this body; `more` are header fields, each ending in CRLF.
pub(crate) fn post(host: &str, target: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n{more}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// One request on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, request: &[u8]) -> Answer {
    let mut connection = Connection::open(address).await.unwrap();
    connection.exchange(request).await.expect("an answer before the connection closes")
}

fn parse(head: String) -> Answer {
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status line in {head:?}"));
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line}"));
        (name.to_owned(), value.trim().to_owned())
    };
    let headers = lines.map(field).collect();
    Answer { status, headers, body: Vec::new(), head }
}
