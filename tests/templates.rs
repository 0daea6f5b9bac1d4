//! Newsletters and templates of others, as html5ever and as Chromium read them: rewriting changes targets
//! and adds one pixel, and no link that either sees is missing in the report.
//!
//! HTML parts are those of the messages that `mail-parser` is tested with. The newsletters are those of `REAID_CORPUS`. The templates are what `tests/templates/fetch.sh` puts into
//! `REAID_TEMPLATES`, or into `templates` in the folder that cargo builds into. Without them, and for the browser's half
//! without Chromium, the tests say what they did not do.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that panics has failed")]

#[path = "browser/chromium.rs"]
mod chromium;
#[path = "rewrite/dom.rs"]
mod dom;
#[path = "rewrite/judge.rs"]
mod judge;
#[path = "browser/stage.rs"]
mod stage;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dom::{Line, lines, targets, without_targets_and_pixel};
use judge::{Document, PIXEL, assert_only_targets_changed, documents, hosts_of, newsletters};
use mail_parser::{Message, MessageParser, PartType};
use reaid::rewrite::{Link, Outcome, Rewritten};
use support::crates::source_of;
use support::{House, Settings, letter};
use tokio::runtime::Runtime;

/// A document before and after.
struct Pair {
    document: Document,
    rewritten: Rewritten,
}

#[test]
fn only_targets_change_and_the_report_has_every_link() {
    let pairs = pairs();
    let mut links = BTreeMap::new();
    for Pair { document: Document { name, html }, rewritten } in &pairs {
        assert_only_targets_changed(name, html, &rewritten.bytes);
        assert_reported(name, &targets(&lines(html)), &targets(&lines(&rewritten.bytes)), &rewritten.report.links);
        for link in &rewritten.report.links {
            *links.entry(action(link)).or_insert(0) += 1;
        }
    }
    eprintln!("{} documents, links: {links:?}", pairs.len());
}

#[test]
fn chromium_sees_the_same_document_and_no_other_link() {
    let Some(browser) = chromium::find() else { return };
    let pairs = pairs();
    let documents = pairs.iter().flat_map(|pair| [pair.document.html.clone(), pair.rewritten.bytes.clone()]);
    let parsing = stage::run(&browser, None, include_bytes!("browser/trees.html"), documents.collect());
    let trees: Vec<Vec<Line>> = Runtime::new().unwrap().block_on(parsing);
    assert_eq!(trees.len(), 2 * pairs.len());
    for (Pair { document, rewritten }, trees) in pairs.iter().zip(trees.chunks(2)) {
        let name = &document.name;
        assert_same(name, "before, to Chromium and html5ever", &trees[0], &lines(&document.html));
        assert_same(name, "after, to Chromium and html5ever", &trees[1], &lines(&rewritten.bytes));
        let [before, after] = [&trees[0], &trees[1]].map(|tree| without_targets_and_pixel(tree, PIXEL));
        assert_same(name, "before and after, to Chromium", &before, &after);
        assert_reported(name, &targets(&trees[0]), &targets(&trees[1]), &rewritten.report.links);
    }
    eprintln!("{} documents in Chromium", pairs.len());
}

/// The HTML parts of the messages that `mail-parser` is tested with; none, with a notice, where its source is
/// not at hand.
fn parts_of_messages() -> Vec<Document> {
    let Some(source) = source_of("mail-parser").filter(|source| source.join("resources/eml").is_dir()) else {
        eprintln!("skipped: the messages in the source of mail-parser are not here");
        return Vec::new();
    };
    let mut parts = BTreeMap::new();
    for suite in std::fs::read_dir(source.join("resources/eml")).unwrap() {
        for file in std::fs::read_dir(suite.unwrap().path()).into_iter().flatten() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            if let Some(message) = MessageParser::default().parse(&bytes) {
                collect_parts(&path.display().to_string(), &message, &mut parts);
            }
        }
    }
    assert!(parts.len() > 20, "{} parts", parts.len());
    parts.into_iter().map(|(html, name)| Document { name, html: html.into_bytes() }).collect()
}

/// Each part once: many messages there share theirs.
fn collect_parts(name: &str, message: &Message<'_>, parts: &mut BTreeMap<String, String>) {
    for (number, part) in message.parts.iter().enumerate() {
        let name = format!("{name}, part {number}");
        match &part.body {
            PartType::Html(html) => {
                parts.entry(html.to_string()).or_insert(name);
            }
            PartType::Message(inner) => collect_parts(&name, inner, parts),
            _ => {}
        }
    }
}

/// All documents, rewritten with every host that a link in them leads to as a shop's.
fn pairs() -> Vec<Pair> {
    let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("templates");
    let folder = std::env::var_os("REAID_TEMPLATES").map_or(beside, PathBuf::from).join("html");
    let mut all = newsletters();
    all.extend(documents(&folder, "REAID_TEMPLATES"));
    all.extend(parts_of_messages());
    let hosts: BTreeSet<String> = all.iter().flat_map(|document| hosts_of(&document.html)).collect();
    if hosts.is_empty() {
        return Vec::new();
    }
    let house = House::new(&Settings { hosts: hosts.into_iter().collect(), ..Settings::default() });
    let (setup, _store) = house.setup();
    let pair = |document: Document| {
        let rewritten = letter::rewrite(&setup, &document.html);
        let again = letter::rewrite(&setup, &rewritten.bytes);
        assert!(again.bytes == rewritten.bytes, "{}: rewriting twice equals once", document.name);
        Pair { document, rewritten }
    };
    all.into_iter().map(pair).collect()
}

/// Every target that was there is in the report, and every one that is there now is what the report says.
/// A parser may repeat a link or move it, so that their order proves nothing.
fn assert_reported(name: &str, before: &[String], after: &[String], links: &[Link]) {
    assert_eq!(before.len(), after.len(), "{name}: as many links as before");
    let originals: BTreeSet<&str> = links.iter().map(|link| link.original.trim()).collect();
    let now: BTreeSet<&str> = links.iter().map(now).collect();
    for (target, is_after) in before.iter().map(|it| (it, false)).chain(after.iter().map(|it| (it, true))) {
        let target = target.replace(['\t', '\n', '\r'], "");
        let known = if is_after { &now } else { &originals };
        assert!(known.contains(target.trim()), "{name}: {target:?} is not in the report (after: {is_after})");
    }
}

/// What a link leads to after rewriting.
fn now(link: &Link) -> &str {
    match &link.outcome {
        Outcome::Rewritten { url } => url,
        Outcome::Left { .. } => link.original.trim(),
    }
}

fn action(link: &Link) -> String {
    match &link.outcome {
        Outcome::Rewritten { .. } => "rewritten".to_owned(),
        Outcome::Left { reason } => format!("left, {reason:?}"),
    }
}

fn assert_same(name: &str, what: &str, one: &[Line], other: &[Line]) {
    let differs = one.iter().zip(other).position(|(one, other)| one != other);
    if let Some(at) = differs.or((one.len() != other.len()).then(|| one.len().min(other.len()))) {
        panic!("{name}, {what}, line {at}: {:?} and {:?}", one.get(at), other.get(at));
    }
}
