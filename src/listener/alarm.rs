//! The time limits of one connection's requests, by one alarm. A limit begins and ends with every request; as long as
//! the alarm of an earlier one is still to come, a new limit sets nothing: the alarm is moved when it goes off early.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::time::{self, Instant, sleep_until};

/// A connection's alarm, as hyper asks for time. Made for one limit after the other.
#[derive(Clone, Default)]
pub(super) struct Alarm(Arc<Mutex<Option<Pin<Box<time::Sleep>>>>>);

/// A limit that is running.
struct Limit {
    deadline: Instant,
    alarm: Alarm,
}

impl Timer for Alarm {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(std::time::Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Limit { deadline: deadline.into(), alarm: self.clone() })
    }
}

impl Sleep for Limit {}

impl Future for Limit {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let mut alarm = self.alarm.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alarm = alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        loop {
            ready!(alarm.as_mut().poll(context));
            if alarm.deadline() >= deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
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
}
