//! What newsletters ask for over the admin listener: that it agrees with the edge and with the command
//! line, that it streams, and that no body harms it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, and says where")]

mod support;

#[path = "api/bodies.rs"]
mod bodies;
#[path = "api/docs.rs"]
mod docs;
#[path = "api/inspect.rs"]
mod inspect;
#[path = "api/links.rs"]
mod links;

use std::net::SocketAddr;

use serde_json::Value;
use support::client::post;
use support::house::ADMIN_TOKEN;
use support::{Answer, Connection, Server, Settings};

/// The bytes of a `POST` with the token.
fn request(target: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let more = format!("Authorization: Bearer {ADMIN_TOKEN}\r\nContent-Type: {media_type}\r\n");
    post("localhost", target, &more, body)
}

/// The head of a `POST` whose body comes in chunks.
fn chunked(target: &str, media_type: &str) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\
         Content-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    head.into_bytes()
}

async fn ask(admin: SocketAddr, target: &str, media_type: &str, body: &[u8]) -> Answer {
    support::client::ask(admin, &request(target, media_type, body)).await
}

/// The code of an error, which has a message and nothing else.
fn code(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.head));
    assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    body["error"]["code"].as_str().unwrap().to_owned()
}

/// The lines of a streamed answer.
fn lines(answer: &Answer) -> Vec<Value> {
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn server() -> Server {
    Server::start(&Settings::default()).await
}

async fn connect(server: &Server) -> Connection {
    Connection::open(server.admin).await.unwrap()
}
