//! Real newsletters, from rewriting to landing: every link that a browser sees is rewritten, and every
//! rewritten one, clicked over a socket, leads where it led before.
//!
//! The newsletters are not part of the project. `REAID_CORPUS` names a folder of them; without one the
//! test says that it did nothing.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed, and says where")]

#[path = "rewrite/dom.rs"]
mod dom;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dom::{lines, targets, without_targets_and_pixel};
use reaid::app::Setup;
use reaid::links::{Account, Campaign, Destination, LinkMaker, parameters, reserved, split_query};
use reaid::rewrite::{self, Linker, Options, Outcome, Reason, Report, Rewritten, Shop, html};
use support::house::CLICK_HOST;
use support::{Connection, Server, Settings};

const BASE_URL: &str = "http://click.example";
const PIXEL: &str = "http://click.example/o/";
const MERGE_FIELD: &str = "${reaid}";

/// A newsletter and its name.
struct Newsletter {
    name: String,
    html: Vec<u8>,
}

#[tokio::test]
async fn every_link_of_a_real_newsletter_leads_where_it_led() {
    let newsletters = newsletters();
    if newsletters.is_empty() {
        return;
    }
    let hosts: BTreeSet<String> = newsletters.iter().flat_map(|newsletter| hosts_of(&newsletter.html)).collect();
    let settings = Settings { hosts: hosts.into_iter().collect(), ..Settings::default() };
    let server = Server::start(&settings).await;
    let reaid = server.mint("someone.who.reads@example.org");
    let mut clicked = 0;
    for Newsletter { name, html } in &newsletters {
        let once = rewrite(&server.setup, html);
        assert_eq!(rewrite(&server.setup, &once.html).html, once.html, "{name}: rewriting twice equals once");
        assert_only_targets_changed(name, html, &once.html);
        assert_all_rewritten(name, html, &once);
        clicked += click_all(&server, name, &once.report, &reaid).await;
    }
    let counted = server.metrics().await.get("reaid_clicks_total{agent=\"unknown\",identity=\"valid\"}");
    assert_eq!(counted, f64::from(clicked), "every click had its identity");
    eprintln!("{} newsletters, {clicked} links clicked", newsletters.len());
    server.stop().await;
}

fn newsletters() -> Vec<Newsletter> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/newsletters");
    let folder = std::env::var_os("REAID_CORPUS").map_or(beside, PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no newsletters at {} (REAID_CORPUS names another folder)", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "html"));
    paths.sort();
    assert!(!paths.is_empty(), "{} has no newsletter", folder.display());
    let read = |path: PathBuf| Newsletter { name: path.display().to_string(), html: std::fs::read(&path).unwrap() };
    paths.into_iter().map(read).collect()
}

/// The hosts, with their ports, of all http(s) links that a browser sees.
fn hosts_of(html: &[u8]) -> Vec<String> {
    let urls = targets(&lines(html)).into_iter().filter_map(|target| Destination::parse(&target).ok());
    urls.map(|url| url.port().map_or(url.host().to_owned(), |port| format!("{}:{port}", url.host()))).collect()
}

/// With the server's own sites and keys, as `reaid rewrite` does it.
fn rewrite(setup: &Setup, html: &[u8]) -> Rewritten {
    let shop = Shop { account: Account::parse("1234").unwrap(), merge_field: MERGE_FIELD.to_owned() };
    let campaign = Campaign::parse("corpus").unwrap();
    let maker = LinkMaker { keys: &setup.trust.links, base_url: BASE_URL, campaign: &campaign };
    let shops = [shop];
    let options = Options {
        linker: &Linker { sites: &setup.sites, shops: &shops, maker, pixel: &shops[0] },
        unsubscribe_patterns: &setup.config.links.unsubscribe_patterns,
        address_attributes: &["emailAddress".to_owned()],
        pixel: true,
    };
    rewrite::rewrite(html, options).unwrap()
}

/// Byte for byte outside of targets and the pixel, and as a browser sees it.
fn assert_only_targets_changed(name: &str, before: &[u8], after: &[u8]) {
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

/// Every http(s) link that a browser sees is one of ours now, but for those whose reason is a rule.
fn assert_all_rewritten(name: &str, before: &[u8], rewritten: &Rewritten) {
    let (before, after) = (targets(&lines(before)), targets(&lines(&rewritten.html)));
    let links = &rewritten.report.links;
    assert_eq!((before.len(), after.len()), (links.len(), links.len()), "{name}: the report has every link");
    for ((before, after), link) in before.iter().zip(&after).zip(links) {
        assert_eq!(link.original.trim(), before.trim(), "{name}: link {}", link.number);
        match &link.outcome {
            Outcome::Rewritten { url } => assert_eq!(after, url, "{name}: link {}", link.number),
            Outcome::Left { reason } => {
                assert_eq!(after, before, "{name}: link {} was left", link.number);
                let is_rule = matches!(
                    reason,
                    Reason::Unsubscribe
                        | Reason::MergeField
                        | Reason::MergeFieldOutsideQuery
                        | Reason::AddressMergeField
                        | Reason::Off
                );
                let is_web = before.trim().to_ascii_lowercase().starts_with("http");
                assert!(is_rule || !is_web, "{name}: {before} was left: {reason:?}");
            }
        }
    }
}

/// Clicks every rewritten link as its recipient; returns how many.
async fn click_all(server: &Server, name: &str, report: &Report, reaid: &str) -> u32 {
    let mut connection = Connection::open(server.edge).await.unwrap();
    let mut clicked = 0;
    for link in &report.links {
        let Outcome::Rewritten { url } = &link.outcome else { continue };
        let url = url.replace(MERGE_FIELD, reaid);
        let answer = connection.get(CLICK_HOST, url.strip_prefix(BASE_URL).unwrap(), "").await.unwrap();
        assert_eq!(answer.status, 302, "{name}: {url}");
        assert_eq!(answer.location(), expected_location(&link.original, reaid), "{name}: link {}", link.number);
        clicked += 1;
    }
    clicked
}

/// The original URL with the recipient's REAID before its fragment. Parameters with merge fields, which
/// no signature can cover, come after the others.
fn expected_location(original: &str, reaid: &str) -> String {
    let destination = Destination::parse(original).unwrap();
    let (head, query, fragment) = split_query(destination.as_bytes());
    let has_field = |raw: &[u8]| find(raw, b"${").is_some() || find(raw, b"{{").is_some();
    let query = query.unwrap_or_default();
    let mut kept: Vec<&[u8]> = query.split(|&byte| byte == b'&').collect();
    if parameters(query).any(|it| has_field(it.raw) || reserved::is_reserved(it.name)) {
        kept.retain(|raw| !raw.is_empty());
        kept.sort_by_key(|raw| has_field(raw));
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let query = text(&kept.join(&b'&'));
    let join = if query.is_empty() || query.ends_with('&') { "" } else { "&" };
    format!("{}?{query}{join}reaid={reaid}{}", text(head), text(fragment))
}
