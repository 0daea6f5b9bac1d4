//! How far the work is behind, in grades: what is not a click goes first, and the redirect last.
//!
//! It is sensed by the time that a task which is ready has to wait for its turn, because that is what a click
//! waits, too, whatever took the processor: too many clicks, a newsletter that is rewritten, or another program. The
//! length of a queue would say the same only to who knows how fast this machine is today. One long wait says nothing
//! (a neighbour had the core); the least wait of the last moments does: there is always a queue. Connections that
//! nobody has accepted yet wait as well, in the kernel, where nothing is measured but that the queue is never empty.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often the wait is measured: some ten times in [`WINDOW`], and a cost that nobody sees.
const TICK: Duration = Duration::from_millis(10);

/// The moments whose least wait counts: longer than a scheduler keeps a process waiting for another one.
const WINDOW: Duration = Duration::from_millis(100);

/// The wait at which each grade begins. A calm server waits for less than 1 ms, one with a fifth of a core at its peak
/// for 15 ms. People notice a redirect from 100 ms on. New connections wait only where those that are there take all
/// of the time and would not be answered before somebody clicks again.
const BEGINS: [(Grade, Duration); 3] = [
    (Grade::Holding, Duration::from_millis(1000)),
    (Grade::Refusing, Duration::from_millis(200)),
    (Grade::Shedding, Duration::from_millis(50)),
];

/// For how long the queue of connections may never be empty before each grade begins. A machine that keeps up
/// empties it within milliseconds. It raises no grade further: it is short, and what is beyond it the kernel turns away.
const STANDS: [(Grade, Duration); 2] =
    [(Grade::Refusing, Duration::from_millis(1000)), (Grade::Shedding, Duration::from_millis(250))];

/// A grade ends at this part of the wait that it begins at, so that it does not flicker.
const ENDS_AT: f64 = 0.5;

/// Of the events that may wait for a commit, the part from which the disk is what is behind.
const QUEUE_FULL: f64 = 0.25;

/// How far the work is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nothing waits that should not.
    Calm,
    /// What is not a click's affair waits: delivery, counting, rewriting.
    Shedding,
    /// Requests that are not clicks are refused.
    Refusing,
    /// New connections wait, too, in the kernel.
    Holding,
}

impl Grade {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Calm, Self::Shedding, Self::Refusing, Self::Holding];

    /// A word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Shedding => "shedding",
            Self::Refusing => "refusing",
            Self::Holding => "holding",
        }
    }
}

/// The grade of the moment, shared by who measures and who goes by it.
#[derive(Debug, Default)]
pub struct Load {
    /// Written by [`watch`] alone.
    grade: AtomicU8,
    /// How often each grade was entered, by its place in [`Grade::ALL`].
    entered: [AtomicU64; Grade::ALL.len()],
    /// The wait that decided last, in microseconds.
    wait: AtomicU64,
    eased: Notify,
    /// One for each accept loop, as long as it runs.
    doors: Mutex<Vec<Weak<Door>>>,
}

/// Where one listener's connections come in.
#[derive(Debug)]
pub struct Door {
    opened: Instant,
    /// Until when the queue was empty, in milliseconds since it was opened. Written by its accept loop alone.
    empty: AtomicU64,
    /// Whether it is empty now.
    idle: AtomicBool,
}

impl Door {
    /// Nobody waits, or not for the processor.
    pub fn rests(&self) {
        self.idle.store(true, Ordering::Relaxed);
    }

    /// Somebody came; until now nobody had been waiting, when it was empty before.
    pub fn let_in(&self) {
        if self.idle.load(Ordering::Relaxed) {
            self.empty.store(millis(self.opened.elapsed()), Ordering::Relaxed);
        }
        self.idle.store(false, Ordering::Relaxed);
    }

    /// For how long the queue has never been empty.
    fn stands(&self) -> Duration {
        if self.idle.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.empty.load(Ordering::Relaxed)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Load {
    /// The grade of the moment.
    pub fn grade(&self) -> Grade {
        Grade::ALL.get(usize::from(self.grade.load(Ordering::Relaxed))).copied().unwrap_or(Grade::Calm)
    }

    /// Whether it is so bad, or worse.
    pub fn is(&self, at_least: Grade) -> bool {
        self.grade() >= at_least
    }

    /// Waits until the grade is less than this one.
    pub async fn eases_below(&self, grade: Grade) {
        loop {
            let eased = self.eased.notified();
            tokio::pin!(eased);
            eased.as_mut().enable();
            if self.grade() < grade {
                return;
            }
            eased.await;
        }
    }

    /// Lets work that can wait go on when the grade is below `grade`, and after `at_most` in any case: what
    /// waits for ever is lost.
    pub async fn give_way(&self, grade: Grade, at_most: Duration) {
        // Whichever it was, the work goes on.
        drop(tokio::time::timeout(at_most, self.eases_below(grade)).await);
    }

    /// Counter: how often a grade was entered.
    pub fn entered(&self, grade: Grade) -> u64 {
        self.entered[grade as usize].load(Ordering::Relaxed)
    }

    /// Gauge: the wait that the grade was decided by.
    pub fn wait(&self) -> Duration {
        Duration::from_micros(self.wait.load(Ordering::Relaxed))
    }

    /// A new accept loop's.
    pub fn door(&self) -> Arc<Door> {
        let door = Arc::new(Door { opened: Instant::now(), empty: AtomicU64::new(0), idle: AtomicBool::new(true) });
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&door));
        door
    }

    /// For how long a queue of connections has never been empty.
    fn stands(&self) -> Duration {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        doors.retain(|door| door.strong_count() > 0);
        doors.iter().filter_map(|door| Some(door.upgrade()?.stands())).max().unwrap_or_default()
    }

    fn set(&self, grade: Grade, wait: Duration) {
        self.wait.store(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let before = self.grade();
        if grade == before {
            return;
        }
        self.grade.store(grade as u8, Ordering::Relaxed);
        self.entered[grade as usize].fetch_add(1, Ordering::Relaxed);
        if grade < before {
            self.eased.notify_waiters();
        }
    }
}

/// How often the log may say that it is too much: the metrics say the rest.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Measures until `stop`; `queue` says how full the queue of events is, from 0 to 1. When it ends, all is calm.
pub async fn watch(load: &Load, queue: impl Fn() -> f64, stop: CancellationToken) {
    let (mut judge, mut logged) = (Judge::default(), None::<Instant>);
    let measuring = async {
        loop {
            let due = Instant::now() + TICK;
            tokio::time::sleep_until(due.into()).await;
            // A task that a timer woke may go first: to the end of the line, as a click would stand there.
            tokio::task::yield_now().await;
            let now = Instant::now();
            let grade = judge.see(now.saturating_duration_since(due), load.stands(), queue(), now);
            load.set(grade, judge.least());
            if grade >= Grade::Refusing && logged.is_none_or(|at| now.saturating_duration_since(at) >= LOG_EVERY) {
                tracing::warn!(
                    grade = grade.as_str(),
                    wait_ms = judge.least().as_millis(),
                    "more to do than there is time for"
                );
                logged = Some(now);
            }
        }
    };
    stop.run_until_cancelled(measuring).await;
    load.set(Grade::Calm, Duration::ZERO);
}

/// Decides, and has no clock.
#[derive(Debug)]
struct Judge {
    grade: Grade,
    /// The waits of the last moments, and when each was seen.
    seen: VecDeque<(Instant, Duration)>,
}

impl Default for Judge {
    fn default() -> Self {
        Self { grade: Grade::Calm, seen: VecDeque::new() }
    }
}

impl Judge {
    fn see(&mut self, wait: Duration, stands: Duration, queue: f64, now: Instant) -> Grade {
        // The one before always counts: a single wait, however long, is no queue.
        let before = self.seen.back().copied();
        self.seen.retain(|(at, _)| now.saturating_duration_since(*at) < WINDOW);
        if self.seen.is_empty() {
            self.seen.push_back(before.unwrap_or((now, Duration::ZERO)));
        }
        self.seen.push_back((now, wait));
        let least = self.least();
        let of_wait = |(grade, begins): &(Grade, Duration)| {
            let bound = if self.grade >= *grade { begins.mul_f64(ENDS_AT) } else { *begins };
            (least >= bound).then_some(*grade)
        };
        // A slow disk keeps nobody from landing: only what would make it slower has to wait.
        let of_queue = if queue >= QUEUE_FULL { Grade::Shedding } else { Grade::Calm };
        let of_connections =
            STANDS.iter().find(|(_, begins)| stands >= *begins).map_or(Grade::Calm, |(grade, _)| *grade);
        let of_wait = BEGINS.iter().find_map(of_wait).unwrap_or(Grade::Calm);
        self.grade = of_wait.max(of_connections).max(of_queue);
        self.grade
    }

    /// The least wait that is remembered.
    fn least(&self) -> Duration {
        self.seen.iter().map(|(_, wait)| *wait).min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
