//! `POST /v1/links`: order, streaming, limits.

use std::fmt::Write as _;

use crate::support::house::CLICK_HOST;
use crate::support::{JANE_ADDRESS, PAGE, PERSONAL_TOKEN, logs};
use crate::{ask, chunked, code, connect, lines, request, server};

const NDJSON: &str = "application/x-ndjson";

#[tokio::test]
async fn ten_thousand_lines_are_answered_in_order_to_a_client_that_sends_before_it_reads() {
    let server = server().await;
    let mut body = String::new();
    for id in 0..10_001 {
        let page = format!("https://shop.example/a/{}", id % 300);
        writeln!(body, "{{\"id\":{id},\"url\":\"{page}\",\"to\":\"reader-{id}@example.org\"}}").unwrap();
    }
    let answer = ask(server.admin, "/v1/links?campaign=demo", NDJSON, body.as_bytes()).await;
    let lines = lines(&answer);
    assert_eq!(lines.len(), 10_001);
    for (id, line) in lines[..10_000].iter().enumerate() {
        assert_eq!(line["id"], id);
        assert!(line["url"].as_str().unwrap().starts_with(&format!("http://{CLICK_HOST}/c/AQEG")), "{line}");
    }
    assert_eq!((&lines[10_000]["line"], &lines[10_000]["error"]["code"]), (&10_001.into(), &"too_many_lines".into()));
    server.stop().await;
}

#[tokio::test]
async fn a_line_is_answered_before_the_next_one_is_sent() {
    let server = server().await;
    let mut connection = connect(&server).await;
    let line = format!("{{\"url\":\"{PAGE}\",\"to\":\"{JANE_ADDRESS}\"}}\n");
    logs::must_not_hold(JANE_ADDRESS);
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len()).into_bytes();
    let head = connection.begin(&[chunked("/v1/links?campaign=demo", NDJSON), chunk(&line)].concat()).await;
    assert_eq!(head.status, 200);
    let expected = format!("{{\"url\":\"http://{CLICK_HOST}/c/{PERSONAL_TOKEN}\"}}\n");
    assert_eq!(connection.next_chunk().await.unwrap(), expected.as_bytes());
    // A line may come in pieces, and the last one need not end.
    let (first, second) = line.trim_end().split_at(20);
    connection.send(&chunk(first)).await;
    connection.send(&[&chunk(second), b"0\r\n\r\n".as_slice()].concat()).await;
    assert_eq!(connection.next_chunk().await.unwrap(), expected.as_bytes());
    assert_eq!(connection.next_chunk().await, None);
    server.stop().await;
}

#[tokio::test]
async fn a_line_that_is_too_long_is_an_error_and_the_rest_goes_on() {
    let server = server().await;
    let good = format!("{{\"url\":\"{PAGE}\"}}\n");
    let body = format!("{good}{{\"id\":\"{}\"}}\n{good}\n\r\n{{\"id\": 1", "x".repeat(17 << 10));
    let answer = ask(server.admin, "/v1/links?campaign=demo", NDJSON, body.as_bytes()).await;
    let lines = lines(&answer);
    assert_eq!(lines.len(), 4, "empty lines have no answer");
    assert!(lines[0]["url"].is_string() && lines[2]["url"].is_string());
    assert_eq!((&lines[1]["line"], &lines[1]["error"]["code"]), (&2.into(), &"line_too_long".into()));
    assert_eq!((&lines[3]["line"], &lines[3]["error"]["code"]), (&6.into(), &"json".into()));
    server.stop().await;
}

#[tokio::test]
async fn pipelined_calls_are_answered_one_after_the_other() {
    let server = server().await;
    let mut connection = connect(&server).await;
    let one =
        |id: u32| request("/v1/links?campaign=demo", NDJSON, format!("{{\"id\":{id},\"url\":\"{PAGE}\"}}").as_bytes());
    let refused = request("/v1/links?campaign=a%20b", NDJSON, b"{}\n{}\n");
    connection.send(&[one(1), refused, one(2)].concat()).await;
    assert_eq!(lines(&connection.exchange(b"").await.unwrap())[0]["id"], 1);
    assert_eq!(code(&connection.exchange(b"").await.unwrap()), "campaign");
    assert_eq!(lines(&connection.exchange(b"").await.unwrap())[0]["id"], 2);
    server.stop().await;
}
