//! Whether the audiences of each activation are there, and can become targets.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Finding, Setup, bad, good};
use crate::app::audience::job;
use crate::audience::{self, saved};
use crate::store::Store;

/// Two findings for each activation. Nothing is read of an audience, and nothing sent.
pub(super) async fn look(setup: &Setup, store: &Store) -> Vec<Finding> {
    let known = match saved::all(&setup.config, store).await {
        Ok(known) => known,
        Err(error) => return vec![bad("activations", error.to_string())],
    };
    let mut findings = Vec::new();
    for activation in known.into_iter().map(|known| known.activation) {
        let subject = format!("activation {}", activation.name);
        let trust = Arc::new(ArcSwap::from_pointee(setup.trust.clone()));
        let job = job(&setup.config, &activation, store, trust);
        if let Ok(job) = &job {
            let subject = format!("activation {}, destination", activation.name);
            findings.push(match audience::reach(job).await {
                Ok(says) => good(subject, says),
                Err(error) => bad(subject, error.to_string()),
            });
        }
        let missing = match job {
            Ok(job) => audience::missing(&job).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        findings.push(match missing {
            Err(error) => bad(subject, error),
            Ok(missing) if missing.is_empty() => {
                let how = activation.schedule.map_or("by hand alone".to_owned(), |schedule| {
                    format!("every {}", humantime::format_duration(schedule.every))
                });
                good(subject, format!("the source has its {} audiences; run {how}", activation.audiences.len()))
            }
            Ok(missing) => bad(subject, missing.join("; ")),
        });
    }
    findings
}
