//! CPU time, and two things measured in turn: on a machine that others use, too, time on the wall says little.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// What all threads of this process used so far, in the kernel and outside.
pub fn of_process() -> Duration {
    elapsed(clock_gettime(ClockId::ProcessCPUTime))
}

/// What this thread used so far.
pub fn of_thread() -> Duration {
    elapsed(clock_gettime(ClockId::ThreadCPUTime))
}

fn elapsed(time: Timespec) -> Duration {
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// What two things took in microseconds of CPU, round by round.
pub struct Pair(Vec<(f64, f64)>);

impl Pair {
    /// Runs `ours` and `theirs` in turn, and every other round the other way about. Both return what one piece of
    /// their work took.
    pub fn measure(rounds: usize, mut ours: impl FnMut() -> Duration, mut theirs: impl FnMut() -> Duration) -> Self {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let mut round = |number: usize| {
            if number.is_multiple_of(2) {
                let ours = micros(ours());
                (ours, micros(theirs()))
            } else {
                let theirs = micros(theirs());
                (micros(ours()), theirs)
            }
        };
        Self((0..rounds).map(&mut round).collect())
    }

    /// The medians of both.
    pub fn medians(&self) -> (f64, f64) {
        (median(self.0.iter().map(|round| round.0)), median(self.0.iter().map(|round| round.1)))
    }

    /// The median of ours by theirs, and the smallest and the largest of any round.
    pub fn ratio(&self) -> (f64, f64, f64) {
        let ratios = || self.0.iter().map(|(ours, theirs)| ours / theirs);
        (median(ratios()), ratios().fold(f64::MAX, f64::min), ratios().fold(0.0, f64::max))
    }
}

/// The middle one of them.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
