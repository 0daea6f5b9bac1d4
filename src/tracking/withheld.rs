//! People about whom nothing is recorded or sent: they asked to be forgotten.
//!
//! Promise: once the set behind [`IsSuppressed`] holds somebody, no call to Raptor that names them begins, and after
//! [`Withheld::ended`] none that began before is under way. A call is entered in `naming` before the set is asked,
//! so whoever changes the set and then looks into `naming` misses none.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Says whether a REAID is that of somebody who asked to be forgotten. Called for each event: it must not block.
pub type IsSuppressed = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Keeps events and calls from naming the suppressed.
pub struct Withheld {
    is_suppressed: IsSuppressed,
    /// How many calls under way name each REAID; written by each call at its begin and end, under the lock.
    naming: Mutex<HashMap<String, usize>>,
    ended: Notify,
}

impl Withheld {
    /// Asks `is_suppressed`.
    pub fn new(is_suppressed: IsSuppressed) -> Arc<Self> {
        Arc::new(Self { is_suppressed, naming: Mutex::default(), ended: Notify::new() })
    }

    /// Whether this REAID may not be named.
    pub(super) fn has(&self, reaid: Option<&str>) -> bool {
        reaid.is_some_and(|reaid| (self.is_suppressed)(reaid))
    }

    /// The right to name `reaid` until it is dropped; none for the suppressed.
    pub(super) fn name(self: &Arc<Self>, reaid: Option<&str>) -> Option<Naming> {
        let naming = Naming { withheld: self.clone(), reaid: reaid.map(str::to_owned) };
        if let Some(reaid) = reaid {
            *self.lock().entry(reaid.to_owned()).or_default() += 1;
        }
        (!self.has(reaid)).then_some(naming)
    }

    /// Waits until no call is under way that names one of these.
    pub async fn ended(&self, reaids: &[String]) {
        loop {
            let ended = self.ended.notified();
            let mut ended = std::pin::pin!(ended);
            ended.as_mut().enable();
            if !self.lock_names_any(reaids) {
                return;
            }
            ended.await;
        }
    }

    fn lock_names_any(&self, reaids: &[String]) -> bool {
        let naming = self.lock();
        reaids.iter().any(|reaid| naming.contains_key(reaid))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.naming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Withheld(…)")
    }
}

/// A call that names somebody, as long as this lives.
pub(super) struct Naming {
    withheld: Arc<Withheld>,
    reaid: Option<String>,
}

impl Drop for Naming {
    fn drop(&mut self) {
        let Some(reaid) = self.reaid.take() else { return };
        let mut naming = self.withheld.lock();
        if let Some(calls) = naming.get_mut(&reaid) {
            *calls -= 1;
            if *calls == 0 {
                naming.remove(&reaid);
            }
        }
        drop(naming);
        self.withheld.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn after_the_set_holds_somebody_calls_under_way_are_waited_for_and_none_begins() {
        let suppressed = Arc::new(AtomicBool::new(false));
        let asked = suppressed.clone();
        let withheld = Withheld::new(Arc::new(move |reaid| reaid == "jane" && asked.load(Ordering::SeqCst)));
        let first = withheld.name(Some("jane")).unwrap();
        let second = withheld.name(Some("jane")).unwrap();
        suppressed.store(true, Ordering::SeqCst);
        assert!(withheld.name(Some("jane")).is_none() && withheld.has(Some("jane")) && !withheld.has(None));
        let _john = withheld.name(Some("john")).unwrap();
        let jane = ["jane".to_owned()];
        let mut waiting = std::pin::pin!(withheld.ended(&jane));
        for call in [first, second] {
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
            drop(call);
        }
        assert!(futures_util::poll!(waiting.as_mut()).is_ready());
        assert_eq!(withheld.lock().len(), 1, "john's call is still under way");
    }
}
