//! The imports of a table by day, and how many a day may have.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::sandbox::options::Limits;

const DAY_SECONDS: u64 = 24 * 3600;
/// Days remembered: more than a year.
const MAX_DAYS: usize = 400;

/// What a day saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportDay {
    /// Imports taken from the day's number.
    pub taken: u64,
    /// Calls that got 429 because the number was used up.
    pub refused: u64,
}

/// The days of one table.
pub(super) struct Quota {
    a_day: u64,
    /// Seconds from midnight UTC to the beginning of a day.
    begins: u64,
    /// By the day's beginning, in seconds since 1970.
    days: BTreeMap<u64, ImportDay>,
}

impl Quota {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { a_day: limits.imports_per_day, begins: limits.day_starts.as_secs(), days: BTreeMap::new() }
    }

    /// Takes one of the day's imports; false, and counted as refused, when none is left.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        let a_day = self.a_day;
        let day = self.day(now);
        let is_left = day.taken < a_day;
        if is_left {
            day.taken += 1;
        } else {
            day.refused += 1;
        }
        is_left
    }

    pub(super) fn refuse(&mut self, now: Timestamp) {
        self.day(now).refused += 1;
    }

    pub(super) fn give_back(&mut self, taken: Timestamp) {
        let day = self.day(taken);
        day.taken = day.taken.saturating_sub(1);
    }

    /// The days by the date on which they begin.
    pub(super) fn by_day(&self) -> BTreeMap<String, ImportDay> {
        let date = |begin: u64| Timestamp::from_secs(begin).rfc3339().chars().take(10).collect();
        self.days.iter().map(|(begin, day)| (date(*begin), *day)).collect()
    }

    fn day(&mut self, now: Timestamp) -> &mut ImportDay {
        let since = now.secs().saturating_sub(self.begins);
        let begin = since - since % DAY_SECONDS + self.begins;
        if self.days.len() >= MAX_DAYS && !self.days.contains_key(&begin) {
            self.days.pop_first();
        }
        self.days.entry(begin).or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_day_has_its_number_and_the_next_day_has_it_again() {
        let mut quota = Quota::new(&Limits { imports_per_day: 2, ..Limits::default() });
        let noon = Timestamp::from_secs(20_000 * DAY_SECONDS + DAY_SECONDS / 2);
        assert_eq!([(); 3].map(|()| quota.take(noon)), [true, true, false]);
        quota.give_back(noon);
        assert!(quota.take(noon));
        assert!(quota.take(noon.after(Duration::from_secs(DAY_SECONDS / 2))));
        let days: Vec<ImportDay> = quota.by_day().into_values().collect();
        assert_eq!(days, [ImportDay { taken: 2, refused: 1 }, ImportDay { taken: 1, refused: 0 }]);
    }

    #[test]
    fn a_day_can_begin_at_another_hour() {
        let limits = Limits { imports_per_day: 1, day_starts: Duration::from_secs(6 * 3600), ..Limits::default() };
        let mut quota = Quota::new(&limits);
        let midnight = Timestamp::from_secs(20_000 * DAY_SECONDS);
        assert!(quota.take(midnight));
        assert!(!quota.take(midnight.after(Duration::from_secs(6 * 3600 - 1))));
        assert!(quota.take(midnight.after(Duration::from_secs(6 * 3600))));
    }
}
