//! Actito's bodies: what its clients send and get. Where a shape is not documented, `behaviours.rs`
//! says so.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sandbox::faults::{AttributeFault, TOO_SHORT};
use crate::sandbox::options::{ItemShape, Options, WireOptions};
use crate::sandbox::table::{AttributeKind, PROFILE_ID, Profile, Table, TableError};

/// Body of a V4 PUT or POST and of a V5 write; its subscriptions and segmentations are ignored.
#[derive(Deserialize)]
pub(super) struct Write {
    attributes: Vec<WriteAttribute>,
}

#[derive(Deserialize)]
struct WriteAttribute {
    name: String,
    #[serde(default)]
    value: Option<String>,
}

impl Write {
    pub(super) fn changes(&self) -> Vec<(&str, Option<&str>)> {
        self.attributes.iter().map(|attribute| (attribute.name.as_str(), attribute.value.as_deref())).collect()
    }
}

/// `GET /auth/token`.
pub(super) fn token(access_token: &str, number: u64, lifetime: Duration) -> Value {
    json!({
        "accessToken": access_token,
        "tokenType": "bearer",
        "expiresIn": format!("{}s", lifetime.as_secs()),
        "scope": "read write",
        "jti": format!("00000000-0000-4000-8000-{number:012}"),
    })
}

/// One profile, in V4 with its nulls, in V5 with them on request.
pub(super) fn profile(profile: &Profile, with_nulls: bool) -> Value {
    let id = json!({ "name": PROFILE_ID, "value": profile.id.to_string() });
    let others = profile
        .attributes
        .iter()
        .filter(|(_, value)| with_nulls || value.is_some())
        .map(|(name, value)| json!({ "name": name, "value": value }));
    let attributes: Vec<Value> = std::iter::once(id).chain(others).collect();
    json!({ "attributes": attributes, "subscriptions": [], "segmentations": [] })
}

/// One profile in V5.
pub(super) fn item(options: &WireOptions, one: &Profile, with_nulls: bool) -> Value {
    match options.item {
        ItemShape::Attributes => profile(one, with_nulls),
        ItemShape::Flat => {
            let id = (PROFILE_ID.to_owned(), json!(one.id.to_string()));
            let others = one.attributes.iter().filter(|(_, value)| with_nulls || value.is_some());
            std::iter::once(id).chain(others.map(|(name, value)| (name.clone(), json!(value)))).collect()
        }
    }
}

/// A page of the V5 list.
pub(super) fn page(
    options: &WireOptions,
    profiles: &[Profile],
    number: usize,
    size: usize,
    total: usize,
    with_nulls: bool,
) -> Value {
    let items: Vec<Value> = profiles.iter().map(|one| item(options, one, with_nulls)).collect();
    let mut page = json!({ "number": number, "size": size });
    if options.page_totals {
        page["totalElements"] = json!(total);
        page["totalPages"] = json!(total.div_ceil(size));
    }
    json!({ "profiles": items, "page": page })
}

/// The table's structure, with what a fault does to the REAID attribute.
pub(super) fn structure(options: &Options, table: &Table, fault: Option<AttributeFault>) -> Value {
    let mut attributes = vec![json!({
        "type": "CUSTOM", "name": PROFILE_ID, "unique": true, "mandatory": true,
        "valueType": "INTEGER", "multiValued": false,
    })];
    for attribute in table.attributes() {
        attributes.extend(match predefined(attribute.kind) {
            Some(kind) => Some(json!({
                "type": kind, "name": attribute.name, "mandatory": false,
                "unique": options.unique_addresses && attribute.kind == AttributeKind::EmailAddress,
            })),
            None => custom(&attribute.name, attribute.max_length, fault),
        });
    }
    json!({ "id": options.profile_table_id, "name": options.profile_table, "attributes": attributes })
}

/// The status and message of a refused call.
pub(super) fn status(error: &TableError) -> StatusCode {
    match error {
        TableError::UnknownProfile => StatusCode::NOT_FOUND,
        TableError::Taken(_) => StatusCode::CONFLICT,
        TableError::BadKey
        | TableError::UnknownAttribute(_)
        | TableError::ReadOnly
        | TableError::TooLong { .. }
        | TableError::Full => StatusCode::BAD_REQUEST,
    }
}

/// Actito's name of a predefined type; those come without `valueType`.
fn predefined(kind: AttributeKind) -> Option<&'static str> {
    match kind {
        AttributeKind::EmailAddress => Some("EMAIL_ADDRESS"),
        AttributeKind::FirstName => Some("FIRSTNAME"),
        AttributeKind::LastName => Some("LASTNAME"),
        AttributeKind::MotherLanguage => Some("MOTHER_LANGUAGE"),
        AttributeKind::Text => None,
    }
}

fn custom(name: &str, max_length: usize, fault: Option<AttributeFault>) -> Option<Value> {
    let attribute = |value_type: &str, max_length: Option<usize>| {
        let mut attribute = json!({
            "type": "CUSTOM", "name": name, "unique": false, "mandatory": false,
            "valueType": value_type, "multiValued": false,
        });
        if let Some(max) = max_length {
            attribute["valueRestriction"] = json!({ "maxLength": max });
        }
        attribute
    };
    match fault {
        None => Some(attribute("STRING", Some(max_length))),
        Some(AttributeFault::TooShort) => Some(attribute("STRING", Some(TOO_SHORT))),
        Some(AttributeFault::NotAString) => Some(attribute("INTEGER", None)),
        Some(AttributeFault::Missing) => None,
    }
}
