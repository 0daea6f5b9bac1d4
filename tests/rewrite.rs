//! Rewriting whole newsletters: before and after to read, properties that hold for any bytes, and
//! real newsletters where they are at hand.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, and says where")]

#[path = "rewrite/dom.rs"]
mod dom;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use reaid::clock::Timestamp;
use reaid::identity::{Keyring, Secret};
use reaid::links::{
    Account, Campaign, ClickUrl, Destination, HostPattern, LinkKeys, LinkMaker, Recipient, Sites, Target,
};
use reaid::rewrite::{self, Link, Linker, Options, Outcome, Reason, Rewritten, Shop, html};

const BASE_URL: &str = "https://click.shop.example";
const PIXEL: &str = "https://click.shop.example/o/";

/// Two shops, the second with its own account and merge field.
struct World {
    keys: LinkKeys,
    campaign: Campaign,
    sites: Sites,
    shops: [Shop; 2],
    unsubscribe: Vec<String>,
    address: Vec<String>,
}

impl World {
    fn new() -> Self {
        Self::with_hosts(&["shop.example", "*.shop.example"], &["sister.example"])
    }

    fn with_hosts<H: AsRef<str>>(first: &[H], second: &[H]) -> Self {
        let secret: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let ring = Keyring::init(Secret::from_bytes(secret), Secret::from_bytes([9; 32]), Timestamp::from_secs(0));
        let patterns = |hosts: &[H]| hosts.iter().map(|h| HostPattern::parse(h.as_ref()).unwrap()).collect::<Vec<_>>();
        let base = Destination::parse(BASE_URL).unwrap();
        let shop = |account: &str, merge_field: &str| Shop {
            account: Account::parse(account).unwrap(),
            merge_field: merge_field.to_owned(),
        };
        Self {
            keys: LinkKeys::derive(&ring),
            campaign: Campaign::parse("demo").unwrap(),
            sites: Sites::new([patterns(first).as_slice(), patterns(second).as_slice()], vec![], vec![base]),
            shops: [shop("1234", "${reaid}"), shop("1235", "{{ contact.reaid | default: \"\" }}")],
            unsubscribe: vec!["unsubscribe".into(), "preferences".into()],
            address: vec!["mail1".into()],
        }
    }

    fn rewrite(&self, html: &[u8], pixel: bool) -> Rewritten {
        let maker = LinkMaker { keys: &self.keys, base_url: BASE_URL, campaign: &self.campaign };
        let linker = Linker { sites: &self.sites, shops: &self.shops, maker, pixel: &self.shops[0] };
        let options = Options {
            linker: &linker,
            unsubscribe_patterns: &self.unsubscribe,
            address_attributes: &self.address,
            pixel,
        };
        rewrite::rewrite(html, options).unwrap()
    }

    /// Where a click URL leads, by its token.
    fn destination(&self, url: &str) -> String {
        let opened = self.keys.open(ClickUrl::split(url).unwrap().token.as_bytes()).unwrap();
        assert_eq!(opened.recipient, Recipient::Anyone);
        match opened.target {
            Target::Link(destination) => destination,
            Target::Pixel => panic!("{url} is a pixel"),
        }
    }
}

fn reason(link: &Link) -> Option<Reason> {
    match link.outcome {
        Outcome::Left { reason } => Some(reason),
        Outcome::Rewritten { .. } => None,
    }
}

/// The only link of `<a href="…">`, rewritten.
fn one(href: &str) -> Link {
    World::new().rewrite(format!("<a href=\"{href}\">").as_bytes(), false).report.links.remove(0)
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(suffix)).collect();
    files.sort();
    files
}

/// `tests/rewrite/*.before.html` becomes `*.after.html`; with `UPDATE_GOLDEN=1` the latter are written.
#[test]
fn newsletters_come_out_as_written_down() {
    let before = files(&folder("tests/rewrite"), ".before.html");
    assert!(!before.is_empty());
    for path in before {
        let found = World::new().rewrite(&std::fs::read(&path).unwrap(), true).html;
        let after = PathBuf::from(path.to_string_lossy().replace(".before.", ".after."));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&after, &found).unwrap();
        }
        assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&std::fs::read(&after).unwrap()));
    }
}

#[test]
fn every_reason_to_leave_a_link_has_its_word() {
    for (href, expected) in [
        ("", Reason::Empty),
        (" \n", Reason::Empty),
        ("#top", Reason::Fragment),
        ("mailto:x@shop.example", Reason::Mailto),
        ("MAILTO&colon;x", Reason::Mailto),
        ("tel:+45", Reason::Tel),
        ("sms:+45", Reason::Sms),
        ("java\nscript:x", Reason::OtherScheme),
        ("${link}", Reason::MergeField),
        ("https://shop.example/${path}?a=1", Reason::MergeFieldOutsideQuery),
        ("https://${host}/", Reason::MergeFieldOutsideQuery),
        ("https://shop.example/?a=1#${x}", Reason::MergeFieldOutsideQuery),
        ("https://shop.example/?a=&#36;{x}", Reason::MergeFieldEscaped),
        ("https://shop.example/?who=${mail1}", Reason::AddressMergeField),
        ("https://shop.example/?who={{contact.Email}}", Reason::AddressMergeField),
        ("/p", Reason::RelativeWithoutBase),
        ("//shop.example/p", Reason::RelativeWithoutBase),
        ("https://shop.example/UnSubscribe?x", Reason::Unsubscribe),
        ("https://shop.example/un%73ubscribe", Reason::Unsubscribe),
        ("https://other.example/", Reason::OtherHost),
        ("https://notshop.example/", Reason::OtherHost),
        ("https://click.shop.example/c/AQEC?reaid=${reaid}", Reason::Ours),
        ("http://CLICK.shop.example/", Reason::Ours),
        ("https://u@shop.example/", Reason::Unsafe),
        ("https:shop.example/", Reason::Unsafe),
        ("https://shop.example\\@evil.example/", Reason::Unsafe),
    ] {
        let link = one(href);
        assert_eq!(reason(&link), Some(expected), "{href}");
    }
    assert_eq!(reason(&one(&format!("https://shop.example/{}", "a".repeat(2048)))), Some(Reason::TooLong));
    assert_eq!(reason(&one(&"x".repeat(9000))), Some(Reason::TooLong));
}

#[test]
fn destinations_are_what_a_browser_would_have_opened() {
    let world = World::new();
    for (href, destination, query) in [
        ("https://shop.example", "https://shop.example", "reaid=${reaid}"),
        (
            "https://shop.example/p?a=1&amp;b=2&copy=3#top",
            "https://shop.example/p?a=1&b=2&copy=3#top",
            "reaid=${reaid}",
        ),
        ("HTTP://shop.example/a+b?q=a+b&flag&t==", "HTTP://shop.example/a+b?q=a+b&flag&t==", "reaid=${reaid}"),
        ("\thttps://shop.example/gr&ouml;&szlig;e?ü", "https://shop.example/gr%C3%B6%C3%9Fe?%C3%BC", "reaid=${reaid}"),
        ("https://shop.example/p?a=1&sku=${sku}&b=2", "https://shop.example/p?a=1&b=2", "sku=${sku}&reaid=${reaid}"),
        (
            "https://shop.example/p?sku={{ a | b: 'c&d' }}#f",
            "https://shop.example/p#f",
            "sku={{ a | b: 'c&d' }}&reaid=${reaid}",
        ),
        ("https://shop.example/p?a=1&reaid=${old}&amp;amp;REAID=x", "https://shop.example/p?a=1", "reaid=${reaid}"),
        ("https://sister.example/", "https://sister.example/", "reaid={{ contact.reaid | default: \"\" }}"),
    ] {
        let Outcome::Rewritten { url } = one(href).outcome else { panic!("{href} was left") };
        assert_eq!((world.destination(&url).as_str(), url.split_once('?').unwrap().1), (destination, query), "{href}");
    }
}

#[test]
fn relative_links_start_from_the_base() {
    let world = World::new();
    let html = b"<base target=_blank><base href='https://shop.example/a/b?x'><a href='c?d=${e}'><a href='//sister.example/'><a href='?q'>";
    let report = world.rewrite(html, false).report;
    let urls = report.links.iter().map(|link| match &link.outcome {
        Outcome::Rewritten { url } => world.destination(url),
        Outcome::Left { reason } => panic!("left: {reason:?}"),
    });
    assert_eq!(
        urls.collect::<Vec<_>>(),
        ["https://shop.example/a/c", "https://sister.example/", "https://shop.example/a/b?q"]
    );
}

#[test]
fn a_merge_field_keeps_its_bytes_in_any_quotes() {
    for (before, after) in [
        ("<a href=https://shop.example/?a={{x|d:\"y\"}}>", "?a={{x|d:\"y\"}}&amp;reaid=${reaid}'>"),
        ("<a href='https://shop.example/?a={{x && \"y\"}}'>", "?a={{x && \"y\"}}&amp;reaid=${reaid}'>"),
        ("<a href=\"https://shop.example/?a=<%= x > 'y' %>&amp;b=1\">", "?a=<%= x > 'y' %>&amp;reaid=${reaid}\">"),
    ] {
        let found = String::from_utf8(World::new().rewrite(before.as_bytes(), false).html).unwrap();
        assert_eq!(found.split_at(found.find('?').unwrap()).1, after);
    }
}

#[test]
fn a_merge_field_that_never_ends_swallows_none_of_ours() {
    for href in ["https://sister.example/?s{{{ku=${sku}&x", "https://sister.example/?sku=${sku}{{"] {
        assert_eq!(reason(&one(href)), Some(Reason::Unsafe), "{href}");
    }
}

#[test]
fn a_document_beyond_the_limit_is_refused() {
    let world = World::new();
    let maker = LinkMaker { keys: &world.keys, base_url: BASE_URL, campaign: &world.campaign };
    let linker = Linker { sites: &world.sites, shops: &world.shops, maker, pixel: &world.shops[0] };
    let options = Options { linker: &linker, unsubscribe_patterns: &[], address_attributes: &[], pixel: false };
    let document = vec![b'x'; rewrite::MAX_DOCUMENT + 1];
    assert_eq!(rewrite::rewrite(&document, options).unwrap_err().kind(), "too_large");
    assert_eq!(rewrite::rewrite(&document[1..], options).unwrap().html, document[1..]);
}

#[test]
fn links_beyond_the_last_number_are_left() {
    let html = "<a href=https://shop.example>".repeat(65_537);
    let report = World::new().rewrite(html.as_bytes(), false).report;
    assert_eq!(report.rewritten(), 65_535);
    assert_eq!(reason(&report.links[65_536]), Some(Reason::TooMany));
}

/// The bytes between link targets, without the quotes that rewriting adds.
fn outside_targets(html: &[u8]) -> Vec<Vec<u8>> {
    let mut position = 0;
    let mut outside = Vec::new();
    for target in html::find(html).unwrap().links {
        let quoted = usize::from(target.href.quote != html::Quote::None);
        outside.push(html[position..target.href.range.start - quoted].to_vec());
        position = target.href.range.end + quoted;
    }
    outside.push(html[position..].to_vec());
    outside
}

/// Pieces of newsletters, whole and broken. `<svg>` is always closed: of two open ones lol_html follows
/// only the inner to its end, and then takes the text of a later `<style>` for markup.
fn pieces(links: &'static [&'static str]) -> impl Strategy<Value = String> {
    let markup: &'static [&'static str] = &[
        "<p>",
        "</p>",
        "<table><tr><td>",
        "</td></tr></table>",
        "<b>",
        "</b>",
        "<div title='</body>'>",
        "</div>",
        "<!-- <a href=\"https://shop.example/no\"> -->",
        "<!--[if mso]>",
        "<![endif]-->",
        "<!--[if !mso]><!-->",
        "<style>",
        "</style>",
        "<script>'<a href=\"https://shop.example/no\">'",
        "</script>",
        "<title>",
        "</title>",
        "<textarea>",
        "</textarea>",
        "<img src=x>",
        "<body class=x>",
        "</body>",
        "</html>",
        "</a>",
        "text & é &amp; ",
        "<svg><a href=x></a></svg>",
        "<a name=x>",
        "<a\n",
        "<!doctype html>",
        "</p title=\">\"",
        "<select>",
        "${firstName}",
    ];
    let piece = prop_oneof![
        3 => prop::sample::select(markup).prop_map(str::to_owned),
        3 => prop::sample::select(links).prop_map(str::to_owned),
        1 => "[<>\"'=/ a-z&;!-]{0,6}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const OURS_AND_OTHERS: &[&str] = &[
    "<a href=\"https://shop.example/p?x=1&amp;y=2\">",
    "<A HREF = https://shop.example/p?x=1>",
    "<a class=x href='https://sister.example/?sku=${sku}&#38;q=\"'>",
    "<area href=https://www.shop.example/map?a=b&copy=c#d alt=x>",
    "<a href='https://shop.example/1' href='https://shop.example/2'>",
    "<a href=https://shop.example/>",
    "<a/href=\"https://shop.example/\"title=x>",
    "<a href=\"https://other.example/\">",
    "<a href=\"/relative?a=${b}\">",
    "<a href=\"mailto:x@shop.example\">",
    "<a href>",
    "<base href=https://shop.example/base/>",
];

const OTHERS: &[&str] = &[
    "<a href=\"https://other.example/p?x=1&amp;y=2\">",
    "<A HREF = https://other.example/p?x=1>",
    "<a href=/relative>",
    "<a href='#x'>",
    "<a href=\"${link}\">",
    "<a href='https://shop.example/' data-reaid=off>",
    "<img src=\"https://click.shop.example/o/x.gif\">",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn with_nothing_to_rewrite_the_input_comes_back(html in pieces(OTHERS), junk in prop::collection::vec(any::<u8>(), 0..64)) {
        let html = [html.as_bytes(), &junk].concat();
        let elsewhere = World::with_hosts(&["elsewhere.example"], &[]);
        prop_assert_eq!(elsewhere.rewrite(&html, false).html, html);
    }

    #[test]
    fn bytes_outside_targets_stay_as_they_are(html in pieces(OURS_AND_OTHERS), junk in any::<u8>()) {
        let html = [html.as_bytes(), &[junk]].concat();
        prop_assert_eq!(outside_targets(&World::new().rewrite(&html, false).html), outside_targets(&html));
    }

    #[test]
    fn rewriting_twice_equals_rewriting_once(html in pieces(OURS_AND_OTHERS), pixel: bool) {
        let world = World::new();
        let once = world.rewrite(html.as_bytes(), pixel);
        let twice = world.rewrite(&once.html, pixel);
        prop_assert_eq!(twice.report.rewritten(), 0);
        prop_assert_eq!(twice.report.pixel, once.report.pixel);
        prop_assert_eq!(String::from_utf8_lossy(&twice.html), String::from_utf8_lossy(&once.html));
    }

    #[test]
    fn browsers_see_the_same_document_but_for_targets(html in pieces(OURS_AND_OTHERS)) {
        let after = World::new().rewrite(html.as_bytes(), false).html;
        let (before, after) = (dom::lines(html.as_bytes()), dom::lines(&after));
        prop_assert_eq!(dom::without_targets_and_pixel(&before, PIXEL), dom::without_targets_and_pixel(&after, PIXEL));
        let missed = dom::targets(&after).into_iter().find(|target| {
            target.starts_with("https://shop.") || target.starts_with("https://www.") || target.starts_with("https://sister.")
        });
        prop_assert_eq!(missed, None);
    }

    #[test]
    fn the_pixel_removed_leaves_the_document_without_it(html in pieces(OURS_AND_OTHERS)) {
        let (without, with) = (World::new().rewrite(html.as_bytes(), false), World::new().rewrite(html.as_bytes(), true));
        let with_text = String::from_utf8_lossy(&with.html).into_owned();
        let removed = match (with.report.pixel, with_text.find("<img src=\"https://click.shop.example/o/")) {
            (true, Some(start)) => {
                let end = start + with_text[start..].find('>').unwrap() + 1;
                format!("{}{}", &with_text[..start], &with_text[end..])
            }
            (false, None) => with_text,
            other => panic!("report and document disagree: {other:?}"),
        };
        prop_assert_eq!(removed, String::from_utf8_lossy(&without.html));
    }
}

/// Checks one newsletter whose every http(s) host belongs to a shop.
fn check_newsletter(name: &str, html: &[u8]) {
    let before = dom::lines(html);
    let web = |target: &&String| target.trim_start().get(..4).is_some_and(|s| s.eq_ignore_ascii_case("http"));
    let hosts: Vec<String> = dom::targets(&before)
        .iter()
        .filter(web)
        .filter_map(|target| Some(url::Url::parse(target).ok()?.host_str()?.to_owned()))
        .collect();
    let mut world = World::with_hosts(&hosts, &[]);
    world.unsubscribe.clear();
    let once = world.rewrite(html, true);
    for link in &once.report.links {
        let expected = match &link.outcome {
            Outcome::Rewritten { url } => Ok(world.destination(url)),
            Outcome::Left { reason } => Err(*reason),
        };
        match expected {
            Ok(destination) if !link.original.contains("${") => {
                let original = world.sites.accept(&link.original).unwrap().destination;
                assert_eq!(destination, original.as_str(), "{name}");
            }
            Ok(_) | Err(Reason::Off | Reason::MergeFieldOutsideQuery | Reason::AddressMergeField) => {}
            Err(reason) => assert!(
                !web(&&link.original) || world.sites.accept(&link.original).is_err(),
                "{name}: {reason:?} {}",
                link.original
            ),
        }
    }
    assert_eq!(dom::targets(&before).len(), once.report.links.len(), "{name}: every link that a browser sees is found");
    assert!(once.report.pixel, "{name}");
    let after = dom::lines(&once.html);
    assert_eq!(dom::without_targets_and_pixel(&before, PIXEL), dom::without_targets_and_pixel(&after, PIXEL), "{name}");
    assert_eq!(world.rewrite(&once.html, true).html, once.html, "{name}");
}

#[test]
fn the_newsletter_of_the_demo_is_rewritten() {
    let html = std::fs::read(folder("assets/newsletter.html")).unwrap();
    check_newsletter("assets/newsletter.html", &html);
    let report = World::new().rewrite(&html, true).report;
    let left = |wanted| report.links.iter().filter(|link| reason(link) == Some(wanted)).count();
    assert_eq!(report.rewritten(), 12);
    assert_eq!([Reason::Fragment, Reason::Unsubscribe, Reason::Off, Reason::AddressMergeField].map(left), [2, 2, 1, 1]);
    assert_eq!([Reason::MergeField, Reason::Mailto, Reason::Tel, Reason::OtherHost].map(left), [1, 1, 1, 1]);
}

/// Real newsletters are not part of the project; `REAID_CORPUS` names a folder of them.
#[test]
fn real_newsletters_are_rewritten() {
    let corpus = std::env::var_os("REAID_CORPUS").map_or_else(|| folder("../shared/corpus/newsletters"), PathBuf::from);
    if !corpus.is_dir() {
        eprintln!("no newsletters at {}: skipped", corpus.display());
        return;
    }
    for path in files(&corpus, ".html") {
        check_newsletter(&path.to_string_lossy(), &std::fs::read(&path).unwrap());
    }
}
