//! A house whose activation keeps the audiences of a folder as targets on a file server.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::program::{reaid, reaid_reading};
use crate::support::{House, Run, Settings, until};

pub(crate) const CATS: &str = "Cat owners";
pub(crate) const DOGS: &str = "Dog owners";

/// As many as make a file of about 3 MB.
pub(crate) const CROWD: u32 = 120_000;

pub(crate) struct World {
    pub(crate) house: House,
}

impl World {
    /// `destination` is what stands in its braces.
    pub(crate) fn new(destination: &str) -> Self {
        let house = House::new(&settings(destination));
        fs::create_dir(house.path("audiences")).unwrap();
        let world = Self { house };
        world.put(CATS, 0..10);
        world.put(DOGS, 5..15);
        world
    }

    /// The same with another destination.
    pub(crate) fn move_to(&self, destination: &str) {
        self.house.configure(&settings(destination));
    }

    /// An audience of these people at the source.
    pub(crate) fn put(&self, audience: &str, people: Range<u32>) {
        let lines: String = people.map(|number| format!("{}\n", address(number))).collect();
        let path = self.house.path("audiences").join(format!("{audience}.csv"));
        fs::write(path.with_extension("part"), format!("email\n{lines}")).unwrap();
        fs::rename(path.with_extension("part"), path).unwrap();
    }

    /// No such audience at the source.
    pub(crate) fn take_away(&self, audience: &str) {
        fs::remove_file(self.house.path("audiences").join(format!("{audience}.csv"))).unwrap();
    }

    /// Somebody asks to be forgotten.
    pub(crate) fn erase(&self, number: u32) {
        reaid_reading(&self.house, &["--json", "erase"], format!("{}\n", address(number)).as_bytes()).json();
    }

    /// Runs the activation; its exit code and its summary.
    pub(crate) fn run(&self) -> (i32, Value) {
        let run = reaid(&self.house, &["--json", "audience", "run"]);
        let summary = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        (run.code, summary)
    }

    /// Runs it, and expects this to become of the two audiences, as in `sent unchanged`.
    #[track_caller]
    pub(crate) fn becomes(&self, expected: &str) -> Value {
        let (_, summary) = self.run();
        let all = summary["audiences"].as_array().unwrap().iter().map(|it| it["action"].as_str().unwrap());
        assert_eq!(all.collect::<Vec<_>>().join(" "), expected, "{summary}");
        summary
    }

    /// Runs it, and expects every audience to fail with this word; what is said of the first.
    #[track_caller]
    pub(crate) fn fails(&self, reason: &str) -> String {
        let summary = self.becomes("failed failed");
        assert_eq!(summary["audiences"][0]["reason"], reason, "{summary}");
        summary["audiences"][0]["message"].as_str().unwrap().to_owned()
    }

    /// What `reaid check` says of the destination, and whether that is good.
    pub(crate) fn check(&self) -> (bool, String) {
        let Run { stdout, .. } = reaid(&self.house, &["check", "--json"]);
        let findings: Value = serde_json::from_str(&stdout).unwrap();
        let of_destination = |it: &&Value| it["subject"].as_str().unwrap().ends_with(", destination");
        let found = findings.as_array().unwrap().iter().find(of_destination).unwrap();
        (found["ok"].as_bool().unwrap(), found["says"].as_str().unwrap().to_owned())
    }
}

/// The file of an audience of these people.
pub(crate) fn file_of(people: Range<u32>) -> String {
    let mut lines: Vec<String> = people.map(|number| format!("{}\n", address(number))).collect();
    lines.sort_by_key(|line| (line.len(), line.clone()));
    format!("emailAddress\n{}", lines.concat())
}

/// Targets on the server, and whatever else is there.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(targets(folder)).into_iter().flatten().map(Result::unwrap);
    entries.map(|it| (it.file_name().into_string().unwrap(), fs::read_to_string(it.path()).unwrap())).collect()
}

/// The folder of targets.
pub(crate) fn targets(folder: &Path) -> std::path::PathBuf {
    folder.join("Raptor CDP/Audiences")
}

/// Waits until so much of an unfinished file has arrived.
pub(crate) async fn arrived(folder: &Path, bytes: u64) {
    until("half a file", async || {
        let entries = fs::read_dir(targets(folder)).unwrap().map(Result::unwrap);
        let unfinished = entries.filter(|it| it.file_name().to_string_lossy().ends_with(".unfinished"));
        unfinished.filter_map(|it| it.metadata().ok()).any(|it| it.len() >= bytes).then_some(())
    })
    .await;
}

/// Sends an audience again and again, while somebody reads its file in `folder`: it is always one whole file.
pub(crate) fn is_replaced_whole(world: &World, folder: &Path) {
    let sizes = [CROWD / 8, CROWD / 8 + 1];
    let texts = sizes.map(|size| file_of(0..size));
    world.put(CATS, 0..sizes[0]);
    world.becomes("sent sent");
    let (path, done) = (targets(folder).join("Cat owners.csv"), AtomicBool::new(false));
    thread::scope(|scope| {
        let reader = scope.spawn(|| read_until(&done, &path, &texts));
        for round in 1..=6 {
            world.put(CATS, 0..sizes[round % 2]);
            world.becomes("sent unchanged");
        }
        done.store(true, Ordering::SeqCst);
        reader.join().unwrap();
    });
}

/// Reads a file again and again: it must always be one of these texts, and have been each.
fn read_until(done: &AtomicBool, path: &Path, texts: &[String; 2]) {
    let mut seen = [0, 0];
    while !done.load(Ordering::SeqCst) {
        let text = fs::read_to_string(path).unwrap();
        let which = texts.iter().position(|it| *it == text);
        seen[which.unwrap_or_else(|| panic!("half a file of {} bytes", text.len()))] += 1;
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}

/// As if it had been written two days ago.
pub(crate) fn age(path: &Path) {
    let days_ago = SystemTime::now() - Duration::from_secs(2 * 86400);
    fs::File::options().write(true).open(path).unwrap().set_modified(days_ago).unwrap();
}

/// A port on which nobody listens.
pub(crate) fn closed_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

/// Too many to search logs for each.
fn address(number: u32) -> String {
    format!("crowd-{number}@example.net")
}

fn settings(destination: &str) -> Settings {
    let more = format!(
        r#"
[[activation]]
name = "Newsletter audiences"
integration = "shop"
person_identifier = "Email"
audiences = ["{CATS}", "{DOGS}"]
source = {{ directory = "audiences" }}
header = "emailAddress"
max_shrink = 1.0
destination = {{ {destination} }}
"#
    );
    Settings { more, ..Settings::default() }
}
