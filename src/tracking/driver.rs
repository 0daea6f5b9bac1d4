//! The task that delivers. It looks into the outbox ([`Driver::look`]), starts calls
//! ([`Driver::launch`]) and writes what came of them ([`Driver::write_acks`]).
//!
//! A lease is a row's number in `leased`: from the look that found it until its ack is on disk. After
//! the ack is on disk a crash repeats nothing.

use std::collections::{BTreeMap, HashSet};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Withheld;
use super::counters::LaneStatus;
use super::delivery::{Delivery, Settings, VisitorOf};
use super::lane::{EXPIRED, Lane, MOST_CALLS, Next, REJECTED};
use crate::clock::{self, Timestamp};
use crate::overload::Grade;
use crate::raptor::{Client, Verdict};
use crate::store::outbox::{self, Ack, Fate, Waiting};
use crate::store::{Event, StoreError};

/// Between two looks into the outbox while events stream in: each look finds what several commits
/// brought.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Between the beginnings of two writes of acks: short, because what a crash keeps from being written is sent again,
/// but long against a commit, so that many acks share one. In a drain there is none.
const WRITE_PAUSE: Duration = Duration::from_millis(20);

/// Results that may wait for being written: beyond that no call is started, because each of them
/// would be repeated after a crash.
const MOST_UNWRITTEN: usize = 4096;

/// After a failed write of acks or a failed look.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Driver {
    delivery: Delivery,
    lanes: BTreeMap<String, Lane>,
    /// Rows that are in `ready`, under way, or settled but not yet written as such.
    leased: HashSet<i64>,
    acks: Vec<Ack>,
    tasks: JoinSet<Done>,
    looking: bool,
    writing: bool,
    /// Something was appended since the last look.
    stale: bool,
    looked: Instant,
    wrote: Instant,
    /// Between the beginnings of two writes.
    write_pause: Duration,
    /// No look and no write before this.
    paused_until: Instant,
}

enum Done {
    Looked(Result<Vec<Found>, StoreError>),
    /// `None` when it was not made, because of whom it would have named.
    Called {
        row: Waiting,
        probe: bool,
        verdict: Option<Verdict>,
    },
    Wrote(Vec<Ack>, Result<(), StoreError>),
    Noted(Result<(), StoreError>),
}

/// What a look found of one account.
struct Found {
    account: String,
    backlog: u64,
    rows: Vec<Waiting>,
    /// It filled the room there was.
    more: bool,
}

impl Driver {
    pub(super) fn new(delivery: Delivery) -> Self {
        let now = Instant::now();
        Self {
            delivery,
            lanes: BTreeMap::new(),
            leased: HashSet::new(),
            acks: Vec::new(),
            tasks: JoinSet::new(),
            looking: false,
            writing: false,
            stale: true,
            looked: now,
            wrote: now,
            write_pause: WRITE_PAUSE,
            paused_until: now,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) -> bool {
        self.forget_held().await;
        while !stop.is_cancelled() {
            self.look();
            self.launch();
            self.write_acks();
            tokio::select! {
                () = stop.cancelled() => {}
                // Whoever knows that there is more is not woken by every commit until the next look.
                () = self.delivery.store.appended().notified(), if !self.stale => self.stale = true,
                () = sleep_until(self.wake_at()) => {}
                Some(done) = self.tasks.join_next() => {
                    self.take(done);
                    // What ended meanwhile costs no turn of its own.
                    while let Some(done) = self.tasks.try_join_next() {
                        self.take(done);
                    }
                }
            }
        }
        self.drain().await
    }

    /// Starts a look when it is time for one and there is room for what it may find.
    fn look(&mut self) {
        let now = Instant::now();
        if self.looking || now < self.next_look() {
            return;
        }
        (self.looking, self.stale, self.looked) = (true, false, now);
        let room: BTreeMap<String, usize> = self.lanes.iter().map(|(name, lane)| (name.clone(), lane.room())).collect();
        let fresh = Lane::new(self.delivery.settings.breaker).room();
        let (leased, store) = (self.leased.clone(), self.delivery.store.clone());
        self.tasks.spawn(async move {
            let found = store.read(move |connection| {
                let now = clock::now();
                let accounts = outbox::backlog(connection)?.into_iter();
                let found = accounts.map(|(account, backlog)| {
                    let room = room.get(&account).copied().unwrap_or(fresh);
                    let rows = match room {
                        0 => vec![],
                        _ => outbox::candidates(connection, &account, now, &leased, room)?,
                    };
                    let more = rows.len() == room;
                    Ok(Found { account, backlog, rows, more })
                });
                found.collect()
            });
            Done::Looked(found.await)
        });
    }

    /// Starts calls, one account after the other in turn, while their windows have room.
    fn launch(&mut self) {
        let now = clock::now();
        let oldest = now.before(self.delivery.settings.max_age);
        let withheld = self.delivery.withheld.clone();
        // Never none: what waits for a calm moment must not wait for ever.
        let most_calls = if self.delivery.load.is(Grade::Shedding) { 1 } else { MOST_CALLS };
        let mut under_way: u64 = self.lanes.values().map(|lane| lane.calls).sum();
        let mut progress = true;
        while progress {
            progress = false;
            for lane in self.lanes.values_mut() {
                // Their rows are about to be deleted. Until then they stay leased, so that no look finds them
                // again in the place of others.
                while lane.ready.pop_front_if(|row| withheld.has(row.event.reaid.as_deref())).is_some() {}
                if under_way >= most_calls || self.acks.len() >= MOST_UNWRITTEN {
                    return;
                }
                match lane.next(now, oldest) {
                    None => continue,
                    Some(Next::Expire(row)) => {
                        let fate = Fate::Dead(EXPIRED);
                        self.delivery.counters.count_fate(fate);
                        self.acks.push(Ack { seq: row.seq, account: row.event.account, fate, answer: None });
                    }
                    Some(Next::Send { row, probe }) => {
                        under_way += 1;
                        self.delivery.counters.in_flight.fetch_add(1, Ordering::Relaxed);
                        let (client, visitor_of) = (self.delivery.client.clone(), self.delivery.visitor_of.clone());
                        self.tasks.spawn(call(client, visitor_of, withheld.clone(), row, probe));
                    }
                }
                progress = true;
            }
        }
    }

    /// Writes everything that is known, unless a write is under way or just was: the next one takes more at once.
    fn write_acks(&mut self) {
        let now = Instant::now();
        if self.next_write().is_none_or(|due| now < due) {
            return;
        }
        (self.writing, self.wrote) = (true, now);
        let (acks, store) = (mem::take(&mut self.acks), self.delivery.store.clone());
        self.tasks.spawn(async move {
            let acks = Arc::new(acks);
            let shared = acks.clone();
            let written = store.write(move |transaction| outbox::settle(transaction, clock::now(), &shared)).await;
            Done::Wrote(Arc::unwrap_or_clone(acks), written)
        });
    }

    fn take(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Looked(found)) => self.looked(found),
            Ok(Done::Called { row, probe, verdict }) => self.called(row, probe, verdict),
            Ok(Done::Wrote(acks, written)) => self.wrote(acks, written),
            Ok(Done::Noted(noted)) => self.trouble(noted, "noting a held account"),
            Err(error) => tracing::error!(%error, "a delivery task ended badly"),
        }
    }

    fn looked(&mut self, found: Result<Vec<Found>, StoreError>) {
        self.looking = false;
        let found = match found {
            Ok(found) => found,
            Err(error) => return self.trouble(Err(error), "looking into the outbox"),
        };
        self.lanes.values_mut().for_each(|lane| (lane.backlog, lane.more) = (0, false));
        for Found { account, backlog, rows, more } in found {
            let limits = self.delivery.settings.breaker;
            let lane = self.lanes.entry(account).or_insert_with(|| Lane::new(limits));
            (lane.backlog, lane.more) = (backlog, more);
            self.leased.extend(rows.iter().map(|row| row.seq));
            lane.ready.extend(rows);
        }
        self.show();
    }

    fn called(&mut self, row: Waiting, probe: bool, verdict: Option<Verdict>) {
        let Delivery { settings, counters, .. } = &self.delivery;
        counters.in_flight.fetch_sub(1, Ordering::Relaxed);
        let Some(lane) = self.lanes.get_mut(&row.event.account) else { return };
        lane.calls -= 1;
        let (now, held) = (clock::now(), lane.breaker.open_since());
        let Some(verdict) = verdict else {
            // A probe must be answered for; the next one will do.
            if probe {
                lane.breaker.failed(now, probe);
            }
            return;
        };
        match verdict {
            Verdict::Delivered(_) => lane.breaker.succeeded(),
            _ => lane.breaker.failed(now, probe),
        }
        let (fate, answer) = judge(lane, settings, &row, verdict, now);
        counters.count_fate(fate);
        let holds = lane.breaker.open_since();
        if held.is_some() != holds.is_some() {
            self.note(row.event.account.clone(), holds, &answer);
        }
        self.acks.push(Ack { seq: row.seq, account: row.event.account, fate, answer: Some(answer) });
    }

    fn wrote(&mut self, acks: Vec<Ack>, written: Result<(), StoreError>) {
        self.writing = false;
        if let Err(error) = written {
            self.acks.extend(acks);
            return self.trouble(Err(error), "writing what was delivered");
        }
        for ack in &acks {
            self.leased.remove(&ack.seq);
        }
    }

    /// Tells the log, the metrics and other processes that an account is held back, or no longer.
    fn note(&mut self, account: String, since: Option<Timestamp>, answer: &str) {
        match since {
            Some(_) => tracing::warn!(account, answer, "Raptor keeps failing: deliveries are held back"),
            None => tracing::info!(account, "Raptor answers again: deliveries go on"),
        }
        let store = self.delivery.store.clone();
        self.tasks.spawn(async move {
            Done::Noted(store.write(move |transaction| outbox::note_held(transaction, &account, since)).await)
        });
        self.show();
    }

    /// What an earlier process noted as held is not known to be so any more.
    async fn forget_held(&mut self) {
        let forgotten = self.delivery.store.write(|transaction| {
            let held = outbox::held(transaction)?;
            held.iter().try_for_each(|(account, _)| outbox::note_held(transaction, account, None))
        });
        let forgotten = forgotten.await;
        self.trouble(forgotten, "forgetting held accounts");
    }

    fn show(&self) {
        let lanes = self.lanes.iter().map(|(account, lane)| LaneStatus {
            account: account.clone(),
            waiting: lane.backlog,
            held: lane.breaker.open_since().is_some(),
        });
        self.delivery.counters.set_lanes(lanes.collect());
    }

    fn trouble(&mut self, result: Result<(), StoreError>, doing: &str) {
        if let Err(error) = result {
            tracing::warn!(kind = error.kind(), doing, "the outbox cannot be used right now");
            self.paused_until = Instant::now() + TROUBLE_PAUSE;
        }
    }

    fn next_look(&self) -> Instant {
        let hungry = self.lanes.values().any(Lane::is_hungry);
        let pause = if self.stale || hungry { LOOK_PAUSE } else { self.delivery.settings.poll };
        (self.looked + pause.min(self.delivery.settings.poll)).max(self.paused_until)
    }

    /// None while there is nothing to write, or a write is under way.
    fn next_write(&self) -> Option<Instant> {
        let waits = !self.writing && !self.acks.is_empty();
        waits.then(|| (self.wrote + self.write_pause).max(self.paused_until))
    }

    /// When there is something to do though nothing happens: a look, a probe, a write.
    fn wake_at(&self) -> Instant {
        let now = clock::now();
        let probes = self.lanes.values().filter(|lane| !lane.ready.is_empty());
        let probe = probes.filter_map(|lane| lane.breaker.next_probe()).min();
        let probe = probe.map(|probe| Instant::now() + probe.since(now).max(LOOK_PAUSE));
        let look = if self.looking { Instant::now() + self.delivery.settings.poll } else { self.next_look() };
        [probe, self.next_write()].into_iter().flatten().fold(look, Instant::min)
    }

    /// Ends: no new calls, those under way until the deadline, then the last write. A call that is cut
    /// off leaves its event waiting. Says whether there was none.
    async fn drain(mut self) -> bool {
        let deadline = Instant::now() + self.delivery.settings.drain;
        // What is known is written at once: nothing wakes this for what waits.
        self.write_pause = Duration::ZERO;
        self.write_acks();
        while let Ok(Some(done)) = timeout_at(deadline, self.tasks.join_next()).await {
            self.take(done);
            self.write_acks();
        }
        let cut_off = self.writing || self.lanes.values().any(|lane| lane.calls > 0);
        self.tasks.shutdown().await;
        let acks = mem::take(&mut self.acks);
        if acks.is_empty() {
            return !cut_off;
        }
        let store = &self.delivery.store;
        let written = store.write(move |transaction| outbox::settle(transaction, clock::now(), &acks)).await;
        let all_written = written.is_ok();
        self.trouble(written, "writing what was delivered");
        all_written && !cut_off
    }
}

async fn call(client: Arc<Client>, visitor_of: VisitorOf, withheld: Arc<Withheld>, row: Waiting, probe: bool) -> Done {
    let Some(_naming) = withheld.name(row.event.reaid.as_deref()) else {
        return Done::Called { row, probe, verdict: None };
    };
    let Event { account, campaign, reaid, page, .. } = &row.event;
    let (visitor, reaid) = (visitor_of(&row.event), reaid.as_deref());
    let verdict = match page {
        Some(page) => client.click(account, &visitor, reaid, page).await,
        None => client.open(account, &visitor, reaid, campaign).await,
    };
    Done::Called { row, probe, verdict: Some(verdict) }
}

/// What becomes of an event after its answer, which the lane's breaker has heard already.
fn judge(lane: &Lane, settings: &Settings, row: &Waiting, verdict: Verdict, now: Timestamp) -> (Fate, String) {
    let due = now.after(settings.retry.delay(row.attempts + 1, fastrand::f64()));
    let expires = row.since.after(settings.max_age);
    match verdict {
        Verdict::Delivered(status) => (Fate::Delivered, status.to_string()),
        Verdict::Rejected(status) => (lane.fate_of_failed(Some(REJECTED), due, expires), status.to_string()),
        Verdict::Retry { answer, after } => {
            let due = due.max(now.after(after.unwrap_or_default()));
            (lane.fate_of_failed(None, due, expires), answer)
        }
    }
}

#[cfg(test)]
mod tests;
