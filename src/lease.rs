//! The right to do something that one process does at a time, across processes: a row in the store that the
//! holder renews.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Timestamp};
use crate::store::leases::{self as rows, Also, Task};
use crate::store::{Store, StoreError};

/// The holder shows that it lives this often.
const BEAT_EVERY: Duration = Duration::from_secs(10);

/// A holder that showed no life for this long is taken for dead: six beats, so that a machine under
/// load or a busy database is not.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// The right to do something. Given back by [`Lease::release`]; one that is dropped, or whose process
/// dies, is taken over after `STALE_AFTER`, on the same machine at once.
pub struct Lease {
    store: Store,
    task: Task,
    name: String,
    token: String,
    beating: JoinHandle<()>,
    /// Cancelled when somebody else took over.
    pub lost: CancellationToken,
}

/// Why the right was not given.
#[derive(Debug)]
pub enum Refused {
    /// Somebody else has it.
    Held(Holder),
    /// The store fails.
    Store(StoreError),
}

/// Who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Since when, in RFC 3339.
    pub since: String,
}

impl Lease {
    /// Takes the right, or says who has it. `also` is written with each sign of life.
    ///
    /// # Errors
    /// Somebody else has it, or the store fails.
    pub async fn take(store: &Store, task: Task, name: &str, also: Also) -> Result<Self, Refused> {
        let mine = mine(name, clock::now());
        let (token, row) = (mine.token.clone(), mine.clone());
        let holder = store.write(move |db| {
            let held = rows::lease(db, task, &row.name)?.filter(|held| is_live(held, &row));
            if held.is_none() {
                rows::put_lease(db, task, &row)?;
            }
            Ok(held)
        });
        match holder.await.map_err(Refused::Store)? {
            Some(held) => Err(Refused::Held(holder_of(&held))),
            None => Ok(Self::beating(store.clone(), task, mine.name, token, also)),
        }
    }

    fn beating(store: Store, task: Task, name: String, token: String, also: Also) -> Self {
        let lost = CancellationToken::new();
        let beating = tokio::spawn(beat(store.clone(), task, name.clone(), token.clone(), also, lost.clone()));
        Self { store, task, name, token, beating, lost }
    }

    /// Gives the right back; `also` is written with it.
    pub async fn release(self, also: Also) {
        self.beating.abort();
        let (task, name, token) = (self.task, self.name.clone(), self.token.clone());
        let released = self.store.write(move |db| {
            also(db)?;
            rows::release(db, task, &name, &token)
        });
        if let Err(error) = released.await {
            tracing::warn!(%error, name = self.name, "a lease was not given back, it ends by itself");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

/// Who has this lease, as far as this process can tell: a dead holder has none.
pub fn holder(held: &rows::Lease) -> Option<Holder> {
    is_live(held, &mine(&held.name, clock::now())).then(|| holder_of(held))
}

async fn beat(store: Store, task: Task, name: String, token: String, also: Also, lost: CancellationToken) {
    loop {
        tokio::time::sleep(BEAT_EVERY).await;
        let (name, mine, also, now) = (name.clone(), token.clone(), also.clone(), clock::now().millis());
        // A beat that fails is made up for by the next: only a row of somebody else ends the run.
        let beat = store.write(move |db| {
            also(db)?;
            rows::beat(db, task, &name, &mine, now)
        });
        if let Ok(false) = beat.await {
            return lost.cancel();
        }
    }
}

fn mine(name: &str, now: Timestamp) -> rows::Lease {
    rows::Lease {
        name: name.to_owned(),
        token: format!("{:032x}", fastrand::u128(..)),
        host: host(),
        pid: std::process::id(),
        started_at: now.millis(),
        beat_at: now.millis(),
    }
}

/// Whether the holder of a lease still runs, as far as `me` can tell.
fn is_live(held: &rows::Lease, me: &rows::Lease) -> bool {
    let silent = Timestamp::from_millis(me.beat_at).since(Timestamp::from_millis(held.beat_at));
    silent < STALE_AFTER && (held.host != me.host || process_lives(held.pid))
}

fn holder_of(held: &rows::Lease) -> Holder {
    let since = Timestamp::from_millis(held.started_at).rfc3339();
    Holder { host: held.host.clone(), pid: held.pid, since }
}

/// Where there is no `/proc`, every process counts as alive, and a dead one's lease as stale later.
fn process_lives(pid: u32) -> bool {
    let processes = Path::new("/proc");
    !processes.join("self").exists() || processes.join(pid.to_string()).exists()
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "this machine".to_owned() } else { name.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_796_000_000);

    fn held(host: &str, pid: u32, silent: Duration) -> rows::Lease {
        let beat_at = NOW.before(silent).millis();
        rows::Lease { host: host.into(), pid, beat_at, ..mine("shop", NOW) }
    }

    #[test]
    fn a_holder_is_dead_when_it_is_silent_or_its_process_is_gone() {
        let (me, here, now) = (mine("shop", NOW), host(), Duration::ZERO);
        assert!(is_live(&held(&here, std::process::id(), now), &me));
        assert!(!is_live(&held(&here, u32::MAX, now), &me));
        assert!(is_live(&held("elsewhere", u32::MAX, now), &me));
        assert!(!is_live(&held("elsewhere", 1, STALE_AFTER), &me));
        assert!(!is_live(&held(&here, std::process::id(), STALE_AFTER), &me));
    }
}
