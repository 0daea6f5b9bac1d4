//! Counting beside the edge, in small steps, for as long as the server runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Counters, PersonOf, Step, step};
use crate::clock;
use crate::overload::{Grade, Load};
use crate::store::{Store, StoreError, campaigns};

/// How often to look for new events: what somebody sees of a campaign is about this old.
const PERIOD: Duration = Duration::from_secs(1);

/// After a failure. The events stay; meanwhile the disk may have got room.
const PAUSE: Duration = Duration::from_secs(10);

/// How long counting gives way to clicks at most: what is not counted is not swept.
const GIVES_WAY: Duration = Duration::from_secs(60);

/// Counts until `stop`, then once more. What comes later is counted by the next start.
pub async fn side_task(
    store: Store,
    person_of: PersonOf,
    counters: Arc<Counters>,
    load: Arc<Load>,
    stop: CancellationToken,
) {
    let mut pause = Duration::ZERO;
    let calm = async |pause| {
        tokio::time::sleep(pause).await;
        load.give_way(Grade::Shedding, GIVES_WAY).await;
    };
    while stop.run_until_cancelled(calm(pause)).await.is_some() {
        let began = clock::now();
        pause = match look(&store, &person_of, &counters).await {
            // As long as the step took: a backlog takes at most half a core, and the disk in turns.
            Ok(step) if step.more => clock::now().since(began),
            Ok(_) => PERIOD,
            Err(error) => {
                Counters::add(&counters.failed, 1);
                tracing::warn!(kind = error.kind(), %error, "campaigns cannot be counted right now");
                PAUSE
            }
        };
    }
    // Whatever fails now is tried by the next start.
    drop(look(&store, &person_of, &counters).await);
}

/// One step, and how things stand after it.
async fn look(store: &Store, person_of: &PersonOf, counters: &Counters) -> Result<Step, StoreError> {
    let (reading, person_of) = (store.clone(), person_of.clone());
    let work = tokio::task::spawn_blocking(move || {
        let step = step(&reading, &person_of);
        (step, reading.read_blocking(campaigns::progress))
    });
    let (step, progress) = work.await.map_err(|_| StoreError::Closed)?;
    if let Ok((waiting, oldest)) = progress {
        counters.waiting.store(waiting, Ordering::Relaxed);
        counters.oldest.store(oldest.map_or(0, |at| at.millis()), Ordering::Relaxed);
    }
    let step = step?;
    Counters::add(&counters.counted, step.events);
    Counters::add(&counters.failed, step.broken as u64);
    if step.dropped > 0 {
        tracing::warn!(dropped = step.dropped, "too many campaigns: those quiet for longest were forgotten");
    }
    Ok(step)
}
