//! Webhook subscriptions and their pushes, over real HTTP to loopback addresses only. Each subscription
//! has a queue and a worker of its own, so that one that is down does not hold up the others.

mod deliver;
mod payload;
mod subscription;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::subscription::Subscription;
use super::actito::Subscriptions;
use super::reply::{self, Refusal, Reply};
use super::table::Change;
use super::{State, locked};

/// Subscriptions at once: more than a licence needs.
const MAX_SUBSCRIPTIONS: usize = 50;
/// Events that wait for one subscription; beyond it they are dropped and counted.
const MAX_WAITING: usize = 200_000;

/// What became of a subscription's events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WebhookReport {
    /// The subscription's number.
    pub id: u64,
    /// Where it pushes.
    pub target_url: String,
    /// Events that it was told of.
    pub events: u64,
    /// Events that wait, or are being pushed.
    pub waiting: u64,
    /// Requests made, with repeated ones.
    pub requests: u64,
    /// Events in requests that were answered 2xx, with those that were sent twice.
    pub delivered: u64,
    /// Events given up after the last attempt.
    pub given_up: u64,
    /// Events that a fault lost, or that found the queue full.
    pub lost: u64,
}

/// The subscriptions of the licence. `settled` is raised whenever a report changes.
pub(super) struct Webhooks {
    subscribed: Mutex<Subscribed>,
    pub(super) settled: watch::Sender<u64>,
}

#[derive(Default)]
struct Subscribed {
    last_id: u64,
    by_id: BTreeMap<u64, Arc<Line>>,
}

/// One subscription with its queue.
struct Line {
    id: u64,
    subscription: Mutex<Subscription>,
    queue: Mutex<Queue>,
    filled: Notify,
    ended: CancellationToken,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Arc<Change>>,
    report: WebhookReport,
}

impl Webhooks {
    pub(super) fn new() -> Self {
        Self { subscribed: Mutex::default(), settled: watch::Sender::new(0) }
    }

    /// Tells the subscriptions what changed.
    pub(super) fn tell(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let lines: Vec<Arc<Line>> = locked(&self.subscribed).by_id.values().cloned().collect();
        for change in changes.into_iter().map(Arc::new) {
            lines.iter().for_each(|line| line.tell(&change));
        }
        self.settled.send_modify(|revision| *revision += 1);
    }

    /// What became of the events, by subscription.
    pub(super) fn reports(&self) -> Vec<WebhookReport> {
        locked(&self.subscribed).by_id.values().map(|line| line.report()).collect()
    }

    fn line(&self, id: &str) -> Option<Arc<Line>> {
        locked(&self.subscribed).by_id.get(&id.parse().ok()?).cloned()
    }
}

impl Line {
    fn tell(&self, change: &Arc<Change>) {
        if !locked(&self.subscription).wants(change) {
            return;
        }
        let mut queue = locked(&self.queue);
        queue.report.events += 1;
        if queue.events.len() >= MAX_WAITING {
            queue.report.lost += 1;
            return;
        }
        queue.report.waiting += 1;
        queue.events.push_back(Arc::clone(change));
        drop(queue);
        self.filled.notify_one();
    }

    fn report(&self) -> WebhookReport {
        let target_url = locked(&self.subscription).target_url.clone();
        WebhookReport { id: self.id, target_url, ..locked(&self.queue).report.clone() }
    }
}

/// Answers a call on subscriptions.
pub(super) fn subscriptions(state: &Arc<State>, what: &Subscriptions, body: &[u8]) -> Reply {
    let webhooks = &state.webhooks;
    let show = |line: &Line| locked(&line.subscription).show(line.id);
    let found = |id: &str| webhooks.line(id).ok_or_else(unknown);
    let answer = match what {
        Subscriptions::Create => create(state, body),
        Subscriptions::List => {
            let lines = locked(&webhooks.subscribed);
            Ok(ok(&lines.by_id.values().map(|line| show(line)).collect::<Vec<_>>()))
        }
        Subscriptions::Read(id) => found(id).map(|line| ok(&show(&line))),
        Subscriptions::Replace(id) => found(id).and_then(|line| {
            *locked(&line.subscription) = subscription(state, body)?;
            Ok(ok(&json!({ "id": line.id })))
        }),
        Subscriptions::Delete(id) => found(id).map(|line| {
            line.ended.cancel();
            let left = {
                let mut subscribed = locked(&webhooks.subscribed);
                subscribed.by_id.remove(&line.id);
                subscribed.by_id.len()
            };
            state.actito.watch(left > 0);
            reply::empty(StatusCode::NO_CONTENT)
        }),
    };
    answer.unwrap_or_else(|refusal| refusal.reply())
}

fn create(state: &Arc<State>, body: &[u8]) -> Result<Reply, Refusal> {
    let subscription = subscription(state, body)?;
    let mut subscribed = locked(&state.webhooks.subscribed);
    if subscribed.by_id.len() >= MAX_SUBSCRIPTIONS {
        return Err(Refusal::bad(format!("at most {MAX_SUBSCRIPTIONS} subscriptions")));
    }
    subscribed.last_id += 1;
    let line = Arc::new(Line {
        id: subscribed.last_id,
        subscription: Mutex::new(subscription),
        queue: Mutex::default(),
        filled: Notify::new(),
        ended: state.stopping.child_token(),
    });
    subscribed.by_id.insert(line.id, Arc::clone(&line));
    drop(subscribed);
    state.actito.watch(true);
    let id = line.id;
    state.background.spawn(deliver::work(Arc::clone(state), line));
    Ok(ok(&json!({ "id": id })))
}

fn subscription(state: &State, body: &[u8]) -> Result<Subscription, Refusal> {
    Subscription::read(body, &state.options).map_err(Refusal::bad)
}

fn ok(body: &impl Serialize) -> Reply {
    reply::json(StatusCode::OK, body)
}

fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is no such subscription")
}
