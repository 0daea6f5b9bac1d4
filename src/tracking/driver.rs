//! The task that delivers. It looks into the outbox ([`Driver::look`]), starts calls
//! ([`Driver::launch`]) and writes what came of them ([`Driver::write_acks`]).

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Delivery;
use super::calls::Calls;
use super::lanes::{Found, Turn};
use crate::clock;
use crate::store::StoreError;
use crate::store::outbox::{self, Ack};

/// Between two looks into the outbox while events stream in: each look finds what several commits
/// brought.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Between the beginnings of two writes of acks: short, because what a crash keeps from being written is sent again,
/// but long against a commit, so that many acks share one. In a drain there is none.
const WRITE_PAUSE: Duration = Duration::from_millis(20);

/// After a failed write of acks or a failed look.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Driver {
    calls: Arc<Calls>,
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
    /// All that could be called at the moment.
    Called,
    Wrote(Vec<Ack>, Result<(), StoreError>),
    Noted(Result<(), StoreError>),
}

impl Driver {
    pub(super) fn new(delivery: Delivery) -> Self {
        let now = Instant::now();
        Self {
            calls: Calls::new(delivery),
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
            self.note_turns();
            tokio::select! {
                () = stop.cancelled() => {}
                // Whoever knows that there is more is not woken by every commit until the next look.
                () = self.calls.delivery.store.appended().notified(), if !self.stale => self.stale = true,
                () = self.calls.chores.notified() => {}
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
        let (wanted, store) = (self.calls.lanes().wanted(), self.calls.delivery.store.clone());
        self.tasks.spawn(async move {
            let found = store.read(move |connection| {
                let now = clock::now();
                let accounts = outbox::backlog(connection)?.into_iter();
                let found = accounts.map(|(account, backlog)| {
                    let room = wanted.room(&account);
                    let rows = match room {
                        0 => vec![],
                        _ => outbox::candidates(connection, &account, now, &wanted.leased, room)?,
                    };
                    let more = rows.len() == room;
                    Ok(Found { account, backlog, rows, more })
                });
                found.collect()
            });
            Done::Looked(found.await)
        });
    }

    /// Starts calls while more may be under way. Those that end are followed by others without this.
    fn launch(&mut self) {
        while let Some(call) = self.calls.next() {
            let calls = self.calls.clone();
            self.tasks.spawn(async move {
                calls.make(call).await;
                Done::Called
            });
        }
    }

    /// Writes everything that is known, unless a write is under way or just was: the next one takes more at once.
    fn write_acks(&mut self) {
        let now = Instant::now();
        if self.next_write().is_none_or(|due| now < due) {
            return;
        }
        (self.writing, self.wrote) = (true, now);
        let (acks, store) = (self.calls.lanes().take_acks(), self.calls.delivery.store.clone());
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
            Ok(Done::Called) => {}
            Ok(Done::Wrote(acks, written)) => self.wrote(acks, written),
            Ok(Done::Noted(noted)) => self.trouble(noted, "noting a held account"),
            Err(error) => tracing::error!(%error, "a delivery task ended badly"),
        }
    }

    fn looked(&mut self, found: Result<Vec<Found>, StoreError>) {
        self.looking = false;
        match found {
            Ok(found) => {
                self.calls.lanes().take_in(found);
                self.show();
            }
            Err(error) => self.trouble(Err(error), "looking into the outbox"),
        }
    }

    fn wrote(&mut self, acks: Vec<Ack>, written: Result<(), StoreError>) {
        self.writing = false;
        if written.is_ok() {
            return self.calls.lanes().release(&acks);
        }
        self.calls.lanes().keep(acks);
        self.trouble(written, "writing what was delivered");
    }

    /// Tells the log, the metrics and other processes which accounts are held back, or no longer.
    fn note_turns(&mut self) {
        let turns = self.calls.lanes().take_turns();
        if turns.is_empty() {
            return;
        }
        for Turn { account, since, answer } in turns {
            match since {
                Some(_) => tracing::warn!(account, answer, "Raptor keeps failing: deliveries are held back"),
                None => tracing::info!(account, "Raptor answers again: deliveries go on"),
            }
            let store = self.calls.delivery.store.clone();
            self.tasks.spawn(async move {
                Done::Noted(store.write(move |transaction| outbox::note_held(transaction, &account, since)).await)
            });
        }
        self.show();
    }

    /// What an earlier process noted as held is not known to be so any more.
    async fn forget_held(&mut self) {
        let forgotten = self.calls.delivery.store.write(|transaction| {
            let held = outbox::held(transaction)?;
            held.iter().try_for_each(|(account, _)| outbox::note_held(transaction, account, None))
        });
        let forgotten = forgotten.await;
        self.trouble(forgotten, "forgetting held accounts");
    }

    fn show(&self) {
        let status = self.calls.lanes().status();
        self.calls.delivery.counters.set_lanes(status);
    }

    fn trouble(&mut self, result: Result<(), StoreError>, doing: &str) {
        if let Err(error) = result {
            tracing::warn!(kind = error.kind(), doing, "the outbox cannot be used right now");
            self.paused_until = Instant::now() + TROUBLE_PAUSE;
        }
    }

    fn next_look(&self) -> Instant {
        let (poll, hungry) = (self.calls.delivery.settings.poll, self.calls.lanes().chores().hungry);
        let pause = if self.stale || hungry { LOOK_PAUSE } else { poll };
        (self.looked + pause.min(poll)).max(self.paused_until)
    }

    /// None while there is nothing to write, or a write is under way.
    fn next_write(&self) -> Option<Instant> {
        let waits = !self.writing && self.calls.lanes().chores().acks;
        waits.then(|| (self.wrote + self.write_pause).max(self.paused_until))
    }

    /// When there is something to do though nothing happens: a look, a probe, a write.
    fn wake_at(&self) -> Instant {
        let (now, probe) = (clock::now(), self.calls.lanes().chores().probe);
        let probe = probe.map(|probe| Instant::now() + probe.since(now).max(LOOK_PAUSE));
        let look = if self.looking { Instant::now() + self.calls.delivery.settings.poll } else { self.next_look() };
        [probe, self.next_write()].into_iter().flatten().fold(look, Instant::min)
    }

    /// Ends: no new calls, those under way until the deadline, then the last write. A call that is cut
    /// off leaves its event waiting. Says whether there was none.
    async fn drain(mut self) -> bool {
        let deadline = Instant::now() + self.calls.delivery.settings.drain;
        self.calls.close();
        // What is known is written at once: nothing wakes this for what waits.
        self.write_pause = Duration::ZERO;
        self.write_acks();
        while let Ok(Some(done)) = timeout_at(deadline, self.tasks.join_next()).await {
            self.take(done);
            self.write_acks();
            self.note_turns();
        }
        let cut_off = self.writing || self.calls.lanes().calls() > 0;
        self.tasks.shutdown().await;
        let acks = self.calls.lanes().take_acks();
        if acks.is_empty() {
            return !cut_off;
        }
        let store = &self.calls.delivery.store;
        let written = store.write(move |transaction| outbox::settle(transaction, clock::now(), &acks)).await;
        let all_written = written.is_ok();
        self.trouble(written, "writing what was delivered");
        all_written && !cut_off
    }
}

#[cfg(test)]
mod tests;
