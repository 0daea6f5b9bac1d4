//! Requests that RFC 9112 says to refuse, and their well-formed neighbours, byte for byte.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client::Stream;
use crate::support::house::CLICK_HOST;
use crate::support::secure::{Authority, secure_settings};
use crate::support::{CAMPAIGN_TOKEN, House, PATIENCE, Server, Settings};

/// What must come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Must {
    /// 302 to the shop.
    Land,
    /// Any other answer than a redirect, or none; the connection is closed.
    Refuse,
    /// The same, with this status.
    RefuseWith(u16),
}
use Must::{Land, Refuse, RefuseWith};

/// `{t}` is the target of a click, `{h}` a line with the right Host.
const CASES: &[(&str, &str, Must)] = &[
    // The line, 3.
    ("ordinary", "GET {t} HTTP/1.1\r\n{h}\r\n", Land),
    ("HTTP/1.0 with a Host", "GET {t} HTTP/1.0\r\n{h}\r\n", Land),
    ("an empty line before", "\r\nGET {t} HTTP/1.1\r\n{h}\r\n", Land),
    ("HEAD", "HEAD {t} HTTP/1.1\r\n{h}\r\n", Land),
    ("no version", "GET {t}\r\n{h}\r\n", Refuse),
    ("version 0.9 said", "GET {t} HTTP/0.9\r\n{h}\r\n", Refuse),
    ("version 1.2", "GET {t} HTTP/1.2\r\n{h}\r\n", Refuse),
    ("version 2.0", "GET {t} HTTP/2.0\r\n{h}\r\n", Refuse),
    ("version 11", "GET {t} HTTP/11\r\n{h}\r\n", Refuse),
    ("version of letters", "GET {t} HTTP/a.b\r\n{h}\r\n", Refuse),
    ("version in lower case", "GET {t} http/1.1\r\n{h}\r\n", Refuse),
    ("another protocol", "GET {t} ICAP/1.0\r\n{h}\r\n", Refuse),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refuse),
    ("two spaces before the target", "GET  {t} HTTP/1.1\r\n{h}\r\n", Refuse),
    ("two spaces before the version", "GET {t}  HTTP/1.1\r\n{h}\r\n", Refuse),
    ("a space at the end of the line", "GET {t} HTTP/1.1 \r\n{h}\r\n", Refuse),
    ("a space before the method", " GET {t} HTTP/1.1\r\n{h}\r\n", Refuse),
    ("a tab instead of a space", "GET\t{t} HTTP/1.1\r\n{h}\r\n", Refuse),
    ("a space in the target", "GET {t}?a b HTTP/1.1\r\n{h}\r\n", Refuse),
    ("a tab in the target", "GET {t}?a\tb HTTP/1.1\r\n{h}\r\n", Refuse),
    ("a NUL in the target", "GET {t}?a\0b HTTP/1.1\r\n{h}\r\n", Refuse),
    ("a control character in the target", "GET {t}?a\x01b HTTP/1.1\r\n{h}\r\n", Refuse),
    ("DEL in the target", "GET {t}?a\x7fb HTTP/1.1\r\n{h}\r\n", Refuse),
    ("a CR in the target", "GET {t}?a\rb HTTP/1.1\r\n{h}\r\n", Refuse),
    ("no target", "GET HTTP/1.1\r\n{h}\r\n", Refuse),
    ("a target without a slash", "GET c/x HTTP/1.1\r\n{h}\r\n", Refuse),
    ("the server as a whole", "GET * HTTP/1.1\r\n{h}\r\n", RefuseWith(400)),
    ("OPTIONS *", "OPTIONS * HTTP/1.1\r\n{h}\r\n", Refuse),
    ("an authority on GET", "GET click.example:80 HTTP/1.1\r\n{h}\r\n", RefuseWith(400)),
    ("CONNECT", "CONNECT click.example:80 HTTP/1.1\r\nHost: click.example:80\r\n\r\n", RefuseWith(405)),
    ("TRACE", "TRACE {t} HTTP/1.1\r\n{h}\r\n", RefuseWith(405)),
    ("a method in lower case", "get {t} HTTP/1.1\r\n{h}\r\n", Refuse),
    ("a method that is no token", "G@T {t} HTTP/1.1\r\n{h}\r\n", Refuse),
    ("a target over 8 KiB", "GET {t}?{a*8200} HTTP/1.1\r\n{h}\r\n", RefuseWith(414)),
    ("a target of 17 KiB", "GET {t}?{a*17408} HTTP/1.1\r\n{h}\r\n", RefuseWith(414)),
    ("a target of 200 KiB", "GET {t}?{a*204800} HTTP/1.1\r\n{h}\r\n", RefuseWith(414)),
    ("a method of 20 KiB", "{a*20480} {t} HTTP/1.1\r\n{h}\r\n", Refuse),
    // The host, 3.2 and 7.2 of RFC 9110.
    ("no Host", "GET {t} HTTP/1.1\r\n\r\n", RefuseWith(400)),
    ("an empty Host", "GET {t} HTTP/1.1\r\nHost:\r\n\r\n", RefuseWith(400)),
    ("two Hosts", "GET {t} HTTP/1.1\r\n{h}{h}\r\n", RefuseWith(400)),
    ("two Hosts, another second", "GET {t} HTTP/1.1\r\n{h}Host: evil.example\r\n\r\n", RefuseWith(400)),
    ("two hosts in one Host", "GET {t} HTTP/1.1\r\nHost: click.example, evil.example\r\n\r\n", RefuseWith(400)),
    ("a Host with a path", "GET {t} HTTP/1.1\r\nHost: click.example/c\r\n\r\n", RefuseWith(400)),
    ("a Host with a user", "GET {t} HTTP/1.1\r\nHost: u@click.example\r\n\r\n", RefuseWith(400)),
    ("a Host with a space", "GET {t} HTTP/1.1\r\nHost: click.example evil\r\n\r\n", RefuseWith(400)),
    ("a host of others", "GET {t} HTTP/1.1\r\nHost: evil.example\r\n\r\n", RefuseWith(421)),
    ("a target with our host", "GET {s}://click.example{t} HTTP/1.1\r\n{h}\r\n", Land),
    ("a target with another host", "GET {s}://evil.example{t} HTTP/1.1\r\n{h}\r\n", RefuseWith(400)),
    ("a target with a user", "GET {s}://u@click.example{t} HTTP/1.1\r\n{h}\r\n", RefuseWith(400)),
    // Lines, 2.2.
    ("a bare LF after the line", "GET {t} HTTP/1.1\n{h}\r\n", RefuseWith(400)),
    ("a bare LF after a field", "GET {t} HTTP/1.1\r\nHost: click.example\n\r\n", RefuseWith(400)),
    ("a bare LF at the end", "GET {t} HTTP/1.1\r\n{h}\n", RefuseWith(400)),
    ("LF alone", "GET {t} HTTP/1.1\nHost: click.example\n\n", RefuseWith(400)),
    ("CR alone", "GET {t} HTTP/1.1\rHost: click.example\r\r", Refuse),
    ("a bare CR in a value", "GET {t} HTTP/1.1\r\n{h}A: b\rc\r\n\r\n", Refuse),
    ("white space before the first field", "GET {t} HTTP/1.1\r\n {h}\r\n", Refuse),
    // Fields, 5.
    ("a space before the colon", "GET {t} HTTP/1.1\r\n{h}A : b\r\n\r\n", Refuse),
    ("Host with a space before the colon", "GET {t} HTTP/1.1\r\nHost : click.example\r\n\r\n", Refuse),
    ("a folded field", "GET {t} HTTP/1.1\r\n{h}A: b\r\n c\r\n\r\n", Refuse),
    ("a field folded by a tab", "GET {t} HTTP/1.1\r\n{h}A: b\r\n\tc\r\n\r\n", Refuse),
    ("a field without a colon", "GET {t} HTTP/1.1\r\n{h}nothing\r\n\r\n", Refuse),
    ("a field without a name", "GET {t} HTTP/1.1\r\n{h}: b\r\n\r\n", Refuse),
    ("a space in a name", "GET {t} HTTP/1.1\r\n{h}A b: c\r\n\r\n", Refuse),
    ("a NUL in a name", "GET {t} HTTP/1.1\r\n{h}A\0: c\r\n\r\n", Refuse),
    ("a NUL in a value", "GET {t} HTTP/1.1\r\n{h}A: b\0c\r\n\r\n", Refuse),
    ("a control character in a value", "GET {t} HTTP/1.1\r\n{h}A: b\x01c\r\n\r\n", Refuse),
    ("an empty value", "GET {t} HTTP/1.1\r\n{h}A:\r\n\r\n", Land),
    ("tabs around a value", "GET {t} HTTP/1.1\r\n{h}A:\tb\t\r\n\r\n", Land),
    ("more than 64 fields", "GET {t} HTTP/1.1\r\n{h}{fields}\r\n", RefuseWith(431)),
    ("fields of 17 KiB", "GET {t} HTTP/1.1\r\n{h}A: {a*17408}\r\n\r\n", RefuseWith(431)),
    // Bodies, 6.
    (
        "a length told twice over, POST",
        "POST {t} HTTP/1.1\r\n{h}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        RefuseWith(400),
    ),
    (
        "the same the other way",
        "POST {t} HTTP/1.1\r\n{h}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        RefuseWith(400),
    ),
    (
        "a length told twice over, GET",
        "GET {t} HTTP/1.1\r\n{h}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        RefuseWith(400),
    ),
    ("a body in chunks on GET", "GET {t} HTTP/1.1\r\n{h}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", RefuseWith(400)),
    (
        "a body in chunks on HEAD",
        "HEAD {t} HTTP/1.1\r\n{h}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        RefuseWith(400),
    ),
    ("two lengths", "GET {t} HTTP/1.1\r\n{h}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", RefuseWith(400)),
    ("two lengths alike", "GET {t} HTTP/1.1\r\n{h}Content-Length: 1\r\nContent-Length: 1\r\n\r\na", RefuseWith(400)),
    ("a list of lengths", "GET {t} HTTP/1.1\r\n{h}Content-Length: 1, 1\r\n\r\na", RefuseWith(400)),
    ("a negative length", "GET {t} HTTP/1.1\r\n{h}Content-Length: -1\r\n\r\n", RefuseWith(400)),
    ("a length with a plus", "GET {t} HTTP/1.1\r\n{h}Content-Length: +1\r\n\r\na", RefuseWith(400)),
    ("a length in hex", "GET {t} HTTP/1.1\r\n{h}Content-Length: 0x1\r\n\r\na", RefuseWith(400)),
    ("a length with a space inside", "GET {t} HTTP/1.1\r\n{h}Content-Length: 1 1\r\n\r\na", RefuseWith(400)),
    ("no length in Content-Length", "GET {t} HTTP/1.1\r\n{h}Content-Length:\r\n\r\n", RefuseWith(400)),
    (
        "a length beyond counting",
        "GET {t} HTTP/1.1\r\n{h}Content-Length: 99999999999999999999\r\n\r\n",
        RefuseWith(400),
    ),
    ("an unknown coding", "POST {t} HTTP/1.1\r\n{h}Transfer-Encoding: x\r\n\r\n", RefuseWith(400)),
    ("chunked not last", "POST {t} HTTP/1.1\r\n{h}Transfer-Encoding: chunked, gzip\r\n\r\n", RefuseWith(400)),
    ("chunked twice", "POST {t} HTTP/1.1\r\n{h}Transfer-Encoding: chunked, chunked\r\n\r\n", RefuseWith(400)),
    (
        "two Transfer-Encodings",
        "POST {t} HTTP/1.1\r\n{h}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        RefuseWith(400),
    ),
    ("identity", "GET {t} HTTP/1.1\r\n{h}Transfer-Encoding: identity\r\n\r\n", RefuseWith(400)),
    ("chunked hidden by a vertical tab", "POST {t} HTTP/1.1\r\n{h}Transfer-Encoding: \x0bchunked\r\n\r\n", Refuse),
    ("chunks in HTTP/1.0", "POST {t} HTTP/1.0\r\n{h}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refuse),
    ("a length told by a space before the colon", "POST {t} HTTP/1.1\r\n{h}Content-Length : 5\r\n\r\nabcde", Refuse),
    ("a body of nothing", "GET {t} HTTP/1.1\r\n{h}Content-Length: 0\r\n\r\n", Land),
    ("our own mark", "GET {t} HTTP/1.1\r\n{h}x-reaid-refused: no\r\n\r\n", RefuseWith(400)),
    // What is allowed, and what mail programs do.
    ("an upgrade that is not made", "GET {t} HTTP/1.1\r\n{h}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", Land),
    ("raw bytes that mail programs leave", "GET {t}?a=<\"é\"> HTTP/1.1\r\n{h}\r\n", Land),
];

/// Lines that can be refused only for themselves.
fn wire(case: &str, scheme: &str) -> Vec<u8> {
    let fields: String = (0..70).map(|at| format!("A{at}: b\r\n")).collect();
    let mut text = case
        .replace("{t}", &format!("/c/{CAMPAIGN_TOKEN}"))
        .replace("{h}", &format!("Host: {CLICK_HOST}\r\n"))
        .replace("{s}", scheme)
        .replace("{fields}", &fields);
    while let Some(at) = text.find("{a*") {
        let end = at + text[at..].find('}').unwrap();
        let times = text[at + 3..end].parse().unwrap();
        text.replace_range(at..=end, &"a".repeat(times));
    }
    text.into_bytes()
}

/// The status of the first answer, and whether the connection was closed after it.
async fn answer_to(mut stream: Box<dyn Stream>, wire: &[u8]) -> (Option<u16>, String, bool) {
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(wire).await;
    let mut received = Vec::new();
    let reading = async {
        while !received.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            match stream.read_buf(&mut received).await {
                Ok(1..) => {}
                _ => return true,
            }
        }
        // Headers first, then perhaps a body; `connection: close` says what the rest shows.
        false
    };
    let ended = tokio::time::timeout(PATIENCE, reading).await.expect("an answer or an end");
    let text = String::from_utf8_lossy(&received).into_owned();
    let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    let says_so = text.to_ascii_lowercase().contains("connection: close");
    if says_so && !ended {
        let to_the_end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut received)).await;
        assert!(to_the_end.is_ok(), "said that it would close, and did not");
    }
    (status, text, ended || says_so)
}

/// A new connection, over TLS where there is somebody to trust.
async fn connect(edge: SocketAddr, authority: Option<&Authority>) -> Box<dyn Stream> {
    match authority {
        None => Box::new(TcpStream::connect(edge).await.unwrap()),
        Some(authority) => Box::new(authority.connect(edge, CLICK_HOST, &["http/1.1"]).await.unwrap()),
    }
}

async fn judge(server: &Server, authority: Option<&Authority>) {
    let scheme = if authority.is_some() { "https" } else { "http" };
    for (name, case, must) in CASES {
        let before = server.metrics().await.0;
        let (status, text, closed) = answer_to(connect(server.edge, authority).await, &wire(case, scheme)).await;
        let redirected = text.to_ascii_lowercase().contains("\r\nlocation:");
        match must {
            Land => assert_eq!((status, redirected), (Some(302), true), "{scheme}, {name}: {text}"),
            Refuse => assert!(!redirected && status.is_none_or(|it| it >= 400), "{scheme}, {name}: {text}"),
            RefuseWith(expected) => {
                assert_eq!((status, redirected), (Some(*expected), false), "{scheme}, {name}: {text}")
            }
        }
        if *must != Land && status != Some(421) {
            // A method that is none of ours is answered like any other page that is not there.
            assert!(closed, "{scheme}, {name} left the connection open: {text}");
            assert!(
                status == Some(405) || refused(&server.metrics().await.0) > refused(&before),
                "{name} is not counted"
            );
        }
    }
}

/// How many requests were refused, whatever the reason.
fn refused(metrics: &str) -> u64 {
    let counts = metrics.lines().filter(|line| line.starts_with("reaid_requests_refused_total{"));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn nothing_that_must_be_refused_is_redirected_over_plain_http() {
    let house = House::new(&Settings::default());
    let server = Server::start_in(house).await;
    judge(&server, None).await;
    server.stop().await;
}

#[tokio::test]
async fn nothing_that_must_be_refused_is_redirected_over_tls() {
    assert!(CASES.len() >= 60, "{}", CASES.len());
    let authority = Authority::new();
    let house = authority.house("");
    house.configure(&secure_settings(""));
    let server = Server::start_in(house).await;
    judge(&server, Some(&authority)).await;
    server.stop().await;
}
