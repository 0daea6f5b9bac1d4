//! What it costs to keep an event: recorder, writer, commits and checkpoints, without a click around them.
//! Prints the CPU of the whole process beyond tasks that make the same events and drop them; and beside it the
//! least that SQLite can be asked for: one thread that puts the same rows into a table without indexes.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod world;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reaid::config::Deliver;
use reaid::store::{Event, Limits, Store};
use reaid::tracking::{Counters, Delivers, Outcome, Recorder, Withheld};
use tokio::runtime::{Builder, Runtime};
use world::PAGE;
use world::cpu::{self, Pair, median};

const EVENTS: u64 = 100_000;
const ROUNDS: usize = 7;
/// How long a click would wait: long, so that none is late.
const COMMIT_WAIT: Duration = Duration::from_secs(5);

fn main() {
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("CPU for an event, {EVENTS} events, {ROUNDS} rounds in turn:");
    for at_once in [64, 256, 1024] {
        let mut commits = Vec::new();
        let kept = || {
            let (cpu, per_commit) = kept(&runtime, at_once);
            commits.push(per_commit);
            cpu
        };
        let pair = Pair::measure(ROUNDS, kept, || dropped(&runtime, at_once));
        let (kept, dropped) = pair.medians();
        let per_commit = median(commits.into_iter());
        println!(
            "  {at_once:4} at a time, {per_commit:6.1} a commit: {:5.2} us  (kept {kept:.2}, dropped {dropped:.2})",
            kept - dropped
        );
        let bare = median((0..ROUNDS).map(|_| bare(per_commit as u64).as_secs_f64() * 1e6));
        println!("                    bare SQLite, without indexes: {bare:5.2} us");
    }
}

/// With a store; also how many events shared a commit.
fn kept(runtime: &Runtime, at_once: u64) -> (Duration, f64) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("reaid.db"), Limits::of_size(10 << 30)).expect("a store");
    let (counters, nobody) = (Counters::beside(&store), Withheld::new(Arc::new(|_| false)));
    let delivers = Delivers { kinds: Deliver::ClicksAndOpens, bots: false };
    let recorder = Recorder::new(store, delivers, nobody, counters.clone());
    let keep = move |number| {
        let recorder = recorder.clone();
        async move {
            let recorded = recorder.record(event(number));
            assert_eq!(recorded.on_disk(COMMIT_WAIT).await, Outcome::Committed);
        }
    };
    let cpu = in_tasks(runtime, at_once, keep);
    (cpu, EVENTS as f64 / counters.store.commits.load(Ordering::Relaxed) as f64)
}

fn dropped(runtime: &Runtime, at_once: u64) -> Duration {
    in_tasks(runtime, at_once, |number| async move {
        drop(black_box(event(number)));
        tokio::task::yield_now().await;
    })
}

fn in_tasks<F>(runtime: &Runtime, at_once: u64, each: impl Fn(u64) -> F + Clone + Send + Sync + 'static) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let before = cpu::of_process();
    runtime.block_on(async {
        let tasks = (0..at_once).map(|task| {
            let each = each.clone();
            tokio::spawn(async move {
                for number in (task..EVENTS).step_by(at_once as usize) {
                    each(number).await;
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("every event is kept");
        }
    });
    (cpu::of_process() - before) / EVENTS as u32
}

/// One thread, one table, the same settings, no index, no checkpoints beside SQLite's own.
fn bare(per_commit: u64) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    bare_inserts(&folder.path().join("bare.db"), per_commit).expect("SQLite takes them")
}

fn bare_inserts(path: &Path, per_commit: u64) -> rusqlite::Result<Duration> {
    let connection = rusqlite::Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE event (seq INTEGER PRIMARY KEY, id, at, account, campaign, number, reaid, page)",
    )?;
    let before = cpu::of_process();
    for first in (0..EVENTS).step_by(per_commit.max(1) as usize) {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for number in first..EVENTS.min(first + per_commit) {
            let event = event(number);
            let sql = "INSERT INTO event (id, at, account, campaign, number, reaid, page) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let at = event.at.millis() as i64;
            connection.prepare_cached(sql)?.execute(rusqlite::params![
                event.id.0,
                at,
                event.account,
                event.campaign,
                event.number,
                event.reaid,
                event.page
            ])?;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok((cpu::of_process() - before) / EVENTS as u32)
}

fn event(number: u64) -> Event {
    Event { page: Some(format!("{PAGE}&actCampaignType=MAIL&actSource=42")), ..world::event(number) }
}
