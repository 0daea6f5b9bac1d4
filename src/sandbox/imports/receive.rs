//! The call that starts an import.

use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::parameters::Parameters;
use super::run::{Job, run};
use super::source::Source;
use super::{Generation, ImportReport, Progress, sheet, upload};
use crate::sandbox::State;
use crate::sandbox::faults::verdict::{Verdict, with_retry_after};
use crate::sandbox::faults::{AttributeFault, ImportFault};
use crate::sandbox::options::FileCheck;
use crate::sandbox::reply::{self, Refusal, Reply, actito_error};
use crate::sandbox::server;

/// Answers with the import's number; its rows come later.
pub(in crate::sandbox) async fn receive(
    state: &Arc<State>,
    request: Request<Incoming>,
    generation: Generation,
    verdict: &Verdict,
) -> Reply {
    let imports = &state.actito.imports;
    let now = state.clock.now();
    let is_spent = match verdict.quota_spent {
        Some(retry_after) => {
            imports.refuse(now);
            Some(retry_after)
        }
        None => (!imports.take(now)).then_some(state.options.limits.quota_retry_after),
    };
    if let Some(retry_after) = is_spent {
        server::drain(request).await;
        let message = "the day's imports of this table are used up";
        return with_retry_after(actito_error(StatusCode::TOO_MANY_REQUESTS, message), retry_after);
    }
    match accept(state, request, generation, verdict).await {
        Ok(id) if generation == Generation::V4 => reply::json(StatusCode::OK, &json!({ "id": id })),
        Ok(id) => reply::json(StatusCode::OK, &json!({ "id": id.to_string() })),
        Err(refusal) => {
            if !state.options.limits.refused_imports_count {
                imports.give_back(now);
            }
            refusal.reply()
        }
    }
}

/// Takes the file in; from the moment that this returns a number, the import will run.
async fn accept(
    state: &Arc<State>,
    request: Request<Incoming>,
    generation: Generation,
    verdict: &Verdict,
) -> Result<u64, Refusal> {
    let options = &state.options;
    let upload = upload::receive(request, options).await?;
    let reaid = &options.reaid_attribute;
    let missing = (verdict.attribute == Some(AttributeFault::Missing)).then_some(reaid.as_str());
    let parameters = state
        .actito
        .read(|table| Parameters::read(&upload.parameters, options, table, missing))
        .map_err(Refusal::bad)?;
    let may_be_bare = generation == Generation::V5 && options.imports.v5_bare_csv;
    let (max, is_checked) = (options.imports.max_csv_bytes, options.imports.check == FileCheck::BeforeAnswer);
    let looked_at = tokio::task::spawn_blocking(move || {
        let source = Source::open(upload.file, may_be_bare, max)?;
        if is_checked {
            sheet::check(&source, &parameters, max)?;
        }
        Ok((source, parameters))
    });
    let looked_at = looked_at.await.unwrap_or_else(|_| Err("the file cannot be read".to_owned()));
    let (source, parameters) = looked_at.map_err(Refusal::bad)?;
    let is_lost = matches!(verdict.import, Some(ImportFault::Lost | ImportFault::LostAfterEffect));
    let accepted = state.clock.now();
    let report = ImportReport {
        id: 0,
        generation,
        mode: parameters.mode,
        accepted_at_millis: accepted.millis(),
        progress: Progress::Running,
        attributes: parameters.mapping.iter().map(|(_, attribute)| attribute.clone()).collect(),
        rows: 0,
        created: 0,
        updated: 0,
        rejected: 0,
        recipients: parameters.recipients.clone(),
        bytes: upload.bytes,
    };
    let id = state.actito.imports.begin(report, is_lost);
    let attribute = verdict.attribute.filter(|fault| *fault != AttributeFault::Missing);
    let job = Job { id, source, parameters, attribute, fault: verdict.import };
    state.background.spawn(run(Arc::clone(state), job, accepted.after(options.imports.takes)));
    Ok(id)
}
