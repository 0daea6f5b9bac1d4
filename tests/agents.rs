//! What kind of program asks, told of thousands: the sample agents of the crawler-user-agents data set, which
//! `tests/agents/fetch.sh` puts into `REAID_AGENTS`, or into `agents` in the folder that cargo builds into; and
//! people's browsers and mail clients, in `tests/agents/people.txt`.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

use std::path::{Path, PathBuf};

use reaid::edge::{Agents, OwnAgents};
use reaid::tracking::Agent;

/// Samples that are labelled as people, each with the reason.
const MISSED: [(&str, &str); 2] = [
    ("CPH2557 Build/AP3A.240617.008; wv) AppleWebKit", "Instagram's app on a phone, byte for byte"),
    ("Fluid/0.9.6", "a program that turns a web page into an application: people sit before it"),
];

#[test]
fn nobody_who_reads_is_taken_for_a_machine() {
    let agents = Agents::new(OwnAgents::default()).unwrap();
    let list = include_str!("agents/people.txt");
    let people: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    let machines = people.iter().filter(|name| agents.named(name.as_bytes()) == Agent::Bot);
    let machines: Vec<_> = machines.collect();
    assert!(people.len() >= 200, "{}", people.len());
    assert!(machines.is_empty(), "{} of {}: {machines:#?}", machines.len(), people.len());
    // Opera Mini and its kind load pages for people; only mail services are proxies.
    assert!(people.iter().all(|name| agents.named(name.as_bytes()) == Agent::Human));
}

#[test]
fn crawlers_are_known() {
    let Some(samples) = samples() else { return };
    let agents = Agents::new(OwnAgents::default()).unwrap();
    let is_known = |name: &String| matches!(agents.named(name.as_bytes()), Agent::Bot | Agent::Proxy);
    let missed: Vec<&String> = samples.iter().filter(|name| !is_known(name)).collect();
    eprintln!("{} of {} sample agents are known", samples.len() - missed.len(), samples.len());
    assert!(samples.len() > 2000 && missed.len() * 50 <= samples.len(), "{missed:#?}");
    let unexplained = missed.iter().filter(|name| !MISSED.iter().any(|(known, _)| name.contains(known)));
    let unexplained: Vec<_> = unexplained.collect();
    assert!(unexplained.is_empty(), "say in MISSED why: {unexplained:#?}");
}

/// Every sample of every pattern; None, with a notice, where they were not fetched.
fn samples() -> Option<Vec<String>> {
    let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("agents");
    let folder = std::env::var_os("REAID_AGENTS").map_or(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("crawlers.json")) else {
        eprintln!("skipped: no sample agents in {}: tests/agents/fetch.sh puts them there", folder.display());
        return None;
    };
    let patterns: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let samples = patterns.iter().filter_map(|pattern| pattern["instances"].as_array()).flatten();
    Some(samples.map(|sample| sample.as_str().unwrap().to_owned()).collect())
}
