//! One process: an engine, what it put aside, and what is under way. It may be killed between any two steps.

use std::collections::HashMap;
use std::time::Duration;

use super::memory::{Memory, key, profile};
use super::world::{Told, World};
use super::{Seed, Weather};
use crate::actito::{Call, Error, ImportId, ImportState};
use crate::clock::Timestamp;
use crate::sync::engine::{Ask, Chunk, Engine, Failure, Input, Place, Seen, Settings, Settlement, Written};
use crate::sync::ledger::{Day, spent_before};
use crate::sync::plan::{Change, Lane, Sighting};
use crate::sync::planner::Quotas;
use crate::sync::summary::Summary;

const MINUTE: u64 = 60_000;

/// The pace of calls, as the client keeps it: a burst, and the rest spread over the minute.
struct Pace {
    every: u64,
    burst: u64,
    /// When the budget is whole again.
    whole_at: u64,
}

impl Pace {
    fn new(calls_per_minute: u32, spent: u32, now: u64) -> Self {
        let calls = u64::from(calls_per_minute);
        let burst = (calls / 10).max(1);
        let every = MINUTE.div_ceil((calls - burst).max(1)) + 1;
        Self { every, burst, whole_at: now + u64::from(spent).min(burst) * every }
    }

    /// When the next call may start.
    fn next(&mut self, now: u64) -> u64 {
        let at = now.max((self.whole_at + self.every).saturating_sub(self.burst * self.every));
        self.whole_at = self.whole_at.max(at) + self.every;
        at
    }
}

/// A copy of all profiles, as an export has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Export {
    pub(super) rows: Vec<(u64, u32, String)>,
    pub(super) as_of: Timestamp,
}

pub(super) struct Process<'a> {
    seed: &'a Seed,
    world: &'a mut World,
    memory: &'a mut Memory,
    rng: &'a mut fastrand::Rng,
    weather: &'a mut Weather,
    engine: Engine,
    export: Option<Export>,
    spool: HashMap<u8, Vec<Change>>,
    packed: HashMap<i64, Vec<(u64, String)>>,
    /// What is under way: when it ends, when it starts, and when it was asked for by our clock.
    under_way: Vec<(u64, u64, Timestamp, Ask)>,
    calls: usize,
    pace: Pace,
    pub(super) starts: &'a mut Vec<u64>,
}

impl<'a> Process<'a> {
    pub(super) fn new(
        seed: &'a Seed,
        (world, memory, rng, weather): (&'a mut World, &'a mut Memory, &'a mut fastrand::Rng, &'a mut Weather),
        starts: &'a mut Vec<u64>,
        settings: Settings,
        export: Option<Export>,
    ) -> Self {
        let now = weather.clock(world.now);
        let spent = spent_before(memory.calls, now, seed.calls_per_minute);
        let pace = Pace::new(seed.calls_per_minute, spent, world.now);
        memory.calls = Some(crate::store::sync::Calls { at: now.millis(), spent: None });
        let engine = Engine::new(settings, memory.recalled());
        let (spool, packed, under_way) = (HashMap::new(), HashMap::new(), Vec::new());
        Self { seed, world, memory, rng, weather, engine, export, spool, packed, under_way, calls: 0, pace, starts }
    }

    /// Runs to the end, or until it is killed; `None` then.
    pub(super) fn run(mut self) -> Option<(Summary, Option<Failure>)> {
        let kill_at = self.weather.kill_at(self.rng);
        let mut asks = self.engine.step(Input::Begin, self.now());
        for step in 0.. {
            assert!(step < 20_000, "the run does not end: {:?}", self.engine);
            asks.drain(..).for_each(|ask| self.begin(ask));
            let Some(at) = (0..self.under_way.len()).min_by_key(|at| self.under_way[*at].0) else { break };
            if step == kill_at {
                self.kill();
                return None;
            }
            let (ends, _, began, ask) = self.under_way.swap_remove(at);
            self.world.advance_to(ends, self.rng, self.weather.bad);
            self.weather.change(self.world, self.memory, self.rng);
            self.calls -= usize::from(is_call(&ask));
            self.note_calls(None);
            let input = self.perform(ask, began);
            asks = self.engine.step(input, self.now());
        }
        let minute_ago = self.world.now.saturating_sub(MINUTE);
        let spent = self.starts.iter().filter(|start| **start > minute_ago).count();
        self.note_calls(Some(u32::try_from(spent).unwrap()));
        Some(self.engine.end())
    }

    fn now(&self) -> Timestamp {
        self.weather.clock(self.world.now)
    }

    fn note_calls(&mut self, spent: Option<u32>) {
        let at = self.now().millis();
        self.memory.calls = Some(crate::store::sync::Calls { at, spent });
    }

    fn begin(&mut self, ask: Ask) {
        let now = self.world.now;
        let mut starts = now;
        let ends = match &ask {
            Ask::Later(_, wait) => now + u64::try_from(wait.as_millis()).unwrap(),
            call if is_call(call) => {
                self.calls += 1;
                assert!(self.calls <= self.seed.concurrency, "{} calls at once", self.calls);
                starts = self.pace.next(now);
                self.starts.push(starts);
                starts + self.rng.u64(50..900)
            }
            _ => now + self.rng.u64(0..20),
        };
        let began = Timestamp::from_millis(self.now().millis());
        self.under_way.push((ends, starts, began, ask));
    }

    /// What was under way may have taken effect, or half of it. Calls that waited for their turn did not.
    fn kill(&mut self) {
        let now = self.world.now;
        self.starts.retain(|start| *start <= now);
        for (_, starts, began, ask) in std::mem::take(&mut self.under_way) {
            match ask {
                _ if starts > now => {}
                Ask::Settle(key, how) => {
                    let (most, now) = (self.rng.usize(0..6), self.now());
                    let _ = self.memory.settle(key, how, now, most);
                }
                Ask::Pack(key, mut changes) => {
                    changes.truncate(self.rng.usize(0..=changes.len()));
                    changes.iter().for_each(|change| self.memory.pend(key, change.id, change.stamp()));
                }
                ask if self.rng.bool() => drop(self.perform(ask, began)),
                _ => {}
            }
        }
    }

    fn perform(&mut self, ask: Ask, began: Timestamp) -> Input {
        let now = self.now();
        match ask {
            Ask::Structure => Input::Structure(self.weather.call(Call::Structure, self.rng).map_or(Ok(()), Err)),
            Ask::Read(place) => Input::Read(self.read(place, began)),
            Ask::Profile(errand) => {
                let failed = self.weather.call(Call::Get, self.rng);
                let found = self.world.people.get(&key(errand.id));
                let result = match (failed, found) {
                    (Some(error), _) => Err(error),
                    (None, None) => Err(Error::NotFound { call: Call::Get, status: 404 }),
                    (None, Some(person)) => {
                        let sighting = self.sighting(key(errand.id), person.address, &person.reaid.clone());
                        Ok(Seen { sighting, as_of: began })
                    }
                };
                Input::Profile(errand, result)
            }
            Ask::Put(change) => {
                let written = self.put(&change);
                Input::Put(change, written)
            }
            Ask::Upload(import) => Input::Uploaded(import, self.upload(import)),
            Ask::Poll(import, remote) => Input::Polled(import, self.poll(&remote)),
            Ask::Reject(import, remote) => Input::Rejected(import, self.reject(import, &remote)),
            Ask::Later(import, _) => Input::Due(import),
            Ask::Quotas => Input::Quotas(self.quotas()),
            Ask::Spool(changes) => {
                for change in changes {
                    self.spool.entry(change.lane() as u8).or_default().push(change);
                }
                Input::Spooled
            }
            Ask::Unspool(lane, rows) => Input::Unspooled(self.unspool(lane, rows)),
            Ask::Prepare => Input::Prepared(self.memory.prepare()),
            Ask::Pack(import, mut changes) => {
                // Now and then the file is full.
                let room = if self.rng.u8(0..10) == 0 { self.rng.usize(0..=changes.len()) } else { changes.len() };
                let over = changes.split_off(room);
                for change in &changes {
                    self.memory.pend(import, change.id, change.stamp());
                    self.packed.entry(import).or_default().push((key(change.id), change.reaid.clone()));
                }
                Input::Packed(over)
            }
            Ask::Spend(import) => {
                let day = Day::of(now, Duration::ZERO).number;
                Input::Spent(import, self.memory.spend(import, day, self.seed.imports_per_day, now))
            }
            Ask::DayIsSpent => {
                let day = Day::of(now, Duration::ZERO).number;
                self.memory.days.insert(day, self.seed.imports_per_day);
                Input::DayIsSpent
            }
            Ask::Settle(import, how) => {
                if how == Settlement::Confirmed {
                    self.check_confirmed(import);
                }
                Input::Settled(import, self.memory.settle(import, how, now, usize::MAX).unwrap())
            }
            Ask::Remember(memos) => {
                for memo in &memos {
                    if let crate::sync::engine::Memo::Confirm(id, stamp) = memo {
                        self.check_held(key(*id), stamp.fingerprint);
                    }
                    self.memory.remember(memo, now);
                }
                Input::Remembered
            }
            Ask::Hints(after) => Input::Hints(self.memory.hints_after(after)),
            Ask::Failed(seen) => {
                let failed = self.memory.rows.iter().filter(|(id, row)| row.failed && !seen.contains(**id));
                Input::Failed(failed.map(|(id, _)| profile(*id)).collect())
            }
            Ask::Forget(there) => {
                let before = self.memory.rows.len();
                self.memory.rows.retain(|id, _| there.contains(*id));
                Input::Forgotten((before - self.memory.rows.len()) as u64)
            }
        }
    }

    fn sighting(&self, id: u64, address: u32, held: &str) -> Sighting {
        Sighting {
            id: profile(id),
            held: Some(held.to_owned()),
            wanted: self.world.wanted(address),
            blank: address == 0,
            known: self.memory.known(id),
        }
    }

    fn read(&mut self, place: Place, began: Timestamp) -> Result<Chunk, Error> {
        let page_size = self.seed.page_size;
        let Place::Page(page) = place else {
            let export = self.export.as_mut().unwrap();
            let rows: Vec<_> = export.rows.drain(..page_size.min(export.rows.len())).collect();
            let (last, as_of) = (export.rows.is_empty(), export.as_of);
            let sightings = rows.iter().map(|(id, address, held)| self.sighting(*id, *address, held)).collect();
            return Ok(Chunk { sightings, last, as_of, ..Chunk::default() });
        };
        if let Some(error) = self.weather.call(Call::List, self.rng) {
            return Err(error);
        }
        let people = self.world.people.iter().skip(page as usize * page_size).take(page_size);
        let sightings: Vec<_> = people.map(|(id, person)| self.sighting(*id, person.address, &person.reaid)).collect();
        let total = self.world.people.len();
        let last = (page as usize + 1) * page_size >= total;
        Ok(Chunk { sightings, total: Some(total as u64), last, as_of: began, unreadable: 0 })
    }

    fn put(&mut self, change: &Change) -> Written {
        let id = key(change.id);
        let failed = self.weather.call(Call::Put, self.rng);
        let arrives = failed.as_ref().is_none_or(|error| error.may_have_arrived() && self.rng.bool());
        if arrives {
            self.check_not_repeated(id, &change.reaid);
        }
        match (arrives && self.world.set(id, &change.reaid), failed) {
            (_, Some(error)) => Written::Failed(error),
            (true, None) => Written::Confirmed,
            (false, None) => Written::Gone,
        }
    }

    fn upload(&mut self, import: i64) -> Result<ImportId, Error> {
        let (day, sent_at) = (Day::of(self.now(), Duration::ZERO), self.memory.imports[&import].sent_at.unwrap());
        let counted = sent_at >= day.begins;
        if !counted && !self.memory.spend(import, day.number, self.seed.imports_per_day, self.now()) {
            return Err(Error::Throttled { call: Call::Import, retry_after: None });
        }
        let failed = self.weather.call(Call::Import, self.rng);
        let arrives = failed.as_ref().is_none_or(|error| error.may_have_arrived() && self.rng.bool());
        if arrives && self.world.imports_today() >= self.seed.imports_of_world {
            return Err(Error::Throttled { call: Call::Import, retry_after: None });
        }
        if !arrives {
            return Err(failed.unwrap());
        }
        let rows = self.packed.get(&import).cloned().unwrap_or_default();
        rows.iter().for_each(|(id, value)| self.check_not_repeated(*id, value));
        let (slow, unclear, told) = self.weather.import(self.rng);
        let remote = ImportId::parse(&format!("v4:{}", self.world.import(rows, slow, unclear, told))).unwrap();
        if let Some(error) = failed {
            return Err(error);
        }
        self.memory.imports.entry(import).or_default().remote = Some(remote.clone());
        Ok(remote)
    }

    fn remote(&self, remote: &ImportId) -> &super::world::Import {
        let at: usize = remote.to_string().trim_start_matches("v4:").parse().unwrap();
        &self.world.imports[at]
    }

    fn poll(&mut self, remote: &ImportId) -> Result<ImportState, Error> {
        if let Some(error) = self.weather.call(Call::ImportState, self.rng) {
            return Err(error);
        }
        let import = self.remote(remote);
        match import.told {
            Told::Forgotten => Err(Error::NotFound { call: Call::ImportState, status: 404 }),
            Told::Failed if import.done => Ok(ImportState::Failed { word: "ERROR".into() }),
            Told::AsItIs if import.done => Ok(ImportState::Done { rejected: import.rejected.len() as u64 }),
            _ => Ok(ImportState::Running),
        }
    }

    fn reject(&mut self, import: i64, remote: &ImportId) -> Result<u64, Error> {
        let failed = self.weather.call(Call::ImportErrors, self.rng);
        let mut rejected = self.remote(remote).rejected.clone();
        if self.remote(remote).unclear {
            rejected.pop();
        }
        // What was read before the connection broke is not remembered.
        if let Some(error) = failed {
            return Err(error);
        }
        rejected.iter().for_each(|id| self.memory.reject(import, *id));
        Ok(rejected.len() as u64)
    }

    fn unspool(&mut self, lane: Lane, rows: usize) -> Vec<Change> {
        let lane = self.spool.entry(lane as u8).or_default();
        let mut taken = lane.split_off(lane.len().saturating_sub(rows));
        taken.reverse();
        taken
    }

    fn quotas(&self) -> Quotas {
        let day = Day::of(self.now(), Duration::ZERO);
        let used = self.memory.days.get(&day.number).copied().unwrap_or(0);
        Quotas {
            imports_left: self.seed.imports_per_day.saturating_sub(used),
            imports_per_day: self.seed.imports_per_day,
            day_ends: day.ends,
            calls_per_minute: self.seed.calls_per_minute,
            concurrency: self.seed.concurrency,
            rows_per_import: self.seed.rows_per_import,
        }
    }

    /// What Actito confirmed, and still holds, is not sent again.
    fn check_not_repeated(&self, id: u64, value: &str) {
        if self.weather.jumped {
            return;
        }
        // A failure since leaves open what the profile holds.
        let confirmed = self.memory.rows.get(&id).filter(|row| !row.failed).and_then(|row| row.confirmed);
        let stamp = crate::sync::plan::Stamp::of(value).fingerprint;
        let holds = self.world.people.get(&id).is_some_and(|person| person.reaid == value);
        let known = confirmed.is_some_and(|(confirmed, _)| confirmed.fingerprint == stamp);
        assert!(!(holds && known && !self.weather.overwritten(id)), "profile {id} is written again: {:?}", self.engine);
    }

    /// What counts as confirmed was held by the profile.
    fn check_held(&self, id: u64, fingerprint: [u8; 8]) {
        let held = self.world.history.get(&id).is_some_and(|held| held.contains(&fingerprint));
        assert!(held, "profile {id} never held what is remembered as confirmed");
    }

    fn check_confirmed(&self, import: i64) {
        for (id, row) in &self.memory.rows {
            if let Some((_, stamp)) = row.pending.filter(|(at, _)| *at == import) {
                self.check_held(*id, stamp.fingerprint);
            }
        }
    }
}

fn is_call(ask: &Ask) -> bool {
    match ask {
        Ask::Structure | Ask::Profile(_) | Ask::Put(_) | Ask::Upload(_) | Ask::Poll(..) | Ask::Reject(..) => true,
        Ask::Read(place) => matches!(place, Place::Page(_)),
        _ => false,
    }
}
