//! One step of counting: what came since the last, read off the writer's thread, counted there in one
//! short transaction.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::clock;
use crate::store::campaigns::{self, Counted, LinkClicks, Part, Tally, Uncounted};
use crate::store::{Agent, Kind, Store, StoreError, Verdict};

use super::People;

/// Events counted in one step: a few milliseconds of reading, and a few hundred KiB of memory.
const EVENTS: usize = 5000;

/// Campaigns in one step, at two sketches of 4 KiB each: the transaction stays short against
/// `commit_wait`, for clicks share it.
const CAMPAIGNS: usize = 16;

/// Counters in one step, for the same reason. A newsletter of thirty links has under a hundred.
const ROWS: usize = 500;

/// The longest page that names a link: more than fits a line is not read.
const PAGE: usize = 200;

/// The person behind an account's REAID: a keyed hash. None when the REAID's key is gone.
pub type PersonOf = Arc<dyn Fn(&str, &str) -> Option<u64> + Send + Sync>;

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Events that were counted.
    pub events: u64,
    /// Whether more may be waiting.
    pub more: bool,
    /// Campaigns that were forgotten, because there were too many.
    pub dropped: usize,
    /// Sketches that were begun anew, because the stored bytes were none.
    pub broken: usize,
}

/// Counts the next events. Blocks on the disk.
///
/// # Errors
/// What the store says; then nothing was counted.
pub fn step(store: &Store, person_of: &PersonOf) -> Result<Step, StoreError> {
    let batch = store.read_blocking(|connection| {
        let mut batch = Batch::default();
        batch.from = campaigns::each_uncounted(connection, EVENTS, |event| batch.take(event, person_of))?;
        for part in &mut batch.parts {
            for (kind, people) in &mut part.people {
                people.stored = campaigns::sketch(connection, &part.campaign, &part.account, *kind)?;
            }
        }
        Ok(batch)
    })?;
    if batch.events == 0 {
        return Ok(Step::default());
    }
    let mut step = Step { events: batch.events as u64, more: batch.full, ..Step::default() };
    let tally = batch.tally(&mut step.broken);
    match store.write_blocking(move |transaction| campaigns::count(transaction, &tally, clock::now()))? {
        Counted::Done { dropped } => Ok(Step { dropped, ..step }),
        Counted::Overtaken => Ok(Step { more: true, ..Step::default() }),
    }
}

/// The events of one step, added up.
#[derive(Default)]
struct Batch {
    from: i64,
    to: i64,
    events: usize,
    rows: usize,
    full: bool,
    parts: Vec<Pile>,
}

/// The events of one campaign in one account.
struct Pile {
    campaign: String,
    account: String,
    first: clock::Timestamp,
    last: clock::Timestamp,
    events: HashMap<(Kind, Agent, Option<Verdict>), u64>,
    links: HashMap<u16, LinkClicks>,
    people: HashMap<Kind, Seen>,
}

/// The people of a pile, and the sketch that they are added to.
#[derive(Default)]
struct Seen {
    hashes: Vec<u64>,
    stored: Option<Vec<u8>>,
}

impl Batch {
    fn take(&mut self, event: Uncounted<'_>, person_of: &PersonOf) -> ControlFlow<()> {
        let known = self.parts.iter().position(|pile| pile.is_of(&event));
        if self.rows >= ROWS || (known.is_none() && self.parts.len() == CAMPAIGNS) {
            self.full = true;
            return ControlFlow::Break(());
        }
        let place = known.unwrap_or(self.parts.len());
        if known.is_none() {
            self.parts.push(Pile::of(&event));
        }
        self.rows += self.parts[place].add(&event, person_of);
        self.to = event.seq;
        self.events += 1;
        self.full = self.events == EVENTS;
        ControlFlow::Continue(())
    }

    fn tally(self, broken: &mut usize) -> Tally {
        let parts = self.parts.into_iter().map(|pile| pile.part(broken)).collect();
        Tally { from: self.from, to: self.to, parts }
    }
}

impl Pile {
    fn of(event: &Uncounted<'_>) -> Self {
        Self {
            campaign: event.campaign.to_owned(),
            account: event.account.to_owned(),
            first: event.at,
            last: event.at,
            events: HashMap::new(),
            links: HashMap::new(),
            people: HashMap::new(),
        }
    }

    fn is_of(&self, event: &Uncounted<'_>) -> bool {
        self.campaign == event.campaign && self.account == event.account
    }

    /// Adds one event; returns how many counters are new.
    fn add(&mut self, event: &Uncounted<'_>, person_of: &PersonOf) -> usize {
        let before = self.events.len() + self.links.len();
        (self.first, self.last) = (self.first.min(event.at), self.last.max(event.at));
        // Whoever has a REAID was found valid, also where the version of the time did not write so.
        let verdict = event.verdict.or(event.reaid.map(|_| Verdict::Valid));
        *self.events.entry((event.kind, event.agent, verdict)).or_default() += 1;
        if event.kind == Kind::Click {
            self.add_click(event);
        }
        if let Some(reaid) = event.reaid.filter(|_| is_person(event.kind, event.agent)) {
            self.people.entry(event.kind).or_default().hashes.extend(person_of(event.account, reaid));
        }
        self.events.len() + self.links.len() - before
    }

    fn add_click(&mut self, event: &Uncounted<'_>) {
        let link = self.links.entry(event.number).or_insert_with(|| LinkClicks {
            clicks: 0,
            human: 0,
            first: event.at,
            last: event.at,
            page: event.page.and_then(page_name),
        });
        link.clicks += 1;
        link.human += u64::from(event.agent == Agent::Human);
        (link.first, link.last) = (link.first.min(event.at), link.last.max(event.at));
    }

    fn part(self, broken: &mut usize) -> Part {
        let sketches = self.people.into_iter().filter_map(|(kind, seen)| Some((kind, seen.sketch(broken)?)));
        Part {
            people: sketches.collect(),
            campaign: self.campaign,
            account: self.account,
            first: self.first,
            last: self.last,
            events: self.events,
            links: self.links,
        }
    }
}

impl Seen {
    /// The sketch with everybody in it; `None` when all of them were in it already.
    fn sketch(self, broken: &mut usize) -> Option<Vec<u8>> {
        let mut people = match self.stored.as_deref().map(People::from_bytes) {
            None => People::default(),
            Some(Ok(people)) => people,
            Some(Err(error)) => {
                *broken += 1;
                tracing::error!(%error, "a campaign's people are counted anew");
                People::default()
            }
        };
        let before = people.to_bytes();
        self.hashes.into_iter().for_each(|person| people.add(person));
        Some(people.to_bytes()).filter(|after| *after != before || self.stored.is_none())
    }
}

/// Whose clicks and opens are people's: machines follow links and fetch ahead in people's names, but a
/// mail service's image proxy opens for its reader. Who does not say what it is, is not counted.
fn is_person(kind: Kind, agent: Agent) -> bool {
    match agent {
        Agent::Human => true,
        Agent::Proxy => kind == Kind::Open,
        Agent::Bot | Agent::Prefetch | Agent::Unknown => false,
    }
}

/// Where a click landed, without the query. Nothing when it is too long to read, or looks like it
/// names somebody: counters are kept longer than what is personal.
fn page_name(page: &str) -> Option<String> {
    let name = page.split(['?', '#']).next()?;
    let may_name_somebody = name.contains('@') || name.to_ascii_lowercase().contains("%40");
    (name.len() <= PAGE && !may_name_somebody).then(|| name.to_owned())
}
