//! The sandbox's own pages: what it is, what it saw, and its faults.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::{Value, json};

use super::behaviours::BEHAVIOURS;
use super::faults::{FaultRule, Service};
use super::reply::{self, Reply, control_error};
use super::table::PROFILE_ID;
use super::{State, query, server};

/// Items shown when no `limit` is asked for.
const DEFAULT_LIMIT: usize = 100;
/// Most items shown: a few megabytes of JSON.
const MAX_LIMIT: usize = 10_000;

/// Furthest that time is moved at once: a year of seconds.
const MAX_ADVANCE: usize = 31_536_000;

/// Answers a path under `/sandbox`.
pub(super) async fn answer(state: &State, request: Request<Incoming>) -> Reply {
    let raw = request.uri().query().unwrap_or_default().to_owned();
    let limit = query::number(&raw, "limit").unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let path = request.uri().path().trim_end_matches('/').to_owned();
    match (request.method().clone(), path.as_str()) {
        (Method::GET, "/sandbox") => ok(&overview(state)),
        (Method::GET, "/sandbox/behaviours") => ok(&BEHAVIOURS),
        (Method::GET, "/sandbox/actito") => ok(&actito(state, limit)),
        (Method::GET, "/sandbox/imports") => ok(&state.actito.imports.reports()),
        (Method::GET, "/sandbox/webhooks") => ok(&state.webhooks.reports()),
        (Method::POST, "/sandbox/advance") => advance(state, &raw),
        (Method::GET, "/sandbox/raptor") => ok(&raptor(state, limit)),
        (Method::GET, "/sandbox/cdp") => {
            ok(&json!({ "report": state.cdp.report(), "audiences": state.cdp.audiences() }))
        }
        (Method::GET, "/sandbox/references") => references(state, &raw),
        (Method::GET, "/sandbox/shop") => ok(&shop(state, limit)),
        (Method::GET, "/sandbox/faults") => ok(&state.faults.list()),
        (Method::PUT, "/sandbox/faults") => switch(state, request).await,
        (Method::DELETE, "/sandbox/faults") => clear(state, &raw),
        (Method::GET, _) => control_error(StatusCode::NOT_FOUND, "see /sandbox for what there is"),
        _ => control_error(StatusCode::METHOD_NOT_ALLOWED, "this method does not exist here"),
    }
}

fn overview(state: &State) -> Value {
    let options = &state.options;
    json!({
        "what": "a local stand-in for Actito, Raptor and a small shop",
        "time": { "now": state.clock.now().rfc3339(), "speed": options.speed },
        "actito": {
            "entity": options.entity, "profile_table": options.profile_table,
            "profile_table_id": options.profile_table_id, "email_attribute": options.email_attribute,
            "reaid_attribute": options.reaid_attribute,
            "report": state.actito.report(options),
        },
        "raptor": { "account": options.account, "report": state.raptor.report() },
        "shop": { "landings": state.shop.count() },
        "newsletter_published": state.newsletter.html().is_some(),
        "faults": state.faults.list(),
        "pages": [
            "/sandbox/behaviours", "/sandbox/actito", "/sandbox/imports", "/sandbox/webhooks", "/sandbox/raptor",
            "/sandbox/shop", "/sandbox/cdp", "/sandbox/references", "/sandbox/faults", "/sandbox/advance?seconds={n}",
            "/sandbox/newsletter/{profileId}", "/sandbox/newsletter/{profileId}?wrapped=1", "/wrap?to={url}",
        ],
    })
}

fn actito(state: &State, limit: usize) -> Value {
    let profiles: Vec<Value> = state.actito.read(|table| table.page(0, limit)).iter().map(flat).collect();
    json!({ "report": state.actito.report(&state.options), "profiles": profiles })
}

/// A profile as one JSON object, for people to read.
fn flat(profile: &super::Profile) -> Value {
    let attributes = profile.attributes.iter().map(|(name, value)| (name.clone(), json!(value)));
    std::iter::once((PROFILE_ID.to_owned(), json!(profile.id))).chain(attributes).collect()
}

fn raptor(state: &State, limit: usize) -> Value {
    json!({ "report": state.raptor.report(), "calls": state.raptor.calls(limit) })
}

fn shop(state: &State, limit: usize) -> Value {
    json!({ "count": state.shop.count(), "landings": state.shop.landings(limit) })
}

/// All references, or *Use reference* of one: `?use=Raptor CDP/Audiences/Cat owners&attribute=emailAddress`.
fn references(state: &State, raw: &str) -> Reply {
    let Some(name) = query::value(raw, "use") else { return ok(&state.targets.references(state)) };
    let attribute = query::value(raw, "attribute").unwrap_or_else(|| state.options.email_attribute.clone());
    let reference: Vec<&str> = name.split('/').collect();
    match state.targets.use_reference(state, &reference, &attribute) {
        Some(target) => ok(&target),
        None => control_error(StatusCode::NOT_FOUND, "there is no such reference with this column"),
    }
}

/// Moves the sandbox's time ahead.
fn advance(state: &State, raw: &str) -> Reply {
    match query::number(raw, "seconds").filter(|seconds| (1..=MAX_ADVANCE).contains(seconds)) {
        Some(seconds) => {
            state.clock.advance(Duration::from_secs(seconds as u64));
            ok(&json!({ "now": state.clock.now().rfc3339() }))
        }
        None => control_error(StatusCode::BAD_REQUEST, "seconds must be 1 to 31536000"),
    }
}

async fn switch(state: &State, request: Request<Incoming>) -> Reply {
    let body = match server::body(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let rule: FaultRule = match serde_json::from_slice(&body) {
        Ok(rule) => rule,
        Err(error) => return control_error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match state.faults.switch(rule) {
        Ok(()) => ok(&state.faults.list()),
        Err(error) => control_error(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn clear(state: &State, raw: &str) -> Reply {
    let service = match query::value(raw, "service").as_deref() {
        None => None,
        Some("actito") => Some(Service::Actito),
        Some("webhook") => Some(Service::Webhook),
        Some("raptor") => Some(Service::Raptor),
        Some("cdp") => Some(Service::Cdp),
        Some("shop") => Some(Service::Shop),
        Some(_) => {
            return control_error(StatusCode::BAD_REQUEST, "service must be actito, webhook, raptor, cdp or shop");
        }
    };
    state.faults.clear(service);
    ok(&state.faults.list())
}

fn ok(body: &impl Serialize) -> Reply {
    reply::json(StatusCode::OK, body)
}
