//! The breaker of one account: after many failures in a row nothing is sent but a probe now and then.
//! Pure: time is an argument.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::clock::Timestamp;

/// When a breaker opens and how it probes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Failures in a row that open it.
    pub failures: u32,
    /// The waits before the probes.
    pub probe: Backoff,
}

impl Default for Limits {
    /// As the design has it: 20 failures, probes after 1 s doubling to 60 s.
    fn default() -> Self {
        let probe = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60), jitter: 0.0 };
        Self { failures: 20, probe }
    }
}

/// Whether a call may be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Yes.
    Send,
    /// Yes, this one, and no other until its answer was reported.
    Probe,
    /// Not now.
    Hold,
}

/// Counts failures in a row and holds calls back.
#[derive(Clone, Debug)]
pub struct Breaker {
    limits: Limits,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { since: Timestamp, failed_probes: u32, next_probe: Timestamp, probing: bool },
}

impl Breaker {
    /// A closed breaker.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: State::Closed { failures: 0 } }
    }

    /// Asks for a call. After [`Permit::Probe`] its answer must be reported with `probe` set.
    pub fn permit(&mut self, now: Timestamp) -> Permit {
        match &mut self.state {
            State::Closed { .. } => Permit::Send,
            State::Open { next_probe, probing, .. } if !*probing && *next_probe <= now => {
                *probing = true;
                Permit::Probe
            }
            State::Open { .. } => Permit::Hold,
        }
    }

    /// A call was answered well, which closes the breaker, whichever call it was.
    pub fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// A call failed in any way.
    pub fn failed(&mut self, now: Timestamp, probe: bool) {
        match &mut self.state {
            State::Closed { failures } => {
                *failures += 1;
                if *failures >= self.limits.failures {
                    let next_probe = now.after(self.limits.probe.delay(1, 0.5));
                    self.state = State::Open { since: now, failed_probes: 0, next_probe, probing: false };
                }
            }
            State::Open { failed_probes, next_probe, probing, .. } if probe => {
                *failed_probes = failed_probes.saturating_add(1);
                *next_probe = now.after(self.limits.probe.delay(*failed_probes + 1, 0.5));
                *probing = false;
            }
            // Calls that were under way when it opened.
            State::Open { .. } => {}
        }
    }

    /// Since when calls are held back.
    pub fn open_since(&self) -> Option<Timestamp> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { since, .. } => Some(since),
        }
    }

    /// When the next probe is due, unless one is under way.
    pub fn next_probe(&self) -> Option<Timestamp> {
        match self.state {
            State::Open { next_probe, probing: false, .. } => Some(next_probe),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_796_000_000);

    fn at(secs: u64) -> Timestamp {
        START.after(Duration::from_secs(secs))
    }

    fn open_breaker() -> Breaker {
        let mut breaker = Breaker::new(Limits::default());
        (0..20).for_each(|_| breaker.failed(START, false));
        breaker
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let mut breaker = Breaker::new(Limits::default());
        for _ in 0..5 {
            (0..19).for_each(|_| breaker.failed(START, false));
            assert_eq!(breaker.permit(START), Permit::Send);
            breaker.succeeded();
        }
        (0..20).for_each(|_| breaker.failed(START, false));
        assert_eq!(breaker.permit(START), Permit::Hold);
        assert_eq!(breaker.open_since(), Some(START));
    }

    #[test]
    fn one_probe_at_a_time_closes_it_when_answered() {
        let mut breaker = open_breaker();
        assert_eq!(breaker.next_probe(), Some(at(1)));
        assert_eq!(breaker.permit(at(1)), Permit::Probe);
        assert_eq!(breaker.permit(at(9)), Permit::Hold);
        assert_eq!(breaker.next_probe(), None);
        breaker.succeeded();
        assert_eq!(breaker.permit(at(9)), Permit::Send);
        assert_eq!(breaker.open_since(), None);
    }

    #[test]
    fn probes_that_fail_double_the_wait_up_to_a_minute() {
        let mut breaker = open_breaker();
        let (mut now, mut waits) = (START, Vec::new());
        for _ in 0..8 {
            let next = breaker.next_probe().unwrap();
            waits.push(next.since(now).as_secs());
            now = next;
            assert_eq!(breaker.permit(now), Permit::Probe);
            breaker.failed(now, true);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn stragglers_do_not_delay_the_probe() {
        let mut breaker = open_breaker();
        (0..500).for_each(|_| breaker.failed(at(0), false));
        assert_eq!(breaker.next_probe(), Some(at(1)));
        assert_eq!(breaker.permit(at(1)), Permit::Probe);
        breaker.failed(at(1), false);
        assert_eq!(breaker.permit(at(5)), Permit::Hold, "the probe is still under way");
    }
}
