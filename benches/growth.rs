//! An outbox that nobody empties: what an event costs, and what memory and a start take, from nothing to millions
//! that wait; then what the sweep and the overwriting of traces cost those who click meanwhile, here and in another
//! process. `REAID_BENCH_ROWS` says how many events (a million unless said), `TMPDIR` on which disk: an event takes
//! about 350 bytes.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod world;

use std::collections::HashSet;
use std::env;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reaid::clock;
use reaid::store::outbox::{self, Ack, Fate};
use reaid::store::{self, Kept, Limits, State, Store};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use world::{cpu, event};

/// Events that wait, unless the environment says otherwise.
const ROWS: u64 = 1_000_000;
/// Settled at once, as delivery does under load.
const ACKS: u64 = 500;
/// A click each: so many that the disk is never idle, and as many as leave it some time between two commits.
const OFTEN: Duration = Duration::from_millis(1);
const SELDOM: Duration = Duration::from_millis(20);
/// Set to the store's path in the process that writes meanwhile.
const WRITER: &str = "REAID_BENCH_WRITER";

fn main() {
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if let Some(path) = env::var_os(WRITER) {
        return write_until_told(&runtime, Path::new(&path));
    }
    let rows = env::var("REAID_BENCH_ROWS").map_or(ROWS, |rows| rows.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reaid.db");
    fill(&runtime, &path, rows);
    let store = start(&path);
    runtime.block_on(swept(&store, rows));
    scrubbed_here(&runtime, &store);
    scrubbed_from_elsewhere(&store, &path);
}

fn open(path: &Path) -> Store {
    let store = Store::open(path, Limits::of_size(100 << 30)).expect("a store");
    store.set_door(|_| State::Waiting);
    store
}

fn fill(runtime: &Runtime, path: &Path, rows: u64) {
    println!("  events wait   CPU of one    files   memory");
    let store = open(path);
    for tenth in 0..10 {
        let before = cpu::of_process();
        for number in tenth * rows / 10..(tenth + 1) * rows / 10 {
            drop(store.append(event(number)));
            if number % 1_000 == 0 {
                runtime.block_on(store.flush());
            }
        }
        runtime.block_on(store.flush());
        let micros = (cpu::of_process() - before).as_secs_f64() * 1e6 / (rows / 10) as f64;
        println!("{:13} {micros:9.1} us {:5} MB {:5} MB", (tenth + 1) * rows / 10, size(path), memory());
    }
}

/// What a start does with the store: open it, see what waits, take the first events.
fn start(path: &Path) -> Store {
    let began = Instant::now();
    let store = open(path);
    let opened = began.elapsed();
    let first = store.read_blocking(|connection| {
        let waiting = outbox::backlog(connection)?.into_iter().map(|(_, events)| events).sum::<u64>();
        let counts = outbox::counts(connection)?;
        let taken = outbox::candidates(connection, "1234", clock::now(), &HashSet::new(), 1024)?;
        Ok((waiting, counts.len(), taken.len()))
    });
    let (waiting, _, taken) = first.expect("the store answers");
    println!("start with {waiting} waiting: opened in {opened:.1?}, first {taken} taken after {:.1?}", began.elapsed());
    store
}

/// A tenth is delivered, then swept out, while clicks go on.
async fn swept(store: &Store, rows: u64) {
    let (delivered, before) = (rows / 10, cpu::of_process());
    for first in (0..delivered).step_by(ACKS as usize) {
        let ack = |seq: u64| Ack {
            seq: seq as i64,
            account: "1234".into(),
            fate: Fate::Delivered,
            answer: Some("200".into()),
        };
        let acks: Vec<_> = (first + 1..=(first + ACKS).min(delivered)).map(ack).collect();
        store.write(move |transaction| outbox::settle(transaction, clock::now(), &acks)).await.expect("settled");
    }
    let settling = (cpu::of_process() - before).as_secs_f64() * 1e6 / delivered as f64;
    println!("settling {delivered}: {settling:.1} us of CPU each");
    store.write(|it| it.execute("UPDATE folded SET seq = (SELECT max(seq) FROM event)", [])).await.expect("counted");
    let stop = CancellationToken::new();
    let clicks = tokio::spawn(click_on(store.clone(), OFTEN, stop.clone()));
    let (began, kept) = (Instant::now(), Kept { delivered: Duration::ZERO, dead: Duration::ZERO });
    let later = clock::now().after(Duration::from_secs(1));
    let removed = store::sweep(store, kept, later).await.expect("swept");
    let took = began.elapsed();
    stop.cancel();
    println!("sweeping {removed}: {took:.1?}; meanwhile {}", clicks.await.expect("clicks"));
}

/// Traces overwritten by the process that clicks.
fn scrubbed_here(runtime: &Runtime, store: &Store) {
    let stop = CancellationToken::new();
    let clicks = runtime.spawn(click_on(store.clone(), OFTEN, stop.clone()));
    expunge(store);
    stop.cancel();
    println!("  in the same process {}", runtime.block_on(clicks).expect("clicks"));
}

/// Traces overwritten while another process clicks, as `reaid erase` does beside `reaid serve`.
fn scrubbed_from_elsewhere(store: &Store, path: &Path) {
    // Something to overwrite: rows that moved.
    let retry = |seq: i64| Ack {
        seq,
        account: "1234".into(),
        fate: Fate::Retry { due: clock::now() },
        answer: Some("503".into()),
    };
    let last = store.read_blocking(|it| it.query_row("SELECT max(seq) FROM event", [], |row| row.get::<_, i64>(0)));
    let acks: Vec<_> = (1..last.expect("a number")).step_by(20).map(retry).collect();
    for some in acks.chunks(ACKS as usize).map(<[Ack]>::to_vec) {
        store.write_blocking(move |it| outbox::settle(it, clock::now(), &some)).expect("settled");
    }
    let mut other = start_writer(path);
    expunge(store);
    drop(other.stdin.take());
    let mut said = String::new();
    other.stdout.take().expect("its output").read_to_string(&mut said).expect("what it saw");
    other.wait().expect("it ends");
    print!("  in the other process {said}");
}

fn expunge(store: &Store) {
    let (began, before) = (Instant::now(), cpu::of_process());
    let clean = store.expunge().expect("scrubbed");
    println!("overwriting traces, clean: {clean}: {:.1?}, {:.1?} of CPU", began.elapsed(), cpu::of_process() - before);
}

/// A click every so often until `stop`; says what they waited.
async fn click_on(store: Store, every: Duration, stop: CancellationToken) -> String {
    let (mut tick, mut waits) = (tokio::time::interval(every), tokio::task::JoinSet::new());
    while !stop.is_cancelled() {
        tick.tick().await;
        let (ticket, began) = (store.append(event(0)), Instant::now());
        waits.spawn(async move { (ticket.settled().await == store::Outcome::Committed, began.elapsed()) });
    }
    let all = waits.join_all().await;
    let lost = all.iter().filter(|(kept, _)| !kept).count();
    let mut waits: Vec<Duration> = all.into_iter().map(|(_, wait)| wait).collect();
    waits.sort();
    let at = |share: usize| waits.get(waits.len() * share / 1000).or(waits.last()).copied().unwrap_or_default();
    format!(
        "{} clicks, {lost} lost, commits in {:.1?} (median) {:.1?} (99 %) {:.1?} (slowest)",
        waits.len(),
        at(500),
        at(990),
        at(1000)
    )
}

fn start_writer(path: &Path) -> Child {
    let own = env::current_exe().expect("a name");
    let mut command = Command::new(own);
    command.env(WRITER, path).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("a process")
}

/// The other process: writes until its input ends.
fn write_until_told(runtime: &Runtime, path: &Path) {
    let (store, stop) = (open(path), CancellationToken::new());
    let clicks = runtime.spawn(click_on(store, SELDOM, stop.clone()));
    std::io::stdin().read_to_string(&mut String::new()).expect("an end");
    stop.cancel();
    println!("{}", runtime.block_on(clicks).expect("clicks"));
}

/// The files of the store, in MB.
fn size(path: &Path) -> u64 {
    let folder = fs::read_dir(path.parent().expect("a folder")).expect("its files");
    folder.map(|entry| entry.and_then(|it| it.metadata()).map_or(0, |it| it.len())).sum::<u64>() >> 20
}

/// What this process holds in memory, in MB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") >> 10
}
