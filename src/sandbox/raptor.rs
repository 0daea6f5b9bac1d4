//! Raptor's tracking endpoint: `GET /{customerId}.rsa?…`. Keeps what is right, refuses what must
//! never be sent, and says why.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use tokio::sync::watch;

use super::actito::Operation;
use super::faults::Service;
use super::kept::Kept;
use super::options::is_account;
use super::reply::{self, Dropped, Reply};
use super::{State, locked, query};
use crate::clock::Timestamp;

/// Event types counted by name; a client may invent as many as it likes, the rest is `other`.
const MAX_EVENT_TYPES: usize = 64;

/// A tracking call as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct TrackingCall {
    /// Its number among all that were kept, from 1.
    pub number: u64,
    /// The customer id in its path.
    pub account: String,
    /// When it came, in sandbox time.
    pub at: Timestamp,
    /// Its query, raw.
    pub query: String,
}

impl TrackingCall {
    /// Names and decoded values, in the order sent.
    pub fn params(&self) -> Vec<(String, String)> {
        query::pairs(&self.query).map(|(name, raw)| (query::decode(name), query::decode(raw))).collect()
    }

    /// The event's type, as in `newsletterclick`.
    pub fn event(&self) -> String {
        self.get("p1").unwrap_or_default()
    }

    /// The campaign, if one was sent.
    pub fn campaign(&self) -> Option<String> {
        self.get("utm_campaign")
    }

    /// The decoded value of `name`, if it was sent.
    pub fn get(&self, name: &str) -> Option<String> {
        query::value(&self.query, name)
    }
}

impl fmt::Debug for TrackingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.get("p1");
        f.debug_struct("TrackingCall")
            .field("number", &self.number)
            .field("account", &self.account)
            .field("p1", &event)
            .finish_non_exhaustive()
    }
}

impl Serialize for TrackingCall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut call = serializer.serialize_struct("TrackingCall", 4)?;
        call.serialize_field("number", &self.number)?;
        call.serialize_field("account", &self.account)?;
        call.serialize_field("at", &self.at.rfc3339())?;
        call.serialize_field("params", &self.params().into_iter().collect::<BTreeMap<_, _>>())?;
        call.end()
    }
}

/// Why a tracking call was refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// The path's customer id is not 4 or 5 digits.
    #[error("the customer id must be 4 or 5 digits")]
    BadAccount,
    /// `p1` is missing or empty.
    #[error("p1 is missing")]
    NoEventType,
    /// `coid` is missing or no upper-case GUID.
    #[error("coid must be an upper-case GUID")]
    BadCoid,
    /// `sid` is missing or no upper-case GUID.
    #[error("sid must be an upper-case GUID")]
    BadSid,
    /// A value holds an at sign, plain or encoded once more.
    #[error("a value holds an at sign: no address may be sent")]
    Address,
}

/// What Raptor saw so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RaptorReport {
    /// Calls that reached the endpoint, whatever became of them.
    pub arrived: u64,
    /// Calls that counted as events.
    pub received: u64,
    /// Calls refused, by reason.
    pub rejected: BTreeMap<Rejection, u64>,
    /// Events by type (`p1`).
    pub by_event: BTreeMap<String, u64>,
    /// How many of the events received are still kept.
    pub kept: usize,
}

/// Raptor's memory.
pub(super) struct Raptor {
    memory: Mutex<Memory>,
    /// How many events were received; raised after the event is kept.
    pub(super) received: watch::Sender<u64>,
}

struct Memory {
    arrived: u64,
    calls: Kept<TrackingCall>,
    rejected: BTreeMap<Rejection, u64>,
    by_event: BTreeMap<String, u64>,
}

impl Raptor {
    pub(super) fn new() -> Self {
        let memory = Memory { arrived: 0, calls: Kept::new(), rejected: BTreeMap::new(), by_event: BTreeMap::new() };
        Self { memory: Mutex::new(memory), received: watch::Sender::new(0) }
    }

    /// The newest `limit` events, oldest of them first.
    pub(super) fn calls(&self, limit: usize) -> Vec<TrackingCall> {
        locked(&self.memory).calls.newest(limit)
    }

    pub(super) fn report(&self) -> RaptorReport {
        let memory = locked(&self.memory);
        RaptorReport {
            arrived: memory.arrived,
            received: memory.calls.seen(),
            rejected: memory.rejected.clone(),
            by_event: memory.by_event.clone(),
            kept: memory.calls.len(),
        }
    }

    fn keep(&self, account: &str, raw: &str, at: Timestamp) {
        let mut memory = locked(&self.memory);
        let event = query::value(raw, "p1").unwrap_or_default();
        let known = memory.by_event.len() < MAX_EVENT_TYPES || memory.by_event.contains_key(&event);
        *memory.by_event.entry(if known { event } else { "other".to_owned() }).or_default() += 1;
        let total = memory.calls.push(raw.len() + account.len(), |number| TrackingCall {
            number,
            account: account.to_owned(),
            at,
            query: raw.to_owned(),
        });
        drop(memory);
        self.received.send_modify(|received| *received = total.max(*received));
    }
}

/// Whether a path that begins with this segment is Raptor's.
pub(super) fn is_tracking(first_segment: &str) -> bool {
    first_segment.ends_with(".rsa")
}

/// Answers a tracking call: 204, or 400 with the reason.
pub(super) async fn answer(state: &State, request: &Request<Incoming>) -> Result<Reply, Dropped> {
    locked(&state.raptor.memory).arrived += 1;
    let verdict = state.faults.judge(Service::Raptor, Operation::Tracking, request.uri().path());
    if let Some(instead) = verdict.before(Service::Raptor).await? {
        return Ok(instead);
    }
    if request.method() != Method::GET {
        return Ok(reply::text(StatusCode::METHOD_NOT_ALLOWED, "a tracking call is a GET"));
    }
    let account = request.uri().path().trim_start_matches('/').trim_end_matches(".rsa");
    let raw = request.uri().query().unwrap_or_default();
    let reply = match check(account, raw) {
        Ok(()) => {
            state.raptor.keep(account, raw, state.clock.now());
            reply::empty(StatusCode::NO_CONTENT)
        }
        Err(reason) => {
            *locked(&state.raptor.memory).rejected.entry(reason).or_default() += 1;
            reply::text(StatusCode::BAD_REQUEST, &reason.to_string())
        }
    };
    verdict.after(Service::Raptor, reply).await
}

fn check(account: &str, raw: &str) -> Result<(), Rejection> {
    if !is_account(account) {
        return Err(Rejection::BadAccount);
    }
    if query::value(raw, "p1").is_none_or(|event| event.is_empty()) {
        return Err(Rejection::NoEventType);
    }
    if !query::value(raw, "coid").is_some_and(|coid| is_guid(&coid)) {
        return Err(Rejection::BadCoid);
    }
    if !query::value(raw, "sid").is_some_and(|sid| is_guid(&sid)) {
        return Err(Rejection::BadSid);
    }
    if query::pairs(raw).any(|(_, value)| holds_address(value)) {
        return Err(Rejection::Address);
    }
    Ok(())
}

/// An at sign in the value itself, or in what it carries: `url` holds a query of its own. One that
/// begins a path segment (`/@brand`) is a name.
fn holds_address(raw: &str) -> bool {
    let has_address = |text: &str| text.replace("/@", "/").contains('@');
    let once = query::decode(raw);
    has_address(&once) || has_address(&query::decode(&once))
}

/// Upper-case 8-4-4-4-12.
fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let is_upper_hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(is_upper_hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: &str = "coid=B784D44F-BAB1-EF17-BF97-31B7005ECC59&sid=68439CC2-F9BE-84BC-24E5-A7AB3BA6C14B";

    fn verdict(rest: &str) -> Result<(), Rejection> {
        check("1234", &format!("{IDS}&{rest}"))
    }

    #[test]
    fn a_right_call_passes() {
        assert_eq!(verdict("p1=newsletterclick&reaid=abc&ruid=dGVzdA%3D%3D"), Ok(()));
    }

    #[test]
    fn what_is_wrong_with_a_call_is_named() {
        assert_eq!(check("123", &format!("{IDS}&p1=x")), Err(Rejection::BadAccount));
        assert_eq!(verdict("p1="), Err(Rejection::NoEventType));
        assert_eq!(check("1234", "p1=x&sid=1"), Err(Rejection::BadCoid));
        assert_eq!(check("1234", &IDS.to_lowercase().replace("sid", "p1=x&sid")), Err(Rejection::BadCoid));
        assert_eq!(check("1234", &format!("p1=x&{}", &IDS[..41])), Err(Rejection::BadSid));
    }

    #[test]
    fn an_address_is_refused_however_it_is_encoded() {
        for value in ["a@b.example", "a%40b.example", "https%3A%2F%2Fshop.example%2F%3Femail%3Da%2540b.example"] {
            assert_eq!(verdict(&format!("p1=x&url={value}")), Err(Rejection::Address), "{value}");
        }
    }
}
