//! Clicks in a real browser: a rewritten link must bring to the shop exactly what the original link would
//! have brought, plus the REAID, and no trick of `tests/tricks.txt` may bring anybody elsewhere.
//!
//! Needs Chromium. Without one the tests say that they did nothing; with `REAID_REQUIRE_BROWSER=1` they
//! fail.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, and says where")]

#[path = "browser/cases.rs"]
mod cases;
#[path = "browser/chromium.rs"]
mod chromium;
#[path = "browser/stage.rs"]
mod stage;
mod support;
#[path = "tricks/table.rs"]
mod table;

use std::path::PathBuf;

use cases::{RELATIVE, destinations, expected, is_refused_by_browsers, page, personalised};
use reaid::rewrite::{Outcome, Report};
use serde::Deserialize;
use support::{JANE, Server, letter};
use table::{CLICK_HOST, FALLBACK, Trick, beside, forge, settings, token, tricks};

type Landings = Vec<Option<Landing>>;

/// Where a click ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Landing {
    /// The `Host` that was asked.
    host: String,
    /// The target of the request line, as it came.
    target: String,
    /// `location.href` there.
    href: String,
}

impl Landing {
    /// The fragment with its `#`, which no server sees.
    fn fragment(&self) -> Option<&str> {
        self.href.find('#').map(|at| &self.href[at..])
    }
}

#[tokio::test]
async fn a_rewritten_link_brings_what_the_original_brings_and_the_reaid() {
    let Some(browser) = chromium::find() else { return };
    let server = Server::start(&settings()).await;
    let base = "<base href='http://shop.example/mail/2026/'>";
    let absolute = destinations();
    let originals = [page("", &absolute), page(base, &RELATIVE)];
    let rewritten = originals.each_ref().map(|page| letter::rewrite(&server.setup, page.as_bytes()));
    let mut pages: Vec<Vec<u8>> = Vec::new();
    for (original, rewritten) in originals.iter().zip(&rewritten) {
        for page in [original.as_bytes(), &rewritten.bytes] {
            pages.push(personalised(str::from_utf8(page).unwrap(), JANE).into_bytes());
        }
    }
    let landings = click_all(&browser, &server, pages).await;
    let links: Vec<Vec<String>> = vec![absolute, RELATIVE.map(str::to_owned).into()];
    let mut complaints = Vec::new();
    for (((links, pair), rewritten), limit) in links.iter().zip(landings.chunks(2)).zip(&rewritten).zip([500, 10]) {
        let through_us = compare(links, &pair[0], &pair[1], &rewritten.report, &mut complaints);
        assert!(through_us >= limit, "{through_us} of {} links were rewritten", links.len());
    }
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
    server.stop().await;
}

/// Clicks every link of each page in turn, and says where each click landed; None where it landed nowhere.
async fn click_all(browser: &PathBuf, server: &Server, pages: Vec<Vec<u8>>) -> Vec<Landings> {
    let edge = Some((CLICK_HOST, server.edge));
    stage::run(browser, edge, include_bytes!("browser/click.html"), pages).await
}

/// Complains about each link that leads elsewhere than it did; counts those that lead through us.
fn compare(
    links: &[String],
    originals: &Landings,
    rewritten: &Landings,
    report: &Report,
    complaints: &mut Vec<String>,
) -> usize {
    assert_eq!((links.len(), links.len()), (originals.len(), rewritten.len()));
    assert_eq!(links.len(), report.links.len());
    let (mut through_us, mut refused) = (0, 0);
    for (((link, original), rewritten), reported) in links.iter().zip(originals).zip(rewritten).zip(&report.links) {
        let mut meant = original.clone();
        if let Outcome::Rewritten { .. } = reported.outcome {
            through_us += 1;
            if let Some(meant) = &mut meant {
                meant.target = expected(link, &meant.target, JANE);
            }
        }
        let seen = |landing: &Option<Landing>| {
            landing.as_ref().map(|it| (it.host.clone(), it.target.clone(), it.fragment().map(str::to_owned)))
        };
        if original.is_none() && is_refused_by_browsers(&personalised(link, JANE)) {
            refused += 1;
            assert_eq!(rewritten.is_some(), matches!(reported.outcome, Outcome::Rewritten { .. }), "{link:?}");
            continue;
        }
        if rewritten.is_none() || seen(&meant) != seen(rewritten) {
            let outcome = &reported.outcome;
            complaints.push(format!(
                "{link:?}\n  meant {:?}\n  found {:?}\n  {outcome:?}",
                seen(&meant),
                seen(rewritten)
            ));
        }
    }
    eprintln!("{through_us} of {} links lead through us; of {refused} a browser refuses the original", links.len());
    through_us
}

#[tokio::test]
async fn no_trick_lands_anywhere_else() {
    let Some(browser) = chromium::find() else { return };
    let server = Server::start(&settings()).await;
    let clicks = trick_clicks();
    let link = |(_, target, _): &(Trick, String, bool)| {
        let escaped = target.replace('&', "&amp;").replace('"', "&quot;");
        format!("<a href=\"http://{CLICK_HOST}{escaped}\">x</a>\n")
    };
    let page: String = clicks.iter().map(link).collect();
    let page = format!("<!doctype html><meta charset=utf-8>{page}").into_bytes();
    let landings = click_all(&browser, &server, vec![page]).await.remove(0);
    assert_eq!(landings.len(), clicks.len());
    let (mut landed, mut complaints) = (0, Vec::new());
    for ((trick, target, forged), landing) in clicks.iter().zip(landings) {
        let Some(landing) = landing else {
            // A path that climbs out of `/c/` is no click any more.
            let climbs_out = target.starts_with(&format!("/c/{}/", good()));
            if *forged || !(climbs_out || is_refused_by_browsers(target)) {
                complaints.push(format!("{}: {target} landed nowhere", trick.name));
            }
            continue;
        };
        landed += 1;
        let found = (landing.host.as_str(), landing.target.as_str());
        let good = match (*forged, trick.is_former_host(), trick.is_control()) {
            (false, ..) => found.0 == "shop.example" && found.1.starts_with("/p?x=1"),
            (true, true, _) => found.0 == "old.example" && !found.1.contains(JANE),
            (true, _, true) => is_host_of_shop(found.0) && found.1.contains(JANE),
            (true, false, false) => format!("http://{}{}", found.0, found.1) == FALLBACK,
        };
        if !good {
            complaints.push(format!("{}: {target} landed at {landing:?}", trick.name));
        }
    }
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
    eprintln!("{} clicks of tricks, {landed} landed", clicks.len());
    assert!(landed * 100 > clicks.len() * 95);
    server.stop().await;
}

/// The token of a link that is good.
fn good() -> String {
    token(0, b"http://shop.example/p?x=1#top")
}

fn is_host_of_shop(host: &str) -> bool {
    table::is_shop(&url::Url::parse(&format!("http://{host}/")).unwrap())
}

/// Every trick in tokens of its own, and in one place or another beside a token that is good: as it is
/// where a page can hold that, and encoded. Says also whether the token is the trick's.
fn trick_clicks() -> Vec<(Trick, String, bool)> {
    let mut clicks = Vec::new();
    for (number, trick) in tricks().into_iter().enumerate() {
        // Nobody here speaks TLS.
        let lands_with_tls = (trick.is_control() || trick.is_former_host()) && {
            trick.input.to_ascii_lowercase().starts_with(b"https")
        };
        let tokens = if lands_with_tls { Vec::new() } else { forge(&trick.input) };
        clicks.extend(tokens.iter().map(|token| (trick.clone(), format!("/c/{token}?reaid={JANE}"), true)));
        let raw = trick.text().map(|text| beside(&good(), text)[number % 5].clone());
        let encoded = beside(&good(), &trick.encoded())[(number + 2) % 5].clone();
        clicks.extend([raw, Some(encoded)].into_iter().flatten().map(|target| (trick.clone(), target, false)));
    }
    clicks
}
