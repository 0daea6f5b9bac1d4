//! The pushed body, in both documented shapes.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::subscription::{PushType, Subscription};
use crate::sandbox::options::{Options, PayloadVersion};
use crate::sandbox::table::{Change, PROFILE_ID};

/// The body of a push. `number` makes the id of a V2 push; `is_incomplete` leaves out the address.
pub(super) fn body(
    options: &Options,
    subscription: &Subscription,
    id: u64,
    number: u64,
    events: &[Arc<Change>],
    is_incomplete: bool,
) -> Value {
    let data: Vec<Value> = events.iter().map(|change| data(options, change, is_incomplete)).collect();
    let is_bulk = subscription.webhook_push_type == PushType::Bulk;
    match options.webhooks.payload {
        PayloadVersion::V1 => {
            let fields = subscription.fields();
            let event = |data: Value| {
                json!({
                    "id": id, "tableType": "PROFILE_TABLE", "tableId": subscription.element(), "fields": fields,
                    "eventType": subscription.event_type, "data": data,
                })
            };
            one_or_all(data.into_iter().map(event).collect(), is_bulk)
        }
        PayloadVersion::V2 => {
            let href = format!("/webhooks/v4/entity/{}/webhookSubscription/{id}", options.entity);
            json!({
                "id": format!("00000000-0000-4000-8000-{number:012}"),
                "data": one_or_all(data, is_bulk),
                "_links": { "webhook": { "href": href } },
            })
        }
    }
}

/// The attributes that the operation set, and the unique ones, as strings.
fn data(options: &Options, change: &Change, is_incomplete: bool) -> Value {
    let mut data = Map::new();
    data.insert(PROFILE_ID.to_owned(), json!(change.id.to_string()));
    data.extend(change.set.iter().map(|(name, value)| (name.clone(), json!(value))));
    data.insert(options.email_attribute.clone(), json!(change.address));
    if is_incomplete {
        data.remove(&options.email_attribute);
    }
    Value::Object(data)
}

fn one_or_all(mut all: Vec<Value>, is_bulk: bool) -> Value {
    if is_bulk { Value::Array(all) } else { all.pop().unwrap_or_default() }
}
