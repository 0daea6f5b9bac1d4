//! An import at its time: its rows go into the table in their order, a thousand at a time, so that calls
//! get their turn in between.

use std::io;
use std::sync::Arc;

use csv::StringRecord;

use super::apply::{Rules, Taken};
use super::parameters::Parameters;
use super::rejected::{Rejected, Rejection};
use super::sheet::{self, Header};
use super::source::Source;
use super::{ImportReport, Progress};
use crate::clock::Timestamp;
use crate::sandbox::State;
use crate::sandbox::faults::{AttributeFault, ImportFault};
use crate::sandbox::options::FileCheck;

/// Rows that go into the table under one lock: a few milliseconds.
const CHUNK: usize = 1_000;

/// All that an import needs.
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) source: Source,
    pub(super) parameters: Parameters,
    /// What is wrong with the REAID attribute.
    pub(super) attribute: Option<AttributeFault>,
    pub(super) fault: Option<ImportFault>,
}

/// Waits for the import's time and runs it; ends early when the sandbox stops.
pub(super) async fn run(state: Arc<State>, job: Job, due: Timestamp) {
    if matches!(job.fault, Some(ImportFault::NeverEnds | ImportFault::Lost)) {
        return;
    }
    let waited = tokio::select! {
        () = state.clock.until(due) => true,
        () = state.stopping.cancelled() => false,
    };
    if waited {
        // The blocking thread looks at `stopping` itself, so that it ends soon after the sandbox does.
        let _ = tokio::task::spawn_blocking(move || {
            take_all(&state, &job);
            state.actito.imports.over.send_modify(|over| *over += 1);
        })
        .await;
    }
}

fn take_all(state: &State, job: &Job) {
    let imports = &state.actito.imports;
    let mut tally = Tally::new(job);
    let mut chunk: Vec<StringRecord> = Vec::with_capacity(CHUNK);
    let max = state.options.imports.max_csv_bytes;
    // A file that was not looked at before the answer is looked at now, so that a bad one leaves no rows.
    let checked = match state.options.imports.check {
        FileCheck::BeforeAnswer => Ok(()),
        FileCheck::AfterAnswer => sheet::check(&job.source, &job.parameters, max),
    };
    let read = checked.and_then(|()| {
        let mut last_header = None;
        sheet::rows(&job.source, &job.parameters, max, |header, row| {
            chunk.push(row);
            if chunk.len() == CHUNK {
                tally.take(state, job, header, &mut chunk);
                imports.update(job.id, |import| tally.write(&mut import.report));
            } else if last_header.is_none() {
                last_header = Some(Header { names: header.names.clone(), places: header.places.clone() });
            }
            !state.stopping.is_cancelled()
        })?;
        if let Some(header) = &last_header {
            tally.take(state, job, header, &mut chunk);
        }
        Ok(())
    });
    let rejected = tally.rejected_rows.take().and_then(|rows| rows.finish().ok());
    imports.update(job.id, |import| {
        tally.write(&mut import.report);
        import.report.progress = if read.is_ok() { Progress::Done } else { Progress::Failed };
        import.rejected = rejected;
    });
}

/// Counts of rows so far.
struct Tally {
    rows: u64,
    created: u64,
    updated: u64,
    rejected: u64,
    rejected_rows: Option<Rejected>,
}

impl Tally {
    fn new(job: &Job) -> Self {
        let wanted = job.parameters.wants_rejected;
        let rejected_rows = wanted.then(|| Rejected::begin(job.parameters.separator).ok()).flatten();
        Self { rows: 0, created: 0, updated: 0, rejected: 0, rejected_rows }
    }

    /// Puts the rows into the table, in order, and empties the chunk.
    fn take(&mut self, state: &State, job: &Job, header: &Header, chunk: &mut Vec<StringRecord>) {
        let fault = job.attribute.map(|fault| (state.options.reaid_attribute.as_str(), fault));
        let rules = Rules { parameters: &job.parameters, fault };
        let first = self.rows;
        let mut outcomes = Vec::with_capacity(chunk.len());
        state.import(|table| {
            for (offset, row) in chunk.iter().enumerate() {
                let refused = by_fault(job.fault, first + offset as u64);
                outcomes.push(refused.map_or_else(|| rules.apply(table, header, row), Err));
            }
        });
        for (row, outcome) in chunk.drain(..).zip(outcomes) {
            self.rows += 1;
            match outcome {
                Ok(Taken::Created) => self.created += 1,
                Ok(Taken::Updated) => self.updated += 1,
                Err(why) => self.reject(header, &row, &why),
            }
        }
    }

    fn reject(&mut self, header: &Header, row: &StringRecord, why: &Rejection) {
        self.rejected += 1;
        let written = self.rejected_rows.as_mut().map_or(io::Result::Ok(()), |rows| rows.add(&header.names, row, why));
        if let Err(error) = written {
            tracing::warn!(kind = ?error.kind(), "sandbox: cannot write rejected rows");
            self.rejected_rows = None;
        }
    }

    fn write(&self, report: &mut ImportReport) {
        (report.rows, report.created, report.updated, report.rejected) =
            (self.rows, self.created, self.updated, self.rejected);
    }
}

/// Why a fault rejects the row with this number, counted from 0.
fn by_fault(fault: Option<ImportFault>, row: u64) -> Option<Rejection> {
    let code = match fault? {
        ImportFault::Fails => "IMPORT_FAILED",
        ImportFault::RejectsRows if row.is_multiple_of(2) => "REJECTED",
        ImportFault::RejectsRows | ImportFault::NeverEnds | ImportFault::Lost | ImportFault::LostAfterEffect => {
            return None;
        }
    };
    Some(Rejection { code, column: String::new() })
}
