//! Real newsletters, from rewriting to landing: every link that a browser sees is rewritten, and every
//! rewritten one, clicked over a socket, leads where it led before.
//!
//! The newsletters are not part of the project. `REAID_CORPUS` names a folder of them; without one the
//! test says that it did nothing.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed, and says where")]

#[path = "rewrite/dom.rs"]
mod dom;
#[path = "rewrite/judge.rs"]
mod judge;
mod support;

use std::collections::BTreeSet;

use dom::{lines, targets};
use judge::{Document, assert_only_targets_changed, hosts_of, newsletters};
use reaid::links::{Destination, parameters, reserved, split_query};
use reaid::rewrite::{Outcome, Reason, Report, Rewritten};
use support::house::CLICK_HOST;
use support::letter::{MERGE_FIELD, rewrite};
use support::{Connection, Server, Settings};

const BASE_URL: &str = "http://click.example";

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
    for Document { name, html } in &newsletters {
        let once = rewrite(&server.setup, html);
        assert_eq!(rewrite(&server.setup, &once.bytes).bytes, once.bytes, "{name}: rewriting twice equals once");
        assert_only_targets_changed(name, html, &once.bytes);
        assert_all_rewritten(name, html, &once);
        clicked += click_all(&server, name, &once.report, &reaid).await;
    }
    let counted = server.metrics().await.get("reaid_clicks_total{agent=\"unknown\",identity=\"valid\"}");
    assert_eq!(counted, f64::from(clicked), "every click had its identity");
    eprintln!("{} newsletters, {clicked} links clicked", newsletters.len());
    server.stop().await;
}

/// Every http(s) link that a browser sees is one of ours now, but for those whose reason is a rule.
fn assert_all_rewritten(name: &str, before: &[u8], rewritten: &Rewritten) {
    let (before, after) = (targets(&lines(before)), targets(&lines(&rewritten.bytes)));
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
    let has_field = |raw: &[u8]| [b"${", b"{{"].into_iter().any(|mark| raw.windows(2).any(|two| two == mark));
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
