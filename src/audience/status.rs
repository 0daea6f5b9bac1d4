//! How activations stand: what `reaid audience list`, `reaid audience show` and the API say.

use std::time::Duration;

use serde::Serialize;

use super::destination::TargetPath;
use super::people;
use super::reference::{self, Reference, Shape, Whose};
use super::saved::Known;
use super::schedule;
use super::summary::Summary;
use crate::clock::{self, Timestamp};
use crate::config::{Activation, AudienceDestination};
use crate::lease;
use crate::store::leases::{self, Task};
use crate::store::{Store, StoreError, audiences as rows};

/// Runs that are shown of one activation.
const RUNS_SHOWN: u32 = 20;

/// How an activation stands. Times are RFC 3339.
#[derive(Clone, Debug, Serialize)]
pub struct ActivationStatus {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Whether it was saved through the API; else it stands in `proxy.toml`.
    pub saved: bool,
    /// The integration.
    pub integration: String,
    /// `Email` or `UserID`.
    pub person_identifier: &'static str,
    /// Where its audiences come from.
    pub source: String,
    /// Where its targets go.
    pub destination: String,
    /// How often it runs, as in `1day`; none: by hand alone.
    pub every: Option<String>,
    /// When it runs next under `serve`.
    pub next: Option<String>,
    /// Who runs it now.
    pub running: Option<lease::Holder>,
    /// Its audiences.
    pub audiences: Vec<AudienceStatus>,
    /// Its last runs, the newest first.
    pub runs: Vec<RunStatus>,
}

/// How an audience of an activation stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AudienceStatus {
    /// As the activation names it.
    pub audience: String,
    /// Where Actito shows it: *Raptor CDP* → *Audiences* → name; empty before it was sent.
    pub references: Vec<String>,
    /// Members in its files.
    pub members: u64,
    /// Of them, those who exist as profiles, as far as syncs know.
    pub matched: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// When it was sent.
    pub sent: Option<String>,
    /// Until when Actito takes it for valid.
    pub valid_until: Option<String>,
    /// How many members it would have, while it is held back.
    pub held: Option<u64>,
    /// Whether the source no longer lists it.
    pub absent: bool,
    /// Whether it is deleted.
    pub deleted: bool,
}

/// How a run went.
#[derive(Clone, Debug, Serialize)]
pub struct RunStatus {
    /// When it began.
    pub started: String,
    /// When it ended.
    pub ended: String,
    /// Why it did nothing or ended early, if an error did that.
    pub error: Option<String>,
    /// What it did.
    pub summary: Option<Summary>,
}

/// How these activations stand.
///
/// # Errors
/// Those of the store.
pub async fn status(store: &Store, known: &[Known]) -> Result<Vec<ActivationStatus>, StoreError> {
    let mut all = Vec::with_capacity(known.len());
    for Known { activation, saved } in known {
        all.push(one(store, known, activation, *saved).await?);
    }
    Ok(all)
}

/// When an activation ran last, and which of its files was sent first of those that must stay valid.
pub(super) struct Timing {
    pub(super) last: Option<Timestamp>,
    /// Another one whenever the activation is saved.
    pub(super) saved: i64,
    pub(super) oldest: Option<Timestamp>,
    /// Whether somebody was erased since who is perhaps in one of its files.
    pub(super) erased: bool,
}

impl Timing {
    /// `erased` is who is not to be known, where that is asked: [`People::revision`](super::People::revision).
    pub(super) async fn of(
        store: &Store,
        activation: &Activation,
        known: &[Known],
        erased: Option<u64>,
    ) -> Result<Self, StoreError> {
        let name = activation.name.clone();
        let (last, saved) = store.read(move |db| rows::last_run(db, &name)).await?;
        let (mut oldest, mut theirs) = (None, Vec::new());
        for (owner, name, it) in reference::load(store, None).await? {
            let whose = reference::whose(&owner, &name, &it, activation, known);
            if whose == Whose::Own && activation.audiences.contains(&name) && it.absent == 0 && !it.parts.is_empty() {
                let sent = Timestamp::from_millis(it.sent);
                oldest = Some(oldest.map_or(sent, |oldest: Timestamp| oldest.min(sent)));
            }
            let is_here = it.place == reference::place(activation) && !it.files().is_empty();
            if is_here && matches!(whose, Whose::Own | Whose::Left) {
                theirs.push(it);
            }
        }
        let erased = match erased {
            Some(erased) => is_anybody_in(&theirs, erased, store).await?,
            None => false,
        };
        Ok(Self { last: last.map(Timestamp::from_millis), saved, oldest, erased })
    }

    /// When it is due under `serve`; none without a schedule.
    pub(super) fn next(&self, activation: &Activation, now: Timestamp) -> Option<Timestamp> {
        let next = schedule::next(activation.schedule?, self.last, now);
        if self.erased {
            return Some(now);
        }
        let refresh = self.oldest.map(|oldest| schedule::refresh(oldest, activation.validity, now));
        Some(refresh.map_or(next, |refresh| refresh.min(next)))
    }
}

/// Whether somebody was erased since who is perhaps in one of these files.
async fn is_anybody_in(references: &[Reference], erased: u64, store: &Store) -> Result<bool, StoreError> {
    let mut asked: Option<(&Shape, String)> = None;
    for it in references {
        let Some(shape) = &it.shape else { continue };
        let now = match asked.take() {
            Some((same, now)) if same == shape => now,
            _ => people::urgent(erased, shape.identifier, &shape.integration, store).await?,
        };
        if people::is_overdue(&it.revision, &now) {
            return Ok(true);
        }
        asked = Some((shape, now));
    }
    Ok(false)
}

async fn one(
    store: &Store,
    known: &[Known],
    activation: &Activation,
    saved: bool,
) -> Result<ActivationStatus, StoreError> {
    let name = activation.name.clone();
    let read =
        store.read(move |db| Ok((rows::runs(db, &name, RUNS_SHOWN)?, leases::lease(db, Task::Audiences, &name)?)));
    let (runs, held) = read.await?;
    let sent = reference::load(store, Some(activation.name.clone())).await?;
    let timing = Timing::of(store, activation, known, None).await?;
    let audience = |name: &String| {
        let reference = sent.iter().find(|(_, audience, _)| audience == name).map(|(_, _, reference)| reference);
        audience(name, reference, activation.validity)
    };
    Ok(ActivationStatus {
        name: activation.name.clone(),
        description: activation.description.clone(),
        saved,
        integration: activation.integration.clone(),
        person_identifier: activation.identifier.as_str(),
        source: activation.source.to_string(),
        destination: match &activation.destination {
            AudienceDestination::Folder(path) => path.display().to_string(),
            AudienceDestination::Server(server) => server.to_string(),
        },
        every: activation.schedule.map(|it| humantime::format_duration(it.every).to_string()),
        next: timing.next(activation, clock::now()).map(Timestamp::rfc3339),
        running: held.as_ref().and_then(lease::holder),
        audiences: activation.audiences.iter().map(audience).collect(),
        runs: runs.into_iter().map(run).collect(),
    })
}

fn audience(name: &str, reference: Option<&Reference>, validity: Duration) -> AudienceStatus {
    let audience = name.to_owned();
    let Some(reference) = reference else { return AudienceStatus { audience, ..AudienceStatus::default() } };
    let shown = |part: &super::reference::Part| {
        let name = part.file.rsplit_once('.').map_or(part.file.as_str(), |(stem, _)| stem);
        let [first, second] = TargetPath::folders();
        format!("{first} → {second} → {name}")
    };
    let (sent, is_sent) = (Timestamp::from_millis(reference.sent), !reference.parts.is_empty());
    AudienceStatus {
        audience,
        references: reference.parts.iter().map(shown).collect(),
        members: reference.members,
        matched: reference.matched,
        bytes: reference.bytes(),
        sent: is_sent.then(|| sent.rfc3339()),
        valid_until: is_sent.then(|| sent.after(validity).rfc3339()),
        held: reference.held,
        absent: reference.absent > 0,
        deleted: reference.deleted,
    }
}

fn run(run: rows::Run) -> RunStatus {
    let summary = serde_json::from_str(&run.summary).ok();
    let rfc3339 = |millis| Timestamp::from_millis(millis).rfc3339();
    RunStatus { started: rfc3339(run.started_at), ended: rfc3339(run.ended_at), error: run.error, summary }
}
