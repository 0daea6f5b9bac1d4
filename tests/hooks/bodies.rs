//! Bodies that are too large, too slow, too many, cut off, or anything at all; and who may send one.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::Server;
use crate::support::house::{CLICK_HOST, HOOK_SECRET};
use crate::{NEWCOMER, PATH, alone, asked, connect, hinted, push, send};

/// The head of a webhook with the secret and these fields, each ending in CRLF.
fn head(fields: &str) -> String {
    format!("POST {PATH} HTTP/1.1\r\nHost: {CLICK_HOST}\r\nX-Hook-Secret: {HOOK_SECRET}\r\n{fields}\r\n")
}

#[tokio::test]
async fn a_wrong_secret_is_answered_before_any_body_comes() {
    let server = alone().await;
    for secret in [String::new(), "X-Hook-Secret: \r\n".to_owned(), format!("X-Hook-Secret: {HOOK_SECRET}1\r\n")] {
        let mut connection = connect(&server).await;
        let request = format!("POST {PATH} HTTP/1.1\r\nHost: {CLICK_HOST}\r\n{secret}Content-Length: 1000\r\n\r\n");
        let answer = connection.exchange(request.as_bytes()).await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (401, Some("close")));
        assert!(connection.is_closed().await);
    }
    assert!(hinted(&server).await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_body_is_taken_up_to_its_limit_however_it_comes() {
    let server = alone().await;
    let padded = |size: usize| format!("{{\"data\":{{\"profileId\":\"7\",\"x\":\"{}\"}}}}", "y".repeat(size - 33));
    let largest = padded(256 << 10);
    assert_eq!(send(&server, largest.as_bytes()).await.status, 200);
    assert_eq!(hinted(&server).await, [7]);
    let chunked =
        |body: &str| format!("{}{:x}\r\n{body}\r\n0\r\n\r\n", head("Transfer-Encoding: chunked\r\n"), body.len());
    let mut connection = connect(&server).await;
    let answer = connection.exchange(chunked(&largest).as_bytes()).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    let answer = connect(&server).await.exchange(chunked(&padded((256 << 10) + 1)).as_bytes()).await.unwrap();
    assert_eq!(answer.status, 413);
    let many = |number: i64| format!("[{}]", vec!["{\"profileId\":\"1\"}"; number as usize].join(","));
    assert_eq!((send(&server, many(1000).as_bytes()).await.status, hinted(&server).await), (200, vec![7, 1]));
    assert_eq!(send(&server, many(1001).as_bytes()).await.status, 413);
    server.stop().await;
}

#[tokio::test]
async fn a_slow_body_is_not_waited_for_and_a_broken_one_leaves_nothing() {
    let server = alone().await;
    for _ in 0..40 {
        let mut broken = connect(&server).await;
        broken.send((head("Content-Length: 100\r\n") + "{\"data\":").as_bytes()).await;
    }
    let (mut slow, began) = (connect(&server).await, std::time::Instant::now());
    // As soon as those who went are gone there is room.
    crate::support::until("room for a body", async || {
        (send(&server, b"{\"data\":{\"profileId\":\"9\"}}").await.status == 200).then_some(())
    })
    .await;
    let answer = slow.exchange((head("Content-Length: 100\r\n") + "{\"data\":").as_bytes()).await.unwrap();
    let waited = began.elapsed().as_secs();
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!((9..25).contains(&waited), "answered after {waited} s");
    assert_eq!(hinted(&server).await, [9]);
    server.stop().await;
}

#[tokio::test]
async fn more_bodies_than_fit_are_told_to_come_back_while_clicks_land() {
    let server = alone().await;
    let mut waiting = Vec::new();
    let body = b"{\"data\":{\"profileId\":\"9\"}}";
    let whole = push(body);
    for _ in 0..32 {
        let mut connection = connect(&server).await;
        connection.send(&whole[..whole.len() - 1]).await;
        waiting.push(connection);
    }
    let busy = crate::support::until("all places to be taken", async || {
        let answer = send(&server, body).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(busy.header("retry-after"), Some("1"));
    assert_eq!(server.get(&format!("/c/{}", crate::support::CAMPAIGN_TOKEN)).await.status, 302);
    for connection in &mut waiting {
        assert_eq!(connection.exchange(b"}").await.unwrap().status, 200);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_push_without_a_profile_id_is_kept_without_its_address() {
    let server = alone().await;
    let body = format!("{{\"data\":[{{\"emailAddress\":\"{NEWCOMER}\"}},{{\"emailAddress\":\"nobody\"}}]}}");
    crate::support::logs::must_not_hold(NEWCOMER);
    for _ in 0..2 {
        assert_eq!(send(&server, body.as_bytes()).await.status, 200);
    }
    assert_eq!((asked(&server).await, hinted(&server).await), (1, vec![]));
    let (_, house) = server.stop().await;
    holds_nobody(&house, &[NEWCOMER]);
}

/// No file beside the database, nor it, holds one of these.
pub(crate) fn holds_nobody(house: &crate::House, people: &[&str]) {
    for file in std::fs::read_dir(house.path("data")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for person in people {
            assert!(!bytes.windows(person.len()).any(|some| some.eq_ignore_ascii_case(person.as_bytes())));
        }
    }
}

#[tokio::test]
async fn a_connection_serves_many_webhooks_and_follows_each_head() {
    let server = alone().await;
    let mut connection = connect(&server).await;
    for id in 1..=5 {
        let body = format!("{{\"data\":{{\"profileId\":\"{id}\"}}}}\n");
        let answer = connection.exchange(&push(body.as_bytes())).await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (200, None));
    }
    assert_eq!(hinted(&server).await, [1, 2, 3, 4, 5]);
    // Behind bodies, too, a head that tells its length twice is none.
    let twice = head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n";
    let answer = connection.exchange(twice.as_bytes()).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (400, Some("close")));
    assert!(connection.is_closed().await);
    server.stop().await;
}

#[test]
fn any_body_is_stored_or_refused() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server: Server = runtime.block_on(alone());
    let pieces = prop_oneof![
        Just("{\"data\":".to_owned()),
        Just("{\"profileId\":\"812\",\"emailAddress\":\"a@b.example\"}".to_owned()),
        Just("{\"profileId\":-1}".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(",".to_owned()),
        Just("[".repeat(3000)),
        "\\PC{0,10}",
    ];
    let bodies = prop::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let result = runner.run(&bodies, |body| {
        let answer = runtime.block_on(send(&server, body.as_bytes()));
        prop_assert!([200, 400].contains(&answer.status), "{} for {body}", answer.status);
        prop_assert!(!answer.text().contains("a@b.example"));
        Ok(())
    });
    result.unwrap();
    runtime.block_on(server.stop());
}
