//! Activations under `serve`: each on its schedule, by itself, and never in anybody's way. Those that are saved
//! while it runs are taken up as they come.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::AudienceError;
use super::run::{Job, run};
use super::saved::{self, Known};
use super::status::Timing;
use super::summary::{Action, Summary};
use crate::backoff::Backoff;
use crate::clock;
use crate::config::{Activation, Config};
use crate::store::Store;

/// How often it is asked what is due: what another process saved is noticed within 2 s.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Runs at once. Each takes a processor while it sorts; clicks come first.
const AT_ONCE: usize = 2;

/// A run that failed is tried again after this, later ones after longer, up to an hour.
const RETRY: Backoff = Backoff { first: Duration::from_secs(60), max: Duration::from_secs(3600), jitter: 0.5 };

/// Between two runs of one activation at least.
const PAUSE: Duration = Duration::from_secs(60);

/// Sets up the run of an activation.
pub type SetUp = Arc<dyn Fn(&Activation) -> Option<Job> + Send + Sync>;

/// What the side task is given: whose activations, and how to run one.
#[derive(Clone)]
pub struct Work {
    /// Where runs are remembered.
    pub store: Store,
    /// Whose activations, beside the saved ones.
    pub config: Arc<Config>,
    /// Sets up the run of one; none when it cannot be, which was said.
    pub job: SetUp,
    /// As [`People::revision`](super::People::revision).
    pub revision: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// Runs whatever is due until `stop`; nothing that happens here ends the process.
pub async fn side_task(work: Work, stop: CancellationToken) {
    let mut running: JoinSet<Done> = JoinSet::new();
    let mut busy: Vec<String> = Vec::new();
    // Once, and not with every look.
    let mut said: Vec<String> = Vec::new();
    let mut failed: HashMap<String, Failed> = HashMap::new();
    loop {
        while let Some(ended) = running.try_join_next() {
            note(ended, &mut busy, &mut failed);
        }
        match saved::all_and_misfits(&work.config, &work.store).await {
            Ok((known, misfits)) => {
                if misfits != said {
                    saved::say(&misfits);
                    said = misfits;
                }
                let known: Arc<[Known]> = known.into();
                for Known { activation, .. } in known.iter() {
                    let free = busy.len() < AT_ONCE && !busy.contains(&activation.name);
                    if free
                        && let Some(saved) = is_due(&work, activation, &known, &failed).await
                        && let Some(job) = (work.job)(activation)
                    {
                        let (name, job, stop) =
                            (activation.name.clone(), Job { known: known.clone(), ..job }, stop.clone());
                        busy.push(name.clone());
                        running.spawn(async move { (name, saved, run(&job, &stop).await) });
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the activations cannot be read"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            break;
        }
    }
    // They have seen the stop.
    while running.join_next().await.is_some() {}
}

/// A run that ended: whose, as it was saved when, and how.
type Done = (String, i64, Result<Summary, AudienceError>);

/// How an activation fared since the process started, by a clock that never jumps.
struct Failed {
    /// Failures in a row.
    times: u32,
    /// Before this it is not tried again.
    until: Instant,
    /// When it is saved anew, all that is forgotten.
    saved: i64,
}

/// Whether it is to be run now; as saved when.
async fn is_due(
    work: &Work,
    activation: &Activation,
    known: &[Known],
    failed: &HashMap<String, Failed>,
) -> Option<i64> {
    let now = clock::now();
    let mut timing = Timing::of(&work.store, activation, known, Some((work.revision)())).await.ok()?;
    let (failed, before) = match failed.get(&activation.name) {
        Some(it) if it.saved == timing.saved => (Some(it), false),
        before => (None, before.is_some()),
    };
    // The last run was one of what it was before it was saved, perhaps while that went on.
    timing.last = timing.last.filter(|_| !before);
    let is_due = timing.next(activation, now)? <= now;
    let is_due = failed.map_or(is_due, |it| it.until <= Instant::now() && (is_due || it.times > 0));
    is_due.then_some(timing.saved)
}

fn note(ended: Result<Done, tokio::task::JoinError>, busy: &mut Vec<String>, failed: &mut HashMap<String, Failed>) {
    let (name, saved, result) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            tracing::error!(%error, "the run of an activation broke");
            // Which one is not said: all may be run again.
            return busy.clear();
        }
    };
    busy.retain(|other| *other != name);
    let (times, until) = match result {
        // A pause, so that what cannot be mended by a run is not run for without end.
        Ok(summary) if summary.count(Action::Failed) == 0 => (0, Instant::now() + PAUSE),
        failure => {
            if let Err(error @ AudienceError::Running { .. }) = failure {
                tracing::info!(activation = name, %error, "not run");
            }
            let times = failed.get(&name).filter(|it| it.saved == saved).map_or(1, |it| it.times + 1);
            (times, Instant::now() + RETRY.delay(times, fastrand::f64()))
        }
    };
    failed.insert(name, Failed { times, until, saved });
}
