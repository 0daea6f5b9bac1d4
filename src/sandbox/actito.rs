//! Actito's API as far as the sandbox has it: token, structure, V5 reading, V4 one-by-one calls.
//! Imports, webhooks and V5 writes are answered with 404.

use std::collections::BTreeMap;
use std::sync::Mutex;

use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use tokio::sync::watch;

use super::actito_route::Call;
pub use super::actito_route::Operation;
pub(super) use super::actito_route::is_actito;
use super::actito_wire as wire;
use super::faults::{AttributeFault, Service};
use super::limits::{CONCURRENT, Limits};
use super::options::Options;
use super::profiles::{Changes, Table, TableError};
use super::reply::{self, Dropped, Reply, actito_error};
use super::tokens::Tokens;
use super::{State, locked, query, server};

/// Page size when none is asked for (assumed).
const PAGE_SIZE: usize = 100;
/// Largest page (assumed); more is refused, because a shorter page than asked for ends a list.
const MAX_PAGE_SIZE: usize = 1000;

/// Actito's memory.
pub(super) struct Actito {
    table: Mutex<Table>,
    tokens: Mutex<Tokens>,
    limits: Limits,
    counts: Mutex<Counts>,
    /// Raised after every change of the table.
    pub(super) changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Counts {
    by_operation: BTreeMap<Operation, u64>,
    by_status: BTreeMap<u16, u64>,
}

/// What Actito saw so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActitoReport {
    /// Profiles in the table.
    pub profiles: usize,
    /// Profiles whose REAID attribute is not empty.
    pub profiles_with_reaid: usize,
    /// Calls by kind, with those that were refused.
    pub calls: BTreeMap<Operation, u64>,
    /// Answers by status; connections closed without one are not among them.
    pub answers: BTreeMap<u16, u64>,
    /// Most calls under way at once, with those that got a 429.
    pub peak_concurrent: usize,
    /// Most calls in any minute of sandbox time.
    pub peak_per_minute: usize,
    /// Calls slowed because they were over the minute's limit.
    pub slowed: u64,
    /// Tokens issued.
    pub tokens_issued: u64,
}

impl Actito {
    pub(super) fn seeded(options: &Options) -> Self {
        Self {
            table: Mutex::new(Table::seeded(options)),
            tokens: Mutex::default(),
            limits: Limits::default(),
            counts: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&locked(&self.table))
    }

    /// Changes the table and tells whoever waits.
    pub(super) fn write<T>(&self, change: impl FnOnce(&mut Table) -> Result<T, TableError>) -> Result<T, TableError> {
        let done = change(&mut locked(&self.table))?;
        self.changed.send_modify(|revision| *revision += 1);
        Ok(done)
    }

    pub(super) fn expire_tokens(&self) {
        locked(&self.tokens).expire_all();
    }

    pub(super) fn report(&self, reaid_attribute: &str) -> ActitoReport {
        let (profiles, profiles_with_reaid) = self.read(|table| (table.len(), table.filled(reaid_attribute)));
        let (peak_per_minute, slowed) = self.limits.busiest_minute();
        let counts = locked(&self.counts);
        ActitoReport {
            profiles,
            profiles_with_reaid,
            calls: counts.by_operation.clone(),
            answers: counts.by_status.clone(),
            peak_concurrent: self.limits.peak_under_way(),
            peak_per_minute,
            slowed,
            tokens_issued: locked(&self.tokens).issued(),
        }
    }
}

/// Answers one call and counts it.
pub(super) async fn answer(state: &State, request: Request<Incoming>) -> Result<Reply, Dropped> {
    let call = Call::parse(request.method(), request.uri().path());
    *locked(&state.actito.counts).by_operation.entry(call.operation()).or_default() += 1;
    let reply = guarded(state, &call, request).await?;
    *locked(&state.actito.counts).by_status.entry(reply.status().as_u16()).or_default() += 1;
    Ok(reply)
}

/// Limits, then faults, then the token, then the call itself.
async fn guarded(state: &State, call: &Call, request: Request<Incoming>) -> Result<Reply, Dropped> {
    let place = state.actito.limits.enter();
    if !place.admitted {
        let message = format!("more than {CONCURRENT} concurrent requests");
        return Ok(actito_error(StatusCode::TOO_MANY_REQUESTS, &message));
    }
    let slowed = state.actito.limits.pace(state.clock.now());
    if !slowed.is_zero() {
        tokio::time::sleep(state.clock.real(slowed)).await;
    }
    let verdict = state.faults.judge(Service::Actito, call.operation());
    if let Some(instead) = verdict.before(Service::Actito).await? {
        return Ok(instead);
    }
    if verdict.expire_tokens {
        state.actito.expire_tokens();
    }
    let reply = match refusal(state, call, &request) {
        Some(refusal) => refusal,
        None => perform(state, call, request, verdict.attribute).await,
    };
    verdict.after(reply)
}

/// What is answered to a call without a good token or to a table that does not exist.
fn refusal(state: &State, call: &Call, request: &Request<Incoming>) -> Option<Reply> {
    let credential = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if *call == Call::Token {
        let good = credential == state.options.api_key;
        return (!good).then(|| actito_error(StatusCode::UNAUTHORIZED, "unknown API key"));
    }
    let token = credential.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let good = token.is_some_and(|(_, token)| locked(&state.actito.tokens).is_good(token, state.clock.now()));
    if !good {
        return Some(actito_error(StatusCode::UNAUTHORIZED, "the access token is missing, unknown or expired"));
    }
    let is_elsewhere = call.place().is_some_and(|place| !place.is_here(&state.options));
    is_elsewhere.then(|| actito_error(StatusCode::NOT_FOUND, "unknown entity or profile table"))
}

async fn perform(state: &State, call: &Call, request: Request<Incoming>, fault: Option<AttributeFault>) -> Reply {
    let query = request.uri().query().unwrap_or_default().to_owned();
    match call {
        Call::Token => issue_token(state),
        Call::Structure(_) => ok(&state.actito.read(|table| wire::structure(&state.options, table, fault))),
        Call::List(_) => list(state, &query),
        Call::ReadV4(_, key) => read(state, key, true),
        Call::ReadV5(_, key) => read(state, key, with_nulls(&query)),
        Call::Delete(_, key) => delete(state, key),
        Call::Write(..) | Call::Create(_) => match server::body(request).await {
            Ok(body) => write(state, call, &query, &body, fault),
            Err(refusal) => actito_error(refusal.status(), "the body is too large or too slow"),
        },
        Call::WrongMethod => actito_error(StatusCode::METHOD_NOT_ALLOWED, "this method does not exist here"),
        Call::Unknown => actito_error(StatusCode::NOT_FOUND, "this call does not exist here"),
    }
}

fn issue_token(state: &State) -> Reply {
    let (token, number) = locked(&state.actito.tokens).issue(state.clock.now());
    ok(&wire::token(&token, number))
}

fn list(state: &State, query: &str) -> Reply {
    let number = query::number(query, "page").unwrap_or(0);
    let size = query::number(query, "pageSize").unwrap_or(PAGE_SIZE);
    if !(1..=MAX_PAGE_SIZE).contains(&size) {
        return actito_error(StatusCode::BAD_REQUEST, &format!("pageSize must be 1 to {MAX_PAGE_SIZE}"));
    }
    let (profiles, total) = state.actito.read(|table| (table.page(number.saturating_mul(size), size), table.len()));
    ok(&wire::page(&profiles, number, size, total, with_nulls(query)))
}

fn read(state: &State, key: &str, with_nulls: bool) -> Reply {
    let found = state.actito.read(|table| table.find(key).map(|id| table.get(id)));
    match found {
        Ok(Some(profile)) => ok(&wire::profile(&profile, with_nulls)),
        Ok(None) => refused(&TableError::UnknownProfile),
        Err(error) => refused(&error),
    }
}

fn delete(state: &State, key: &str) -> Reply {
    match state.actito.write(|table| table.find(key).and_then(|id| table.remove(id))) {
        Ok(()) => reply::empty(StatusCode::NO_CONTENT),
        Err(error) => refused(&error),
    }
}

fn write(state: &State, call: &Call, query: &str, body: &[u8], fault: Option<AttributeFault>) -> Reply {
    let write: wire::Write = match serde_json::from_slice(body) {
        Ok(write) => write,
        Err(error) => return actito_error(StatusCode::BAD_REQUEST, &format!("the body: {}", describe(&error))),
    };
    let changes = write.changes();
    let reaid = &state.options.reaid_attribute;
    if fault.is_some() && changes.iter().any(|(name, _)| name == reaid) {
        return actito_error(StatusCode::BAD_REQUEST, &format!("attribute {reaid:?} does not take this value"));
    }
    let written = state.actito.write(|table| match call {
        Call::Write(_, key) => table.find(key).and_then(|id| table.change(id, &changes).map(|()| id)),
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

fn with_nulls(query: &str) -> bool {
    query::value(query, "includeNulls").as_deref() == Some("true")
}

fn ok(body: &impl Serialize) -> Reply {
    reply::json(StatusCode::OK, body)
}

fn refused(error: &TableError) -> Reply {
    actito_error(wire::status(error), &error.to_string())
}

/// Where a body is wrong, without its text: it holds addresses.
fn describe(error: &serde_json::Error) -> String {
    format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column())
}
