//! What the CDP API's bodies look like. Its paths are in Raptor's help text; of its bodies only that of
//! `memberships/email` is public, so **everything here is assumed**, and stands in this file alone.

use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::rest::Rest;

pub(super) const AUDIENCES: [&str; 3] = ["api", "v3", "audiences"];
pub(super) const IDENTIFIERS: [&str; 3] = ["api", "v3", "identifiers"];
pub(super) const MEMBERSHIP: [&str; 3] = ["api", "v3", "membership"];
pub(super) const CHANGES: &str = "changes";
/// The parameter of `changes` that says since when.
pub(super) const SINCE: &str = "sequenceNumber";

/// An audience in the list: `{"id":"5d822e81","name":"Cat owners"}`, as in the documented `memberships`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Audience {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// `GET audiences`: `{"audiences":[…]}` or the bare array. `None` when it is not the whole list: what says that
/// there is more is refused, because an audience that is missing from a whole list is deleted.
pub(super) fn audiences(body: &[u8]) -> Option<Vec<Audience>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let Value::Object(mut fields) = body else { return serde_json::from_value(body).ok() };
    let list: Vec<Audience> = serde_json::from_value(fields.remove("audiences")?).ok()?;
    let mut rest = Rest::default();
    fields.iter().try_for_each(|(name, value)| rest.field(name).deserialize(value)).ok()?;
    rest.is_nothing_beyond(list.len() as u64).then_some(list)
}

/// `GET identifiers`: `{"identifiers":[{"identifierType":"email"}]}`.
#[derive(Deserialize)]
pub(super) struct Identifiers {
    pub(super) identifiers: Vec<IdentifierType>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdentifierType {
    pub(super) identifier_type: String,
}

/// `GET membership/changes/{identifierType}?sequenceNumber=N`, oldest first:
/// `{"sequenceNumber":23,"more":false,"changes":[{"audienceId":"…","identifierValue":"…","change":"entered"|"left"}]}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changes {
    pub(super) sequence_number: u64,
    #[serde(default)]
    pub(super) more: bool,
    pub(super) changes: Vec<Change>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

impl Changes {
    /// Whether they are all, but for those that `more` speaks of.
    pub(super) fn are_whole(&self) -> bool {
        let mut rest = Rest::default();
        let read = self.rest.iter().try_for_each(|(name, value)| rest.field(name).deserialize(value));
        read.is_ok() && rest.is_nothing_beyond(self.changes.len() as u64)
    }
}

/// Somebody came into an audience, or left it.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Which audience.
    pub audience_id: String,
    /// Who.
    pub identifier_value: String,
    /// Which of both.
    pub change: Step,
}

/// Which way somebody went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Into the audience.
    Entered,
    /// Out of it.
    Left,
}

#[derive(Deserialize)]
struct Profile {
    identifiers: Vec<Identifier>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identifier {
    identifier_type: String,
    identifier_value: String,
}

/// Reads `GET membership/{audienceId}` without keeping it:
/// `{"sequenceNumber":17,"profiles":[{"identifiers":[{"identifierType":"email","identifierValue":"…"}]}]}`.
/// Tells `each` the identifiers of these types of each profile, where it has them; returns the sequence number.
pub(super) fn membership(
    from: impl Read,
    types: [&str; 2],
    each: &mut dyn FnMut([Option<&str>; 2]) -> std::io::Result<()>,
) -> serde_json::Result<u64> {
    let mut reader = serde_json::Deserializer::from_reader(from);
    let sequence = Membership { types, each }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(sequence)
}

struct Membership<'a> {
    types: [&'a str; 2],
    each: &'a mut dyn FnMut([Option<&str>; 2]) -> std::io::Result<()>,
}

impl<'de> DeserializeSeed<'de> for Membership<'_> {
    type Value = u64;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<u64, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Membership<'_> {
    type Value = u64;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("sequenceNumber and profiles")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<u64, A::Error> {
        let (mut sequence, mut profiles, mut rest) = (None, None, Rest::default());
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "sequenceNumber" => sequence = Some(map.next_value()?),
                "profiles" => {
                    let count = map.next_value_seed(Profiles(&mut self))?;
                    profiles = Some(profiles.unwrap_or(0) + count);
                }
                name => map.next_value_seed(rest.field(name))?,
            }
        }
        // Without them it is no membership, and must not pass for an empty one; a part must not pass for the whole.
        match (sequence, profiles) {
            (Some(sequence), Some(count)) if rest.is_nothing_beyond(count) => Ok(sequence),
            (Some(_), Some(_)) => Err(A::Error::custom("there is more")),
            (None, _) => Err(A::Error::missing_field("sequenceNumber")),
            (_, None) => Err(A::Error::missing_field("profiles")),
        }
    }
}

struct Profiles<'a, 'b>(&'a mut Membership<'b>);

impl<'de> DeserializeSeed<'de> for Profiles<'_, '_> {
    type Value = u64;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<u64, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Profiles<'_, '_> {
    /// How many there are.
    type Value = u64;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("profiles with identifiers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut profiles: A) -> Result<u64, A::Error> {
        let mut count = 0;
        while let Some(profile) = profiles.next_element::<Profile>()? {
            let own = |of: &str| {
                let own = profile.identifiers.iter().find(|it| it.identifier_type == of);
                own.map(|it| it.identifier_value.as_str())
            };
            (self.0.each)(self.0.types.map(own)).map_err(A::Error::custom)?;
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside one audience, profile or change each of these says that it is not all.
    const PARTS: [&str; 10] = [
        r#""next":"abc""#,
        r#""hasMore":true"#,
        r#""totalCount":2"#,
        r#""total":"2""#,
        r#""continuationToken":"x""#,
        r#""totalPages":2"#,
        r#""paging":{"next":"https://cdp.example/2"}"#,
        r#""_links":{"self":{"href":"x"},"next":{"href":"y"}}"#,
        r#""links":[{"rel":"self"},{"rel":"next"}]"#,
        r#""meta":[{"page":{"size":1,"totalElements":2}}]"#,
    ];

    /// These do not.
    const WHOLES: [&str; 4] = [
        r#""total":1,"next":null,"cursor":"","hasMore":false"#,
        r#""paging":{"next":null,"totalPages":1}"#,
        r#""_links":{"self":{"href":"x"}},"more":{}"#,
        r#""name":"Read more next time","size":17,"nextPages":[],"page":{"totalElements":1.0}"#,
    ];

    #[test]
    fn a_list_that_says_there_is_more_is_not_taken_for_the_whole() {
        let one = Audience { id: "5d822e81".into(), name: "Cat owners".into() };
        let cats = r#"[{"id":"5d822e81","name":"Cat owners"}]"#;
        let wholes = WHOLES.map(|whole| format!(r#"{{"audiences":{cats},{whole}}}"#));
        for whole in wholes.into_iter().chain([cats.to_owned()]) {
            assert_eq!(audiences(whole.as_bytes()), Some(vec![one.clone()]), "{whole}");
        }
        for part in PARTS {
            assert_eq!(audiences(format!(r#"{{"audiences":{cats},{part}}}"#).as_bytes()), None, "{part}");
        }
        assert_eq!(audiences(b"{}"), None);
        assert_eq!(audiences(br#"{"message":"try later"}"#), None);
    }

    #[test]
    fn changes_that_say_there_are_more_in_another_word_are_not_taken_for_all() {
        let left = r#"{"audienceId":"x","identifierValue":"jane@example.org","change":"left"}"#;
        let whole = |more: &str| {
            let body = format!(r#"{{"sequenceNumber":17,"more":true,"changes":[{left}],{more}}}"#);
            serde_json::from_str::<Changes>(&body).unwrap().are_whole()
        };
        assert!(WHOLES.into_iter().filter(|it| !it.contains("more")).all(whole));
        assert!(!PARTS.into_iter().any(whole));
    }

    #[test]
    fn a_membership_is_read_in_any_order_and_never_without_its_parts() {
        let jane = r#"{"identifiers":[{"identifierType":"userId","identifierValue":"812"},
            {"identifierType":"email","identifierValue":"jane@example.org"}]}"#;
        let body = format!(r#"{{"id":"x","profiles":[{jane},{{"identifiers":[]}}],"sequenceNumber":17}}"#);
        let mut seen = Vec::new();
        let mut each = |who: [Option<&str>; 2]| {
            seen.push(who.map(|it| it.map(str::to_owned)));
            Ok(())
        };
        let types = ["email", "userId"];
        assert_eq!(membership(body.as_bytes(), types, &mut each).unwrap(), 17);
        assert_eq!(seen, [[Some("jane@example.org".to_owned()), Some("812".to_owned())], [None, None]]);
        for whole in WHOLES {
            let body = format!(r#"{{{whole},"profiles":[{jane}],"sequenceNumber":17}}"#);
            assert_eq!(membership(body.as_bytes(), types, &mut |_| Ok(())).unwrap(), 17, "{whole}");
        }
        for part in PARTS {
            let body = format!(r#"{{"sequenceNumber":17,"profiles":[{jane}],{part}}}"#);
            assert!(membership(body.as_bytes(), types, &mut |_| Ok(())).is_err(), "{part}");
        }
        for broken in ["{}", r#"{"profiles":[]}"#, r#"{"sequenceNumber":1}"#, &body[..body.len() - 1]] {
            assert!(membership(broken.as_bytes(), types, &mut |_| Ok(())).is_err(), "{broken}");
        }
    }
}
