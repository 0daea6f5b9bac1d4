//! The sandbox's own time: it starts at ours, runs `speed` times faster, and can be moved ahead.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{self, Timestamp};

/// Sandbox time. Shared; only [`Clock::advance`] changes it.
pub(super) struct Clock {
    origin: Timestamp,
    speed: u32,
    skipped_millis: watch::Sender<u64>,
}

impl Clock {
    pub(super) fn starting(origin: Timestamp, speed: u32) -> Self {
        Self { origin, speed: speed.max(1), skipped_millis: watch::Sender::new(0) }
    }

    /// The sandbox's time now.
    pub(super) fn now(&self) -> Timestamp {
        self.at(clock::now())
    }

    /// Moves the sandbox's time ahead by `duration`, for good; wakes who waits in [`Clock::until`].
    pub(super) fn advance(&self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.skipped_millis.send_modify(|skipped| *skipped = skipped.saturating_add(millis));
    }

    /// How long we wait while `duration` passes in the sandbox.
    pub(super) fn real(&self, duration: Duration) -> Duration {
        duration / self.speed
    }

    /// Waits until the sandbox's time is `then`, however it comes there.
    pub(super) async fn until(&self, then: Timestamp) {
        let mut skipped = self.skipped_millis.subscribe();
        loop {
            skipped.mark_unchanged();
            let left = then.since(self.now());
            if left.is_zero() {
                return;
            }
            // A little longer than exact, so that rounding to milliseconds does not wake too early.
            let pause = self.real(left) + Duration::from_millis(1);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = skipped.changed() => {}
            }
        }
    }

    fn at(&self, real: Timestamp) -> Timestamp {
        let elapsed = real.since(self.origin).saturating_mul(self.speed);
        let skipped = Duration::from_millis(*self.skipped_millis.borrow());
        self.origin.after(elapsed).after(skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_as_many_times_faster_as_asked_for() {
        let clock = Clock::starting(Timestamp::from_secs(1000), 60);
        assert_eq!(clock.at(Timestamp::from_secs(1010)), Timestamp::from_secs(1600));
        assert_eq!(clock.real(Duration::from_secs(60)), Duration::from_secs(1));
    }

    #[test]
    fn time_can_be_moved_ahead() {
        let clock = Clock::starting(Timestamp::from_secs(1000), 1);
        clock.advance(Duration::from_secs(900));
        assert_eq!(clock.at(Timestamp::from_secs(1000)), Timestamp::from_secs(1900));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_when_time_is_moved_ahead() {
        let clock = Clock::starting(clock::now(), 1);
        let then = clock.now().after(Duration::from_secs(3600));
        tokio::join!(clock.until(then), async { clock.advance(Duration::from_secs(3601)) });
        assert!(clock.now() >= then);
    }
}
