//! What is answered to those who look at an import.

use std::fs::File;
use std::io::{Read, Seek};

use http::StatusCode;
use serde_json::{Value, json};

use super::{Import, ImportReport, Progress};
use crate::sandbox::State;
use crate::sandbox::actito::Look;
use crate::sandbox::options::ImportOptions;
use crate::sandbox::reply::{self, Reply, actito_error};

/// V4: `/status`, `/result`, `/errors`.
pub(in crate::sandbox) fn look_v4(state: &State, id: &str, look: Look) -> Reply {
    let options = &state.options.imports;
    let answer = state.actito.imports.look(id, |import| match look {
        Look::Status => ok(&json!({ "id": import.report.id, "status": word_v4(options, &import.report) })),
        Look::Result => result(&import.report),
        Look::Errors => errors(import),
    });
    answer.unwrap_or_else(unknown)
}

/// V5: the execution with its status.
pub(in crate::sandbox) fn look_v5(state: &State, id: &str) -> Reply {
    let word = |report: &ImportReport| match (report.progress, is_clean(report)) {
        (Progress::Running, _) => state.options.imports.word_running.clone(),
        (_, true) => "SUCCESS".to_owned(),
        (_, false) => "WITH_ERROR".to_owned(),
    };
    let answer = state
        .actito
        .imports
        .look(id, |import| ok(&json!({ "id": import.report.id.to_string(), "status": word(&import.report) })));
    answer.unwrap_or_else(unknown)
}

fn word_v4<'a>(options: &'a ImportOptions, report: &ImportReport) -> &'a str {
    match (report.progress, is_clean(report)) {
        (Progress::Running, _) => &options.word_running,
        (_, true) => &options.word_finished,
        (_, false) => &options.word_with_error,
    }
}

fn is_clean(report: &ImportReport) -> bool {
    report.progress == Progress::Done && report.rejected == 0
}

fn result(report: &ImportReport) -> Reply {
    if report.progress == Progress::Running {
        return actito_error(StatusCode::NOT_FOUND, "the import is not over");
    }
    ok(&json!({
        "id": report.id, "withErrors": !is_clean(report), "rowsInError": report.rejected, "rows": report.rows,
    }))
}

fn errors(import: &Import) -> Reply {
    let zip = import.rejected.as_ref().filter(|_| import.report.rejected > 0).and_then(|file| all(file).ok());
    match zip {
        Some(zip) => reply::bytes("application/zip", zip),
        None => actito_error(StatusCode::NOT_FOUND, "there is no file of rejected rows"),
    }
}

fn all(file: &File) -> std::io::Result<Vec<u8>> {
    let mut file = file.try_clone()?;
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unknown() -> Reply {
    actito_error(StatusCode::NOT_FOUND, "there is no such import")
}

fn ok(body: &Value) -> Reply {
    reply::json(StatusCode::OK, body)
}
