//! The worker of one subscription: blocks of events, faults, attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::subscription::Subscription;
use super::{Line, WebhookReport, payload};
use crate::sandbox::actito::Operation;
use crate::sandbox::faults::{PushFault, Service};
use crate::sandbox::table::Change;
use crate::sandbox::{State, locked};

/// What a fault puts in place of the value of a static header.
const WRONG: &str = "not-the-secret";

/// A push that is ready to go.
struct Push {
    request: Request<Full<Bytes>>,
    target: std::net::SocketAddr,
    events: u64,
    times: u32,
}

/// Pushes until the subscription ends or the sandbox stops.
pub(super) async fn work(state: Arc<State>, line: Arc<Line>) {
    let number = AtomicU64::new(line.id * 1_000_000);
    let pushing = async {
        // A push that a fault holds back until the next one is out.
        let mut held: Option<Push> = None;
        loop {
            let events = next_block(&line).await;
            let Some((push, is_held)) = prepare(&state, &line, &events, &number).await else { continue };
            if is_held && held.is_none() {
                held = Some(push);
                continue;
            }
            deliver(&state, &line, push).await;
            if let Some(push) = held.take() {
                deliver(&state, &line, push).await;
            }
        }
    };
    tokio::select! {
        () = pushing => {}
        () = line.ended.cancelled() => {}
    }
}

/// The next events, as many as wait and fit.
async fn next_block(line: &Line) -> Vec<Arc<Change>> {
    loop {
        let block = locked(&line.subscription).block();
        let events: Vec<Arc<Change>> = {
            let mut queue = locked(&line.queue);
            let count = block.min(queue.events.len());
            queue.events.drain(..count).collect()
        };
        if !events.is_empty() {
            return events;
        }
        line.filled.notified().await;
    }
}

/// The push, and whether it goes after the next one; nothing when a fault loses it.
async fn prepare(state: &State, line: &Line, events: &[Arc<Change>], number: &AtomicU64) -> Option<(Push, bool)> {
    let subscription = locked(&line.subscription).clone();
    let count = events.len() as u64;
    let target = subscription.target().ok();
    let path = target.as_ref().map(|(_, url)| url.path().to_owned()).unwrap_or_default();
    let verdict = state.faults.judge(Service::Webhook, Operation::Push, &path);
    if !verdict.slow.is_zero() {
        tokio::time::sleep(verdict.slow).await;
    }
    let number = number.fetch_add(1, Ordering::Relaxed);
    let is_incomplete = verdict.pushes(PushFault::Incomplete);
    let body = payload::body(&state.options, &subscription, line.id, number, events, is_incomplete);
    let request = target.and_then(|(address, url)| {
        Some((address, request(&subscription, &url, &body.to_string(), verdict.pushes(PushFault::WrongSecret))?))
    });
    let Some((target, request)) = request.filter(|_| !verdict.pushes(PushFault::Lost)) else {
        count_in(state, line, |report| {
            report.waiting -= count;
            report.lost += count;
        });
        return None;
    };
    let times = if verdict.pushes(PushFault::Twice) { 2 } else { 1 };
    Some((Push { request, target, events: count, times }, verdict.pushes(PushFault::OutOfOrder)))
}

fn request(subscription: &Subscription, url: &url::Url, body: &str, wrong: bool) -> Option<Request<Full<Bytes>>> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut request = Request::post(path).header(HOST, host);
    for (name, value) in &subscription.headers {
        if !name.eq_ignore_ascii_case("content-type") {
            request = request.header(name, if wrong { WRONG } else { value });
        }
    }
    request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.body(Full::from(body.to_owned())).ok()
}

/// Sends the push as often as asked, each time until it is taken or given up.
async fn deliver(state: &State, line: &Line, push: Push) {
    for _ in 0..push.times {
        let mut is_taken = false;
        for attempt in 1..=state.options.webhooks.attempts {
            count_in(state, line, |report| report.requests += 1);
            let sending = send(&push);
            is_taken = tokio::time::timeout(state.options.webhooks.timeout, sending).await.unwrap_or(false);
            if is_taken || attempt == state.options.webhooks.attempts {
                break;
            }
            let again = state.clock.now().after(state.options.webhooks.retry_after);
            state.clock.until(again).await;
        }
        count_in(state, line, |report| match is_taken {
            true => report.delivered += push.events,
            false => report.given_up += push.events,
        });
    }
    count_in(state, line, |report| report.waiting -= push.events);
}

/// One request over a connection of its own; whether the answer was 2xx.
async fn send(push: &Push) -> bool {
    let Ok(stream) = TcpStream::connect(push.target).await else { return false };
    let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else { return false };
    let answering = async {
        let answer = sender.send_request(push.request.clone()).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    };
    tokio::pin!(answering, connection);
    tokio::select! {
        biased;
        is_taken = &mut answering => is_taken,
        // The connection may end as it hands over the answer.
        _ = &mut connection => answering.await,
    }
}

fn count_in(state: &State, line: &Line, change: impl FnOnce(&mut WebhookReport)) {
    change(&mut locked(&line.queue).report);
    state.webhooks.settled.send_modify(|revision| *revision += 1);
}
