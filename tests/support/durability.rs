//! Clicks that can be told apart, and where they ended up.
//!
//! Every click carries a parameter of its own (`n=…`), which stays in the page that is stored and in
//! the `url` that Raptor hears, so that what was clicked, kept and delivered can be compared.

#![allow(dead_code, reason = "every test file uses its own part")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use reaid::sandbox;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::house::{CLICK_HOST, House};
use crate::support::{Answer, CAMPAIGN_TOKEN, Connection, JANE, JANE_ADDRESS, PATIENCE, Serving, server};

/// Connections that click at the same time.
pub(crate) const CONNECTIONS: usize = 8;

/// The target of one click; it also carries an identity, and an address where none belongs.
pub(crate) fn target(n: &str) -> String {
    let address = JANE_ADDRESS.replace('@', "%40");
    format!("/c/{CAMPAIGN_TOKEN}?n={n}&note={address}&email={address}&reaid={JANE}")
}

/// Where that click must lead.
pub(crate) fn page(n: &str) -> String {
    let address = JANE_ADDRESS.replace('@', "%40");
    format!("https://shop.example/p?x=1&y=%C3%A9&n={n}&note={address}&reaid={JANE}#top")
}

/// Clicks `count` times over [`CONNECTIONS`] connections; every click must land. Returns their names.
pub(crate) async fn click(edge: SocketAddr, name: &str, count: usize) -> BTreeSet<String> {
    let names: Vec<String> = (0..count).map(|i| format!("{name}-{i}")).collect();
    let mut clicking = JoinSet::new();
    for share in names.chunks(count.div_ceil(CONNECTIONS)) {
        let share = share.to_vec();
        clicking.spawn(async move {
            let mut connection = Connection::open(edge).await.unwrap();
            for n in &share {
                let answer = connection.get(CLICK_HOST, &target(n), "").await.expect("an answer to every click");
                assert_lands(&answer, n);
                if closes(&answer) {
                    connection = Connection::open(edge).await.unwrap();
                }
            }
        });
    }
    clicking.join_all().await;
    names.into_iter().collect()
}

/// Clicks without an end on several connections.
pub(crate) struct Load {
    clicking: JoinSet<Clicked>,
    answered: watch::Receiver<usize>,
}

/// What came of the clicks of a load.
#[derive(Debug, Default)]
pub(crate) struct Clicked {
    /// Those that got their whole answer.
    pub(crate) answered: BTreeSet<String>,
    /// Those on a connection that had been answered before and did not say that it would close.
    pub(crate) unanswered: Vec<String>,
}

impl Load {
    /// Starts clicking. Ends by itself once the server is gone.
    pub(crate) fn start(edge: SocketAddr, name: &str) -> Self {
        let (count, answered) = watch::channel(0);
        let mut clicking = JoinSet::new();
        for connection in 0..CONNECTIONS {
            let (count, name) = (count.clone(), format!("{name}-{connection}"));
            clicking.spawn(async move { keep_clicking(edge, &name, &count).await });
        }
        Self { clicking, answered }
    }

    /// Waits until at least `count` clicks were answered.
    pub(crate) async fn answered(&mut self, count: usize) {
        let waiting = self.answered.wait_for(|answered| *answered >= count);
        tokio::time::timeout(PATIENCE, waiting).await.expect("answers in time").unwrap();
    }

    /// Clicks on until the server is gone.
    pub(crate) async fn until_the_server_is_gone(self) -> Clicked {
        let mut all = Clicked::default();
        for clicked in self.clicking.join_all().await {
            all.answered.extend(clicked.answered);
            all.unanswered.extend(clicked.unanswered);
        }
        all
    }
}

async fn keep_clicking(edge: SocketAddr, name: &str, count: &watch::Sender<usize>) -> Clicked {
    let mut clicked = Clicked::default();
    let mut names = (0..).map(|i| format!("{name}-{i}"));
    while let Ok(mut connection) = Connection::open(edge).await {
        let mut used = false;
        loop {
            let n = names.next().unwrap();
            let Some(answer) = connection.get(CLICK_HOST, &target(&n), "").await else {
                if used {
                    clicked.unanswered.push(n);
                }
                break;
            };
            assert_lands(&answer, &n);
            clicked.answered.insert(n);
            count.send_modify(|count| *count += 1);
            used = true;
            if closes(&answer) {
                break;
            }
        }
    }
    clicked
}

/// The answer leads where the click meant.
pub(crate) fn assert_lands(answer: &Answer, n: &str) {
    assert_eq!((answer.status, answer.location()), (302, page(n).as_str()));
}

fn closes(answer: &Answer) -> bool {
    answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

/// The names of the clicks that Raptor took, one for each time, sorted.
pub(crate) fn taken(raptor: &sandbox::Handle) -> Vec<String> {
    let mut names: Vec<String> =
        raptor.tracking_calls().iter().map(|call| name_in(&call.get("url").expect("a page"))).collect();
    names.sort_unstable();
    names
}

/// The names of the clicks in a store, one for each row, sorted. The store must be sound.
pub(crate) fn stored(database: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let tallied: i64 = connection.query_row("SELECT sum(events) FROM tally", [], |row| row.get(0)).unwrap();
    let mut pages = connection.prepare("SELECT page FROM event").unwrap();
    let pages = pages.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut names: Vec<String> = pages.map(|page| name_in(&page.unwrap())).collect();
    assert_eq!(names.len() as i64, tallied, "the tally is what there is");
    names.sort_unstable();
    names
}

fn name_in(page: &str) -> String {
    let query = page.split_once('?').expect("a query").1;
    query.split('&').find_map(|pair| pair.strip_prefix("n=")).expect("the click's name").to_owned()
}

/// One of the numbers at `/metrics`.
pub(crate) async fn metric(serving: &Serving, series: &str) -> u64 {
    server::metrics(serving.admin).await.get(series) as u64
}

/// Waits until one of the numbers at `/metrics` is at least `least`.
pub(crate) async fn metric_reaches(serving: &Serving, series: &str, least: u64) -> u64 {
    let enough = async || Some(metric(serving, series).await).filter(|found| *found >= least);
    crate::support::until(series, enough).await
}

/// Stops it as a supervisor does, off the threads that serve the tests.
pub(crate) async fn terminate(serving: Serving) -> i32 {
    tokio::task::spawn_blocking(move || serving.terminate()).await.unwrap()
}

/// Holds the database's write lock until dropped: to the server, a disk that takes no writes.
pub(crate) struct WriteLock(rusqlite::Connection);

impl WriteLock {
    /// Takes it.
    pub(crate) fn take(house: &House) -> Self {
        let connection = rusqlite::Connection::open(house.database()).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

/// From the first fsync on, the disk answers nothing until this is dropped (or 40 s, so that a mistake
/// cannot hold the tests for long). A process that ends meanwhile can be waited for only afterwards.
pub(crate) struct StalledDisk {
    stalling: Child,
    /// What it says later goes here: it would end if nobody held this.
    _said: BufReader<ChildStderr>,
}

impl StalledDisk {
    /// Stalls every fsync of the process; `None`, with a notice, where that is not possible.
    pub(crate) fn under(serving: &Serving) -> Option<Self> {
        let pid = serving.pid().to_string();
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]);
        command.args(["-e", "inject=fsync,fdatasync:delay_enter=40s", "-p", &pid]);
        let stalling = command.stderr(Stdio::piped()).spawn();
        let Ok(mut stalling) = stalling else {
            eprintln!("skipped: no strace here to stall a disk with");
            return None;
        };
        let mut said = BufReader::new(stalling.stderr.take().unwrap());
        if said.by_ref().lines().map_while(Result::ok).any(|line| line.contains("attached")) {
            return Some(Self { stalling, _said: said });
        }
        stalling.wait().unwrap();
        eprintln!("skipped: strace may not attach to a process here");
        None
    }
}

impl Drop for StalledDisk {
    fn drop(&mut self) {
        // The process that it held goes on. It may have ended with it.
        let _ = self.stalling.kill();
        self.stalling.wait().unwrap();
    }
}
