//! What waits for the writer: events and jobs. Whoever puts something in holds the lock for a push.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Transaction;
use tokio::sync::Notify;

use super::batch::{Batch, Commit, Ticket};
use super::{Counters, Event, Loss, State, StoreError};

/// Work for the writer: runs inside the transaction (`None` when there could be none), then is told how
/// the commit went.
pub(super) type Job = Box<dyn FnOnce(Option<&Transaction<'_>>) -> Answer + Send>;
pub(super) type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
pub(super) type Door = Arc<dyn Fn(&mut Event) -> State + Send + Sync>;

/// What the writer takes at once.
#[derive(Default)]
pub(super) struct Work {
    pub(super) batch: Option<Batch>,
    pub(super) jobs: Vec<Job>,
}

/// Bytes of pages that may wait for a commit, beside the number of events: a client writes the query,
/// and a hundred thousand of the longest would fill the memory. Usual ones take 100 bytes.
const MAX_QUEUED_BYTES: usize = 64 << 20;

/// So many events are worth a commit of their own at once; fewer wait until the writer has rested.
const ENOUGH: usize = 32;

pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    ready: Condvar,
    max_queue: usize,
    counters: Arc<Counters>,
    /// Told by the writer, waited for by delivery.
    appended: Arc<Notify>,
}

/// Filled by any thread, emptied by the writer, both under the lock.
struct Waiting {
    events: Vec<Event>,
    /// The pages of `events`.
    bytes: usize,
    /// The commit that they will share.
    commit: Arc<Commit>,
    /// That of the newest event: whoever flushes waits for it.
    last: Option<Arc<Commit>>,
    jobs: Vec<Job>,
    door: Door,
    /// Set by the writer; whoever puts in what it sleeps for wakes it.
    sleep: Sleep,
    closing: bool,
}

/// What the writer sleeps for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleep {
    Awake,
    /// So many events, or a job.
    ForEvents(usize),
    /// A batch is held back: events wait behind it, and must not hasten its next try.
    ForJobs,
}

impl Inbox {
    pub(super) fn new(max_queue: usize, counters: Arc<Counters>) -> Self {
        let waiting = Waiting {
            events: Vec::new(),
            bytes: 0,
            commit: Arc::default(),
            last: None,
            jobs: Vec::new(),
            door: Arc::new(|_| State::Kept),
            sleep: Sleep::Awake,
            closing: false,
        };
        Self { waiting: Mutex::new(waiting), ready: Condvar::new(), max_queue, counters, appended: Arc::default() }
    }

    pub(super) fn append(&self, event: Event) -> Ticket {
        let mut waiting = self.lock();
        let bytes = event.page.as_ref().map_or(0, String::len);
        let full = waiting.events.len() >= self.max_queue || waiting.bytes + bytes > MAX_QUEUED_BYTES;
        if full || waiting.closing {
            drop(waiting);
            self.counters.lose(Loss::QueueFull, 1);
            return Ticket::lost();
        }
        let index = waiting.events.len();
        waiting.events.push(event);
        waiting.bytes += bytes;
        let ticket = Ticket::of(&waiting.commit, index);
        if index == 0 {
            waiting.last = Some(waiting.commit.clone());
        }
        if matches!(waiting.sleep, Sleep::ForEvents(wanted) if waiting.events.len() >= wanted) {
            self.wake(waiting);
        }
        ticket
    }

    /// How full the queue is, from 0 to 1.
    pub(super) fn fill(&self) -> f64 {
        let waiting = self.lock();
        let events = waiting.events.len() as f64 / self.max_queue as f64;
        events.max(waiting.bytes as f64 / MAX_QUEUED_BYTES as f64)
    }

    pub(super) fn submit(&self, job: Job) {
        let mut waiting = self.lock();
        if !waiting.closing {
            waiting.jobs.push(job);
            self.wake(waiting);
        }
    }

    pub(super) fn set_door(&self, door: Door) {
        self.lock().door = door;
    }

    pub(super) fn last_ticket(&self) -> Option<Ticket> {
        self.lock().last.as_ref().map(|commit| Ticket::of(commit, 0))
    }

    pub(super) fn appended(&self) -> &Arc<Notify> {
        &self.appended
    }

    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closing = true;
        self.wake(waiting);
    }

    /// Waits for a job, for [`ENOUGH`] events, or from `rested` on for any. `None` when all is done and the store is
    /// closing.
    pub(super) fn take(&self, rested: Instant) -> Option<Work> {
        let mut waiting = self.lock();
        loop {
            let rest = rested.saturating_duration_since(Instant::now());
            let wanted = if rest.is_zero() || waiting.closing { 1 } else { ENOUGH };
            if !waiting.jobs.is_empty() || waiting.events.len() >= wanted {
                return Some(Self::empty(waiting, true));
            }
            if waiting.closing {
                return None;
            }
            let longest = (wanted > 1).then_some(rest);
            waiting = self.sleep(waiting, Sleep::ForEvents(wanted), longest);
        }
    }

    /// Waits for jobs, at most for `pause`. While a batch is held back for another try, events stay here.
    pub(super) fn take_jobs(&self, pause: Duration) -> Work {
        let mut waiting = self.lock();
        if waiting.jobs.is_empty() {
            waiting = self.sleep(waiting, Sleep::ForJobs, Some(pause));
        }
        Self::empty(waiting, false)
    }

    fn sleep<'w>(
        &self,
        mut waiting: MutexGuard<'w, Waiting>,
        sleep: Sleep,
        longest: Option<Duration>,
    ) -> MutexGuard<'w, Waiting> {
        waiting.sleep = sleep;
        let mut woken = match longest {
            None => self.ready.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            Some(longest) => self.ready.wait_timeout(waiting, longest).unwrap_or_else(PoisonError::into_inner).0,
        };
        woken.sleep = Sleep::Awake;
        woken
    }

    fn empty(mut waiting: MutexGuard<'_, Waiting>, events_too: bool) -> Work {
        let jobs = mem::take(&mut waiting.jobs);
        if !events_too || waiting.events.is_empty() {
            return Work { batch: None, jobs };
        }
        let room = Vec::with_capacity(waiting.events.len());
        let events = mem::replace(&mut waiting.events, room);
        waiting.bytes = 0;
        let commit = mem::take(&mut waiting.commit);
        let door = waiting.door.clone();
        drop(waiting);
        let judged = events.into_iter().map(|mut event| {
            let state = door(&mut event);
            (event, state)
        });
        Work { batch: Some(Batch::new(judged.collect(), commit)), jobs }
    }

    fn wake(&self, waiting: MutexGuard<'_, Waiting>) {
        let sleeps = waiting.sleep != Sleep::Awake;
        drop(waiting);
        if sleeps {
            self.ready.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::clock::Timestamp;

    fn event() -> Event {
        Event::of_nobody("1234", Timestamp::from_secs(1))
    }

    #[test]
    fn long_pages_do_not_fill_the_memory() {
        let counters = Arc::new(Counters::default());
        let inbox = Inbox::new(usize::MAX, counters.clone());
        let long = || Event { page: Some("x".repeat(MAX_QUEUED_BYTES / 2)), ..event() };
        let tickets = [inbox.append(long()), inbox.append(long()), inbox.append(long()), inbox.append(event())];
        assert_eq!(tickets.map(|ticket| ticket.is_claim()), [true, true, false, true]);
        assert_eq!(counters.lost(Loss::QueueFull), 1);
        drop(inbox.take(Instant::now()));
        assert!(inbox.append(long()).is_claim());
    }

    #[test]
    fn new_events_do_not_hasten_the_next_try_of_a_held_batch() {
        let (inbox, pause) = (Inbox::new(10, Arc::default()), Duration::from_millis(200));
        thread::scope(|scope| {
            let began = Instant::now();
            let writer = scope.spawn(|| inbox.take_jobs(pause));
            while inbox.lock().sleep == Sleep::Awake && !writer.is_finished() {
                thread::yield_now();
            }
            drop(inbox.append(event()));
            assert!(writer.join().unwrap().batch.is_none(), "it waits behind the held batch");
            assert!(began.elapsed() >= pause);
        });
        assert_eq!(events(inbox.take(Instant::now())), 1);
    }

    fn events(work: Option<Work>) -> usize {
        work.unwrap().batch.unwrap().events.len()
    }

    fn with(count: usize) -> Inbox {
        let inbox = Inbox::new(usize::MAX, Arc::default());
        (0..count).for_each(|_| drop(inbox.append(event())));
        inbox
    }

    #[test]
    fn a_few_events_wait_until_the_writer_has_rested() {
        let (inbox, rested) = (with(ENOUGH - 1), Instant::now() + Duration::from_millis(50));
        assert_eq!(events(inbox.take(rested)), ENOUGH - 1);
        assert!(Instant::now() >= rested);
    }

    #[test]
    fn enough_events_a_job_and_the_end_are_not_waited_with() {
        let never = Instant::now() + Duration::from_secs(1_000_000);
        assert_eq!(events(with(ENOUGH).take(never)), ENOUGH);

        let inbox = with(1);
        inbox.submit(Box::new(|_| Box::new(|_| ())));
        let work = inbox.take(never).unwrap();
        assert_eq!((work.jobs.len(), work.batch.unwrap().events.len()), (1, 1));

        drop(inbox.append(event()));
        inbox.close();
        assert_eq!(events(inbox.take(never)), 1);
        assert!(inbox.take(never).is_none());
    }

    #[test]
    fn a_writer_that_rests_is_woken_by_the_event_that_makes_them_enough() {
        let (inbox, never) = (with(1), Instant::now() + Duration::from_secs(1_000_000));
        thread::scope(|scope| {
            let writer = scope.spawn(|| inbox.take(never));
            while inbox.lock().sleep == Sleep::Awake {
                thread::yield_now();
            }
            (1..ENOUGH).for_each(|_| drop(inbox.append(event())));
            assert_eq!(events(writer.join().unwrap()), ENOUGH);
        });
    }
}
