//! What is counted in the store, and under which name: imports of a profile table and its day, calls of
//! a licence.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::config;
use crate::store::sync::Calls;

const DAY: u64 = 24 * 3600 * 1000;

/// A note of calls older than this says nothing about the last minute: the minute itself, and as long as
/// notes may lie apart.
const NOTED_FOR: Duration = Duration::from_secs(75);

/// A day as Actito counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day {
    /// Counted from the Unix epoch.
    pub(super) number: u64,
    pub(super) ends: Timestamp,
    pub(super) begins: Timestamp,
}

impl Day {
    /// The day of `now`, when days begin `reset` after midnight UTC.
    pub(super) fn of(now: Timestamp, reset: Duration) -> Self {
        let reset = u64::try_from(reset.as_millis()).unwrap_or(0) % DAY;
        let number = now.millis().saturating_sub(reset) / DAY;
        let at = |day: u64| Timestamp::from_millis(day * DAY + reset);
        Self { number, begins: at(number), ends: at(number + 1) }
    }
}

/// The name of a profile table in the ledger.
pub(super) fn table(settings: &config::Actito) -> String {
    format!("{} {} {}", settings.api_endpoint, settings.entity, settings.profile_table_id)
}

/// The name of a licence in the ledger.
pub(super) fn licence(settings: &config::Actito) -> String {
    settings.licence.clone().unwrap_or_else(|| format!("{} {}", settings.api_endpoint, settings.entity))
}

/// How many calls of the last minute a process must count that begins now: what the one before noted,
/// or all, when it was cut off.
pub(super) fn spent_before(noted: Option<Calls>, now: Timestamp, calls_per_minute: u32) -> u32 {
    let Some(noted) = noted else { return 0 };
    let at = Timestamp::from_millis(noted.at);
    // A note from the future is one by a clock that was wrong: as good as fresh.
    match now.since(at) < NOTED_FOR {
        true => noted.spent.unwrap_or(calls_per_minute),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_when_the_operator_says() {
        let noon = Timestamp::from_secs(1_796_000_000 / 86_400 * 86_400 + 12 * 3600);
        let utc = Day::of(noon, Duration::ZERO);
        assert_eq!(utc.ends.since(noon), Duration::from_secs(12 * 3600));
        let brussels = Day::of(noon, Duration::from_secs(22 * 3600));
        assert_eq!((brussels.number, brussels.ends.since(noon)), (utc.number - 1, Duration::from_secs(10 * 3600)));
        assert_eq!(Day::of(brussels.ends, Duration::from_secs(22 * 3600)).number, utc.number);
    }

    #[test]
    fn what_another_process_called_counts_for_a_minute() {
        let now = Timestamp::from_secs(1_796_000_000);
        let noted = |seconds, spent| Some(Calls { at: now.before(Duration::from_secs(seconds)).millis(), spent });
        assert_eq!(spent_before(None, now, 90), 0);
        assert_eq!(spent_before(noted(10, Some(17)), now, 90), 17);
        assert_eq!(spent_before(noted(10, None), now, 90), 90, "it was cut off");
        assert_eq!(spent_before(noted(80, None), now, 90), 0);
    }
}
