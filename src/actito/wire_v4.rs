//! Actito's V4 wire format: one profile, read and written. Shapes as every public client uses them.
//!
//! `GET …/v4/entity/{entity}/table/{table}/profile/{profileId}` answers
//! `{"attributes":[{"name":"profileId","value":"812"},…]}`; `PUT` of
//! `{"attributes":[{"name":"reaid","value":"…"}]}` changes the attributes listed and no other, and
//! answers `{"profileId":812}`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::profile::{Profile, ProfileId};
use super::wire_url::url_under;
use crate::config;

/// Where one profile is read and written.
pub(super) fn profile_url(actito: &config::Actito, key: &Key<'_>) -> Url {
    let (entity, table) = (actito.entity.as_str(), actito.profile_table.as_str());
    url_under(actito, "profiles", &["v4", "entity", entity, "table", table, "profile", &key.spelled(actito)])
}

/// What names one profile in a URL. Never printed: an address is one.
pub(super) enum Key<'a> {
    Id(ProfileId),
    Address(&'a str),
}

impl Key<'_> {
    /// The id, or `attribute=value` on a unique attribute.
    pub(super) fn spelled(&self, actito: &config::Actito) -> String {
        match self {
            Self::Id(id) => id.to_string(),
            Self::Address(address) => format!("{}={address}", actito.email_attribute),
        }
    }
}

/// A profile, in the list as well as alone: attributes by name. Subscriptions and segmentations are left out.
#[derive(Deserialize)]
#[serde(from = "Shape")]
pub(super) struct ProfileBody(HashMap<String, Value>);

/// The shape of V4, and the one object that V5 may as well give (assumed).
#[derive(Deserialize)]
#[serde(untagged)]
enum Shape {
    Listed { attributes: Vec<AttributeBody> },
    Flat(HashMap<String, Value>),
}

#[derive(Deserialize)]
struct AttributeBody {
    name: String,
    #[serde(default)]
    value: Value,
}

impl From<Shape> for ProfileBody {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::Flat(attributes) => Self(attributes),
            Shape::Listed { attributes } => Self(attributes.into_iter().map(|it| (it.name, it.value)).collect()),
        }
    }
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
        match self.0.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

/// Body of a write that changes one attribute, or none.
#[derive(Serialize)]
pub(super) struct Change<'a> {
    attributes: Vec<ChangedAttribute<'a>>,
}

#[derive(Serialize)]
struct ChangedAttribute<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> Change<'a> {
    /// Sets one attribute. An empty value empties it (assumed: null is documented for reading only).
    pub(super) fn one(name: &'a str, value: &'a str) -> Self {
        Self { attributes: vec![ChangedAttribute { name, value }] }
    }

    /// Changes nothing.
    pub(super) const fn none() -> Self {
        Self { attributes: Vec::new() }
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

    use super::super::wire_url::test_settings;
    use super::*;
    use crate::config::UrlStyle;

    fn id(text: &str) -> ProfileId {
        ProfileId::parse(text).unwrap()
    }

    #[test]
    fn a_profile_is_addressed_by_its_id() {
        let mut actito = test_settings();
        let url = "https://api3.actito.com/profiles/v4/entity/the%20shop/table/Customers/profile/812";
        assert_eq!(profile_url(&actito, &Key::Id(id("812"))).as_str(), url);
        actito.url_style = UrlStyle::Plain;
        assert_eq!(profile_url(&actito, &Key::Id(id("812"))).as_str(), url.replace("/profiles", ""));
    }

    #[test]
    fn an_address_cannot_leave_its_place_in_a_url() {
        let url = profile_url(&test_settings(), &Key::Address("a/b?c#d%e+ü@example.org"));
        let last = url.path_segments().unwrap().next_back().unwrap();
        assert_eq!(last, "emailAddress=a%2Fb%3Fc%23d%25e+%C3%BC@example.org");
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
    fn a_profile_is_read_from_one_object_too() {
        let body = json!({"profileId": 812, "emailAddress": "jane@example.org", "reaid": null, "subscriptions": []});
        let profile = serde_json::from_value::<ProfileBody>(body).unwrap().into_profile(&test_settings()).unwrap();
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
        assert_eq!(serde_json::to_value(Change::none()).unwrap(), json!({"attributes": []}));
    }

    #[test]
    fn an_answer_confirms_only_the_profile_that_was_meant() {
        let written = |body| serde_json::from_value::<Written>(body).unwrap();
        assert!(written(json!({"profileId": 812})).confirms(id("812")));
        assert!(written(json!({"profileId": "812"})).confirms(id("812")));
        assert!(!written(json!({"profileId": 813})).confirms(id("812")));
    }
}
