//! Delivery beside the least that does the same: a loop of `reqwest` calls with as many under way, to the same
//! endpoint, which answers after 50 ms from a process of its own. Prints the CPU that an event costs this process,
//! store included; then how a backlog drains while clicks go on.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to measure"
)]

mod world;

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reaid::config::Deliver;
use reaid::identity::Identities;
use reaid::outbound;
use reaid::raptor::{Call, Client, EventNames, Visitor, tracking_url};
use reaid::store::{Event, Limits, Store};
use reaid::tracking::{Counters, Delivers, Delivery, Recorder, Settings, Withheld};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use world::cpu::{self, Pair};
use world::identities;

/// What the endpoint takes to answer.
const LATENCY: Duration = Duration::from_millis(50);
/// Calls under way in the bare loop: as many as delivery has at most.
const AT_ONCE: usize = 512;
/// Events a round.
const EVENTS: usize = 20_000;
const ROUNDS: usize = 5;
/// The backlog that drains while clicks go on, and how many clicks a second do.
const BACKLOG: usize = 100_000;
const CLICKS: u64 = 1_000;

/// Set in the process that answers.
const UPSTREAM: &str = "REAID_BENCH_UPSTREAM";

fn main() {
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if env::var_os(UPSTREAM).is_some() {
        return runtime.block_on(upstream());
    }
    let (mut upstream, base) = start_upstream();
    let bench = Bench { runtime, base };
    bench.compare();
    bench.drain();
    upstream.kill().and_then(|()| upstream.wait()).expect("it ends");
}

struct Bench {
    runtime: Runtime,
    base: url::Url,
}

impl Bench {
    fn compare(&self) {
        let pair = Pair::measure(ROUNDS, || self.delivered(), || self.bare());
        let ((ours, theirs), (ratio, least, most)) = (pair.medians(), pair.ratio());
        println!("CPU for an event, {EVENTS} events, {ROUNDS} rounds in turn, {LATENCY:?} until an answer:");
        println!("  delivered from the store  {ours:6.1} us   ({:.0} a second and core)", 1e6 / ours);
        println!("  bare reqwest loop         {theirs:6.1} us");
        println!("  ratio                     {ratio:6.2}      (rounds from {least:.2} to {most:.2})");
    }

    /// What an event costs from the store to its ack on disk.
    fn delivered(&self) -> Duration {
        let house = House::new(&self.base);
        house.fill(&self.runtime, EVENTS);
        let (before, stop) = (cpu::of_process(), CancellationToken::new());
        self.runtime.block_on(async {
            let running = tokio::spawn(house.delivery.run(stop.clone()));
            until_delivered(&house.counters, EVENTS).await;
            stop.cancel();
            assert!(running.await.expect("it ends"), "all calls ended");
        });
        (cpu::of_process() - before) / EVENTS as u32
    }

    fn bare(&self) -> Duration {
        let options = outbound::Options { connect: LATENCY * 100, total: LATENCY * 200, allow_private: false };
        let client = outbound::client(&self.base, options).expect("a client");
        let identities = identities();
        let urls = (0..EVENTS).map(|number| url_of(&self.base, &identities, &event(number as u64)));
        let urls: Arc<Vec<String>> = Arc::new(urls.collect());
        let next = Arc::new(AtomicUsize::new(0));
        let before = cpu::of_process();
        self.runtime.block_on(async {
            let callers = (0..AT_ONCE).map(|_| {
                let (client, urls, next) = (client.clone(), urls.clone(), next.clone());
                tokio::spawn(async move {
                    while let Some(url) = urls.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let answer = client.get(url).send().await.expect("an answer");
                        assert!(answer.status().is_success());
                        answer.bytes().await.expect("a body");
                    }
                })
            });
            for caller in callers.collect::<Vec<_>>() {
                caller.await.expect("every call is answered");
            }
        });
        (cpu::of_process() - before) / EVENTS as u32
    }

    fn drain(&self) {
        let house = House::new(&self.base);
        house.fill(&self.runtime, BACKLOG);
        let (recorder, counters, stop) = (house.recorder.clone(), house.counters.clone(), CancellationToken::new());
        self.runtime.block_on(async {
            let began = Instant::now();
            let (before, running) = (cpu::of_process(), tokio::spawn(house.delivery.run(stop.clone())));
            let clicks = tokio::spawn(click_on(recorder, stop.clone()));
            until_delivered(&counters, BACKLOG).await;
            let (took, used) = (began.elapsed().as_secs_f64(), (cpu::of_process() - before).as_secs_f64());
            stop.cancel();
            let (clicks, slowest) = clicks.await.expect("it ends");
            running.await.expect("it ends");
            println!("a backlog of {BACKLOG} while {CLICKS} clicks a second go on:");
            println!("  drained in {took:.1} s ({:.0} a second), {used:.1} s of CPU", BACKLOG as f64 / took);
            println!("  {clicks} clicks meanwhile, the slowest commit {slowest:?}");
        });
    }
}

struct House {
    recorder: Recorder,
    counters: Arc<Counters>,
    delivery: Delivery,
    _folder: tempfile::TempDir,
}

impl House {
    fn new(base: &url::Url) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("reaid.db"), Limits::of_size(10 << 30)).expect("a store");
        let (counters, nobody) = (Counters::beside(&store), Withheld::new(Arc::new(|_| false)));
        let delivers = Delivers { kinds: Deliver::ClicksAndOpens, bots: false };
        let recorder = Recorder::new(store.clone(), delivers, nobody.clone(), counters.clone());
        let client = Client::new(base, "reaid-edge", HashMap::new(), false).expect("a client");
        let settings = Settings::new(Duration::from_secs(86_400), Duration::from_secs(30));
        let identities = identities();
        let visitor_of = Arc::new(move |event: &Event| visitor(&identities, event));
        let delivery = Delivery::new(store, client, visitor_of, nobody, settings, counters.clone());
        Self { recorder, counters, delivery, _folder: folder }
    }

    /// Fills the outbox, and waits until the log was moved into the database.
    fn fill(&self, runtime: &Runtime, events: usize) {
        for number in 0..events as u64 {
            drop(self.recorder.record(event(number)));
            if number % 10_000 == 9_999 {
                runtime.block_on(self.recorder.flush());
            }
        }
        runtime.block_on(self.recorder.flush());
        std::thread::sleep(Duration::from_millis(500));
    }
}

async fn until_delivered(counters: &Counters, events: usize) {
    while counters.delivered.load(Ordering::Relaxed) < events as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Clicks until `stop`; how many, and how long the slowest waited for its commit.
async fn click_on(recorder: Recorder, stop: CancellationToken) -> (u64, Duration) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / CLICKS as u32);
    let (mut clicks, mut waiting) = (0, tokio::task::JoinSet::new());
    while !stop.is_cancelled() {
        tick.tick().await;
        let (recorded, began) = (recorder.record(event(clicks)), Instant::now());
        waiting.spawn(async move {
            recorded.on_disk(Duration::from_secs(60)).await;
            began.elapsed()
        });
        clicks += 1;
    }
    (clicks, waiting.join_all().await.into_iter().max().unwrap_or_default())
}

fn event(number: u64) -> Event {
    let page = "https://shop.example/kaffe/no-4?part=cup&utm_source=newsletter&utm_medium=email&utm_campaign=autumn&actCampaignType=MAIL&actSource=42";
    Event { verdict: None, page: Some(page.into()), ..world::event(number) }
}

fn visitor(identities: &Identities, event: &Event) -> Visitor {
    let ids = event.reaid.as_deref().and_then(|reaid| identities.visitor(&event.account, reaid, event.at.secs()));
    let ids = ids.expect("a visitor");
    Visitor { coid: ids.coid.to_string(), sid: ids.sid.to_string() }
}

fn url_of(base: &url::Url, identities: &Identities, event: &Event) -> String {
    let visitor = visitor(identities, event);
    let names = EventNames::default();
    let (page, reaid) = (event.page.as_deref(), event.reaid.as_deref());
    let call = Call { account: &event.account, event: &names.click, visitor: &visitor, reaid, page, campaign: "" };
    tracking_url(base, "reaid-edge", &call).into()
}

/// The endpoint in a process of its own, so that its CPU is not ours.
fn start_upstream() -> (Child, url::Url) {
    let own = env::current_exe().expect("a name");
    let mut child = Command::new(own).env(UPSTREAM, "1").stdout(Stdio::piped()).spawn().expect("a process");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).expect("its address");
    (child, line.trim().parse().expect("a URL"))
}

async fn upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("http://{}/", listener.local_addr().unwrap());
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) {
    let mut asked = Vec::new();
    while stream.read_buf(&mut asked).await.is_ok_and(|read| read > 0) {
        if asked.ends_with(b"\r\n\r\n") {
            asked.clear();
            tokio::time::sleep(LATENCY).await;
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.is_err() {
                return;
            }
        }
    }
}
