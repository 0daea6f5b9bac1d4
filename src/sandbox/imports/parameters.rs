//! The parameters of an import: its mode, its format, which column is which attribute.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sandbox::options::{EmptyField, ImportOptions, Options};
use crate::sandbox::reply;
use crate::sandbox::table::{PROFILE_ID, Table};

/// What an import may do with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Rows of profiles that exist are rejected.
    CreateOnly,
    /// Rows of profiles that do not exist are rejected.
    UpdateOnly,
    /// No row is rejected for that.
    CreateUpdate,
}

/// How a line of the file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    Lf,
    CrLf,
}

/// An import's parameters, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) mode: Mode,
    pub(super) separator: u8,
    pub(super) line_end: LineEnd,
    pub(super) wants_rejected: bool,
    /// Column and attribute; the profileId is an attribute here.
    pub(super) mapping: Vec<(String, String)>,
    /// Which of the mapping finds the profile.
    pub(super) key: usize,
    pub(super) recipients: Vec<String>,
    pub(super) empty_field: EmptyField,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    mode: Mode,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    generate_result_file: bool,
    attributes_mapping: Vec<Mapping>,
    /// V5 names the table here, because its URL does not.
    #[serde(default)]
    profile_table_id: Option<String>,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Format {
    separator: String,
    end_of_line: String,
}

impl Default for Format {
    fn default() -> Self {
        Self { separator: ";".into(), end_of_line: "\n".into() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mapping {
    header_column: String,
    attribute_name: String,
}

impl Parameters {
    /// Reads the parameters against the table; the error says what is wrong with them.
    pub(super) fn read(json: &[u8], options: &Options, table: &Table, missing: Option<&str>) -> Result<Self, String> {
        let wire: Wire =
            serde_json::from_slice(json).map_err(|error| format!("the parameters: {}", reply::describe(&error)))?;
        if let Some(encoding) = wire.encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("UTF-8")) {
            return Err(format!("encoding must be UTF-8, not {encoding:?}"));
        }
        if let Some(id) = wire.profile_table_id.filter(|id| *id != options.profile_table_id) {
            return Err(format!("there is no profile table {id:?}"));
        }
        let mapping: Vec<(String, String)> =
            wire.attributes_mapping.into_iter().map(|one| (one.header_column, one.attribute_name)).collect();
        for (index, (_, attribute)) in mapping.iter().enumerate() {
            let exists = attribute == PROFILE_ID || table.column(attribute).is_some();
            if !exists || Some(attribute.as_str()) == missing {
                return Err(format!("the profile table has no attribute {attribute:?}"));
            }
            if mapping[..index].iter().any(|(_, other)| other == attribute) {
                return Err(format!("attribute {attribute:?} is mapped twice"));
            }
        }
        Ok(Self {
            mode: wire.mode,
            separator: separator(&wire.format.separator)?,
            line_end: line_end(&wire.format.end_of_line)?,
            wants_rejected: wire.generate_result_file,
            key: key(&mapping, options)?,
            mapping,
            recipients: recipients(&wire.others, &options.imports)?,
            empty_field: options.imports.empty_field,
        })
    }
}

/// The profileId finds a profile, else a unique address does.
fn key(mapping: &[(String, String)], options: &Options) -> Result<usize, String> {
    let place = |name: &str| mapping.iter().position(|(_, attribute)| attribute == name);
    let address = || place(&options.email_attribute).filter(|_| options.unique_addresses);
    place(PROFILE_ID)
        .or_else(address)
        .ok_or_else(|| "no column is mapped to profileId or a unique attribute".to_owned())
}

fn separator(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err(format!("separator must be one character, not {text:?}")),
    }
}

fn line_end(text: &str) -> Result<LineEnd, String> {
    match text {
        "\n" => Ok(LineEnd::Lf),
        "\r\n" => Ok(LineEnd::CrLf),
        _ => Err(format!("endOfLine must be \\n or \\r\\n, not {text:?}")),
    }
}

/// One address or several, under a name that is ours until it is known.
fn recipients(others: &serde_json::Map<String, Value>, options: &ImportOptions) -> Result<Vec<String>, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let found = match others.get(&options.report_field) {
        None => Some(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(text).collect(),
        Some(value) => text(value).map(|one| vec![one]),
    };
    found.ok_or_else(|| format!("{} must be an address or a list of them", options.report_field))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<Parameters, String> {
        let options = Options { profiles: 1, ..Options::default() };
        let mut wire = json!({
            "mode": "UPDATE_ONLY", "encoding": "UTF-8", "format": { "separator": ";", "endOfLine": "\n" },
            "generateResultFile": true, "reportRecipients": ["ops@example.org"],
            "attributesMapping": [
                { "headerColumn": "id", "attributeName": "profileId" },
                { "headerColumn": "reaid", "attributeName": "reaid" },
            ],
        });
        change(&mut wire);
        Parameters::read(wire.to_string().as_bytes(), &options, &Table::seeded(&options), None)
    }

    #[test]
    fn documented_parameters_are_understood() {
        let parameters = read(|_| ()).unwrap();
        assert_eq!((parameters.mode, parameters.separator, parameters.key), (Mode::UpdateOnly, b';', 0));
        assert_eq!(parameters.recipients, ["ops@example.org"]);
        assert!(parameters.wants_rejected);
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        for (change, reason) in [
            (json!({ "mode": "UPSERT" }), "the parameters"),
            (json!({ "encoding": "ISO-8859-1" }), "UTF-8"),
            (json!({ "format": { "separator": ";;" } }), "separator"),
            (json!({ "format": { "endOfLine": "\r" } }), "endOfLine"),
            (json!({ "attributesMapping": [{ "headerColumn": "a", "attributeName": "nothing" }] }), "no attribute"),
            (json!({ "attributesMapping": [{ "headerColumn": "a", "attributeName": "reaid" }] }), "profileId"),
            (json!({ "profileTableId": "32" }), "no profile table"),
            (json!({ "reportRecipients": 5 }), "reportRecipients"),
        ] {
            let refused = read(|wire| wire.as_object_mut().unwrap().extend(change.as_object().unwrap().clone()));
            assert!(refused.clone().unwrap_err().contains(reason), "{refused:?}");
        }
    }
}
