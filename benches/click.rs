//! A click in process, from the request's head to the redirect, with a real store behind it: one after
//! the other, and 64 at a time, which share commits; and what is left of it without the wait for the
//! disk, up to the moment when its event is in the writer's queue.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod world;

use std::collections::HashMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use http::request::Parts;
use http_body_util::Empty;
use reaid::config::Deliver;
use reaid::edge::{Agents, Edge, EdgeMetrics, Hooks, OwnAgents};
use reaid::links::Recipient;
use reaid::listener::{ForwardedBy, Peer, Proxies};
use reaid::metrics::Metrics;
use reaid::store::{Limits, Store};
use reaid::tracking::{Counters, Delivers, Recorder, Withheld};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use world::{HOST, identities, jane, policy, token};

/// Far above what a commit takes: nobody is answered late.
const DURABLE: Duration = Duration::from_secs(5);

/// Clicks between two pauses in which the writer catches up: far below what its queue holds.
const BETWEEN_PAUSES: u64 = 10_000;

/// Who clicks.
const PEER: Peer = Peer(IpAddr::V4(Ipv4Addr::LOCALHOST));

struct Bench {
    runtime: Runtime,
    edge: Arc<Edge>,
    counters: Arc<Counters>,
    requests: [(&'static str, Parts); 2],
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("reaid.db"), Limits::of_size(10 << 30)).expect("a store");
        let counters = Counters::beside(&store);
        let policy = policy();
        let requests = [("campaign", Recipient::Anyone), ("personal", Recipient::Person(jane().digest()))]
            .map(|(name, recipient)| (name, request(&token(&policy, recipient))));
        let delivers = Delivers { kinds: Deliver::ClicksAndOpens, bots: false };
        let edge = Edge {
            policy: ArcSwap::from_pointee(policy),
            recorder: Recorder::new(store, delivers, Withheld::new(Arc::new(|_| false)), counters.clone()),
            commit_wait: DURABLE,
            hooks: Hooks::new(HashMap::new()),
            agents: Agents::new(OwnAgents::default()).expect("our own words"),
            challenge: None,
            hsts: None,
            event_limit: None,
            proxies: Arc::new(Proxies { networks: vec![], header: ForwardedBy::XForwardedFor }),
            load: Arc::default(),
            metrics: EdgeMetrics::register(&mut Metrics::default()),
        };
        let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
        Self { runtime, edge: Arc::new(edge), counters, requests, _folder: folder }
    }

    /// How long `clicks` clicks take when `at_once` of them are under way all the time.
    fn clicks(&self, request: &Parts, clicks: u64, at_once: u64) -> Duration {
        let start = Instant::now();
        self.runtime.block_on(async {
            let share = |visitor: u64| clicks / at_once + u64::from(visitor < clicks % at_once);
            let visitors = (0..at_once).map(|visitor| {
                let (edge, request, share) = (self.edge.clone(), request.clone(), share(visitor));
                tokio::spawn(async move {
                    for _ in 0..share {
                        let answer = edge.clone().answer(request.clone(), PEER, Empty::new()).await;
                        assert_eq!(answer.status(), http::StatusCode::FOUND);
                    }
                })
            });
            for visitor in visitors.collect::<Vec<_>>() {
                visitor.await.expect("every click lands");
            }
        });
        start.elapsed()
    }

    /// How long `clicks` clicks take until each would wait for the disk; none does.
    fn clicks_without_disk(&self, request: &Parts, clicks: u64) -> Duration {
        let _entered = self.runtime.enter();
        let mut elapsed = Duration::ZERO;
        for done in (0..clicks).step_by(BETWEEN_PAUSES as usize) {
            let start = Instant::now();
            for _ in done..clicks.min(done + BETWEEN_PAUSES) {
                black_box(self.edge.clone().answer(request.clone(), PEER, Empty::new()).now_or_never());
            }
            elapsed += start.elapsed();
            self.runtime.block_on(self.edge.recorder.flush());
        }
        elapsed
    }
}

/// The head of a click as a browser sends it.
fn request(token: &str) -> Parts {
    let reaid = identities().mint(&jane().digest());
    let target = format!("/c/{token}?actId=48151623&actCampaignType=MAIL&actSource=42&reaid={}", reaid.as_str());
    let agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";
    let request = http::Request::get(target)
        .header("host", HOST)
        .header("user-agent", agent)
        .header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("accept-language", "da-DK,da;q=0.9")
        .header("accept-encoding", "gzip, deflate, br");
    request.body(()).expect("a request").into_parts().0
}

fn click(c: &mut Criterion) {
    let bench = Bench::new();
    let mut group = c.benchmark_group("click");
    group.throughput(Throughput::Elements(1));
    for (link, request) in &bench.requests {
        group.bench_function(format!("{link}, without the disk"), |b| {
            b.iter_custom(|clicks| bench.clicks_without_disk(request, clicks));
        });
        for at_once in [1, 64] {
            group.bench_function(format!("{link}, on disk, {at_once} at a time"), |b| {
                b.iter_custom(|clicks| bench.clicks(request, clicks, at_once));
            });
        }
    }
    group.finish();
    let [stored, commits] =
        [&bench.counters.store.stored, &bench.counters.store.commits].map(|counter| counter.load(Ordering::Relaxed));
    println!("{stored} events in {commits} commits, {} lost", bench.counters.store.lost_in_all());
}

criterion_group!(benches, click);
criterion_main!(benches);
