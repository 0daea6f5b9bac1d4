//! What rewriting may change in a document, judged from outside; and where documents to judge it by are.

use std::path::{Path, PathBuf};

use reaid::links::Destination;
use reaid::rewrite::html;

use crate::dom::{lines, targets, without_targets_and_pixel};

/// What the pixel's address begins with, in a house of the tests.
pub(crate) const PIXEL: &str = "http://click.example/o/";

/// A document and its name.
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) html: Vec<u8>,
}

/// The newsletters of `REAID_CORPUS`; none, with a notice, where there are none.
pub(crate) fn newsletters() -> Vec<Document> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/newsletters");
    let folder = std::env::var_os("REAID_CORPUS").map_or(beside, PathBuf::from);
    documents(&folder, "REAID_CORPUS")
}

/// The pages of a folder that `variable` may name; none, with a notice, where it is not there.
pub(crate) fn documents(folder: &Path, variable: &str) -> Vec<Document> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("skipped: nothing at {} ({variable} names another folder)", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "html"));
    paths.sort();
    assert!(!paths.is_empty(), "{} has no page", folder.display());
    let read = |path: PathBuf| Document { name: path.display().to_string(), html: std::fs::read(&path).unwrap() };
    paths.into_iter().map(read).collect()
}

/// The hosts, with their ports, of all http(s) links that a browser sees.
pub(crate) fn hosts_of(html: &[u8]) -> Vec<String> {
    let urls = targets(&lines(html)).into_iter().filter_map(|target| Destination::parse(&target).ok());
    urls.map(|url| url.port().map_or(url.host().to_owned(), |port| format!("{}:{port}", url.host()))).collect()
}

/// Byte for byte outside of targets and the pixel, and as a browser sees it.
pub(crate) fn assert_only_targets_changed(name: &str, before: &[u8], after: &[u8]) {
    assert_eq!(outside(&without_pixel(after)), outside(before), "{name}: bytes outside of targets");
    let (before, after) = (lines(before), lines(after));
    assert!(
        without_targets_and_pixel(&after, PIXEL) == without_targets_and_pixel(&before, PIXEL),
        "{name}: a browser sees another document"
    );
}

/// Without the one image that rewriting added.
fn without_pixel(html: &[u8]) -> Vec<u8> {
    let start = find(html, format!("<img src=\"{PIXEL}").as_bytes()).expect("a pixel");
    let end = start + find(&html[start..], b">").unwrap() + 1;
    [&html[..start], &html[end..]].concat()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The bytes between link targets, without the quotes that rewriting adds to bare ones.
fn outside(document: &[u8]) -> Vec<String> {
    let mut outside = Vec::new();
    let mut position = 0;
    for target in html::find(document).unwrap().links {
        let quotes = usize::from(target.href.quote != html::Quote::None);
        outside.push(String::from_utf8_lossy(&document[position..target.href.range.start - quotes]).into_owned());
        position = target.href.range.end + quotes;
    }
    outside.push(String::from_utf8_lossy(&document[position..]).into_owned());
    outside
}
