//! Webhook subscriptions and their pushes, to a listener of the test's own.

use std::sync::Arc;
use std::time::Duration;

use reaid::sandbox::{Fault, FaultRule, Options, PayloadVersion, PushFault, Service, WebhookOptions};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{HOOKS, World};

/// A push as it arrived: its head and its body.
struct Arrived {
    head: String,
    body: Value,
}

/// Takes pushes and answers each with the next status, 200 when there are no more.
struct Receiver {
    url: String,
    pushes: UnboundedReceiver<Arrived>,
}

impl Receiver {
    async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?a=1", listener.local_addr().unwrap());
        let (sender, pushes) = unbounded_channel();
        let mut statuses: Vec<u16> = statuses.to_vec();
        statuses.reverse();
        let statuses = Arc::new(Mutex::new(statuses));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, sender.clone(), Arc::clone(&statuses)));
            }
        });
        Self { url, pushes }
    }

    async fn next(&mut self) -> Arrived {
        tokio::time::timeout(Duration::from_secs(20), self.pushes.recv()).await.unwrap().unwrap()
    }

    async fn next_ids(&mut self, pushes: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..pushes {
            ids.push(self.next().await.body["data"]["profileId"].as_str().unwrap().to_owned());
        }
        ids
    }
}

async fn take(mut stream: TcpStream, sender: UnboundedSender<Arrived>, statuses: Arc<Mutex<Vec<u16>>>) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        if read == 0 {
            return;
        }
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        let status = statuses.lock().await.pop().unwrap_or(200);
        sender.send(Arrived { head: head.to_owned(), body: serde_json::from_str(body).unwrap() }).unwrap();
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        return;
    }
}

fn subscription(url: &str, event: &str) -> Value {
    json!({
        "on": "PROFILE_TABLE", "onElementId": "31", "eventType": event, "onFields": [], "targetUrl": url,
        "headers": { "X-Hook-Secret": "s3cret" }, "webhookPushType": "ONE_BY_ONE", "isActive": true,
    })
}

impl World {
    async fn subscribe(&self, body: Value) -> u64 {
        let (status, answer) = self.ask(Method::POST, HOOKS, Some(body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["id"].as_u64().unwrap()
    }

    fn add(&self, address: &str) -> u64 {
        self.handle.add_profile(&[("emailAddress", Some(address)), ("firstName", Some("New"))]).unwrap()
    }

    fn push_fault(&self, how: PushFault) {
        self.handle.switch(FaultRule::new(Service::Webhook, Fault::Push { how }).calls(1)).unwrap();
    }
}

/// Documented: subscriptions are made, listed, read, replaced and deleted.
#[tokio::test]
async fn subscriptions_live_from_post_to_delete() {
    let world = World::with_profiles(1).await;
    let body = subscription("http://127.0.0.1:9/", "CREATE");
    let id = world.subscribe(body.clone()).await;
    let one = format!("/v4/entity/shop/webhookSubscription/{id}");
    let (_, shown) = world.ask(Method::GET, &one, None).await;
    assert_eq!((&shown["id"], &shown["eventType"]), (&json!(id), &json!("CREATE")));
    let (status, _) = world.ask(Method::PUT, &one, Some(subscription("http://127.0.0.1:9/", "UPDATE"))).await;
    assert_eq!(status, StatusCode::OK);
    let (_, all) = world.ask(Method::GET, HOOKS, None).await;
    assert_eq!((all.as_array().unwrap().len(), &all[0]["eventType"]), (1, &json!("UPDATE")));
    assert_eq!(world.ask(Method::DELETE, &one, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(Method::GET, &one, None).await.0, StatusCode::NOT_FOUND);
    let elsewhere = subscription("http://192.0.2.1/", "CREATE");
    assert_eq!(world.ask(Method::POST, HOOKS, Some(elsewhere)).await.0, StatusCode::BAD_REQUEST);
    world.end().await;
}

/// Documented: V1 bodies, static headers, the operation's attributes and the unique ones.
#[tokio::test]
async fn a_new_profile_is_pushed_with_what_the_operation_set() {
    let world = World::with_profiles(1).await;
    let mut receiver = Receiver::start(&[]).await;
    let hook = world.subscribe(subscription(&receiver.url, "CREATE")).await;
    let id = world.add("new@example.org");
    let push = receiver.next().await;
    assert!(push.head.starts_with("POST /hook?a=1 HTTP/1.1\r\n"), "{}", push.head);
    assert!(push.head.to_lowercase().contains("x-hook-secret: s3cret\r\n"));
    assert!(push.head.to_lowercase().contains("content-type: application/json"));
    let expected = json!({
        "id": hook, "tableType": "PROFILE_TABLE", "tableId": "31", "fields": null, "eventType": "CREATE",
        "data": { "profileId": id.to_string(), "emailAddress": "new@example.org", "firstName": "New" },
    });
    assert_eq!(push.body, expected);
    world.end().await;
}

/// Documented: updates, by field; bulk with its block size; V2 bodies.
#[tokio::test]
async fn updates_are_pushed_in_blocks_and_in_v2() {
    let webhooks = WebhookOptions { payload: PayloadVersion::V2, ..WebhookOptions::default() };
    let world = World::start(Options { profiles: 5, webhooks, ..Options::default() }).await;
    let mut receiver = Receiver::start(&[]).await;
    let mut bulk = subscription(&receiver.url, "UPDATE");
    (bulk["webhookPushType"], bulk["maxBlockSize"], bulk["onFields"]) = (json!("BULK"), json!(2), json!(["firstName"]));
    let hook = world.subscribe(bulk).await;
    for id in 801..806 {
        world.handle.change_profile(id, &[("reaid", Some("not of interest"))]).unwrap();
        world.handle.change_profile(id, &[("firstName", Some("Other"))]).unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let push = receiver.next().await;
        let block = push.body["data"].as_array().unwrap().clone();
        assert!((1..=2).contains(&block.len()));
        let href = push.body["_links"]["webhook"]["href"].as_str().unwrap();
        assert!(href.ends_with(&format!("webhookSubscription/{hook}")));
        assert!(block[0].get("reaid").is_none());
        seen.extend(block);
    }
    let report = world.handle.webhooks_when(|all| all[0].waiting == 0).await.remove(0);
    assert_eq!((report.events, report.delivered), (5, 5));
    world.end().await;
}

/// Not known: how often and when a push is tried again.
#[tokio::test]
async fn a_push_that_is_not_taken_is_tried_again_and_then_given_up() {
    // At this speed a minute of the sandbox is 60 ms of ours.
    let world = World::start(Options { profiles: 1, speed: 1000, ..Options::default() }).await;
    let mut receiver = Receiver::start(&[500, 503, 200, 500, 500, 500]).await;
    world.subscribe(subscription(&receiver.url, "CREATE")).await;
    for address in ["a@example.org", "b@example.org"] {
        let id = world.add(address).to_string();
        assert_eq!(receiver.next_ids(3).await, [id.clone(), id.clone(), id]);
    }
    world.handle.webhooks_when(|all| all[0].waiting == 0).await;
    let report = world.handle.webhooks().remove(0);
    assert_eq!((report.requests, report.delivered, report.given_up), (6, 1, 1));
    world.end().await;
}

/// What a receiver must live with: doubles, disorder, gaps, losses, strangers.
#[tokio::test]
async fn pushes_go_wrong_in_every_way() {
    let world = World::with_profiles(1).await;
    let mut receiver = Receiver::start(&[]).await;
    world.subscribe(subscription(&receiver.url, "CREATE")).await;
    let settled = async || {
        world.handle.webhooks_when(|all| all[0].waiting == 0).await;
    };
    world.push_fault(PushFault::Twice);
    let id = world.add("a@example.org").to_string();
    assert_eq!(receiver.next_ids(2).await, [id.clone(), id]);
    settled().await;

    world.push_fault(PushFault::OutOfOrder);
    let (first, second) = (world.add("b@example.org").to_string(), world.add("c@example.org").to_string());
    assert_eq!(receiver.next_ids(2).await, [second, first]);
    settled().await;

    world.push_fault(PushFault::Lost);
    world.add("d@example.org");
    settled().await;
    world.push_fault(PushFault::Incomplete);
    world.add("e@example.org");
    assert!(receiver.next().await.body["data"].get("emailAddress").is_none());
    settled().await;

    world.push_fault(PushFault::WrongSecret);
    world.add("f@example.org");
    let push = receiver.next().await;
    assert!(push.head.to_lowercase().contains("x-hook-secret: ") && !push.head.contains("s3cret"));
    settled().await;

    world.handle.switch(FaultRule::new(Service::Webhook, Fault::Slow { ms: 200 }).calls(1)).unwrap();
    let started = std::time::Instant::now();
    world.add("g@example.org");
    receiver.next().await;
    assert!(started.elapsed() >= Duration::from_millis(200));
    settled().await;
    assert_eq!(world.handle.webhooks()[0].lost, 1);
    world.end().await;
}
