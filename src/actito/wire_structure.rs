//! The structure of a profile table (V5), as documented:
//! `GET …/profile-table-structure/v5/entities/{e}/profile-tables/{id}` answers
//! `{"attributes":[{"type","name","unique","mandatory","valueType","valueRestriction","multiValued"}]}`.

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::error::{AttributeProblem, Error};
use super::message::Message;
use super::structure::Note;
use super::wire_url::url_under;
use crate::config;

/// Where the structure of the profile table is.
pub(super) fn structure_url(actito: &config::Actito) -> Url {
    let (entity, table) = (actito.entity.as_str(), actito.profile_table_id.as_str());
    url_under(actito, "profile-table-structure", &["v5", "entities", entity, "profile-tables", table])
}

/// The structure of a profile table, as far as we look at it.
#[derive(Deserialize)]
pub(super) struct StructureBody {
    attributes: Vec<AttributeStructure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttributeStructure {
    name: String,
    value_type: Option<String>,
    unique: Option<bool>,
    #[serde(default)]
    value_restriction: Value,
    #[serde(default)]
    multi_valued: Option<bool>,
}

impl StructureBody {
    /// Whether the table has one address a profile, and an attribute that holds a REAID of `needed`
    /// characters; and what else is worth knowing.
    ///
    /// # Errors
    /// The first attribute that is missing or cannot hold what it should, and why.
    pub(super) fn check(&self, actito: &config::Actito, needed: u64) -> Result<Vec<Note>, Error> {
        let (address, reaid) = (self.find(&actito.email_attribute)?, self.find(&actito.reaid_attribute)?);
        address.holds_one_value()?;
        if !reaid.is_string() {
            return Err(reaid.cannot(AttributeProblem::NotAString { found: reaid.type_name() }));
        }
        reaid.holds_one_value()?;
        let length = longest_value(&reaid.value_restriction);
        if let Some(length) = length.filter(|length| *length < needed) {
            return Err(reaid.cannot(AttributeProblem::TooShort { length, needed }));
        }
        let not_unique =
            (address.unique == Some(false)).then(|| Note::AddressNotUnique { attribute: address.name.clone() });
        let restricted = (length.is_none() && reaid.is_restricted()).then(|| Note::Restricted {
            attribute: reaid.name.clone(),
            restriction: Message::clean(&reaid.value_restriction.to_string()),
        });
        Ok(not_unique.into_iter().chain(restricted).collect())
    }

    fn find(&self, name: &str) -> Result<&AttributeStructure, Error> {
        let missing = || Error::Attribute { attribute: name.to_owned(), problem: AttributeProblem::Missing };
        self.attributes.iter().find(|attribute| attribute.name == name).ok_or_else(missing)
    }
}

impl AttributeStructure {
    fn holds_one_value(&self) -> Result<(), Error> {
        if self.multi_valued == Some(true) { Err(self.cannot(AttributeProblem::MultiValued)) } else { Ok(()) }
    }

    fn cannot(&self, problem: AttributeProblem) -> Error {
        Error::Attribute { attribute: self.name.clone(), problem }
    }

    /// Whether anything is said about what it takes.
    fn is_restricted(&self) -> bool {
        match &self.value_restriction {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(all) => !all.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        }
    }

    fn is_string(&self) -> bool {
        self.value_type.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("STRING"))
    }

    fn type_name(&self) -> String {
        self.value_type.clone().unwrap_or_else(|| "(none named)".to_owned())
    }
}

/// The greatest length that a `valueRestriction` states. Its shape is not documented: a field whose
/// name speaks of a length or maximum (`{"maxLength":50}`, also nested) or a text as in `"maxLength=50"` is
/// understood, anything else states no length.
fn longest_value(restriction: &Value) -> Option<u64> {
    match restriction {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match value {
            Value::Object(_) => longest_value(value),
            _ if speaks_of_length(name) => value.as_u64().or_else(|| value.as_str()?.parse().ok()),
            _ => None,
        }),
        Value::String(text) if speaks_of_length(text) => {
            text.split(|letter: char| !letter.is_ascii_digit()).rfind(|digits| !digits.is_empty())?.parse().ok()
        }
        _ => None,
    }
}

fn speaks_of_length(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    (text.contains("length") || text.contains("max")) && !text.contains("min")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::wire_url::test_settings;
    use super::*;

    fn check(attributes: Value) -> Result<Vec<Note>, Error> {
        let body: StructureBody = serde_json::from_value(json!({"attributes": attributes})).unwrap();
        body.check(&test_settings(), 24)
    }

    fn check_reaid(attribute: Value) -> &'static str {
        check(json!([{"name": "emailAddress", "valueType": "STRING"}, attribute]))
            .map_or_else(|error| error.kind(), |_| "fits")
    }

    #[test]
    fn a_string_long_enough_fits() {
        for restriction in
            [Value::Null, json!({}), json!({"maxLength": 24}), json!("MAX_LENGTH:255"), json!({"type": "x"})]
        {
            let attribute = json!({"type": "SIMPLE", "name": "reaid", "unique": false, "mandatory": false,
                "valueType": "STRING", "valueRestriction": restriction, "multiValued": false});
            assert_eq!(check_reaid(attribute), "fits");
        }
    }

    #[test]
    fn what_cannot_hold_a_reaid_is_refused_with_its_reason() {
        assert_eq!(check_reaid(json!({"name": "other", "valueType": "STRING"})), "attribute_missing");
        assert_eq!(check_reaid(json!({"name": "reaid", "valueType": "INTEGER"})), "attribute_not_a_string");
        assert_eq!(check_reaid(json!({"name": "reaid"})), "attribute_not_a_string");
        let several = json!({"name": "reaid", "valueType": "STRING", "multiValued": true});
        assert_eq!(check_reaid(several), "attribute_multi_valued");
        for restriction in [json!({"maxLength": 23}), json!({"length": {"min": 1, "max": 20}}), json!("maxLength=20")] {
            let short = json!({"name": "reaid", "valueType": "STRING", "valueRestriction": restriction});
            assert_eq!(check_reaid(short), "attribute_too_short");
        }
    }

    #[test]
    fn a_table_without_the_address_attribute_is_refused() {
        let error = check(json!([{"name": "reaid", "valueType": "STRING"}])).unwrap_err();
        assert!(error.to_string().starts_with("attribute \"emailAddress\" does not exist"));
    }

    #[test]
    fn an_address_attribute_with_several_values_is_refused() {
        let error =
            check(json!([{"name": "emailAddress", "multiValued": true}, {"name": "reaid", "valueType": "STRING"}]));
        assert_eq!(error.unwrap_err().kind(), "attribute_multi_valued");
    }

    #[test]
    fn what_is_worth_knowing_is_no_error() {
        let notes = |address: Value, restriction: Value| {
            let mut address = address;
            address["name"] = json!("emailAddress");
            check(json!([address, {"name": "reaid", "valueType": "STRING", "valueRestriction": restriction}])).unwrap()
        };
        assert_eq!(notes(json!({"unique": true}), json!(null)), []);
        assert_eq!(notes(json!({}), json!({"maxLength": 50})), []);
        let not_unique = notes(json!({"unique": false}), json!({}));
        assert!(not_unique[0].to_string().starts_with("attribute \"emailAddress\" is not unique"));
        let restricted = notes(json!({"unique": true}), json!({"values": ["a", "b"]}));
        assert!(restricted[0].to_string().contains("{\"values\":[\"a\",\"b\"]}"), "{restricted:?}");
    }

    #[test]
    fn urls_follow_the_style() {
        let mut actito = test_settings();
        let url = "https://api3.actito.com/profile-table-structure/v5/entities/the%20shop/profile-tables/31";
        assert_eq!(structure_url(&actito).as_str(), url);
        actito.url_style = crate::config::UrlStyle::Plain;
        assert_eq!(structure_url(&actito).as_str(), url.replace("/profile-table-structure", ""));
    }
}
