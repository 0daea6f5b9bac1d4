//! How many events one address may record a minute: what is beyond is answered like all else, and not recorded.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::listener::Network;

/// Networks remembered: about 6 MiB. Who is forgotten because so many others came begins anew.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1 << 16).unwrap();

/// What a limit is counted over.
const MINUTE: Duration = Duration::from_secs(60);

/// One network's events: as many at once as in a minute, and then one each time its share of a minute has passed.
pub struct EventLimit {
    share: Duration,
    /// When each network's events so far would be done at that pace. Written by every event, under the lock.
    done_at: Mutex<LruCache<Network, Instant>>,
}

impl EventLimit {
    /// At most so many a minute.
    pub fn new(a_minute: NonZeroU32) -> Self {
        Self { share: MINUTE / a_minute.get(), done_at: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// Whether one more is within the limit, and counts it when it is.
    pub(super) fn admits(&self, network: Network, now: Instant) -> bool {
        let mut all = self.done_at.lock().unwrap_or_else(PoisonError::into_inner);
        let done_at = all.get_or_insert_mut(network, || now);
        let next = (*done_at).max(now) + self.share;
        let within = next <= now + MINUTE;
        if within {
            *done_at = next;
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_events_pass_and_then_one_by_one() {
        let limit = EventLimit::new(NonZeroU32::new(60).unwrap());
        let (one, other) = (Network::of([192, 0, 2, 1].into()), Network::of([192, 0, 2, 2].into()));
        let start = Instant::now();
        let passed = |network, at: u64, tries: u32| {
            (0..tries).filter(|_| limit.admits(network, start + Duration::from_secs(at))).count()
        };
        assert_eq!((passed(one, 0, 100), passed(other, 0, 100)), (60, 60));
        assert_eq!((passed(one, 1, 5), passed(one, 3, 5), passed(one, 3, 5)), (1, 2, 0));
        assert_eq!(passed(one, 600, 100), 60);
    }

    #[test]
    fn the_table_does_not_grow_beyond_its_size() {
        let limit = EventLimit::new(NonZeroU32::new(1).unwrap());
        let now = Instant::now();
        for number in 0..(REMEMBERED.get() as u32 + 1000) {
            assert!(limit.admits(Network::of(number.to_be_bytes().into()), now));
        }
        assert_eq!(limit.done_at.lock().unwrap().len(), REMEMBERED.get());
    }
}
