//! Mass imports on the wire: V4 as public clients send them, V5's one-shot ETL as we assume it.
//!
//! V4: `POST …/v4/entity/{e}/table/{t}/import`, multipart of a zip and JSON parameters, answers
//! `{"id":1000123}`; then `…/v4/entity/{e}/import/{id}/status`, `/result` (`withErrors`, `rowsInError`) and
//! `/errors`, a zip with a CSV of the rejected rows and `errorCode`, `errorColumn`. Words of the status,
//! and the shape that they come in, are not documented.
//!
//! V5: `POST …/v5/entities/{e}/etl-executions` and `GET …/etl-executions/{id}` with the words `SUCCESS` and
//! `WITH_ERROR` are documented. The parts and parameters (those of V4 and the table's id), the number of
//! rejected rows and where they are read are **assumed**.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::generation::Generation;
use super::import::{ImportId, ImportState};
use super::message::Message;
use super::wire_url::url_under;
use crate::config;

/// The column with the id, named as the attribute; the REAID's column is named as its attribute, too.
pub(super) const ID_COLUMN: &str = "profileId";
/// What separates columns, ours and those of the rejected rows.
pub(super) const SEPARATOR: u8 = b';';
/// In the CSV of rejected rows: why.
pub(super) const CODE_COLUMN: &str = "errorCode";
/// In the CSV of rejected rows: where.
pub(super) const COLUMN_COLUMN: &str = "errorColumn";

/// Words that are certainly no end: nobody need ask for a result then. (A list to save calls; a word
/// that is missing here costs one.)
const RUNNING: [&str; 8] =
    ["RUNNING", "PENDING", "WAITING", "QUEUED", "CREATED", "STARTED", "IN_PROGRESS", "PROCESSING"];

/// Where an import is sent.
pub(super) fn start_url(actito: &config::Actito, generation: Generation) -> Url {
    let (entity, table) = (actito.entity.as_str(), actito.profile_table.as_str());
    match generation {
        Generation::V4 => under(actito, &["v4", "entity", entity, "table", table, "import"]),
        Generation::V5 => under(actito, &["v5", "entities", entity, "etl-executions"]),
    }
}

/// Where an import's status is.
pub(super) fn status_url(actito: &config::Actito, id: &ImportId) -> Url {
    match id.generation() {
        Generation::V4 => about(actito, id, &["status"]),
        Generation::V5 => about(actito, id, &[]),
    }
}

/// Where an import's result is; V5 has it in the status.
pub(super) fn result_url(actito: &config::Actito, id: &ImportId) -> Option<Url> {
    (id.generation() == Generation::V4).then(|| about(actito, id, &["result"]))
}

/// Where an import's rejected rows are.
pub(super) fn errors_url(actito: &config::Actito, id: &ImportId) -> Url {
    about(actito, id, &["errors"])
}

fn about(actito: &config::Actito, id: &ImportId, what: &[&str]) -> Url {
    let (entity, id_text) = (actito.entity.as_str(), id.as_given());
    let mut segments = match id.generation() {
        Generation::V4 => vec!["v4", "entity", entity, "import", id_text],
        Generation::V5 => vec!["v5", "entities", entity, "etl-executions", id_text],
    };
    segments.extend(what);
    under(actito, &segments)
}

fn under(actito: &config::Actito, segments: &[&str]) -> Url {
    url_under(actito, "mass-imports", segments)
}

/// The parameters of an import.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    /// V5's URL does not name the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_table_id: Option<&'a str>,
    mode: &'static str,
    encoding: &'static str,
    format: Format,
    generate_result_file: bool,
    attributes_mapping: [Mapping<'a>; 2],
    /// The recipient of the report, under the name that the operator found out.
    #[serde(flatten)]
    report: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Format {
    separator: char,
    end_of_line: char,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mapping<'a> {
    header_column: &'a str,
    attribute_name: &'a str,
}

/// The JSON of the parameters. Rows of profiles that do not exist are rejected, never created.
pub(super) fn parameters(actito: &config::Actito, generation: Generation) -> serde_json::Result<String> {
    let mapping = |name| Mapping { header_column: name, attribute_name: name };
    let report = actito.assumed.import_report_field.iter();
    serde_json::to_string(&Parameters {
        profile_table_id: (generation == Generation::V5).then_some(actito.profile_table_id.as_str()),
        mode: "UPDATE_ONLY",
        encoding: "UTF-8",
        format: Format { separator: char::from(SEPARATOR), end_of_line: '\n' },
        generate_result_file: true,
        attributes_mapping: [mapping(ID_COLUMN), mapping(&actito.reaid_attribute)],
        report: report.map(|field| (field.clone(), Value::from(vec![actito.email.clone()]))).collect(),
    })
}

/// Answer to an import that was taken.
#[derive(Deserialize)]
pub(super) struct Started {
    id: Value,
}

impl Started {
    /// The id in our words; `None` when it is none that can be asked about.
    pub(super) fn id(&self, generation: Generation) -> Option<ImportId> {
        match &self.id {
            Value::String(text) => ImportId::new(generation, text),
            Value::Number(number) => ImportId::new(generation, &number.to_string()),
            _ => None,
        }
    }
}

/// What a status says, as far as it is understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Not over.
    Running,
    /// A word for an end: what was rejected stands in the result, or here where there is none.
    Done { rejected: u64 },
    /// A word for an end without a result.
    Failed { word: String },
    /// No word that we know: only a result would prove that it is over.
    Unknown,
}

impl Status {
    /// Reads `{"status":"…"}`, for good measure also `{"state":"…"}` and a bare word.
    pub(super) fn of_body(body: &[u8], assumed: &config::Assumed) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let word = value.get("status").or_else(|| value.get("state")).unwrap_or(&value);
        let Some(word) = word.as_str() else { return Self::Unknown };
        let is = |words: &[String]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
        if is(&assumed.import_done) {
            let told = u64::from(word.eq_ignore_ascii_case("WITH_ERROR"));
            Self::Done { rejected: at_least(told, value.get("rowsInError").and_then(Value::as_u64)) }
        } else if is(&assumed.import_failed) {
            Self::Failed { word: Message::clean(word).as_str().to_owned() }
        } else if RUNNING.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            Self::Running
        } else {
            Self::Unknown
        }
    }
}

/// Answer to `/result`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResultBody {
    with_errors: Option<bool>,
    rows_in_error: Option<u64>,
}

impl ResultBody {
    /// Done, with this many rejected.
    pub(super) fn state(&self) -> ImportState {
        let told = u64::from(self.with_errors.unwrap_or(false));
        ImportState::Done { rejected: at_least(told, self.rows_in_error) }
    }
}

/// An end with errors rejected something, even where it counts nothing: a file that was not read at all.
fn at_least(told: u64, counted: Option<u64>) -> u64 {
    counted.unwrap_or(0).max(told)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::wire_url::test_settings;
    use super::*;
    use crate::config::UrlStyle;

    fn id(text: &str) -> ImportId {
        ImportId::parse(text).unwrap()
    }

    #[test]
    fn urls_name_generation_entity_and_import() {
        let mut actito = test_settings();
        let base = "https://api3.actito.com/mass-imports";
        let urls = [
            (start_url(&actito, Generation::V4), "/v4/entity/the%20shop/table/Customers/import"),
            (start_url(&actito, Generation::V5), "/v5/entities/the%20shop/etl-executions"),
            (status_url(&actito, &id("v4:1000123")), "/v4/entity/the%20shop/import/1000123/status"),
            (status_url(&actito, &id("v5:x-1")), "/v5/entities/the%20shop/etl-executions/x-1"),
            (result_url(&actito, &id("v4:1000123")).unwrap(), "/v4/entity/the%20shop/import/1000123/result"),
            (errors_url(&actito, &id("v4:1000123")), "/v4/entity/the%20shop/import/1000123/errors"),
            (errors_url(&actito, &id("v5:x-1")), "/v5/entities/the%20shop/etl-executions/x-1/errors"),
        ];
        for (url, expected) in urls {
            assert_eq!(url.as_str(), format!("{base}{expected}"));
        }
        assert!(result_url(&actito, &id("v5:x-1")).is_none());
        actito.url_style = UrlStyle::Plain;
        let plain = "https://api3.actito.com/v4/entity/the%20shop/table/Customers/import";
        assert_eq!(start_url(&actito, Generation::V4).as_str(), plain);
    }

    #[test]
    fn parameters_are_those_of_public_clients() {
        let body: Value = serde_json::from_str(&parameters(&test_settings(), Generation::V4).unwrap()).unwrap();
        let expected = json!({
            "mode": "UPDATE_ONLY", "encoding": "UTF-8", "format": {"separator": ";", "endOfLine": "\n"},
            "generateResultFile": true,
            "attributesMapping": [
                {"headerColumn": "profileId", "attributeName": "profileId"},
                {"headerColumn": "reaid", "attributeName": "reaid"},
            ],
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn v5_names_the_table_and_a_known_field_the_recipient() {
        let mut actito = test_settings();
        actito.assumed.import_report_field = Some("reportRecipients".into());
        let body: Value = serde_json::from_str(&parameters(&actito, Generation::V5).unwrap()).unwrap();
        assert_eq!(body["profileTableId"], "31");
        assert_eq!(body["reportRecipients"], json!(["crm@shop.example"]));
    }

    #[test]
    fn an_import_is_named_by_number_or_text() {
        let started = |body| serde_json::from_value::<Started>(body).unwrap().id(Generation::V4);
        assert_eq!(started(json!({"id": 1_000_123})), Some(id("v4:1000123")));
        assert_eq!(started(json!({"id": "abc"})), Some(id("v4:abc")));
        for wrong in [json!({"id": null}), json!({"id": "a/b"}), json!({"id": 1.5})] {
            assert_eq!(started(wrong), None);
        }
    }

    fn status(body: &Value) -> Status {
        Status::of_body(body.to_string().as_bytes(), &config::Assumed::default())
    }

    #[test]
    fn a_word_for_an_end_ends_it_and_others_do_not() {
        assert_eq!(status(&json!({"status": "FINISHED"})), Status::Done { rejected: 0 });
        assert_eq!(status(&json!({"status": "success"})), Status::Done { rejected: 0 });
        assert_eq!(status(&json!({"status": "WITH_ERROR"})), Status::Done { rejected: 1 });
        assert_eq!(status(&json!({"status": "WITH_ERROR", "rowsInError": 7})), Status::Done { rejected: 7 });
        assert_eq!(status(&json!({"state": "RUNNING"})), Status::Running);
        assert_eq!(status(&json!("PENDING")), Status::Running);
        assert_eq!(status(&json!({"status": "FAILED"})), Status::Failed { word: "FAILED".into() });
        for unknown in [json!({"status": "Digesting"}), json!({"status": 3}), json!({}), json!(null)] {
            assert_eq!(status(&unknown), Status::Unknown);
        }
        assert_eq!(Status::of_body(b"<html>", &config::Assumed::default()), Status::Unknown);
    }

    #[test]
    fn a_result_counts_the_rejected_rows() {
        let state = |body| serde_json::from_value::<ResultBody>(body).unwrap().state();
        assert_eq!(state(json!({"withErrors": true, "rowsInError": 3})), ImportState::Done { rejected: 3 });
        assert_eq!(state(json!({"withErrors": true})), ImportState::Done { rejected: 1 });
        assert_eq!(state(json!({"withErrors": true, "rowsInError": 0})), ImportState::Done { rejected: 1 });
        assert_eq!(state(json!({"withErrors": false})), ImportState::Done { rejected: 0 });
    }
}
