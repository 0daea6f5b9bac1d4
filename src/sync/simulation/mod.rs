//! Runs in bad weather, by seed: the real engine, planner and ledger against an Actito and a store in memory.
//!
//! Calls fail before and after their effect, processes are killed between any two steps, clocks jump,
//! profiles come, go and change meanwhile, imports are slow, lost, partly rejected. Whatever happens: no
//! quota is exceeded, nothing confirmed is sent again, nothing counts as confirmed that was not held, and
//! when the weather clears, everything is right within a few runs.
//!
//! `REAID_SIMULATIONS` says how many seeds (10,000), `REAID_SIMULATE` one to be looked at.

mod agreement;
mod memory;
mod process;
mod world;

use std::collections::HashSet;

use super::engine::{Scope, Settings};
use super::summary::{Ended, Summary};
use crate::actito::{Call, Error};
use crate::clock::Timestamp;
use memory::Memory;
use process::{Export, Process};
use world::{Told, World};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// Runs until everything must be right once the weather is good: one to learn of lost imports, one to
/// write, one for what their late imports overwrote, and some for days that must begin first.
const CLEAR_RUNS: u32 = 12;

/// What a seed is made of.
struct Seed {
    calls_per_minute: u32,
    concurrency: usize,
    imports_per_day: u32,
    /// What Actito allows: sometimes less than we think, because others use it, too.
    imports_of_world: u32,
    rows_per_import: u64,
    page_size: usize,
    checkpoint_pages: u32,
}

/// What goes wrong.
struct Weather {
    bad: bool,
    /// Of 100 calls so many fail.
    failing: u8,
    killing: bool,
    /// Milliseconds that our clock is off.
    skew: i64,
    jumps: bool,
    jumped: bool,
    /// Profiles that were changed by others in this run: for them, memory may lag behind.
    touched: HashSet<u64>,
}

impl Weather {
    fn clock(&self, now: u64) -> Timestamp {
        Timestamp::from_millis(now.saturating_add_signed(self.skew))
    }

    fn kill_at(&self, rng: &mut fastrand::Rng) -> u32 {
        if self.killing && rng.u8(0..3) > 0 { rng.u32(0..150) } else { u32::MAX }
    }

    /// Whether and how a call fails.
    fn call(&self, call: Call, rng: &mut fastrand::Rng) -> Option<Error> {
        if !self.bad || rng.u8(0..100) >= self.failing {
            return None;
        }
        Some(match rng.u8(0..7) {
            0 => Error::Throttled { call, retry_after: None },
            1 => Error::Connection { call },
            2 => Error::Broken { call },
            3 => Error::Server { call, status: 503 },
            4 => Error::Refused { call, status: 400, message: Default::default() },
            _ => Error::Timeout { call },
        })
    }

    /// How long an import takes, whether its errors are told in part, and what is said of it.
    fn import(&self, rng: &mut fastrand::Rng) -> (u64, bool, Told) {
        if !self.bad {
            return (rng.u64(0..3 * MINUTE), false, Told::AsItIs);
        }
        let told = match rng.u8(0..10) {
            0 => Told::Forgotten,
            1 => Told::Failed,
            2 => Told::ForEverRunning,
            _ => Told::AsItIs,
        };
        let slow = if rng.u8(0..4) == 0 { rng.u64(0..50 * MINUTE) } else { rng.u64(0..5 * MINUTE) };
        (slow, rng.u8(0..6) == 0, told)
    }

    /// Other people's doings.
    fn change(&mut self, world: &mut World, memory: &mut Memory, rng: &mut fastrand::Rng) {
        if !self.bad || rng.u8(0..100) > 6 {
            return;
        }
        if self.jumps && rng.u8(0..4) == 0 {
            let jump = rng.i64(-30 * HOUR as i64..30 * HOUR as i64);
            (self.skew, self.jumped) = (jump, true);
        }
        let ids: Vec<u64> = world.people.keys().copied().collect();
        let Some(id) = rng.choice(ids) else { return };
        let id = match rng.u8(0..6) {
            0 => world.add(rng),
            1 => {
                world.people.remove(&id);
                id
            }
            2 => {
                world.set(id, "scribble");
                id
            }
            3 => {
                world.suppressed.insert(rng.u32(2..40));
                id
            }
            _ => {
                if let Some(person) = world.people.get_mut(&id) {
                    person.address = rng.u32(0..40);
                }
                id
            }
        };
        self.touched.insert(id);
        if rng.bool() {
            memory.hint(id);
        }
    }

    /// Whether somebody else may have changed a profile while we looked at it, or an import that counts as
    /// lost may write it: then one write too many is no fault.
    fn overwritten(&self, id: u64) -> bool {
        self.touched.contains(&id)
    }
}

struct Simulation {
    seed: Seed,
    world: World,
    memory: Memory,
    rng: fastrand::Rng,
    weather: Weather,
    starts: Vec<u64>,
}

impl Simulation {
    fn new(number: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(number);
        let imports_per_day = rng.u32(0..5);
        let stingy = rng.u8(0..8) == 0;
        let seed = Seed {
            calls_per_minute: rng.u32(3..40),
            concurrency: rng.usize(1..5),
            imports_per_day,
            imports_of_world: if stingy { imports_per_day / 2 } else { u32::MAX },
            rows_per_import: rng.u64(4..60),
            page_size: rng.usize(2..8),
            checkpoint_pages: rng.u32(1..6),
        };
        let people = rng.u64(0..40);
        let world = World::new(people, &mut rng);
        let weather = Weather {
            bad: true,
            failing: *rng.choice(&[0, 5, 20, 60]).unwrap(),
            killing: rng.bool(),
            skew: 0,
            jumps: rng.u8(0..4) == 0,
            jumped: false,
            touched: HashSet::new(),
        };
        Self { seed, world, memory: Memory::default(), rng, weather, starts: Vec::new() }
    }

    fn play(&mut self) {
        for _ in 0..self.rng.u8(1..5) {
            let export = (self.rng.u8(0..5) == 0).then(|| self.export());
            if self.rng.u8(0..12) == 0 {
                self.world.key = 2;
            }
            let scope = if self.rng.u8(0..4) == 0 { Scope::Urgent } else { Scope::Full };
            self.run(scope, export);
            let pause = if self.rng.bool() { self.rng.u64(0..5 * MINUTE) } else { self.rng.u64(0..20 * HOUR) };
            self.pass(pause);
        }
        (self.weather.bad, self.weather.killing) = (false, false);
        self.weather.skew = 0;
        // Every import that is on its way arrives, also those that counted as lost.
        self.pass(HOUR);
        self.settle_down();
    }

    /// Everything becomes right within a few runs, and then nothing is sent any more.
    fn settle_down(&mut self) {
        for _ in 0..CLEAR_RUNS {
            let Some(summary) = self.run(Scope::Full, None) else { continue };
            let all = summary.resumed_from.is_none();
            let quiet = all && summary.written + summary.cleared + summary.failed_in_all() == 0;
            if summary.ended == Ended::Complete && quiet && self.memory.imports.is_empty() {
                let wrong = self.world.wrong();
                let rows: Vec<_> =
                    wrong.iter().map(|id| (id, self.memory.rows.get(id), &self.world.people[id])).collect();
                assert!(
                    wrong.is_empty(),
                    "a run that did nothing left something: {rows:?} at {}, {summary:?}",
                    self.world.now
                );
                assert!(self.memory.rows.values().all(|row| row.pending.is_none() && !row.failed));
                assert!(self.memory.hints.is_empty() && self.memory.checkpoint.is_none());
                return;
            }
            let until = summary.wait.map_or(0, |until| until.millis());
            self.pass(until.saturating_sub(self.world.now).max(MINUTE));
        }
        panic!("not right after {CLEAR_RUNS} runs: {:?}, {:?}", self.world.wrong(), self.memory);
    }

    fn pass(&mut self, time: u64) {
        let until = self.world.now + time;
        self.world.advance_to(until, &mut self.rng, self.weather.bad);
    }

    fn export(&self) -> Export {
        let row = |(id, person): (&u64, &world::Person)| (*id, person.address, person.reaid.clone());
        Export { rows: self.world.people.iter().map(row).collect(), as_of: self.weather.clock(self.world.now) }
    }

    fn run(&mut self, scope: Scope, export: Option<Export>) -> Option<Summary> {
        if export.is_some() {
            self.pass(self.rng.clone().u64(0..HOUR));
        }
        self.weather.touched.clear();
        let settings = Settings {
            integration: "shop".into(),
            scope,
            from_file: export.is_some(),
            dry_run: false,
            concurrency: self.seed.concurrency,
            rows_per_import: self.seed.rows_per_import,
            checkpoint_pages: self.seed.checkpoint_pages,
        };
        let parts = (&mut self.world, &mut self.memory, &mut self.rng, &mut self.weather);
        let ended = Process::new(&self.seed, parts, &mut self.starts, settings, export).run();
        let (summary, failure) = ended?;
        assert!(self.weather.bad || failure.is_none(), "{failure:?}");
        Some(summary)
    }

    fn check_quotas(&mut self) {
        self.starts.sort_unstable();
        let most = self.seed.calls_per_minute as usize;
        let busy =
            |first: usize| self.starts[first..].iter().take_while(|at| **at < self.starts[first] + MINUTE).count();
        let busiest = (0..self.starts.len()).map(busy).max().unwrap_or(0);
        // A clock that jumps may hide what the last process called: then its burst comes twice.
        let slack = if self.weather.jumped { most } else { 0 };
        assert!(busiest <= most + slack, "{busiest} calls in a minute of {most}");
        let imports = self.world.days.values().copied().max().unwrap_or(0);
        assert!(self.weather.jumped || imports <= self.seed.imports_per_day, "{imports} imports on a day");
        assert!(self.memory.days.values().all(|used| *used <= self.seed.imports_per_day));
    }
}

fn simulate(number: u64) {
    let mut simulation = Simulation::new(number);
    simulation.play();
    simulation.check_quotas();
}

/// Nobody but us changes anything, and all that happens is that runs are killed.
#[test]
fn whoever_is_killed_while_reading_a_list_loses_nobody_when_it_is_read_on() {
    let mut resumed = 0;
    for number in 0..3000 {
        let mut simulation = Simulation::new(number);
        (simulation.weather.bad, simulation.weather.killing) = (false, true);
        simulation.seed.imports_of_world = u32::MAX;
        for _ in 0..simulation.rng.u8(1..4) {
            simulation.run(Scope::Full, None);
            simulation.pass(MINUTE);
        }
        simulation.weather.killing = false;
        for round in 0.. {
            assert!(round < CLEAR_RUNS, "seed {number} is not right after {round} runs");
            let summary = simulation.run(Scope::Full, None).unwrap();
            resumed += u32::from(summary.resumed_from.is_some());
            if summary.ended == Ended::Complete && summary.failed_in_all() == 0 {
                break;
            }
            simulation
                .pass(summary.wait.map_or(0, |until| until.millis()).saturating_sub(simulation.world.now).max(MINUTE));
        }
        assert_eq!(simulation.world.wrong(), Vec::<u64>::new(), "seed {number}");
    }
    assert!(resumed > 100, "only {resumed} lists were read on");
}

#[test]
fn whatever_happens_no_quota_is_exceeded_nothing_is_repeated_and_all_becomes_right() {
    if let Ok(number) = std::env::var("REAID_SIMULATE") {
        return simulate(number.parse().unwrap());
    }
    let seeds: u64 = std::env::var("REAID_SIMULATIONS").map_or(10_000, |seeds| seeds.parse().unwrap());
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for number in (thread..seeds).step_by(threads as usize) {
                    let played = std::panic::catch_unwind(|| simulate(number));
                    assert!(played.is_ok(), "seed {number}: REAID_SIMULATE={number} plays it again");
                }
            });
        }
    });
}
