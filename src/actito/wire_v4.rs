//! Actito's V4 wire format: one profile, read and written. Shapes as every public client uses them.
//!
//! `GET …/v4/entity/{entity}/table/{table}/profile/{profileId}` answers
//! `{"attributes":[{"name":"profileId","value":"812"},…]}`; `PUT` of
//! `{"attributes":[{"name":"reaid","value":"…"}]}` changes the attributes listed and no other, and
//! answers `{"profileId":812}`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::profile::{Profile, ProfileId};
use super::wire_v5::url_under;
use crate::config;

/// Where one profile is read and written.
pub(super) fn profile_url(actito: &config::Actito, id: ProfileId) -> Url {
    let (entity, table) = (actito.entity.as_str(), actito.profile_table.as_str());
    url_under(actito, "profiles", &["v4", "entity", entity, "table", table, "profile", &id.to_string()])
}

/// A profile, in the list as well as alone. Subscriptions and segmentations are left out.
#[derive(Deserialize)]
pub(super) struct ProfileBody {
    attributes: Vec<AttributeBody>,
}

#[derive(Deserialize)]
struct AttributeBody {
    name: String,
    #[serde(default)]
    value: Value,
}

impl ProfileBody {
    /// The profile in our words; `None` without a usable `profileId`.
    pub(super) fn into_profile(self, actito: &config::Actito) -> Option<Profile> {
        Some(Profile {
            id: ProfileId::parse(&self.value_of("profileId"))?,
            address: self.value_of(&actito.email_attribute),
            reaid: self.value_of(&actito.reaid_attribute),
        })
    }

    /// Values are documented as strings or null; a number is read all the same.
    fn value_of(&self, name: &str) -> String {
        match self.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| &attribute.value) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

/// Body of a `PUT` that changes one attribute.
#[derive(Serialize)]
pub(super) struct Change<'a> {
    attributes: [ChangedAttribute<'a>; 1],
}

#[derive(Serialize)]
struct ChangedAttribute<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> Change<'a> {
    /// Sets one attribute. An empty value empties it (assumed: null is documented for reading only).
    pub(super) const fn one(name: &'a str, value: &'a str) -> Self {
        Self { attributes: [ChangedAttribute { name, value }] }
    }
}

/// Answer to a `PUT`: the profile that was written.
#[derive(Deserialize)]
pub(super) struct Written {
    #[serde(rename = "profileId")]
    profile_id: Value,
}

impl Written {
    /// Whether the answer names the profile that we meant.
    pub(super) fn confirms(&self, id: ProfileId) -> bool {
        match &self.profile_id {
            Value::String(text) => ProfileId::parse(text) == Some(id),
            other => other.as_i64() == Some(id.to_i64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::wire_v5::test_settings;
    use super::*;
    use crate::config::UrlStyle;

    fn id(text: &str) -> ProfileId {
        ProfileId::parse(text).unwrap()
    }

    #[test]
    fn a_profile_is_addressed_by_its_id() {
        let mut actito = test_settings();
        let url = "https://api3.actito.com/profiles/v4/entity/the%20shop/table/Customers/profile/812";
        assert_eq!(profile_url(&actito, id("812")).as_str(), url);
        actito.url_style = UrlStyle::Plain;
        assert_eq!(profile_url(&actito, id("812")).as_str(), url.replace("/profiles", ""));
    }

    #[test]
    fn a_profile_is_read_from_its_attributes() {
        let body = json!({"attributes": [
            {"name": "profileId", "value": "812"}, {"name": "emailAddress", "value": "jane@example.org"},
            {"name": "reaid", "value": null}, {"name": "age", "value": 44}
        ], "subscriptions": [], "segmentations": []});
        let body: ProfileBody = serde_json::from_value(body).unwrap();
        let profile = body.into_profile(&test_settings()).unwrap();
        assert_eq!((profile.id, profile.address.as_str(), profile.reaid.as_str()), (id("812"), "jane@example.org", ""));
    }

    #[test]
    fn a_profile_without_an_id_is_none() {
        let body: ProfileBody = serde_json::from_value(json!({"attributes": []})).unwrap();
        assert!(body.into_profile(&test_settings()).is_none());
    }

    #[test]
    fn a_change_names_one_attribute() {
        let body = serde_json::to_value(Change::one("reaid", "")).unwrap();
        assert_eq!(body, json!({"attributes": [{"name": "reaid", "value": ""}]}));
    }

    #[test]
    fn an_answer_confirms_only_the_profile_that_was_meant() {
        let written = |body| serde_json::from_value::<Written>(body).unwrap();
        assert!(written(json!({"profileId": 812})).confirms(id("812")));
        assert!(written(json!({"profileId": "812"})).confirms(id("812")));
        assert!(!written(json!({"profileId": 813})).confirms(id("812")));
    }
}
