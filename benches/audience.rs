//! Whole runs of an activation over one audience that grows: what a member costs, and the most memory that a run takes.
//! Each run reads a file in no order of which one member in a thousand is another, compares, and replaces the target.
//! Beside it, what coreutils take to sort the same file, without comparing or sending anything.
//!
//! Five million members take minutes: `CI_LONG=1 cargo bench --bench audience`.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use reaid::app::audience::{self, Action, Run, Summary};
use reaid::app::{Setup, Store, keyring};
use reaid::clock;
use reaid::identity::Keyring;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = r#"
[edge]
listen = ["127.0.0.1:0"]
base_url = "http://click.example"
[admin]
token = { file = "admin-token" }
[keys]
path = "keyring.toml"
[store]
path = "reaid.db"
[[site]]
account = "1234"
hosts = ["shop.example"]
integration = "shop"
[[integration]]
name = "shop"
accounts = ["1234"]
[[activation]]
name = "All"
integration = "shop"
person_identifier = "Email"
audiences = ["Everybody"]
source = { directory = "audiences" }
too_large = "split"
"#;

/// An activation in a folder of its own, and two sources that take turns.
struct World {
    folder: tempfile::TempDir,
    setup: Setup,
    store: Store,
    runtime: Runtime,
    turn: usize,
}

impl World {
    fn of(members: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("proxy.toml"), CONFIG).expect("a configuration");
        fs::create_dir(folder.path().join("audiences")).expect("a source");
        let secret = || keyring::new_secret().expect("a secret");
        let ring = Keyring::init(secret(), secret(), clock::now());
        keyring::create(&folder.path().join("keyring.toml"), &ring).expect("a keyring");
        for turn in 0..2 {
            write(&folder.path().join(turn.to_string()), members, turn);
        }
        let (setup, store) = Setup::load_with_store(&folder.path().join("proxy.toml")).expect("a setup");
        Self { folder, setup, store, runtime: Runtime::new().expect("a runtime"), turn: 0 }
    }

    /// The other source, as whoever writes it puts it there.
    fn change(&mut self) -> PathBuf {
        self.turn = 1 - self.turn;
        let (from, new) = (self.folder.path().join(self.turn.to_string()), self.folder.path().join("new"));
        fs::hard_link(from, &new).expect("a new source");
        let to = self.folder.path().join("audiences/Everybody.csv");
        fs::rename(new, &to).expect("in place");
        to
    }

    fn run(&self) -> Summary {
        let activation = &self.setup.config.activations[0];
        let (run, stop) = (Run::default(), CancellationToken::new());
        let run = audience::run(&self.setup, &self.store, activation, run, &stop);
        self.runtime.block_on(run).expect("a run")
    }
}

/// So many members in no order, of whom every thousandth is another in another `turn`.
fn write(path: &Path, members: u64, turn: u64) {
    let mut file = BufWriter::new(fs::File::create(path).expect("a source"));
    writeln!(file, "email").expect("written");
    for number in 0..members {
        let place = number * 7_919 % members;
        let who = if place.is_multiple_of(1000) { place + turn * members } else { place };
        writeln!(file, "person-{who}@example.org").expect("written");
    }
    file.flush().expect("written");
}

/// The most memory since [`forget_memory`], in MB.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or_default() / 1024
}

fn forget_memory() {
    // Where the kernel does not do that, the largest audience so far is shown.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("audience");
    group.sample_size(10);
    let sizes: &[u64] = match std::env::var_os("CI_LONG") {
        Some(_) => &[10_000, 100_000, 1_000_000, 5_000_000],
        None => &[10_000, 100_000],
    };
    for &members in sizes {
        let mut world = World::of(members);
        world.change();
        world.run();
        forget_memory();
        group.throughput(Throughput::Elements(members));
        group.bench_function(BenchmarkId::new("run", members), |b| {
            let world = std::cell::RefCell::new(&mut world);
            let run = |_| {
                let summary = world.borrow().run();
                assert_eq!((summary.audiences[0].action, summary.audiences[0].members), (Action::Sent, members));
            };
            b.iter_batched(|| world.borrow_mut().change(), run, BatchSize::PerIteration);
        });
        println!("{members} members: at most {} MB of memory", most_memory());
        let source = world.change();
        group.bench_function(BenchmarkId::new("sort -u", members), |b| {
            b.iter(|| {
                let sort =
                    Command::new("sort").arg("-u").arg(&source).env("LC_ALL", "C").stdout(Stdio::null()).status();
                assert!(sort.expect("sort").success());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
