//! Bodies that are too large, too slow, too many, cut off, or anything at all.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::support::{Connection, client};
use crate::{ask, chunked, code, connect, request, server};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_body_over_its_limit_is_refused_and_the_client_sees_why() {
    let server = server().await;
    let document = vec![b'x'; 10 * MIB + 1];
    let answer = ask(server.admin, "/v1/rewrite?campaign=demo", "text/html", &document).await;
    assert_eq!((answer.status, code(&answer).as_str()), (413, "too_large"));
    assert!(answer.text().contains("the document has 10485761 bytes, expected at most 10485760"), "{}", answer.text());
    let good = ask(server.admin, "/v1/rewrite?campaign=demo", "text/html", &document[1..]).await;
    assert_eq!(good.status, 200);
    let chunk = [format!("{:x}\r\n", document.len()).as_bytes(), &document, b"\r\n0\r\n\r\n"].concat();
    let mut connection = connect(&server).await;
    let answer =
        connection.exchange(&[chunked("/v1/rewrite?campaign=demo", "text/html"), chunk].concat()).await.unwrap();
    assert_eq!((answer.status, code(&answer).as_str()), (413, "too_large"));
    let answer = ask(server.admin, "/v1/links/inspect", "text/plain", &document[..MIB]).await;
    assert_eq!((answer.status, code(&answer).as_str()), (413, "too_large"));
    let answer = ask(server.admin, "/v1/links/inspect", "text/plain", &document[..70 << 10]).await;
    assert_eq!((answer.status, code(&answer).as_str()), (413, "too_long"));
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_stands_still_is_not_waited_for() {
    let server = server().await;
    let begun = std::time::Instant::now();
    let mut newsletter = connect(&server).await;
    let whole = request("/v1/rewrite?campaign=demo", "text/html", b"<p>Hello</p>");
    newsletter.send(&whole[..whole.len() - 4]).await;
    let mut orders = connect(&server).await;
    let begin = [chunked("/v1/links?campaign=demo", "application/x-ndjson"), b"3\r\n{}\n\r\n".to_vec()].concat();
    assert_eq!(orders.begin(&begin).await.status, 200);
    let line = |chunk: Vec<u8>| serde_json::from_slice::<Value>(&chunk).unwrap();
    assert_eq!(line(orders.next_chunk().await.unwrap())["error"]["code"], "missing");
    let (slow, stopped) = tokio::join!(newsletter.exchange(b""), orders.next_chunk());
    let slow = slow.unwrap();
    assert_eq!((slow.status, code(&slow).as_str(), slow.header("connection")), (408, "too_slow", Some("close")));
    let stopped = line(stopped.unwrap());
    assert_eq!((&stopped["line"], &stopped["error"]["code"]), (&2.into(), &"too_slow".into()));
    let waited = begun.elapsed().as_secs();
    assert!((9..25).contains(&waited), "answered after {waited} s");
    server.stop().await;
}

#[tokio::test]
async fn bodies_that_break_off_leave_nothing_behind() {
    let server = server().await;
    for target in ["/v1/rewrite?campaign=demo", "/v1/links?campaign=demo"] {
        let media_type = if target.contains("links") { "application/x-ndjson" } else { "text/html" };
        for _ in 0..20 {
            let mut connection = connect(&server).await;
            connection.send(&chunked(target, media_type)).await;
            connection.send(b"ffff\r\n{\"url\": ").await;
        }
    }
    // 40 of these at once would not find room.
    let good = ask(server.admin, "/v1/rewrite?campaign=demo", "text/html", b"<p>").await;
    assert_eq!(good.status, 200);
    let mut left = connect(&server).await;
    let good =
        left.exchange(&[chunked("/v1/rewrite?campaign=demo", "text/html"), b"0\r\n\r\n".to_vec()].concat()).await;
    assert_eq!(good.unwrap().status, 200);
    server.stop().await;
}

#[tokio::test]
async fn more_bodies_than_fit_are_told_to_come_back_while_all_else_is_answered() {
    let server = server().await;
    let mut waiting = Vec::new();
    for _ in 0..9 {
        let mut connection = connect(&server).await;
        connection.send(&chunked("/v1/rewrite?campaign=demo", "text/html")).await;
        waiting.push(connection);
    }
    assert_eq!(client::ask(server.admin, client::get("localhost", "/healthz", "").as_bytes()).await.status, 200);
    assert_eq!(server.get("/robots.txt").await.status, 200);
    // Which of them came first is nobody's business.
    let (end, mut answers) = (b"0\r\n\r\n", Vec::new());
    let mut answered: Vec<_> = waiting
        .into_iter()
        .map(|mut connection| {
            tokio::spawn(async move {
                let early = tokio::time::timeout(std::time::Duration::from_secs(7), connection.exchange(b"")).await;
                (early.ok().flatten(), connection)
            })
        })
        .collect();
    for task in answered.drain(..) {
        let (early, mut connection): (_, Connection) = task.await.unwrap();
        answers.push(match early {
            Some(answer) => answer,
            None => connection.exchange(end).await.unwrap(),
        });
    }
    let busy: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!((busy.len(), answers.iter().filter(|answer| answer.status == 200).count()), (1, 8));
    assert_eq!((code(busy[0]).as_str(), busy[0].header("retry-after")), ("busy", Some("1")));
    server.stop().await;
}

#[test]
fn any_body_is_answered_in_well_formed_json() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(server());
    let pieces = prop_oneof![
        Just(b"{\"url\":\"https://shop.example/\"".to_vec()),
        Just(b"\"to\":\"a@b.example\"".to_vec()),
        Just(b"}\n".to_vec()),
        Just(b"<a href=\"https://shop.example/".to_vec()),
        Just(b"PK\x03\x04".to_vec()),
        Just(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n".to_vec()),
        Just(b"http://click.example/c/AQEC".to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    let bodies = prop::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let result = runner.run(&bodies, |body| {
        for (target, media_type) in [
            ("/v1/rewrite?campaign=demo", "text/html"),
            ("/v1/rewrite?campaign=demo", "text/plain"),
            ("/v1/rewrite?campaign=demo", "message/rfc822"),
            ("/v1/rewrite?campaign=demo", "application/zip"),
            ("/v1/links?campaign=demo", "application/x-ndjson"),
            ("/v1/links/inspect", "application/json"),
            ("/v1/links/inspect", "text/plain"),
        ] {
            let answer = runtime.block_on(ask(server.admin, target, media_type, &body));
            prop_assert!([200, 400, 413, 422].contains(&answer.status), "{} for {target}", answer.status);
            for line in answer.text().lines() {
                let line: Result<Value, _> = serde_json::from_str(line);
                prop_assert!(line.is_ok_and(|line| line.is_object()), "{}", answer.text());
            }
            prop_assert!(!answer.text().contains("a@b.example") || target.contains("rewrite"));
        }
        Ok(())
    });
    result.unwrap();
    runtime.block_on(server.stop());
}
