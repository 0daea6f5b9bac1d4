//! The process is killed at any moment: every old file is whole, and the next run makes them right. That it died before,
//! while and after it wrote is counted: else this would show nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::program::command;
use crate::world::{World, actions, stranger};

/// How often it is killed, at least.
const ROUNDS: u64 = 12;

/// How often at most, until every kind of death was seen.
const MOST_ROUNDS: u64 = 60;

/// What the largest file was when the process died.
#[derive(Debug, Default)]
struct Seen {
    old: u64,
    unfinished: u64,
    new: u64,
}

/// The largest file.
const LARGEST: &str = "Cat owners.csv";

/// Members of the largest audience.
const MEMBERS: u32 = 30_000;

#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_is_killed_every_file_is_the_old_one_or_the_new_one() {
    let world = World::new().await;
    let crowd = |from: u32| (from..from + MEMBERS).map(plain).collect::<Vec<_>>();
    world.sandbox.handle.put_audience("5d822e81", "Cat owners", crowd(0));
    let began = Instant::now();
    world.run().await;
    let whole = began.elapsed();
    let mut right = files(&world);
    let mut seen = Seen::default();
    for round in 1..=MOST_ROUNDS {
        if round > ROUNDS && seen.old > 0 && seen.unfinished > 0 && seen.new > 0 {
            break;
        }
        let before = right;
        world.sandbox.handle.put_audience("5d822e81", "Cat owners", crowd(100 * round as u32));
        world.sandbox.handle.enter_audience("8a0f3c12", &stranger(round as u32));
        let written = fs::metadata(folder(&world).join(LARGEST)).unwrap().modified().unwrap();
        let mut run = command(world.house.folder(), &["audience", "run"]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let is_new = || fs::metadata(folder(&world).join(LARGEST)).is_ok_and(|it| it.modified().unwrap() != written);
        match round % 3 {
            // Somewhere else in its life each time.
            0 => tokio::time::sleep(whole.mul_f64((round % ROUNDS) as f64 / ROUNDS as f64)).await,
            1 => wait_until(&mut run, || !unfinished(&world).is_empty()).await,
            _ => wait_until(&mut run, is_new).await,
        }
        let was_alive = run.try_wait().unwrap().is_none();
        run.kill().unwrap();
        run.wait().unwrap();
        let after = files(&world);
        match was_alive {
            true if !unfinished(&world).is_empty() => seen.unfinished += 1,
            true if is_new() => seen.new += 1,
            true => seen.old += 1,
            false => {}
        }
        let summary = world.run().await;
        assert!(!actions(&summary).contains("failed"), "{summary}");
        right = files(&world);
        for (name, bytes) in &after {
            assert!(*bytes == before[name] || *bytes == right[name], "round {round}: {name} is torn");
        }
        assert_eq!(after.len(), 3);
        assert!(unfinished(&world).is_empty(), "round {round} left something");
    }
    assert!(seen.old > 0 && seen.unfinished > 0 && seen.new > 0, "{seen:?}");
}

/// Until that is so, or the process ended by itself.
async fn wait_until(run: &mut Child, mut is_so: impl FnMut() -> bool) {
    let given_up = Instant::now() + Duration::from_secs(60);
    while !is_so() && run.try_wait().unwrap().is_none() && Instant::now() < given_up {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Files that a writing was cut off from.
fn unfinished(world: &World) -> Vec<String> {
    let names = fs::read_dir(folder(world)).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".unfinished")).collect()
}

fn folder(world: &World) -> PathBuf {
    world.sandbox.handle.options().drop.clone().unwrap().join("Raptor CDP/Audiences")
}

/// Names that no log needs to be searched for, because there are too many.
fn plain(number: u32) -> reaid::sandbox::CdpMember {
    reaid::sandbox::CdpMember { email: Some(format!("crowd-{number}@example.net")), user_id: None }
}

fn files(world: &World) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder(world)).unwrap().map(Result::unwrap);
    let named = entries.map(|it| (it.file_name().into_string().unwrap(), it.path()));
    named.filter(|(name, _)| !name.starts_with('.')).map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}
