//! The rules of the house that a machine can check: who may know whom, what pure code stays away from,
//! where a kind of knowledge lives, and that what is written down matches the code.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use support::{CAMPAIGN_TOKEN, JANE, JANE_ELSEWHERE, JANE_KEY_2, PERSONAL_TOKEN, PIXEL_TOKEN};

/// Known by everybody; they know only one another.
const LEAVES: [&str; 10] = [
    "config",
    "overload",
    "clock",
    "backoff",
    "shutdown",
    "supervisor",
    "telemetry",
    "metrics",
    "outbound",
    "listener",
];

/// Whom each module may know beside the leaves.
const ARROWS: [(&str, &[&str]); 19] = [
    ("cli", &["app", "authoring", "identity", "links", "rewrite", "sandbox"]),
    // It wires: everything below it.
    (
        "app",
        &[
            "admin",
            "audience",
            "authoring",
            "edge",
            "campaign",
            "sync",
            "tracking",
            "rewrite",
            "links",
            "identity",
            "store",
            "actito",
            "raptor",
            "tls",
            "lease",
        ],
    ),
    ("tls", &[]),
    (
        "admin",
        &[
            "app",
            "audience",
            "authoring",
            "sync",
            "tracking",
            "rewrite",
            "links",
            "identity",
            "store",
            "actito",
            "raptor",
        ],
    ),
    ("authoring", &["rewrite", "links", "identity"]),
    // Of `raptor` the names alone.
    ("edge", &["links", "identity", "tracking", "raptor"]),
    ("rewrite", &["links"]),
    ("links", &["identity"]),
    ("identity", &[]),
    ("tracking", &["store", "raptor"]),
    ("campaign", &["store"]),
    ("sync", &["actito", "raptor", "store", "lease"]),
    ("audience", &["actito", "raptor", "store", "lease"]),
    ("lease", &["store"]),
    // Reserved names must not reach Raptor in a page's URL, and `links` says which they are.
    ("raptor", &["links"]),
    ("actito", &[]),
    ("store", &[]),
    // It must not be able to agree with what it tests by sharing code; `clock` is a leaf.
    ("sandbox", &[]),
    ("main", &["cli"]),
];

/// Folders and files without I/O, clock, logging and globals.
const PURE: [&str; 10] = [
    "src/identity/",
    "src/links/",
    "src/rewrite/",
    "src/sync/plan.rs",
    "src/sync/planner.rs",
    "src/sync/ledger.rs",
    "src/sync/engine/",
    "src/audience/planner.rs",
    "src/audience/schedule.rs",
    "src/audience/member.rs",
];

const IMPURE: [&str; 18] = [
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::sync::Mutex",
    "SystemTime",
    "Instant",
    "clock::now",
    "tokio",
    "tracing",
    "println!",
    "eprintln!",
    "OnceLock",
    "LazyLock",
    "thread_local!",
    "static mut",
];

/// A cursor over memory is no I/O, though it is called so.
const IN_MEMORY: &str = "use std::io::{Cursor, Read as _, Write as _};";

/// The longest file. Most are under half of it.
const MAX_LINES: usize = 400;

/// One source file: its path from the project's folder, all of it, and its code without comments and
/// unit tests.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let without_tests = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let without_tests = without_tests.split("#[cfg(test)]\npub(").next().unwrap();
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let code = without_tests.lines().filter(is_code).map(|line| format!("{line}\n")).collect();
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        Self { path, text, code }
    }

    /// The top-level module that it belongs to.
    fn module(&self) -> &str {
        let name = self.path.strip_prefix("src/").unwrap();
        name.split(['/', '.']).next().unwrap()
    }

    fn is_under(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    /// Every `crate::module` that it names; `crate::{a, b::c}` names two.
    fn known(&self) -> BTreeSet<String> {
        let mut known = BTreeSet::new();
        for rest in self.code.split("crate::").skip(1).chain(self.code.split("reaid::").skip(1)) {
            match rest.strip_prefix('{') {
                None => known.extend(word(rest)),
                Some(group) => known.extend(group.split('}').next().unwrap().split(',').filter_map(word)),
            }
        }
        known
    }
}

/// The lower-case name that a path begins with; macros and types are none.
fn word(path: &str) -> Option<String> {
    let path = path.trim_start();
    let end = path.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(path.len());
    let name = &path[..end];
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).then(|| name.to_owned())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    files(&root().join("src"), "rs").iter().map(|path| Source::read(path)).collect()
}

/// The files under a folder whose names end so, in order; what is built or hidden is left out.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | ".git" | "corpus" | "artifacts" | "data") {
                found.extend(files(&path, ending));
            }
        } else if name.ends_with(&format!(".{ending}")) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The texts between double quotes in a piece of code, escapes left as they are.
fn literals(code: &str) -> Vec<&str> {
    code.lines().flat_map(|line| line.split('"').skip(1).step_by(2)).collect()
}

/// Fails with all complaints at once.
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn modules_know_only_whom_they_may() {
    let mut complaints = Vec::new();
    for source in sources() {
        let module = source.module();
        if module == "lib" {
            continue;
        }
        let allowed: &[&str] = match ARROWS.iter().find(|(name, _)| *name == module) {
            Some((_, allowed)) => allowed,
            None if LEAVES.contains(&module) => &[],
            None => panic!("{} belongs to no layer: add `{module}` to ARROWS or LEAVES", source.path),
        };
        for known in source.known() {
            let may = known == module || LEAVES.contains(&known.as_str()) || allowed.contains(&known.as_str());
            if !may {
                complaints.push(format!("{}: `{module}` may not know `{known}`", source.path));
            }
        }
        if module == "edge" && source.code.replace("raptor::names", "").contains("raptor::") {
            complaints.push(format!("{}: of `raptor`, `edge` may know `names` alone", source.path));
        }
    }
    none(complaints);
}

#[test]
fn every_file_says_what_it_is_for() {
    let roots = ["src", "tests", "benches", "fuzz"].map(|folder| files(&root().join(folder), "rs"));
    let silent = roots.iter().flatten().filter(|path| !fs::read_to_string(path).unwrap().starts_with("//! "));
    none(silent.map(|path| format!("{}: begin with `//!`", path.display())).collect());
}

#[test]
fn pure_code_has_no_io_clock_log_or_global() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| source.is_under(&PURE)) {
        let code = source.code.replace(IN_MEMORY, "");
        let impure = IMPURE.iter().filter(|word| code.contains(*word));
        complaints.extend(impure.map(|word| format!("{}: pure, but holds `{word}`", source.path)));
    }
    none(complaints);
}

#[test]
fn one_file_reads_the_real_clock() {
    let others = sources().into_iter().filter(|source| source.path != "src/clock.rs");
    let reading = others.filter(|source| source.code.contains("SystemTime::now"));
    none(reading.map(|source| format!("{}: ask `clock`", source.path)).collect());
}

#[test]
fn sql_lives_in_the_store() {
    let verbs = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA ", "rusqlite"];
    let outside = sources().into_iter().filter(|source| !source.is_under(&["src/store/"]));
    let speaking = outside.filter(|source| verbs.iter().any(|verb| source.code.contains(verb)));
    none(speaking.map(|source| format!("{}: speaks SQL", source.path)).collect());
}

#[test]
fn one_place_in_the_edge_knows_status_codes() {
    let others = sources().into_iter().filter(|source| source.is_under(&["src/edge/"]));
    let others = others.filter(|source| source.path != "src/edge/response.rs");
    let knowing =
        others.filter(|source| ["StatusCode", ".status(", "status_mut"].iter().any(|it| source.code.contains(it)));
    none(knowing.map(|source| format!("{}: knows a status code", source.path)).collect());
}

/// `reaid` and `url` are words of ours, too; `v` is a key of `proxy.toml`. The sandbox speaks as Raptor does.
#[test]
fn raptors_parameter_names_live_in_raptor() {
    let all = sources();
    let names = all.iter().find(|source| source.path == "src/raptor/names.rs").unwrap();
    let names: Vec<_> =
        literals(&names.code).into_iter().filter(|name| !matches!(*name, "reaid" | "url" | "v")).collect();
    assert!(names.contains(&"p1") && names.contains(&"utm_campaign"));
    let mut complaints = Vec::new();
    let others = all.iter().filter(|source| !source.is_under(&["src/raptor/", "src/sandbox/"]));
    for source in others.filter(|source| !source.path.ends_with("/tests.rs")) {
        // `HMAC(key, "sid" ‖ …)` is a formula of ours that happens to hold the word.
        let known = literals(&source.code).into_iter().filter(|text| names.contains(text));
        let known = known.filter(|text| !(source.path == "src/identity/visitor.rs" && *text == "sid"));
        complaints.extend(known.map(|name| format!("{}: knows Raptor's `{name}`", source.path)));
    }
    none(complaints);
}

#[test]
fn actitos_field_names_live_in_actito() {
    let names = ["accessToken", "attributes", "profileId", "totalElements", "dataType"];
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| !source.is_under(&["src/actito/", "src/sandbox/"])) {
        let known = literals(&source.code).into_iter().filter(|text| names.contains(text));
        complaints.extend(known.map(|name| format!("{}: knows Actito's `{name}`", source.path)));
    }
    none(complaints);
}

#[test]
fn no_file_is_too_long_to_read() {
    let long = sources().into_iter().filter(|source| source.text.lines().count() > MAX_LINES);
    none(long.map(|source| format!("{}: {} lines", source.path, source.text.lines().count())).collect());
}

#[test]
fn nothing_silences_a_lint_without_a_reason() {
    let bare =
        sources().into_iter().filter(|source| source.code.contains("#[allow(") || source.code.contains("#![allow("));
    none(bare.map(|source| format!("{}: `expect` a lint, with the reason", source.path)).collect());
}

/// Whatever somebody checks out must make sense without the machine that it was written on.
#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let mut places = vec![env!("CARGO_MANIFEST_DIR").to_owned()];
    places.extend(std::env::var("HOME").ok().filter(|home| home.len() > 1).map(|home| format!("{home}/")));
    let mut complaints = Vec::new();
    for ending in ["rs", "toml", "md", "html", "txt", "yml", "json"] {
        for path in files(root(), ending) {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            let named = places.iter().find(|place| text.contains(place.as_str()));
            complaints.extend(named.map(|place| format!("{}: names {place}", path.display())));
            complaints.extend(numbered_work(&text).map(|line| format!("{}: {line}", path.display())));
        }
    }
    none(complaints);
}

/// Lines about numbered work items, which nobody outside can look up.
fn numbered_work(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| {
        let words: Vec<String> = line.split_whitespace().map(str::to_lowercase).collect();
        words.windows(2).any(|pair| {
            let number = pair[1].trim_start_matches('#').trim_end_matches([':', '.', ',', ')']);
            let is_item = matches!(pair[0].trim_start_matches('('), "issue" | "task" | "ticket" | "milestone");
            is_item && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

#[test]
fn the_wire_format_is_written_down_as_it_is() {
    let path = root().join("docs/wire-format.md");
    let Ok(page) = fs::read_to_string(&path) else {
        eprintln!("skipped: no {}", path.display());
        return;
    };
    let all = sources();
    let of = |path: &str| all.iter().find(|source| source.path == path).unwrap().code.as_str();
    let every = all.iter().flat_map(|source| literals(&source.code));
    let labels: BTreeSet<&str> =
        every.filter(|text| text.starts_with("reaid v1 ") || text.starts_with("link v1 ")).collect();
    assert_eq!(labels.len(), 6, "{labels:?}");
    let reserved =
        literals(of("src/links/reserved.rs")).into_iter().filter(|text| text.len() > 1 && !text.contains(';'));
    let vectors = [
        JANE,
        JANE_ELSEWHERE,
        JANE_KEY_2,
        CAMPAIGN_TOKEN,
        PERSONAL_TOKEN,
        PIXEL_TOKEN,
        "AWin7WhZveucDx74Dr9bx1XZ",
        "7f73355bf032dcbb8e5a3f51f1e4a8ba92ef1344de2d95382634cf91da6d6181",
        "2f5c75b104c50025078513265a0ac3626e1440adecf5fcbd0e0d1a73170d077e",
        "B784D44F-BAB1-EF17-BF97-31B7005ECC59",
        "68439CC2-F9BE-84BC-24E5-A7AB3BA6C14B",
        "d186a35bb82ab44d",
    ];
    let paths = literals(of("src/links/click_url.rs"))
        .into_iter()
        .filter(|text| text.starts_with(['/', '.']) && text.len() > 1);
    let lower = page.to_lowercase();
    let missing = labels.into_iter().chain(reserved).chain(paths).filter(|text| !lower.contains(&text.to_lowercase()));
    let missing = missing.chain(vectors.into_iter().filter(|vector| !page.contains(vector)));
    none(missing.map(|text| format!("docs/wire-format.md does not say `{text}`")).collect());
    for (file, constant, words) in [
        ("src/identity/key.rs", "const MAX: u8 = 200", "200"),
        ("src/links/destination.rs", "const MAX_LEN: usize = 2048", "2048"),
        ("src/links/token.rs", "const VERSION: u8 = 1", "version"),
        ("src/links/token.rs", "const MAC_LEN: usize = 16", "16"),
        ("src/identity/reaid.rs", "const ID_LEN: usize = 13", "13"),
        ("src/identity/reaid.rs", "const CHECK_LEN: usize = 4", "4"),
        ("src/identity/address.rs", "const MAX_LEN: usize = 254", "254"),
        ("src/links/candidates.rs", "const MAX_TRIED: usize = 4", "4"),
    ] {
        assert!(
            of(file).contains(constant),
            "{file} no longer has `{constant}`: change docs/wire-format.md, and this test"
        );
        assert!(lower.contains(words), "docs/wire-format.md does not say `{words}`, as `{constant}` in {file}");
    }
}

/// What a report can say, an operator can look up.
#[test]
fn every_word_of_a_report_is_explained() {
    let page = fs::read_to_string(root().join("docs/newsletters.md")).unwrap();
    let all = sources();
    let of = |path: &str| all.iter().find(|source| source.path == path).unwrap().code.as_str();
    let reasons = of("src/rewrite/report.rs").split("pub enum Reason {").nth(1).unwrap().split('}').next().unwrap();
    let reasons: Vec<_> = reasons.split(',').map(str::trim).filter(|name| !name.is_empty()).map(snake_case).collect();
    assert!(reasons.len() > 20, "{reasons:?}");
    let remarks = ["src/rewrite/lint.rs", "src/rewrite/message.rs", "src/rewrite/message/line_length.rs"];
    let is_code =
        |text: &&str| text.contains('_') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let codes: Vec<_> = remarks.iter().flat_map(|path| literals(of(path))).filter(is_code).collect();
    assert!(codes.len() > 8, "{codes:?}");
    for word in reasons.iter().map(String::as_str).chain(codes) {
        assert!(page.contains(&format!("`{word}`")), "docs/newsletters.md does not explain `{word}`");
    }
}

fn snake_case(name: &str) -> String {
    let spaced = |(at, letter): (usize, char)| match letter.is_ascii_uppercase() && at > 0 {
        true => format!("_{}", letter.to_ascii_lowercase()),
        false => letter.to_ascii_lowercase().to_string(),
    };
    name.char_indices().map(spaced).collect()
}
