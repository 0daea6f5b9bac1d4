//! One call of Actito's API, from its place among the others to its answer.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;

use super::route::{Call, Route, V5Method};
use super::{meanwhile, wire};
use crate::sandbox::faults::verdict::{Verdict, with_retry_after};
use crate::sandbox::faults::{AttributeFault, Service};
use crate::sandbox::options::V5Write;
use crate::sandbox::reply::{self, Dropped, Reply, actito_error};
use crate::sandbox::table::{Changes, Table, TableError};
use crate::sandbox::{State, imports, locked, query, server, webhooks};

/// Answers one call and counts it.
pub(in crate::sandbox) async fn answer(state: &Arc<State>, request: Request<Incoming>) -> Result<Reply, Dropped> {
    let route = Route::parse(request.method(), request.uri().path());
    *locked(&state.actito.counts).by_operation.entry(route.call.operation()).or_default() += 1;
    let reply = guarded(state, &route, request).await?;
    *locked(&state.actito.counts).by_status.entry(reply.status().as_u16()).or_default() += 1;
    Ok(reply)
}

/// Limits, then faults, then what is gone, the token and the rights, then the call itself.
async fn guarded(state: &Arc<State>, route: &Route, request: Request<Incoming>) -> Result<Reply, Dropped> {
    let place = state.actito.limits.enter();
    let limits = &state.options.limits;
    if !place.admitted {
        let message = format!("more than {} concurrent requests", limits.concurrent);
        server::drain(request).await;
        let refusal = actito_error(StatusCode::TOO_MANY_REQUESTS, &message);
        return Ok(with_retry_after(refusal, limits.concurrent_retry_after));
    }
    let slowed = state.actito.limits.pace(state.clock.now());
    if !slowed.is_zero() {
        tokio::time::sleep(state.clock.real(slowed)).await;
    }
    let verdict = state.faults.judge(Service::Actito, route.call.operation(), request.uri().path());
    if let Some(instead) = verdict.before(Service::Actito).await? {
        server::drain(request).await;
        return Ok(instead);
    }
    if verdict.expire_tokens || verdict.revoked_key {
        state.actito.expire_tokens();
    }
    let reply = match refusal(state, route, &request, &verdict) {
        Some(refusal) => {
            server::drain(request).await;
            refusal
        }
        None => perform(state, &route.call, request, &verdict).await,
    };
    for (change, profile_id, chance) in &verdict.meanwhile {
        meanwhile::happen(state, *change, *profile_id, *chance);
    }
    verdict.after(Service::Actito, reply).await
}

/// What is answered to a call of what is gone, without a good token, without a right, or to a table that
/// does not exist.
fn refusal(state: &State, route: &Route, request: &Request<Incoming>, verdict: &Verdict) -> Option<Reply> {
    if let Some(gone) = state.actito.gates.gone(route, state.clock.now()) {
        return Some(gone);
    }
    let credential = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if route.call == Call::Token {
        let good = credential == state.options.api_key && !verdict.revoked_key;
        return (!good).then(|| actito_error(StatusCode::UNAUTHORIZED, "unknown API key"));
    }
    let token = credential.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let good = token.is_some_and(|(_, token)| locked(&state.actito.tokens).is_good(token, state.clock.now()));
    if !good {
        return Some(actito_error(StatusCode::UNAUTHORIZED, "the access token is missing, unknown or expired"));
    }
    if let Some(forbidden) = state.actito.gates.forbidden(route) {
        return Some(forbidden);
    }
    let is_elsewhere = route.call.place().is_some_and(|place| !place.is_here(&state.options));
    is_elsewhere.then(|| actito_error(StatusCode::NOT_FOUND, "unknown entity or profile table"))
}

async fn perform(state: &Arc<State>, call: &Call, request: Request<Incoming>, verdict: &Verdict) -> Reply {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let fault = verdict.attribute;
    match call {
        Call::Token => issue_token(state),
        Call::Structure(_) => ok(&state.actito.read(|table| wire::structure(&state.options, table, fault))),
        Call::List(_) => list(state, &query, verdict.list_shift),
        Call::ReadV4(_, key) => read(state, key, wire::profile),
        Call::ReadV5(_, key) => {
            read(state, key, |profile, _| wire::item(&state.options.wire, profile, with_nulls(&query)))
        }
        Call::Delete(_, key) => delete(state, key),
        Call::WriteV5(_, _, method) if !exists(*method, state.options.wire.v5_write) => wrong_method(),
        Call::Write(..) | Call::WriteV5(..) | Call::Create(_) => match server::body(request).await {
            Ok(body) => write(state, call, &query, &body, fault),
            Err(refusal) => actito_error(refusal.status(), "the body is too large or too slow"),
        },
        Call::ImportV4(_) => imports::receive(state, request, imports::Generation::V4, verdict).await,
        Call::ImportV5(_) => imports::receive(state, request, imports::Generation::V5, verdict).await,
        Call::LookV4(_, id, look) => imports::look_v4(state, id, *look),
        Call::LookV5(_, id) => imports::look_v5(state, id),
        Call::Subscriptions(_, what) => match server::body(request).await {
            Ok(body) => webhooks::subscriptions(state, what, &body),
            Err(refusal) => actito_error(refusal.status(), "the body is too large or too slow"),
        },
        Call::WrongMethod => wrong_method(),
        Call::Unknown => actito_error(StatusCode::NOT_FOUND, "this call does not exist here"),
    }
}

fn issue_token(state: &State) -> Reply {
    let (token, number) = locked(&state.actito.tokens).issue(state.clock.now());
    ok(&wire::token(&token, number, state.options.limits.token_lifetime))
}

fn list(state: &State, query: &str, shift: i64) -> Reply {
    let options = &state.options.wire;
    let number = query::number(query, "page").unwrap_or(options.first_page);
    let size = query::number(query, "pageSize").unwrap_or(options.page_size);
    if !(1..=options.max_page_size).contains(&size) || number < options.first_page {
        let (first, max) = (options.first_page, options.max_page_size);
        return actito_error(StatusCode::BAD_REQUEST, &format!("page begins at {first}, pageSize must be 1 to {max}"));
    }
    let skipped = (number - options.first_page).saturating_mul(size);
    let start = if skipped == 0 { 0 } else { shifted(skipped, shift) };
    let filters = match filters(state, query) {
        Ok(filters) => filters,
        Err(error) => return refused(&error),
    };
    let (profiles, total) = state.actito.read(|table| match filters.as_slice() {
        [] => (table.page(start, size), table.len()),
        wanted => table.page_where(wanted, start, size),
    });
    ok(&wire::page(options, &profiles, number, size, total, with_nulls(query)))
}

/// The start of a page when `shift` profiles came in before it, or went.
fn shifted(start: usize, shift: i64) -> usize {
    let by = usize::try_from(shift.unsigned_abs()).unwrap_or(usize::MAX);
    if shift > 0 { start.saturating_sub(by) } else { start.saturating_add(by) }
}

/// The `attribute=value` pairs of the list's query.
fn filters(state: &State, query: &str) -> Result<Vec<(usize, String)>, TableError> {
    if !state.options.wire.filters {
        return Ok(Vec::new());
    }
    let asked = query::pairs(query).filter(|(name, _)| !["page", "pageSize", "includeNulls"].contains(name));
    asked
        .map(|(name, value)| {
            let column = state.actito.read(|table| table.column(name));
            let column = column.ok_or_else(|| TableError::UnknownAttribute(name.to_owned()))?;
            Ok((column, query::decode(value)))
        })
        .collect()
}

fn read(state: &State, key: &str, show: impl Fn(&crate::sandbox::Profile, bool) -> serde_json::Value) -> Reply {
    let found = state.actito.read(|table| table.find(key).map(|id| table.get(id)));
    match found {
        Ok(Some(profile)) => ok(&show(&profile, true)),
        Ok(None) => refused(&TableError::UnknownProfile),
        Err(error) => refused(&error),
    }
}

fn delete(state: &State, key: &str) -> Reply {
    match state.write(|table| table.find(key).and_then(|id| table.remove(id))) {
        Ok(()) => reply::empty(StatusCode::NO_CONTENT),
        Err(error) => refused(&error),
    }
}

fn write(state: &State, call: &Call, query: &str, body: &[u8], fault: Option<AttributeFault>) -> Reply {
    let write: wire::Write = match serde_json::from_slice(body) {
        Ok(write) => write,
        Err(error) => return actito_error(StatusCode::BAD_REQUEST, &format!("the body: {}", reply::describe(&error))),
    };
    let changes = write.changes();
    let reaid = &state.options.reaid_attribute;
    if fault.is_some() && changes.iter().any(|(name, _)| name == reaid) {
        return actito_error(StatusCode::BAD_REQUEST, &format!("attribute {reaid:?} does not take this value"));
    }
    let written = state.write(|table| match call {
        Call::Write(_, key) | Call::WriteV5(_, key, _) => {
            table.find(key).and_then(|id| table.change(id, &changes).map(|()| id))
        }
        _ => create(table, &changes, query::value(query, "allowUpdate").as_deref() == Some("true")),
    });
    match written {
        Ok(id) => ok(&serde_json::json!({ "profileId": id })),
        Err(error) => refused(&error),
    }
}

/// V4 POST: a new profile, or with `allowUpdate` the one that has the address already.
fn create(table: &mut Table, changes: &Changes<'_>, allow_update: bool) -> Result<u64, TableError> {
    match table.matching(changes) {
        Some(id) if allow_update => table.change(id, changes).map(|()| id),
        _ => table.add(changes),
    }
}

fn exists(method: V5Method, write: V5Write) -> bool {
    matches!((method, write), (V5Method::Patch, V5Write::Patch) | (V5Method::Put, V5Write::Put))
}

fn with_nulls(query: &str) -> bool {
    query::value(query, "includeNulls").as_deref() == Some("true")
}

fn ok(body: &impl Serialize) -> Reply {
    reply::json(StatusCode::OK, body)
}

fn wrong_method() -> Reply {
    actito_error(StatusCode::METHOD_NOT_ALLOWED, "this method does not exist here")
}

fn refused(error: &TableError) -> Reply {
    actito_error(wire::status(error), &error.to_string())
}
