//! How long to wait before trying again. Pure: the caller brings the randomness.

use std::time::Duration;

/// Waits that double from `first` up to `max`, each spread by `± jitter` of its length.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// No wait is longer than this, before it is spread.
    pub max: Duration,
    /// The share of a wait by which it may be shorter or longer, 0 to 1.
    pub jitter: f64,
}

impl Backoff {
    /// The wait after `failures` failures in a row (1 = the first). `random` is uniform in `0..1`.
    pub fn delay(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let wait = self.first.saturating_mul(1 << doublings).min(self.max);
        wait.mul_f64(1.0 + self.jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(600), jitter: 0.5 };

    #[test]
    fn waits_double_from_the_first_to_the_longest() {
        let waits: Vec<u64> = (1..=12).map(|failures| SCHEDULE.delay(failures, 0.5).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(SCHEDULE.delay(u32::MAX, 0.5), Duration::from_secs(600));
    }

    #[test]
    fn jitter_stays_within_its_share() {
        assert_eq!(SCHEDULE.delay(1, 0.0), Duration::from_millis(500));
        assert_eq!(SCHEDULE.delay(1, 1.0), Duration::from_millis(1500));
    }
}
