//! Webhooks on the wire, as documented: subscriptions, and what is delivered to us.
//!
//! `POST|GET …/v4/entity/{e}/webhookSubscription`, `GET|PUT|DELETE …/{id}` with the body of [`Body`]. A
//! delivery is `{"id":21,"tableType","tableId":"31","fields":null,"eventType":"CREATE","data":{…}}`, in bulk
//! an array of them (V1), or `{"id":"<uuid>","data":{…}|[…],"_links":{…}}` (V2); values are mostly strings.
//! That a list of subscriptions is an array, or one object that holds it, is assumed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use super::profile::ProfileId;
use super::webhook::{Pushed, Webhook, WebhookEvent, WebhookId, WebhookSpec};
use super::wire_import::ID_COLUMN;
use super::wire_url::url_under;
use crate::config;

/// What carries the secret. Our edge expects it in this header.
const SECRET_HEADER: &str = "X-Hook-Secret";
const TABLE: &str = "PROFILE_TABLE";

/// No delivery names more, as documented.
const LARGEST_BLOCK: u32 = 50;

/// A delivery is nested this deep at most: an array of objects with an array of data.
const DEEPEST: u32 = 4;

/// Where the subscriptions are, or one of them.
pub(super) fn url(actito: &config::Actito, id: Option<&WebhookId>) -> Url {
    let id = id.map(ToString::to_string);
    let mut segments = vec!["v4", "entity", actito.entity.as_str(), "webhookSubscription"];
    segments.extend(id.as_deref());
    url_under(actito, "webhooks", &segments)
}

/// A subscription as we write it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    on: &'static str,
    on_element_id: &'a str,
    event_type: &'static str,
    on_fields: [&'a str; 1],
    target_url: &'a str,
    headers: BTreeMap<&'static str, &'a str>,
    webhook_push_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_block_size: Option<u32>,
    is_active: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(actito: &'a config::Actito, wanted: &'a WebhookSpec) -> Self {
        let block = block(wanted);
        Self {
            on: TABLE,
            on_element_id: &actito.profile_table_id,
            event_type: event_name(wanted.event),
            on_fields: [&actito.email_attribute],
            target_url: wanted.target.as_str(),
            headers: BTreeMap::from([(SECRET_HEADER, wanted.secret.as_str())]),
            webhook_push_type: if block > 1 { "BULK" } else { "ONE_BY_ONE" },
            max_block_size: (block > 1).then_some(block),
            is_active: true,
        }
    }
}

fn block(wanted: &WebhookSpec) -> u32 {
    wanted.block.clamp(1, LARGEST_BLOCK)
}

const fn event_name(event: WebhookEvent) -> &'static str {
    match event {
        WebhookEvent::Create => "CREATE",
        WebhookEvent::Update => "UPDATE",
    }
}

/// A subscription as Actito shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: Value,
    on: Option<String>,
    #[serde(default)]
    on_element_id: Value,
    event_type: Option<String>,
    on_fields: Option<Vec<String>>,
    target_url: Option<String>,
    headers: Option<Map<String, Value>>,
    max_block_size: Option<u32>,
    webhook_push_type: Option<String>,
    is_active: Option<bool>,
}

/// The subscriptions of our profile table; `None` when this is no list of them.
pub(super) fn read_list(body: &[u8], actito: &config::Actito) -> Option<Vec<Webhook>> {
    let shown: Vec<Shown> = match serde_json::from_slice(body).ok()? {
        Value::Object(fields) => fields.into_iter().find_map(|(_, value)| serde_json::from_value(value).ok())?,
        list => serde_json::from_value(list).ok()?,
    };
    let ours = |it: &Shown| it.on.as_deref() == Some(TABLE) && text(&it.on_element_id) == actito.profile_table_id;
    Some(shown.into_iter().filter(ours).filter_map(Shown::into_webhook).collect())
}

impl Shown {
    fn into_webhook(self) -> Option<Webhook> {
        let is_secret = |name: &str| name.eq_ignore_ascii_case(SECRET_HEADER);
        let secret = self.headers.map(|headers| headers.into_iter().find(|(name, _)| is_secret(name)));
        // Headers without the secret are a secret that is not sent: the empty one.
        let secret = secret.map(|found| Zeroizing::new(found.map(|(_, value)| text(&value)).unwrap_or_default()));
        let bulk = self.webhook_push_type.as_deref() == Some("BULK");
        Some(Webhook {
            id: WebhookId::parse(&text(&self.id))?,
            event: match self.event_type.as_deref() {
                Some("CREATE") => Some(WebhookEvent::Create),
                Some("UPDATE") => Some(WebhookEvent::Update),
                _ => None,
            },
            target: self.target_url.unwrap_or_default(),
            active: self.is_active.unwrap_or(true),
            fields: self.on_fields.unwrap_or_default(),
            secret,
            block: if bulk { self.max_block_size.unwrap_or(0) } else { 1 },
        })
    }
}

/// Whether a subscription is as wanted. A secret that is not shown is taken for the right one.
pub(super) fn is_as_wanted(actito: &config::Actito, webhook: &Webhook, wanted: &WebhookSpec) -> bool {
    webhook.active
        && webhook.event == Some(wanted.event)
        && webhook.target == wanted.target.as_str()
        && webhook.fields.iter().eq([&actito.email_attribute])
        && webhook.block == block(wanted)
        && webhook.secret.as_ref().is_none_or(|secret| **secret == *wanted.secret)
}

/// Answer to a new subscription.
#[derive(Deserialize)]
pub(super) struct Created {
    id: Value,
}

impl Created {
    pub(super) fn id(&self) -> Option<WebhookId> {
        WebhookId::parse(&text(&self.id))
    }
}

/// What a delivery says of profiles of our table; `None` when it is none.
pub(super) fn read_delivery(body: &[u8], actito: &config::Actito) -> Option<Vec<Pushed>> {
    let mut found = Vec::new();
    collect(&serde_json::from_slice(body).ok()?, actito, DEEPEST, &mut found)?;
    Some(found)
}

fn collect(value: &Value, actito: &config::Actito, deeper: u32, found: &mut Vec<Pushed>) -> Option<()> {
    let deeper = deeper.checked_sub(1)?;
    match value {
        Value::Array(all) => all.iter().try_for_each(|each| collect(each, actito, deeper, found)),
        Value::Object(fields) => match fields.get("data") {
            _ if is_elsewhere(fields, actito) => Some(()),
            Some(data) => collect(data, actito, deeper, found),
            None => {
                let text_of = |name: &str| fields.get(name).map(text).filter(|text| !text.is_empty());
                let profile = text_of(ID_COLUMN).and_then(|id| ProfileId::parse(&id));
                found.push(Pushed { profile, address: text_of(&actito.email_attribute) });
                Some(())
            }
        },
        _ => None,
    }
}

/// Whether a delivery speaks of another table.
fn is_elsewhere(fields: &Map<String, Value>, actito: &config::Actito) -> bool {
    fields.get("tableId").map(text).is_some_and(|table| !table.is_empty() && table != actito.profile_table_id)
}

/// A value as text: strings as they are, nothing for null.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
