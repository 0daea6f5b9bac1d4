//! The time limits of one connection's requests, by one alarm. A limit begins and ends with every request; as long as
//! the alarm of an earlier one is still to come, a new limit sets nothing: the alarm is moved when it goes off early.
//! On a connection where nothing is under way a limit ends early, so that it can be put to rest.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::time::{self, Instant, sleep_until};

use super::limits;

/// A connection's alarm, as hyper asks for time while it waits for a head. Made for one limit after the other.
#[derive(Clone, Default)]
pub(super) struct Alarm {
    sleep: Arc<Mutex<Option<Pin<Box<time::Sleep>>>>>,
    quiet: Arc<AtomicBool>,
}

/// A limit that is running.
struct Limit {
    /// When to look next: first at the time to rest, then at the deadline.
    due: Instant,
    deadline: Instant,
    alarm: Alarm,
}

impl Alarm {
    /// Whether the connection has read nothing of a request, and written all of its answers.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }

    /// Told by who reads and writes.
    pub(super) fn set_quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::Relaxed);
    }
}

impl Timer for Alarm {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(std::time::Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        let deadline = Instant::from_std(deadline);
        let due = deadline.min(Instant::now() + limits::REST);
        Box::pin(Limit { due, deadline, alarm: self.clone() })
    }
}

impl Sleep for Limit {}

impl Future for Limit {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let limit = &mut *self;
        let mut sleep = limit.alarm.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(limit.due)));
        loop {
            if sleep.deadline() > limit.due {
                sleep.as_mut().reset(limit.due);
            }
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() < limit.due {
                sleep.as_mut().reset(limit.due);
            } else if limit.due == limit.deadline || limit.alarm.is_quiet() {
                return Poll::Ready(());
            } else {
                limit.due = limit.deadline;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_limit_ends_at_its_own_time_whatever_the_one_before_set() {
        let (alarm, begin, limit) = (Alarm::default(), Instant::now(), Duration::from_millis(20));
        // A shorter one, one that is given up, and a longer one, which stays.
        for before in [limit / 4, limit / 2, 1000 * limit] {
            assert_eq!(alarm.sleep(before).now_or_never(), None);
        }
        alarm.sleep(limit).await;
        assert!(begin.elapsed() >= limit);
        alarm.sleep(limit).await;
        assert!(begin.elapsed() >= 2 * limit);
    }

    #[tokio::test]
    async fn a_limit_wakes_whoever_waits_for_it_though_it_set_nothing_itself() {
        let (alarm, begin, limit) = (Alarm::default(), Instant::now(), Duration::from_millis(20));
        assert_eq!(alarm.sleep(limit / 2).now_or_never(), None);
        tokio::spawn(alarm.sleep(limit)).await.unwrap();
        assert!(begin.elapsed() >= limit);
    }

    #[tokio::test]
    async fn a_limit_ends_early_where_nothing_is_under_way() {
        let (alarm, begin) = (Alarm::default(), Instant::now());
        alarm.set_quiet(true);
        alarm.sleep(1000 * limits::REST).await;
        assert!(begin.elapsed() >= limits::REST);
        let longer = limits::REST + limits::REST / 4;
        alarm.set_quiet(false);
        let begin = Instant::now();
        alarm.sleep(longer).await;
        assert!(begin.elapsed() >= longer);
    }
}
