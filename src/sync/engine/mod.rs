//! A run as a machine: it is told what happened ([`Input`]) and says what to do next ([`Ask`]). Pure: no
//! I/O, no clock. The driver beside it performs; the simulation plays Actito, the store and the weather.
//!
//! Four things go on at once. *Hints* are followed first: one profile read, and written at once. *Imports*
//! under way are asked about until their rows are settled. *Puts* keep every free place busy. And the
//! *stage* leads through the run: check, read the source, decide how to spend the quotas, write, wait for
//! imports, forget who is gone.
//!
//! Promises: what is asked for is bounded by `concurrency`; a row counts as confirmed only by Actito's
//! word, and is remembered in the next ask; after [`Input::Stop`] or a failure nothing new is asked
//! but to remember what happened.

mod ask;
mod backlog;
mod importing;
mod reading;
mod urgent;
mod writing;

use std::collections::{HashMap, VecDeque};

pub(super) use ask::{
    Ask, Chunk, Errand, ImportKey, Input, Leftover, Memo, Place, Recalled, Seen, Settled, Settlement, Written,
};

use super::plan::{Change, Fingerprint};
use super::planner::{Quotas, forecast};
use super::progress::{Phase, Progress};
use super::summary::{Ended, Summary};
use crate::actito::{Error, ProfileId};
use crate::clock::Timestamp;
use backlog::Backlog;
use importing::{Build, Import};
use reading::Reading;
use urgent::Urgent;

/// How much a run looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every profile.
    #[default]
    Full,
    /// Only what cannot wait: hints, and imports under way.
    Urgent,
}

/// What a run is told before it begins.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) integration: String,
    pub(super) scope: Scope,
    /// Whether the source is a file, and not Actito's list.
    pub(super) from_file: bool,
    pub(super) dry_run: bool,
    /// Calls that may be under way at once.
    pub(super) concurrency: usize,
    /// Rows that one import may carry.
    pub(super) rows_per_import: u64,
    /// After so many pages those behind us are made right, so that a run that is cut off need not read
    /// them again.
    pub(super) checkpoint_pages: u32,
}

/// What ended a run early.
#[derive(Debug)]
pub(super) enum Failure {
    /// Actito fails for all profiles alike.
    Actito(Error),
    /// So many rows in a row failed as if Actito were down.
    GaveUp { rows: u32, last: Error },
}

/// Where a run is.
#[derive(Debug)]
enum Stage {
    Checking,
    Reading,
    Deciding,
    /// So many rows are still to be taken from the spool and written one by one.
    Singles {
        left: u64,
        clears: bool,
    },
    /// An import is being made.
    Building(Build),
    /// Another import is wanted, but one is under way.
    Holding,
    /// Rows that failed before and did not come by are looked at.
    Stragglers,
    /// Nothing is left but what is under way.
    Waiting,
    Forgetting,
    Over,
}

#[derive(Debug)]
enum Halt {
    Stopped,
    Failed(Failure),
}

/// One run.
#[derive(Debug)]
pub(super) struct Engine {
    settings: Settings,
    stage: Stage,
    /// Whether something that the stage asked for is under way.
    busy: bool,
    /// Calls under way.
    calls: usize,
    /// Single writes under way.
    puts: usize,
    /// What is being remembered.
    memos: usize,
    /// Rows to be written one by one, taken from the spool.
    singles: VecDeque<Change>,
    /// What was sent singly in this run, or found right by a look of its own, so that nothing is sent twice:
    /// bounded by the calls that a run makes for single profiles.
    sent: HashMap<ProfileId, Fingerprint>,
    /// How many rows were sent singly.
    singly: u64,
    urgent: Urgent,
    reading: Reading,
    backlog: Backlog,
    imports: Vec<Import>,
    /// Whether Actito takes no imports from us at all.
    no_imports: bool,
    quotas: Option<Quotas>,
    /// Whether rows are left for another day.
    left_over: bool,
    failed_in_a_row: u32,
    halt: Option<Halt>,
    summary: Summary,
}

impl Engine {
    pub(super) fn new(settings: Settings, recalled: Recalled) -> Self {
        let full = settings.scope == Scope::Full;
        Self {
            stage: if full { Stage::Checking } else { Stage::Waiting },
            busy: false,
            calls: 0,
            puts: 0,
            memos: 0,
            singles: VecDeque::new(),
            sent: HashMap::new(),
            singly: 0,
            urgent: Urgent::new(&settings, recalled.hints),
            reading: Reading::new(&settings, recalled.checkpoint),
            backlog: Backlog::default(),
            imports: match settings.dry_run {
                true => Vec::new(),
                false => recalled.imports.into_iter().map(Import::left_over).collect(),
            },
            no_imports: false,
            quotas: None,
            left_over: false,
            failed_in_a_row: 0,
            halt: None,
            summary: Summary::begin(&settings.integration, settings.dry_run),
            settings,
        }
    }

    /// Takes in what happened, and says what to do next. When it says nothing and nothing is under way,
    /// the run is over.
    pub(super) fn step(&mut self, input: Input, now: Timestamp) -> Vec<Ask> {
        let mut asks = Vec::new();
        self.absorb(input, now, &mut asks);
        if self.halt.is_none() {
            self.pump_imports(&mut asks);
            self.pump_urgent(&mut asks);
            self.pump_puts(&mut asks);
            while !self.busy && self.halt.is_none() && self.advance(&mut asks) {}
        }
        asks
    }

    /// How the run went.
    pub(super) fn end(mut self) -> (Summary, Option<Failure>) {
        self.count_listed();
        self.summary.ended = match (&self.stage, self.left_over) {
            (Stage::Over, false) => Ended::Complete,
            (Stage::Over, true) => Ended::Waiting,
            _ => Ended::Early,
        };
        let failure = match self.halt {
            Some(Halt::Failed(failure)) => Some(failure),
            Some(Halt::Stopped) | None => None,
        };
        (self.summary, failure)
    }

    /// How far the run is.
    pub(super) fn progress(&self) -> Progress {
        let settled = self.summary.written + self.summary.cleared + self.summary.failed_in_all();
        let pending: u64 = self.imports.iter().map(|import| import.rows).sum();
        let ahead = self.backlog.len() + self.singles.len() as u64 + self.puts as u64 + pending;
        let writing = |phase| (phase, settled, Some(settled + ahead));
        let (phase, done, total) = match self.stage {
            Stage::Checking => (Phase::Checking, 0, None),
            Stage::Reading => (Phase::Listing, self.reading.seen.len(), self.reading.total),
            Stage::Waiting | Stage::Holding if !self.imports.is_empty() => writing(Phase::Importing),
            _ => writing(Phase::Writing),
        };
        Progress { phase, done, total, quotas: self.quotas }
    }

    fn absorb(&mut self, input: Input, now: Timestamp, asks: &mut Vec<Ask>) {
        match input {
            Input::Begin => {}
            Input::Stop => {
                self.halt.get_or_insert(Halt::Stopped);
            }
            Input::Structure(result) => {
                self.answered();
                match result {
                    Ok(()) => self.stage = Stage::Reading,
                    Err(error) => self.fail(Failure::Actito(error)),
                }
            }
            Input::Read(result) => self.read(result, now, asks),
            Input::Spooled => self.busy = false,
            Input::Unspooled(changes) => self.unspooled(changes, asks),
            Input::Quotas(quotas) => self.decide(quotas, now, asks),
            Input::Put(change, written) => self.put_ended(&change, written, asks),
            Input::Remembered => self.memos -= 1,
            Input::Hints(errands) => self.urgent.hinted(errands),
            Input::Failed(ids) => {
                self.busy = false;
                self.urgent.revisit(ids);
                self.stage = Stage::Waiting;
            }
            Input::Profile(errand, result) => self.looked_at(errand, result, now, asks),
            Input::Prepared(key) => self.prepared(key),
            Input::Packed(left) => self.packed(left, asks),
            Input::Spent(key, within) => self.spent(key, within, now),
            Input::DayIsSpent => {}
            Input::Uploaded(key, result) => self.uploaded(key, result, now, asks),
            Input::Polled(key, result) => self.polled(key, result, now, asks),
            Input::Rejected(key, result) => self.rejected(key, result, now, asks),
            Input::Due(key) => self.due(key),
            Input::Settled(key, settled) => self.settled(key, settled),
            Input::Forgotten(rows) => {
                self.busy = false;
                self.summary.gone += rows;
                self.stage = Stage::Over;
            }
        }
    }

    /// Takes the stage a step further; `true` when it changed and must be looked at again.
    fn advance(&mut self, asks: &mut Vec<Ask>) -> bool {
        match &self.stage {
            Stage::Checking if self.has_place() => self.call_of_stage(Ask::Structure, asks),
            Stage::Reading => self.read_on(asks),
            Stage::Deciding if self.is_quiet() => self.ask_of_stage(Ask::Quotas, asks),
            Stage::Singles { left, clears } => return self.refill_singles(*left, *clears, asks),
            Stage::Building(_) => return self.build(asks),
            Stage::Holding if self.imports.is_empty() => {
                self.stage = Stage::Deciding;
                return true;
            }
            Stage::Stragglers => {
                let seen = self.reading.seen.clone();
                self.ask_of_stage(Ask::Failed(seen), asks);
            }
            Stage::Waiting if self.imports.is_empty() && self.urgent.is_idle() && self.is_quiet() => {
                self.finish(asks);
            }
            _ => {}
        }
        false
    }

    /// Everything is written; what is left is to remember that the whole source was seen.
    fn finish(&mut self, asks: &mut Vec<Ask>) {
        if self.settings.scope == Scope::Urgent || self.settings.dry_run || self.left_over {
            self.stage = Stage::Over;
            return;
        }
        let mut memos = Vec::new();
        if !self.settings.from_file {
            memos.push(Memo::ListRead);
        }
        if self.reading.complete {
            memos.push(Memo::FollowedUpTo(self.urgent.known_at_start));
        }
        self.remember(memos, asks);
        if self.reading.complete {
            let mut there = self.reading.seen.clone();
            there.extend(self.sent.keys().map(|id| id.to_i64().cast_unsigned()));
            self.stage = Stage::Forgetting;
            self.ask_of_stage(Ask::Forget(there), asks);
        } else {
            self.stage = Stage::Over;
        }
    }

    fn would_spend(&mut self, quotas: &Quotas, now: Timestamp) {
        let (calls, imports, until) = forecast(self.backlog.need(0, false), quotas, now);
        self.summary.would_spend(calls, imports, until);
        self.stage = Stage::Over;
    }

    /// Whether no single write is under way or waits, and all that happened is remembered.
    fn is_quiet(&self) -> bool {
        self.puts == 0 && self.memos == 0 && self.singles.is_empty() && self.urgent.puts.is_empty()
    }

    fn has_place(&self) -> bool {
        self.calls < self.settings.concurrency
    }

    fn call(&mut self, ask: Ask, asks: &mut Vec<Ask>) {
        self.calls += 1;
        asks.push(ask);
    }

    fn call_of_stage(&mut self, ask: Ask, asks: &mut Vec<Ask>) {
        self.busy = true;
        self.call(ask, asks);
    }

    fn ask_of_stage(&mut self, ask: Ask, asks: &mut Vec<Ask>) {
        self.busy = true;
        asks.push(ask);
    }

    /// A call of the stage was answered.
    fn answered(&mut self) {
        self.calls -= 1;
        self.busy = false;
    }

    fn remember(&mut self, memos: Vec<Memo>, asks: &mut Vec<Ask>) {
        // A dry run leaves no trace.
        if !memos.is_empty() && !self.settings.dry_run {
            self.memos += 1;
            asks.push(Ask::Remember(memos));
        }
    }

    fn fail(&mut self, failure: Failure) {
        // What went wrong first is what there is to say.
        if !matches!(self.halt, Some(Halt::Failed(_))) {
            self.halt = Some(Halt::Failed(failure));
        }
    }
}
