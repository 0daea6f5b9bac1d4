//! When an activation is due. Pure.
//!
//! A schedule is a row of instants, `every` apart, through `start` or else through the last run: no time zone, so
//! no change of a clock's hour. What was missed is made up for by one run. A clock that jumped ahead makes one run
//! early, and so does one that jumped back.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::ActivationSchedule;

/// When the next run is due, after the last one began then; a time that is past says "now".
pub fn next(schedule: ActivationSchedule, last: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let every = millis(schedule.every).max(1);
    // By a clock that was ahead, the last run began in what is the future now: nobody knows how long ago that was.
    let Some(last) = last.filter(|last| *last <= now) else { return schedule.start.unwrap_or(now) };
    let (anchor, after) = (schedule.start.unwrap_or(last), last.millis());
    // The first instant of the row that lies after `after`.
    let phase = anchor.millis() % every;
    let since = (after % every + every - phase) % every;
    let next = after.saturating_add(every - since);
    Timestamp::from_millis(next).max(schedule.start.unwrap_or_default())
}

/// When a file that was sent then must be sent again: when half of its validity has passed.
pub fn refresh(sent: Timestamp, validity: Duration, now: Timestamp) -> Timestamp {
    // Sent in what is the future now: nobody knows how long ago that was.
    if sent > now { now } else { sent.after(validity / 2) }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000;

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_millis(hours * HOUR)
    }

    fn daily(start: Option<u64>) -> ActivationSchedule {
        ActivationSchedule { every: Duration::from_millis(24 * HOUR), start: start.map(at) }
    }

    #[test]
    fn without_a_start_it_runs_at_once_and_then_every_so_often() {
        assert_eq!(next(daily(None), None, at(1000)), at(1000));
        assert_eq!(next(daily(None), Some(at(1000)), at(1001)), at(1024));
    }

    #[test]
    fn with_a_start_it_waits_for_it_and_keeps_to_its_hour() {
        assert_eq!(next(daily(Some(1003)), None, at(1000)), at(1003));
        assert_eq!(next(daily(Some(1003)), Some(at(1003)), at(1004)), at(1027));
        // Run by hand in between: the hour stays.
        assert_eq!(next(daily(Some(1003)), Some(at(1010)), at(1010)), at(1027));
        // Moved ahead after it ran.
        assert_eq!(next(daily(Some(2000)), Some(at(1010)), at(1011)), at(2000));
    }

    #[test]
    fn what_was_missed_is_made_up_for_once() {
        let after_ten_days = at(1003 + 241);
        assert!(next(daily(Some(1003)), Some(at(1003)), after_ten_days) <= after_ten_days);
        assert_eq!(next(daily(Some(1003)), Some(after_ten_days), after_ten_days), at(1003 + 264));
    }

    proptest! {
        #[test]
        fn the_next_run_is_never_further_away_than_the_interval(
            every in 60_000u64..100_000_000, start in prop::option::of(0u64..2_000_000_000),
            last in 0u64..2_000_000_000, now in 2_000_000_000u64..3_000_000_000,
        ) {
            let schedule =
                ActivationSchedule { every: Duration::from_millis(every), start: start.map(Timestamp::from_millis) };
            let (last, now) = (Timestamp::from_millis(last), Timestamp::from_millis(now));
            let next = next(schedule, Some(last), now);
            prop_assert!(next > last);
            let latest = (last.millis() + every).max(start.unwrap_or(0));
            prop_assert!(next.millis() <= latest);
            let anchor = schedule.start.unwrap_or(last).millis();
            prop_assert_eq!(next.millis() % every, anchor % every);
        }

        #[test]
        fn whoever_asks_again_and_again_is_told_now_within_the_interval_whatever_the_clock_did(
            last in 0u64..3000, now in 0u64..3000,
        ) {
            let last = Some(at(last));
            prop_assert!((now..=now + 24).any(|now| next(daily(None), last, at(now)) <= at(now)));
        }

        #[test]
        fn a_file_is_sent_again_before_it_expires_whatever_the_clock_did(sent in 0u64..1000, now in 0u64..1000) {
            let due = refresh(at(sent), Duration::from_millis(48 * HOUR), at(now));
            prop_assert!(due <= at(now) || due == at(sent + 24));
        }
    }
}
