//! Raptor's CDP API: audiences, who is in them, and who came and went since. The paths are documented, the bodies
//! are assumed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::{Value, json};

use super::actito::Operation;
use super::faults::Service;
use super::options::Options;
use super::reply::{self, Dropped, Reply};
use super::{State, locked, query};

/// Changes that are kept; who asks for older ones gets 410.
const MAX_CHANGES: usize = 200_000;
/// Changes in one answer.
const CHANGES_A_PAGE: usize = 10_000;
/// Audiences at once.
const MAX_AUDIENCES: usize = 10_000;
/// Of the profiles so many are in the audiences that a sandbox starts with.
const SEEDED: usize = 10_000;

/// A member of an audience: what the CDP knows of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CdpMember {
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The id of the user, which is Actito's id of the profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// What the CDP was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CdpReport {
    /// Calls by kind.
    pub calls: BTreeMap<Operation, u64>,
    /// Members in all memberships that were answered.
    pub members_told: u64,
    /// Changes in all answers.
    pub changes_told: u64,
    /// Where the changes stand.
    pub sequence: u64,
}

/// The CDP's memory.
#[derive(Default)]
pub(super) struct Cdp(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    audiences: BTreeMap<String, Audience>,
    sequence: u64,
    /// Oldest first.
    changes: VecDeque<Change>,
    /// The last change that is no longer kept.
    forgotten: u64,
    report: CdpReport,
}

#[derive(Default)]
struct Audience {
    name: String,
    members: BTreeSet<CdpMember>,
}

struct Change {
    sequence: u64,
    audience: String,
    member: CdpMember,
    entered: bool,
}

impl Cdp {
    /// Three audiences of the first profiles: every second, third and fifth.
    pub(super) fn seeded(state_of: &super::actito::Actito, options: &Options) -> Self {
        let cdp = Self::default();
        let profiles = state_of.read(|table| table.page(0, SEEDED));
        let seeds = [("5d822e81", "Cat owners", 2), ("8a0f3c12", "Dog owners", 3), ("c44e7b90", "Big spenders", 5)];
        for (id, name, every) in seeds {
            let members = profiles.iter().step_by(every).map(|profile| CdpMember {
                email: profile.get(&options.email_attribute).map(str::to_owned),
                user_id: Some(profile.id.to_string()),
            });
            cdp.put(id, name, members.collect());
        }
        cdp
    }

    pub(super) fn put(&self, id: &str, name: &str, members: BTreeSet<CdpMember>) {
        let mut memory = locked(&self.0);
        if memory.audiences.len() >= MAX_AUDIENCES && !memory.audiences.contains_key(id) {
            return;
        }
        let audience = Audience { name: name.to_owned(), members };
        let old = memory.audiences.insert(id.to_owned(), audience).unwrap_or_default().members;
        let new = memory.audiences[id].members.clone();
        new.difference(&old).for_each(|member| memory.note(id, member, true));
        old.difference(&new).for_each(|member| memory.note(id, member, false));
    }

    pub(super) fn change(&self, id: &str, member: &CdpMember, enters: bool) {
        let mut memory = locked(&self.0);
        let changed = memory.audiences.get_mut(id).is_some_and(|audience| match enters {
            true => audience.members.insert(member.clone()),
            false => audience.members.remove(member),
        });
        if changed {
            memory.note(id, member, enters);
        }
    }

    pub(super) fn delete(&self, id: &str) {
        locked(&self.0).audiences.remove(id);
    }

    pub(super) fn members(&self, id: &str) -> BTreeSet<CdpMember> {
        locked(&self.0).audiences.get(id).map(|audience| audience.members.clone()).unwrap_or_default()
    }

    /// From now on nobody can be told of what changed so far.
    pub(super) fn forget_changes(&self) {
        let mut memory = locked(&self.0);
        memory.changes.clear();
        memory.forgotten = memory.sequence;
    }

    pub(super) fn report(&self) -> CdpReport {
        let memory = locked(&self.0);
        CdpReport { sequence: memory.sequence, ..memory.report.clone() }
    }

    pub(super) fn audiences(&self) -> Vec<Value> {
        let memory = locked(&self.0);
        let shown = |(id, it): (&String, &Audience)| json!({"id": id, "name": it.name, "members": it.members.len()});
        memory.audiences.iter().map(shown).collect()
    }
}

impl Memory {
    fn note(&mut self, audience: &str, member: &CdpMember, entered: bool) {
        self.sequence += 1;
        let change = Change { sequence: self.sequence, audience: audience.to_owned(), member: member.clone(), entered };
        self.changes.push_back(change);
        if self.changes.len() > MAX_CHANGES {
            self.forgotten = self.changes.pop_front().map_or(self.forgotten, |change| change.sequence);
        }
    }

    fn list(&self) -> Value {
        let one = |(id, audience): (&String, &Audience)| json!({ "id": id, "name": audience.name });
        json!({ "audiences": self.audiences.iter().map(one).collect::<Vec<_>>() })
    }

    fn membership(&mut self, id: &str) -> Option<Value> {
        let audience = self.audiences.get(id)?;
        let profiles: Vec<Value> = audience.members.iter().map(profile).collect();
        self.report.members_told += profiles.len() as u64;
        Some(json!({ "id": id, "sequenceNumber": self.sequence, "profiles": profiles }))
    }

    fn changes(&mut self, identifier: &str, since: u64) -> Option<Value> {
        if since < self.forgotten || since > self.sequence {
            return None;
        }
        let newer: Vec<&Change> = self.changes.iter().filter(|change| change.sequence > since).collect();
        let page = &newer[..newer.len().min(CHANGES_A_PAGE)];
        let more = page.len() < newer.len();
        let sequence = if more { page.last().map_or(since, |change| change.sequence) } else { self.sequence };
        let told: Vec<Value> = page.iter().filter_map(|change| told(change, identifier)).collect();
        self.report.changes_told += told.len() as u64;
        Some(json!({ "sequenceNumber": sequence, "more": more, "changes": told }))
    }

    fn memberships(&self, email: &str) -> Value {
        let is_in = |audience: &Audience| audience.members.iter().any(|it| it.email.as_deref() == Some(email));
        let found = self.audiences.iter().filter(|(_, audience)| is_in(audience));
        json!({ "memberships": found.map(|(id, it)| json!({ "id": id, "name": it.name })).collect::<Vec<_>>() })
    }
}

fn profile(member: &CdpMember) -> Value {
    let identifiers = [("email", &member.email), ("userId", &member.user_id)];
    let identifiers = identifiers
        .iter()
        .filter_map(|(name, value)| Some(json!({ "identifierType": name, "identifierValue": value.as_ref()? })));
    json!({ "identifiers": identifiers.collect::<Vec<_>>() })
}

fn told(change: &Change, identifier: &str) -> Option<Value> {
    let value = match identifier {
        "email" => change.member.email.as_ref()?,
        _ => change.member.user_id.as_ref()?,
    };
    let step = if change.entered { "entered" } else { "left" };
    Some(json!({ "audienceId": change.audience, "identifierValue": value, "change": step }))
}

/// Answers a path under `/api/v3`.
pub(super) async fn answer(state: &State, request: &Request<Incoming>) -> Result<Reply, Dropped> {
    let path = request.uri().path().to_owned();
    let segments: Vec<String> = path.split('/').skip(3).map(query::decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let operation = match segments[..] {
        ["audiences" | "identifiers"] => Operation::Audiences,
        ["membership", "changes", _] => Operation::Changes,
        ["membership", _] => Operation::Membership,
        _ => Operation::Other,
    };
    *locked(&state.cdp.0).report.calls.entry(operation).or_default() += 1;
    let verdict = state.faults.judge(Service::Cdp, operation, &path);
    if let Some(instead) = verdict.before(Service::Cdp).await? {
        return Ok(instead);
    }
    verdict.after(Service::Cdp, reply_to(state, request, &segments)).await
}

fn reply_to(state: &State, request: &Request<Incoming>, segments: &[&str]) -> Reply {
    let key = &state.options.cdp_key;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let may = header("x-api-key") == Some(key) || header("authorization") == Some(&format!("Bearer {key}"));
    if !may {
        return error(StatusCode::UNAUTHORIZED, "the key is missing or wrong");
    }
    if request.method() != Method::GET {
        return error(StatusCode::METHOD_NOT_ALLOWED, "only GET exists");
    }
    let raw = request.uri().query().unwrap_or_default();
    let mut memory = locked(&state.cdp.0);
    let found = match segments {
        ["audiences"] => Some(memory.list()),
        ["identifiers"] => Some(json!({ "identifiers": [{"identifierType": "email"}, {"identifierType": "userId"}] })),
        ["membership", "changes", identifier @ ("email" | "userId")] => {
            let Some(since) = query::number(raw, "sequenceNumber") else {
                return error(StatusCode::BAD_REQUEST, "sequenceNumber is missing");
            };
            let changes = memory.changes(identifier, since as u64);
            if changes.is_none() {
                return error(StatusCode::GONE, "these changes are no longer kept");
            }
            changes
        }
        ["membership", id] => memory.membership(id),
        ["memberships", "email"] => query::value(raw, "identifierValue").map(|email| memory.memberships(&email)),
        _ => None,
    };
    match found {
        Some(body) => reply::json(StatusCode::OK, &body),
        None => error(StatusCode::NOT_FOUND, "there is no such thing"),
    }
}

fn error(status: StatusCode, message: &str) -> Reply {
    reply::json(status, &json!({ "message": message }))
}
