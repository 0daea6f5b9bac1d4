//! How to spend what is left of the quotas on what differs. Pure.
//!
//! A single write costs a call and is there at once. An import costs one of a few a day, takes minutes,
//! and carries any number of rows. So few rows go singly, many by import, and what counts as many
//! grows when fewer imports are left than the rest of the day may need.

use std::time::Duration;

use crate::clock::Timestamp;

/// Single writes are preferred while they take no longer than this: an import with its polling takes as long.
const WORTH_AN_IMPORT: Duration = Duration::from_secs(120);

/// However scarce imports are, what would take single writes longer than this goes by import while there
/// is one; and when there is none, this long a run may write singly.
const LONGEST_SINGLY: Duration = Duration::from_secs(30 * 60);

/// Calls that one place under way answers in a second, as far as anybody knows: an answer takes 250 ms.
const ANSWERS_A_SECOND: u64 = 4;

/// One part in this many of a day's imports is kept for fresh rows; less when the day is nearly over.
const KEPT_SHARE: u64 = 6;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Imports that today still has.
    pub imports_left: u32,
    /// Imports that a day has.
    pub imports_per_day: u32,
    /// When the next day begins for Actito.
    pub day_ends: Timestamp,
    /// Calls that may start in a minute.
    pub calls_per_minute: u32,
    /// Calls that may be under way at once.
    pub concurrency: usize,
    /// Rows that one import may carry.
    pub rows_per_import: u64,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Rows of people who would get the next newsletter without a REAID, or with a wrong one.
    pub fresh: u64,
    /// All other rows that an import may carry.
    pub rest: u64,
    /// Rows that are to be emptied, which no import does.
    pub clears: u64,
    /// Rows that this run wrote singly so far because no import was left.
    pub singly: u64,
    /// Whether the source has more.
    pub more: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write this many rows one by one, the freshest first.
    Singles(u64),
    /// Empty this many rows one by one.
    Clear(u64),
    /// Write this many rows in one import.
    Import(u64),
    /// Read on: what is there is not enough for an import and too much for single writes.
    ReadOn,
    /// Nothing can be done before then.
    Wait {
        /// When an import may go.
        until: Timestamp,
    },
    /// Nothing differs.
    Done,
}

/// Decides what to do next.
pub fn decide(need: Need, quotas: &Quotas, now: Timestamp) -> Decision {
    let clears = need.clears.min(quotas.rows_in(LONGEST_SINGLY).saturating_sub(need.singly));
    match decide_rows(need, quotas, now) {
        Decision::Done | Decision::Wait { .. } if clears > 0 => Decision::Clear(clears),
        // The run has had its share of the calls: others need some, too.
        Decision::Done if need.clears > 0 => Decision::Wait { until: now.after(LONGEST_SINGLY) },
        decision => decision,
    }
}

/// The same for what an import may carry.
fn decide_rows(need: Need, quotas: &Quotas, now: Timestamp) -> Decision {
    let rows = need.fresh + need.rest;
    if rows == 0 {
        return Decision::Done;
    }
    // Where imports are never allowed, waiting for one helps nobody.
    if rows <= quotas.rows_worth_an_import(now) || quotas.imports_per_day == 0 {
        return Decision::Singles(rows);
    }
    let import = rows.min(quotas.rows_per_import.max(1));
    let fresh_enough = need.fresh > quotas.rows_in(WORTH_AN_IMPORT);
    if quotas.imports_left > 0 && (fresh_enough || u64::from(quotas.imports_left) > quotas.kept(now)) {
        return if need.more && rows < quotas.rows_per_import { Decision::ReadOn } else { Decision::Import(import) };
    }
    let singly = quotas.rows_in(LONGEST_SINGLY).saturating_sub(need.singly);
    match need.fresh.min(singly) {
        _ if rows <= singly => Decision::Singles(rows),
        0 => Decision::Wait { until: quotas.next_import(now) },
        urgent => Decision::Singles(urgent),
    }
}

/// What a run would spend on `need`, when nothing fails: calls, imports, and until when it would wait.
pub fn forecast(need: Need, quotas: &Quotas, now: Timestamp) -> (u64, u32, Option<Timestamp>) {
    let (mut need, mut quotas) = (Need { more: false, ..need }, *quotas);
    let (mut calls, mut imports) = (0, 0);
    // Each round writes rows or ends; an import of many rows takes away the most a round can.
    loop {
        let rows = match decide(need, &quotas, now) {
            Decision::Singles(rows) => {
                calls += rows;
                need.singly += rows;
                rows
            }
            Decision::Clear(rows) => {
                (calls, need.singly, need.clears) = (calls + rows, need.singly + rows, need.clears - rows);
                0
            }
            Decision::Import(rows) => {
                quotas.imports_left -= 1;
                imports += 1;
                calls += 1;
                rows
            }
            Decision::Wait { until } => return (calls, imports, Some(until)),
            Decision::Done | Decision::ReadOn => return (calls, imports, None),
        };
        let fresh = rows.min(need.fresh);
        need.fresh -= fresh;
        need.rest -= (rows - fresh).min(need.rest);
    }
}

impl Quotas {
    /// The most rows that are better written one by one.
    fn rows_worth_an_import(&self, now: Timestamp) -> u64 {
        if self.imports_left == 0 {
            return 0;
        }
        // What the rest of the day would have if imports were spread evenly, against what it has.
        let due = u64::from(self.imports_per_day) * millis(self.hours_left(now));
        let scarcity_percent = due * 100 / (millis(DAY) * u64::from(self.imports_left));
        let rows = self.rows_in(WORTH_AN_IMPORT) * scarcity_percent.max(100) / 100;
        rows.min(self.rows_in(LONGEST_SINGLY)).max(1)
    }

    /// Rows that can be written one by one in this time.
    fn rows_in(&self, time: Duration) -> u64 {
        let answered = 60 * ANSWERS_A_SECOND * self.concurrency.max(1) as u64;
        u64::from(self.calls_per_minute).min(answered).max(1) * time.as_secs() / 60
    }

    /// Imports that are kept for fresh rows: none of few, and none when the day is nearly over.
    fn kept(&self, now: Timestamp) -> u64 {
        let share = u64::from(self.imports_per_day) / KEPT_SHARE;
        share * millis(self.hours_left(now)) / millis(DAY)
    }

    /// When rows that can wait get their import: tomorrow, or later today when the kept ones are free.
    fn next_import(&self, now: Timestamp) -> Timestamp {
        let share = u64::from(self.imports_per_day) / KEPT_SHARE;
        if self.imports_left == 0 || share == 0 {
            return self.day_ends;
        }
        let until_end = millis(DAY) * u64::from(self.imports_left) / share;
        self.day_ends.before(Duration::from_millis(until_end.saturating_sub(1))).max(now)
    }

    fn hours_left(&self, now: Timestamp) -> Duration {
        self.day_ends.since(now).min(DAY)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIDNIGHT: Timestamp = Timestamp::from_secs(1_796_000_000 / 86_400 * 86_400);

    fn hour(hour: u64) -> Timestamp {
        MIDNIGHT.after(Duration::from_secs(3600 * hour))
    }

    fn quotas(imports_left: u32) -> Quotas {
        Quotas {
            imports_left,
            imports_per_day: 12,
            day_ends: hour(24),
            calls_per_minute: 90,
            concurrency: 4,
            rows_per_import: 250_000,
        }
    }

    fn fresh(fresh: u64) -> Need {
        Need { fresh, ..Need::default() }
    }

    fn rest(rest: u64) -> Need {
        Need { rest, ..Need::default() }
    }

    #[test]
    fn few_are_written_at_once_and_many_by_import() {
        assert_eq!(decide(fresh(0), &quotas(12), hour(0)), Decision::Done);
        assert_eq!(decide(fresh(1), &quotas(12), hour(0)), Decision::Singles(1));
        assert_eq!(decide(fresh(180), &quotas(12), hour(0)), Decision::Singles(180));
        assert_eq!(decide(fresh(181), &quotas(12), hour(0)), Decision::Import(181));
        assert_eq!(decide(fresh(20_000), &quotas(12), hour(0)), Decision::Import(20_000));
        assert_eq!(decide(fresh(1_000_000), &quotas(12), hour(0)), Decision::Import(250_000));
    }

    #[test]
    fn the_fewer_imports_are_left_the_more_is_written_singly() {
        assert_eq!(decide(fresh(1000), &quotas(12), hour(12)), Decision::Import(1000));
        assert_eq!(decide(fresh(1000), &quotas(1), hour(12)), Decision::Singles(1000));
        assert_eq!(decide(fresh(1000), &quotas(1), hour(23)), Decision::Import(1000), "the day is nearly over");
        assert_eq!(decide(fresh(5000), &quotas(1), hour(0)), Decision::Import(5000), "that would take too long");
    }

    #[test]
    fn the_last_imports_of_a_day_are_kept_for_fresh_rows() {
        assert_eq!(decide(rest(50_000), &quotas(3), hour(0)), Decision::Import(50_000));
        assert_eq!(
            decide(rest(50_000), &quotas(2), hour(0)),
            Decision::Wait { until: MIDNIGHT.after(Duration::from_millis(1)) }
        );
        let later = Decision::Wait { until: hour(12).after(Duration::from_millis(1)) };
        assert_eq!(decide(rest(50_000), &quotas(1), hour(1)), later);
        assert_eq!(decide(rest(50_000), &quotas(1), hour(13)), Decision::Import(50_000));
        assert_eq!(decide(fresh(50_000), &quotas(1), hour(1)), Decision::Import(50_000));
    }

    #[test]
    fn without_imports_what_is_urgent_goes_singly_and_the_rest_waits() {
        let tomorrow = Decision::Wait { until: hour(24) };
        assert_eq!(decide(rest(2000), &quotas(0), hour(9)), Decision::Singles(2000));
        assert_eq!(decide(rest(3000), &quotas(0), hour(9)), tomorrow);
        assert_eq!(decide(Need { fresh: 500, ..rest(3000) }, &quotas(0), hour(9)), Decision::Singles(500));
        assert_eq!(decide(fresh(20_000), &quotas(0), hour(9)), Decision::Singles(2700));
        assert_eq!(decide(Need { singly: 2700, ..fresh(17_300) }, &quotas(0), hour(9)), tomorrow);
    }

    #[test]
    fn what_is_to_be_emptied_goes_singly_after_the_rest() {
        let need = Need { clears: 5000, ..fresh(20_000) };
        assert_eq!(decide(need, &quotas(12), hour(0)), Decision::Import(20_000));
        assert_eq!(decide(Need { fresh: 0, ..need }, &quotas(12), hour(0)), Decision::Clear(2700));
        let later = Decision::Wait { until: MIDNIGHT.after(LONGEST_SINGLY) };
        assert_eq!(decide(Need { fresh: 0, clears: 2300, singly: 2700, ..need }, &quotas(12), hour(0)), later);
        assert_eq!(forecast(need, &quotas(12), hour(0)), (2701, 1, Some(MIDNIGHT.after(LONGEST_SINGLY))));
    }

    #[test]
    fn an_import_is_not_sent_half_empty_while_more_may_come() {
        let more = |rows| Need { more: true, ..fresh(rows) };
        assert_eq!(decide(more(20_000), &quotas(12), hour(0)), Decision::ReadOn);
        assert_eq!(decide(more(250_000), &quotas(12), hour(0)), Decision::Import(250_000));
        assert_eq!(decide(more(100), &quotas(12), hour(0)), Decision::Singles(100));
    }

    #[test]
    fn a_forecast_says_what_a_run_would_spend() {
        assert_eq!(forecast(fresh(100), &quotas(12), hour(0)), (100, 0, None));
        assert_eq!(forecast(fresh(1_000_000), &quotas(12), hour(0)), (4, 4, None));
        assert_eq!(forecast(fresh(1_000_000), &quotas(2), hour(0)), (2 + 2700, 2, Some(hour(24))));
        assert_eq!(forecast(Need::default(), &quotas(0), hour(0)), (0, 0, None));
    }

    fn any_quotas() -> impl Strategy<Value = Quotas> {
        (0_u32..30, 0_u32..30, 1_u32..200, 1_usize..6, 1_u64..5000).prop_map(|(left, per_day, calls, at_once, rows)| {
            Quotas {
                imports_left: left.min(per_day),
                imports_per_day: per_day,
                day_ends: hour(24),
                calls_per_minute: calls,
                concurrency: at_once,
                rows_per_import: rows,
            }
        })
    }

    proptest! {
        #[test]
        fn no_decision_asks_for_more_than_there_is(fresh in 0_u64..9000, rest in 0_u64..9000, clears in 0_u64..9000, more: bool, quotas in any_quotas(), minute in 0_u64..1440) {
            let now = MIDNIGHT.after(Duration::from_secs(60 * minute));
            match decide(Need { fresh, rest, clears, singly: 0, more }, &quotas, now) {
                Decision::Clear(rows) => prop_assert!(rows > 0 && rows <= clears),
                Decision::Singles(rows) => prop_assert!(rows > 0 && rows <= fresh + rest),
                Decision::Import(rows) => {
                    prop_assert!(rows > 0 && rows <= (fresh + rest).min(quotas.rows_per_import));
                    prop_assert!(quotas.imports_left > 0);
                }
                Decision::ReadOn => prop_assert!(more),
                Decision::Wait { until } => prop_assert!(until >= now && until <= quotas.day_ends.max(now.after(LONGEST_SINGLY))),
                Decision::Done => prop_assert_eq!(fresh + rest + clears, 0),
            }
        }

        #[test]
        fn whoever_waits_as_told_gets_on(rest in 1_u64..9000, quotas in any_quotas(), minute in 0_u64..1440) {
            let now = MIDNIGHT.after(Duration::from_secs(60 * minute));
            let need = Need { rest, ..Need::default() };
            if let Decision::Wait { until } = decide(need, &quotas, now) {
                let next = if until < quotas.day_ends { quotas } else {
                    Quotas { imports_left: quotas.imports_per_day, day_ends: hour(48), ..quotas }
                };
                let then = decide(need, &next, until);
                prop_assert!(!matches!(then, Decision::Wait { .. }), "{:?}", then);
            }
        }

        #[test]
        fn every_forecast_ends(fresh in 0_u64..90_000, rest in 0_u64..90_000, quotas in any_quotas()) {
            let (calls, imports, _) = forecast(Need { fresh, rest, ..Need::default() }, &quotas, MIDNIGHT);
            prop_assert!(calls <= fresh + rest + u64::from(imports) && imports <= quotas.imports_left);
        }
    }
}
