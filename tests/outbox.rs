//! The way of an event from the recorder to Raptor, over real HTTP, with everything that goes wrong.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by ending")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reaid::backoff::Backoff;
use reaid::clock;
use reaid::config::Deliver;
use reaid::overload::{self, Grade, Load};
use reaid::raptor::{Client, EventNames, Visitor};
use reaid::store::outbox::{self, Count, Which};
use reaid::store::{Agent, Event, Kind, Limits, State, Store, Verdict};
use reaid::tracking::{Counters, Delivers, Delivery, Outcome, Recorder, Settings, Withheld, breaker};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing here takes longer, unless it never ends.
const PATIENCE: Duration = Duration::from_secs(30);
const ROOMY: u64 = 1 << 30;

/// A stand-in that remembers the calls. It answers account 1234 as told and every other one well.
#[derive(Clone)]
struct Raptor {
    address: std::net::SocketAddr,
    status: Arc<AtomicU16>,
    calls: Arc<Mutex<Vec<(u16, String)>>>,
    connections: Arc<AtomicU16>,
}

impl Raptor {
    async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let raptor = Self {
            address,
            status: Arc::new(AtomicU16::new(status)),
            calls: Arc::default(),
            connections: Arc::default(),
        };
        let server = raptor.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                server.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(server.clone().serve(stream));
            }
        });
        raptor
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut asked = Vec::new();
        while stream.read_buf(&mut asked).await.is_ok_and(|read| read > 0) {
            while let Some(end) = asked.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = asked.drain(..end + 4).collect();
                let target = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap().to_string();
                let told = self.status.load(Ordering::SeqCst);
                let status = if target.starts_with("/1234.rsa") { told } else { 200 };
                self.calls.lock().unwrap().push((status, target));
                let answer = format!("HTTP/1.1 {status} Any\r\nContent-Length: 2\r\n\r\nok");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn calls(&self) -> Vec<(u16, String)> {
        self.calls.lock().unwrap().clone()
    }

    fn taken(&self) -> Vec<String> {
        self.calls().into_iter().filter(|(status, _)| *status < 300).map(|(_, target)| target).collect()
    }
}

struct House {
    _folder: TempDir,
    path: PathBuf,
    store: Store,
    recorder: Recorder,
    counters: Arc<Counters>,
    /// Whether the person of every event is suppressed.
    suppressed: Arc<AtomicBool>,
    withheld: Arc<Withheld>,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reaid.db");
        let store = Store::open(&path, Limits::of_size(ROOMY)).unwrap();
        let counters = Counters::beside(&store);
        let suppressed = Arc::new(AtomicBool::new(false));
        let asked = suppressed.clone();
        let withheld = Withheld::new(Arc::new(move |_| asked.load(Ordering::SeqCst)));
        let delivers = Delivers { kinds: Deliver::ClicksAndOpens, bots: false };
        let recorder = Recorder::new(store.clone(), delivers, withheld.clone(), counters.clone());
        Self { _folder: folder, path, store, recorder, counters, suppressed, withheld }
    }

    fn event(&self, number: u16) -> Event {
        Event {
            id: self.recorder.next_id(),
            at: clock::now(),
            kind: Kind::Click,
            agent: Agent::Human,
            verdict: Some(Verdict::Valid),
            account: "1234".into(),
            campaign: "demo".into(),
            number,
            reaid: Some("AVCX2Xn3aHNLYEVZLOeLQLnM".into()),
            page: Some(format!(
                "https://shop.example/p?n={number}&reaid=AVCX2Xn3aHNLYEVZLOeLQLnM&m=jane%40example.org#t"
            )),
            cookies: Default::default(),
            withheld: false,
        }
    }

    async fn record(&self, events: impl IntoIterator<Item = Event>) {
        let recorded: Vec<_> = events.into_iter().map(|event| self.recorder.record(event)).collect();
        for recorded in recorded {
            assert_eq!(recorded.on_disk(PATIENCE).await, Outcome::Committed);
        }
    }

    fn deliver(&self, raptor: &Raptor, settings: Settings) -> Running {
        self.deliver_giving_way(raptor, settings, Arc::default())
    }

    fn deliver_giving_way(&self, raptor: &Raptor, settings: Settings, load: Arc<Load>) -> Running {
        let base = format!("http://{}", raptor.address).parse().unwrap();
        let names = HashMap::from([("1234".to_string(), EventNames::default())]);
        let client = Client::new(&base, "reaid-edge", names, false).unwrap();
        let visitor_of = Arc::new(|event: &Event| Visitor { coid: event.id.to_string(), sid: "S".into() });
        let (withheld, counters) = (self.withheld.clone(), self.counters.clone());
        let delivery = Delivery::new(self.store.clone(), client, visitor_of, withheld, settings, counters);
        let (delivery, stop) = (delivery.giving_way_to(load), CancellationToken::new());
        Running { task: tokio::spawn(delivery.run(stop.clone())), stop }
    }

    async fn count(&self, state: State) -> u64 {
        let counts: Vec<Count> = self.store.read(outbox::counts).await.unwrap();
        counts.iter().filter(|count| count.state == state).map(|count| count.events).sum()
    }

    async fn until_count(&self, state: State, events: u64) {
        until(async || self.count(state).await == events).await;
    }

    async fn is_held(&self) -> bool {
        !self.store.read(outbox::held).await.unwrap().is_empty()
    }
}

struct Running {
    task: JoinHandle<bool>,
    stop: CancellationToken,
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("delivery ends").unwrap();
    }
}

/// The schedule of the design, a hundred times as fast.
fn quick() -> Settings {
    let wait =
        |first, max| Backoff { first: Duration::from_millis(first), max: Duration::from_millis(max), jitter: 0.5 };
    Settings {
        max_age: Duration::from_secs(3600),
        retry: wait(10, 200),
        breaker: breaker::Limits { failures: 20, probe: wait(10, 100) },
        poll: Duration::from_millis(20),
        drain: Duration::from_secs(5),
    }
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it happens in time");
}

fn numbers(targets: &[String]) -> Vec<u16> {
    let mut numbers: Vec<u16> = targets
        .iter()
        .map(|target| {
            let rest = target.split_once("%3Fn%3D").expect("the page is told").1;
            rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clicks_survive_an_outage_and_none_is_told_twice() {
    let (house, raptor) = (House::new(), Raptor::start(503).await);
    let running = house.deliver(&raptor, quick());
    house.record((0..1000).map(|number| house.event(number))).await;
    until(async || house.is_held().await).await;
    assert!(house.counters.lanes()[0].held);
    raptor.answer(204);
    house.until_count(State::Delivered, 1000).await;
    running.end().await;
    assert_eq!(numbers(&raptor.taken()), (0..1000).collect::<Vec<_>>());
    assert_eq!(house.counters.delivered.load(Ordering::Relaxed), 1000);
    assert_eq!((house.count(State::Waiting).await, house.count(State::Dead).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_clicks_come_first_one_call_at_a_time_is_made() {
    let (house, raptor, load) = (House::new(), Raptor::start(200).await, Arc::new(Load::default()));
    let (stop, full, watched) = (CancellationToken::new(), Arc::new(AtomicU16::new(1)), load.clone());
    let (token, queue) = (stop.clone(), full.clone());
    let watching =
        tokio::spawn(async move { overload::watch(&watched, || queue.load(Ordering::SeqCst).into(), token).await });
    until(async || load.is(Grade::Shedding)).await;
    house.record((0..300).map(|number| house.event(number))).await;
    let running = house.deliver_giving_way(&raptor, quick(), load.clone());
    house.until_count(State::Delivered, 300).await;
    assert_eq!(raptor.connections.load(Ordering::SeqCst), 1, "it goes on, one after the other");
    full.store(0, Ordering::SeqCst);
    until(async || load.grade() == Grade::Calm).await;
    house.record((300..900).map(|number| house.event(number))).await;
    house.until_count(State::Delivered, 900).await;
    assert!(raptor.connections.load(Ordering::SeqCst) > 1, "and in calm many at once");
    stop.cancel();
    watching.await.unwrap();
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_identity_and_no_address_is_in_a_page() {
    let (house, raptor) = (House::new(), Raptor::start(200).await);
    let running = house.deliver(&raptor, quick());
    let open = Event { kind: Kind::Open, page: None, ..house.event(0) };
    house.record([house.event(7)]).await;
    house.until_count(State::Delivered, 1).await;
    house.record([open]).await;
    house.until_count(State::Delivered, 2).await;
    running.end().await;
    let calls = raptor.taken();
    let click = calls[0].strip_prefix("/1234.rsa?p1=newsletterclick&sid=S&coid=").unwrap();
    let rest = "&reaid=AVCX2Xn3aHNLYEVZLOeLQLnM&v=reaid-edge&url=https%3A%2F%2Fshop.example%2Fp%3Fn%3D7";
    assert_eq!(&click[32..], rest);
    assert!(calls[1].ends_with("&reaid=AVCX2Xn3aHNLYEVZLOeLQLnM&v=reaid-edge&utm_campaign=demo"), "{}", calls[1]);
    let stored = std::fs::read(&house.path).unwrap();
    assert!(!stored.windows(5).any(|bytes| bytes == b"jane%"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_holds_what_is_refused_and_closes_when_raptor_recovers() {
    let (house, raptor) = (House::new(), Raptor::start(403).await);
    let running = house.deliver(&raptor, quick());
    house.record((0..200).map(|number| house.event(number))).await;
    until(async || house.is_held().await).await;
    let calls = raptor.calls().len();
    until(async || raptor.calls().len() > calls + 3).await;
    house.until_count(State::Dead, 19).await;
    assert_eq!(house.count(State::Waiting).await, 181, "what a probe was refused for stays waiting");
    raptor.answer(200);
    house.until_count(State::Delivered, 181).await;
    until(async || !house.is_held().await).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_event_is_a_dead_letter_that_another_process_can_retry() {
    let (house, raptor) = (House::new(), Raptor::start(404).await);
    let running = house.deliver(&raptor, quick());
    house.record([house.event(1)]).await;
    house.until_count(State::Dead, 1).await;
    let letters = house.store.read(|c| outbox::dead(c, &Which::All, 10)).await.unwrap();
    assert_eq!((letters[0].reason.as_str(), letters[0].answer.as_str()), ("rejected", "404"));
    raptor.answer(200);
    let other = Store::open(&house.path, Limits::of_size(ROOMY)).unwrap();
    let which = Which::Id(letters[0].event.id);
    let retried = other.write(move |t| outbox::retry_dead(t, &which, clock::now())).await.unwrap();
    assert_eq!(retried, 1);
    house.until_count(State::Delivered, 1).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_undelivered_too_long_is_given_up_as_expired() {
    let (house, raptor) = (House::new(), Raptor::start(500).await);
    let running = house.deliver(&raptor, Settings { max_age: Duration::from_millis(300), ..quick() });
    house.record((0..3).map(|number| house.event(number))).await;
    house.until_count(State::Dead, 3).await;
    running.end().await;
    let letters = house.store.read(|c| outbox::dead(c, &Which::All, 10)).await.unwrap();
    assert!(letters.iter().all(|letter| letter.reason == "expired" && letter.attempts > 0), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_stored_but_not_told() {
    let (house, raptor) = (House::new(), Raptor::start(200).await);
    let running = house.deliver(&raptor, quick());
    house.record([Event { agent: Agent::Bot, ..house.event(1) }, house.event(2)]).await;
    house.until_count(State::Delivered, 1).await;
    running.end().await;
    assert_eq!(house.count(State::Kept).await, 1);
    assert_eq!(numbers(&raptor.taken()), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failing_account_does_not_hold_another() {
    let (house, raptor) = (House::new(), Raptor::start(503).await);
    let running = house.deliver(&raptor, quick());
    house.record((0..100).map(|number| house.event(number))).await;
    until(async || house.is_held().await).await;
    house.record((100..200).map(|number| Event { account: "1235".into(), ..house.event(number) })).await;
    house.until_count(State::Delivered, 100).await;
    running.end().await;
    assert_eq!(numbers(&raptor.taken()), (100..200).collect::<Vec<_>>());
    assert_eq!(house.count(State::Waiting).await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_loses_nothing_and_a_new_start_knows_of_no_held_account() {
    let (house, raptor) = (House::new(), Raptor::start(503).await);
    let running = house.deliver(&raptor, quick());
    house.record((0..50).map(|number| house.event(number))).await;
    until(async || house.is_held().await).await;
    running.end().await;
    assert_eq!(house.count(State::Waiting).await, 50);
    raptor.answer(200);
    let running = house.deliver(&raptor, quick());
    house.until_count(State::Delivered, 50).await;
    assert!(!house.is_held().await);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_that_cannot_wait_is_counted_late_and_stored_all_the_same() {
    let house = House::new();
    let blocker = Store::open(&house.path, Limits::of_size(ROOMY)).unwrap();
    let (entered, gate) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    let (enter, leave) = (entered.0, gate.1);
    let blocking = tokio::spawn(async move {
        let holds = blocker.write(move |t| {
            t.execute_batch("UPDATE tally SET events = events")?;
            enter.send(()).unwrap();
            leave.recv().ok();
            Ok(())
        });
        holds.await.unwrap();
    });
    tokio::task::block_in_place(|| entered.1.recv().unwrap());
    let recorded = house.recorder.record(house.event(1));
    assert_eq!(recorded.on_disk(Duration::from_millis(20)).await, Outcome::Late);
    assert_eq!(house.counters.late.load(Ordering::Relaxed), 1);
    drop(gate.0);
    blocking.await.unwrap();
    house.recorder.flush().await;
    assert_eq!(house.count(State::Waiting).await, 1);
    assert_eq!(house.counters.store.lost_in_all(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lease_outlives_its_process_and_no_answer_is_forgotten() {
    let (house, raptor) = (House::new(), Raptor::start(200).await);
    house.record((0..500).map(|number| house.event(number))).await;
    for _ in 0..5 {
        let running = house.deliver(&raptor, quick());
        tokio::task::yield_now().await;
        running.end().await;
    }
    let running = house.deliver(&raptor, quick());
    house.until_count(State::Delivered, 500).await;
    running.end().await;
    assert_eq!(numbers(&raptor.taken()), (0..500).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_memory_of_a_person_is_not_sent_after_the_person_is_suppressed() {
    let (house, raptor) = (House::new(), Raptor::start(503).await);
    let running = house
        .deliver(&raptor, Settings { breaker: breaker::Limits { failures: u32::MAX, ..quick().breaker }, ..quick() });
    house.record((0..200).map(|number| house.event(number))).await;
    until(async || raptor.calls().len() > 50).await;
    house.suppressed.store(true, Ordering::SeqCst);
    // As an erasure waits before it answers.
    house.withheld.ended(&["AVCX2Xn3aHNLYEVZLOeLQLnM".to_owned()]).await;
    let before = raptor.calls().len();
    raptor.answer(204);
    house.record([Event { reaid: None, ..house.event(7) }]).await;
    house.until_count(State::Delivered, 1).await;
    // Looks go on finding the others, as long as nobody deletes them.
    until(async || house.counters.in_flight.load(Ordering::Relaxed) == 0).await;
    running.end().await;
    let after = raptor.calls().split_off(before);
    assert!(after.len() == 1 && !after[0].1.contains("reaid="), "{after:?}");
    assert_eq!(house.count(State::Waiting).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_may_not_be_made_gives_way_to_another() {
    let (house, raptor) = (House::new(), Raptor::start(503).await);
    let running = house.deliver(&raptor, quick());
    house.record((0..40).map(|number| house.event(number))).await;
    until(async || house.is_held().await).await;
    house.suppressed.store(true, Ordering::SeqCst);
    raptor.answer(204);
    house.record([Event { reaid: None, ..house.event(7) }]).await;
    house.until_count(State::Delivered, 1).await;
    assert!(!house.is_held().await || house.counters.lanes().iter().all(|lane| !lane.held));
    running.end().await;
}
