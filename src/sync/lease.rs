//! One sync of an integration at a time, across processes: a row in the store that the holder renews.

use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::SyncError;
use crate::clock::{self, Timestamp};
use crate::store::{Store, sync as memory};

/// The holder shows that it lives this often.
const BEAT_EVERY: Duration = Duration::from_secs(10);

/// A holder that showed no life for this long is taken for dead: six beats, so that a machine under
/// load or a busy database is not.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// The right to sync an integration. Given back by [`Lease::release`]; one that is dropped, or whose
/// process dies, is taken over after [`STALE_AFTER`], on the same machine at once.
pub(super) struct Lease {
    store: Store,
    integration: String,
    token: String,
    licence: String,
    beating: JoinHandle<()>,
    /// Cancelled when somebody else took over.
    pub(super) lost: CancellationToken,
}

impl Lease {
    /// Takes the right, or says who has it.
    ///
    /// While it is held, the calls of `licence` count as unknown: a crash leaves them so.
    pub(super) async fn take(store: &Store, integration: &str, licence: &str) -> Result<Self, SyncError> {
        let mine = mine(integration, clock::now());
        let (token, row) = (mine.token.clone(), mine.clone());
        let holder = store.write(move |db| {
            let held = memory::lease(db, &row.integration)?.filter(|held| is_live(held, &row));
            if held.is_none() {
                memory::put_lease(db, &row)?;
            }
            Ok(held)
        });
        match holder.await? {
            Some(held) => Err(running(held)),
            None => Ok(Self::beating(store.clone(), mine.integration, token, licence.to_owned())),
        }
    }

    fn beating(store: Store, integration: String, token: String, licence: String) -> Self {
        let lost = CancellationToken::new();
        let beating =
            tokio::spawn(beat(store.clone(), integration.clone(), token.clone(), licence.clone(), lost.clone()));
        Self { store, integration, token, licence, beating, lost }
    }

    /// Gives the right back, and notes how many calls started in the last minute.
    pub(super) async fn release(self, spent: u32) {
        self.beating.abort();
        let (integration, token, licence) = (self.integration.clone(), self.token.clone(), self.licence.clone());
        let calls = memory::Calls { at: clock::now().millis(), spent: Some(spent) };
        let released = self.store.write(move |db| {
            memory::put_calls(db, &licence, calls)?;
            memory::release(db, &integration, &token)
        });
        let released = released.await;
        if let Err(error) = released {
            tracing::warn!(%error, integration = self.integration, "the sync's lease was not given back, it ends by itself");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

async fn beat(store: Store, integration: String, token: String, licence: String, lost: CancellationToken) {
    loop {
        tokio::time::sleep(BEAT_EVERY).await;
        let (name, mine, licence, now) = (integration.clone(), token.clone(), licence.clone(), clock::now().millis());
        // A beat that fails is made up for by the next: only a row of somebody else ends the run.
        let beat = store.write(move |db| {
            memory::put_calls(db, &licence, memory::Calls { at: now, spent: None })?;
            memory::beat(db, &name, &mine, now)
        });
        if let Ok(false) = beat.await {
            return lost.cancel();
        }
    }
}

fn mine(integration: &str, now: Timestamp) -> memory::Lease {
    memory::Lease {
        integration: integration.to_owned(),
        token: format!("{:032x}", fastrand::u128(..)),
        host: host(),
        pid: std::process::id(),
        started_at: now.millis(),
        beat_at: now.millis(),
    }
}

/// Whether the holder of a lease still runs, as far as `me` can tell.
fn is_live(held: &memory::Lease, me: &memory::Lease) -> bool {
    let silent = Timestamp::from_millis(me.beat_at).since(Timestamp::from_millis(held.beat_at));
    silent < STALE_AFTER && (held.host != me.host || process_lives(held.pid))
}

/// Whether the holder of a lease still runs, as far as this process can tell.
pub(super) fn lives(held: &memory::Lease) -> bool {
    is_live(held, &mine(&held.integration, clock::now()))
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

fn running(held: memory::Lease) -> SyncError {
    let since = Timestamp::from_millis(held.started_at).rfc3339();
    SyncError::Running { integration: held.integration, host: held.host, pid: held.pid, since }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_796_000_000);

    fn held(host: &str, pid: u32, silent: Duration) -> memory::Lease {
        let beat_at = NOW.before(silent).millis();
        memory::Lease { host: host.into(), pid, beat_at, ..mine("shop", NOW) }
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
