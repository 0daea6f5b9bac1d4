//! Actito as the engine meets it: profiles that change, imports that take their time, and weather.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::sync::plan::{Stamp, Wanted};

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// A profile. Its address is a number: 0 is none, 1 is no valid one.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) address: u32,
    pub(super) reaid: String,
}

#[derive(Debug)]
pub(super) struct Import {
    pub(super) rows: Vec<(u64, String)>,
    pub(super) done_at: u64,
    pub(super) done: bool,
    pub(super) rejected: Vec<u64>,
    /// Whether the list of rejected rows leaves one out.
    pub(super) unclear: bool,
    /// How it is told: forgotten, failed, or as it is.
    pub(super) told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    AsItIs,
    Forgotten,
    Failed,
    ForEverRunning,
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) people: BTreeMap<u64, Person>,
    /// Every value that a profile ever had, by its fingerprint.
    pub(super) history: HashMap<u64, HashSet<[u8; 8]>>,
    pub(super) suppressed: HashSet<u32>,
    pub(super) key: u8,
    pub(super) imports: Vec<Import>,
    /// Imports of each day, by the true clock.
    pub(super) days: HashMap<u64, u32>,
    pub(super) next_id: u64,
    /// Milliseconds by the true clock.
    pub(super) now: u64,
}

impl World {
    pub(super) fn new(people: u64, rng: &mut fastrand::Rng) -> Self {
        let now = 20_000 * DAY + rng.u64(0..DAY);
        let mut world = Self { key: 1, next_id: 1, now, ..Self::default() };
        for _ in 0..people {
            world.add(rng);
        }
        world
    }

    pub(super) fn add(&mut self, rng: &mut fastrand::Rng) -> u64 {
        let id = self.next_id;
        self.next_id += rng.u64(1..3);
        self.people.insert(id, Person { address: rng.u32(0..40), reaid: String::new() });
        if rng.u8(0..4) == 0 {
            self.set(id, "scribble");
        }
        self.history.entry(id).or_default().insert(Stamp::of("").fingerprint);
        id
    }

    pub(super) fn set(&mut self, id: u64, value: &str) -> bool {
        let Some(person) = self.people.get_mut(&id) else { return false };
        value.clone_into(&mut person.reaid);
        self.history.entry(id).or_default().insert(Stamp::of(value).fingerprint);
        true
    }

    pub(super) fn wanted(&self, address: u32) -> Wanted {
        match address {
            0 | 1 => Wanted::Invalid("no @".into()),
            suppressed if self.suppressed.contains(&suppressed) => Wanted::None,
            address => Wanted::Reaid(format!("A{}{address:022}", if self.key == 1 { 'Q' } else { 'g' })),
        }
    }

    /// Profiles whose attribute is not what it must be.
    pub(super) fn wrong(&self) -> Vec<u64> {
        let is_wrong = |person: &Person| match self.wanted(person.address) {
            Wanted::Reaid(reaid) => person.reaid != reaid,
            Wanted::None | Wanted::Invalid(_) => !person.reaid.is_empty(),
        };
        self.people.iter().filter(|(_, person)| is_wrong(person)).map(|(id, _)| *id).collect()
    }

    /// Time passes, and imports come to their end.
    pub(super) fn advance_to(&mut self, now: u64, rng: &mut fastrand::Rng, bad: bool) {
        self.now = self.now.max(now);
        for at in 0..self.imports.len() {
            if self.imports[at].done || self.imports[at].done_at > self.now {
                continue;
            }
            let rows = self.imports[at].rows.clone();
            let mut rejected = Vec::new();
            for (id, value) in rows {
                let refused = bad && rng.u8(0..12) == 0;
                if refused || !self.set(id, &value) {
                    rejected.push(id);
                }
            }
            let import = &mut self.imports[at];
            (import.done, import.rejected) = (true, rejected);
        }
    }

    pub(super) fn import(&mut self, rows: Vec<(u64, String)>, slow: u64, unclear: bool, told: Told) -> usize {
        *self.days.entry(self.now / DAY).or_default() += 1;
        let done_at = self.now + slow;
        self.imports.push(Import { rows, done_at, done: false, rejected: Vec::new(), unclear, told });
        self.imports.len() - 1
    }

    pub(super) fn imports_today(&self) -> u32 {
        self.days.get(&(self.now / DAY)).copied().unwrap_or(0)
    }
}
