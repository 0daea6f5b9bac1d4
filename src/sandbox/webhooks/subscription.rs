//! A subscription as its body says it, and which events it wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::{Host, Url};

use crate::sandbox::options::Options;
use crate::sandbox::reply;
use crate::sandbox::table::Change;

/// Documented: no push holds more events.
const MAX_BLOCK: usize = 50;
/// Static headers of a subscription: one secret and a few for a gateway.
const MAX_HEADERS: usize = 20;

/// What a subscription waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum EventType {
    Create,
    Update,
    /// Accepted; the sandbox has no subscriptions of profiles, so nothing happens.
    UpdatedSubscription,
    /// Accepted; the sandbox has no segments, so nothing happens.
    UpdatedSegment,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum PushType {
    #[default]
    OneByOne,
    Bulk,
}

/// A subscription, as it was sent and will be shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    on: String,
    on_element_id: String,
    pub(super) event_type: EventType,
    #[serde(default)]
    on_fields: Option<Vec<String>>,
    pub(super) target_url: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) webhook_push_type: PushType,
    #[serde(default)]
    max_block_size: Option<usize>,
    #[serde(default = "active")]
    is_active: bool,
}

fn active() -> bool {
    true
}

impl Subscription {
    /// Reads a body; the error says what is wrong with it.
    pub(super) fn read(body: &[u8], options: &Options) -> Result<Self, String> {
        let one: Self =
            serde_json::from_slice(body).map_err(|error| format!("the body: {}", reply::describe(&error)))?;
        if one.on != "PROFILE_TABLE" || one.on_element_id != options.profile_table_id {
            let id = &options.profile_table_id;
            return Err(format!("on must be PROFILE_TABLE and onElementId {id:?}: there is nothing else here"));
        }
        if one.max_block_size.is_some_and(|size| !(1..=MAX_BLOCK).contains(&size)) {
            return Err(format!("maxBlockSize must be 1 to {MAX_BLOCK}"));
        }
        if one.headers.len() > MAX_HEADERS {
            return Err(format!("at most {MAX_HEADERS} headers"));
        }
        for (name, value) in &one.headers {
            if http::HeaderName::try_from(name).is_err() || http::HeaderValue::try_from(value).is_err() {
                return Err(format!("{name:?} is no header"));
            }
        }
        one.target()?;
        Ok(one)
    }

    /// Where to connect, and what to ask for there. The sandbox pushes to this machine only, and without
    /// TLS, which Actito insists on.
    pub(super) fn target(&self) -> Result<(SocketAddr, Url), String> {
        let url = Url::parse(&self.target_url).map_err(|error| format!("targetUrl: {error}"))?;
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => ip.into(),
            Some(Host::Ipv6(ip)) => ip.into(),
            Some(Host::Domain("localhost")) => std::net::Ipv4Addr::LOCALHOST.into(),
            _ => std::net::Ipv4Addr::UNSPECIFIED.into(),
        };
        let ip: std::net::IpAddr = ip;
        match (url.scheme(), ip.is_loopback(), url.port_or_known_default()) {
            ("http", true, Some(port)) => Ok((SocketAddr::new(ip, port), url)),
            _ => Err("targetUrl must be http on a loopback address: the sandbox pushes nowhere else".into()),
        }
    }

    /// Most events of one push.
    pub(super) fn block(&self) -> usize {
        match self.webhook_push_type {
            PushType::OneByOne => 1,
            PushType::Bulk => self.max_block_size.unwrap_or(MAX_BLOCK),
        }
    }

    /// The fields named, if any are.
    pub(super) fn fields(&self) -> Option<&[String]> {
        self.on_fields.as_deref().filter(|fields| !fields.is_empty())
    }

    pub(super) fn wants(&self, change: &Change) -> bool {
        let is_type = match self.event_type {
            EventType::Create => change.created,
            EventType::Update => !change.created,
            EventType::UpdatedSubscription | EventType::UpdatedSegment => false,
        };
        let touches = |fields: &[String]| change.set.iter().any(|(name, _)| fields.contains(name));
        self.is_active && is_type && self.fields().is_none_or(touches)
    }

    pub(super) fn element(&self) -> &str {
        &self.on_element_id
    }

    /// The subscription as a body.
    pub(super) fn show(&self, id: u64) -> Value {
        let mut body = serde_json::to_value(self).unwrap_or_default();
        body["id"] = json!(id);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: &Value) -> Result<Subscription, String> {
        let mut body = json!({
            "on": "PROFILE_TABLE", "onElementId": "31", "eventType": "UPDATE", "onFields": ["emailAddress"],
            "targetUrl": "http://127.0.0.1:9/hook", "headers": { "X-Hook-Secret": "s" },
            "webhookPushType": "BULK", "maxBlockSize": 10, "isActive": true,
        });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        Subscription::read(body.to_string().as_bytes(), &Options::default())
    }

    #[test]
    fn pushes_stay_on_this_machine() {
        for url in ["http://127.0.0.1:9/", "http://[::1]:9/x?y", "http://localhost/"] {
            assert!(read(&json!({ "targetUrl": url })).is_ok(), "{url}");
        }
        for url in ["http://10.0.0.1/", "https://127.0.0.1/", "http://example.org/", "http://0.0.0.0/", "x"] {
            assert!(read(&json!({ "targetUrl": url })).is_err(), "{url}");
        }
    }

    #[test]
    fn blocks_and_headers_have_their_limits() {
        assert_eq!(read(&json!({})).unwrap().block(), 10);
        assert_eq!(read(&json!({ "webhookPushType": "ONE_BY_ONE" })).unwrap().block(), 1);
        assert!(read(&json!({ "maxBlockSize": 51 })).is_err());
        assert!(read(&json!({ "headers": { "a b": "c" } })).is_err());
        assert!(read(&json!({ "onElementId": "32" })).is_err());
    }

    #[test]
    fn only_events_of_its_type_and_fields_are_wanted() {
        let event =
            |created, field: &str| Change { id: 801, created, set: vec![(field.to_owned(), None)], address: None };
        let subscription = read(&json!({})).unwrap();
        assert!(subscription.wants(&event(false, "emailAddress")));
        assert!(!subscription.wants(&event(true, "emailAddress")));
        assert!(!subscription.wants(&event(false, "reaid")));
        assert!(read(&json!({ "onFields": [] })).unwrap().wants(&event(false, "reaid")));
        assert!(!read(&json!({ "isActive": false })).unwrap().wants(&event(false, "emailAddress")));
    }
}
