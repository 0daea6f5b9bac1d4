//! Where a click can lead, tried with the cases that browsers test their URL parsers with (WPT's
//! `urltestdata.json`, read from the `url` crate's own source) and with mixtures of known tricks.
//!
//! The judge is the `url` crate's reading of the `Location`, which is a browser's.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, and says where")]

use std::path::PathBuf;
use std::process::Command;

use proptest::prelude::*;
use reaid::clock::Timestamp;
use reaid::identity::{Digest, Identities, Keyring, Reaid, Secret};
use reaid::links::{
    Account, Campaign, Destination, DestinationError, HostPattern, LinkKeys, Location, Recipient, Sites, Target,
};
use serde_json::Value;
use url::{Host, Url};

/// Everything between a link in a newsletter and the `Location` of its click.
struct World {
    keys: LinkKeys,
    sites: Sites,
    reaid: Reaid,
}

impl World {
    fn with_hosts<H: AsRef<str>>(hosts: &[H]) -> Self {
        let ring = Keyring::init(Secret::from_bytes([1; 32]), Secret::from_bytes([2; 32]), Timestamp::from_secs(0));
        let patterns: Vec<_> = hosts.iter().filter_map(|host| HostPattern::parse(host.as_ref()).ok()).collect();
        let base = Destination::parse("https://click.shop.example").unwrap();
        Self {
            keys: LinkKeys::derive(&ring),
            sites: Sites::new([patterns.as_slice()], vec![], vec![base]),
            reaid: Identities::derive(&ring, "shop").mint(&Digest::from_bytes([7; 32])),
        }
    }

    /// Signs a link, opens its token, and judges what it says again, as the edge does.
    fn signed(&self, url: &str) -> Result<Destination, DestinationError> {
        let accepted = self.sites.accept(url)?.destination;
        let (account, campaign) = (Account::parse("1234").unwrap(), Campaign::parse("demo").unwrap());
        let token = self.keys.sign_link(&accepted, 1, &account, &campaign, Recipient::Anyone);
        match self.keys.open(token.as_bytes()).unwrap().target {
            Target::Link(signed) => Ok(self.sites.readmit(&signed).unwrap().destination),
            Target::Pixel => panic!("{url:?} became a pixel"),
        }
    }

    fn location(&self, url: &str, click_query: &[u8]) -> Result<Location, DestinationError> {
        Ok(self.signed(url)?.merge(click_query, Some(&self.reaid)).location)
    }
}

/// What a browser makes of the bytes of a `Location`, which are fit for a header.
fn browsed(location: &Location) -> Url {
    assert!(location.as_bytes().iter().all(u8::is_ascii_graphic), "{:?}", location.as_str());
    Url::parse(location.as_str()).unwrap()
}

/// One of WPT's cases.
struct Case {
    input: String,
    base: Option<String>,
    /// What a browser makes of it; None where it refuses.
    href: Option<String>,
}

/// All cases; none, with a notice, where the `url` crate came without its tests.
fn cases() -> Vec<Case> {
    let text = |case: &Value, name: &str| case.get(name).and_then(Value::as_str).map(str::to_owned);
    let Some(file) = url_test_data() else {
        eprintln!("notice: the url crate's tests/urltestdata.json is not here; its cases are skipped");
        return Vec::new();
    };
    let all: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let cases: Vec<_> = all
        .iter()
        .filter_map(|case| {
            Some(Case { input: text(case, "input")?, base: text(case, "base"), href: text(case, "href") })
        })
        .collect();
    assert!(cases.len() > 500, "{} cases", cases.len());
    cases
}

/// Where cargo keeps the source of the `url` crate that this very build uses.
fn url_test_data() -> Option<PathBuf> {
    let metadata = Command::new(std::env::var_os("CARGO")?)
        .args(["metadata", "--offline", "--format-version", "1", "--filter-platform", "host-tuple", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .ok()?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout).ok()?;
    let is_url =
        |package: &&Value| package["name"] == "url" && package["version"].as_str().is_some_and(|v| v.starts_with("2."));
    let package = metadata["packages"].as_array()?.iter().find(is_url)?;
    let file = PathBuf::from(package["manifest_path"].as_str()?).with_file_name("tests").join("urltestdata.json");
    file.exists().then_some(file)
}

/// `host[:port]` of a web page.
fn authority(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let host = url.host_str()?.to_owned();
    Some(url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

/// Checks every case as a destination; how many were signed.
fn signed_cases(hosts: &[String]) -> usize {
    let world = World::with_hosts(hosts);
    let mut signed = 0;
    for case in cases() {
        for written in [Some(&case.input), case.href.as_ref()].into_iter().flatten() {
            let Ok(location) = world.location(written, b"actId=1&reaid=x") else { continue };
            let (leads, meant) = (browsed(&location), Url::parse(written).unwrap());
            assert!(hosts.contains(&authority(location.as_str()).unwrap()), "{written:?} leads to {leads}");
            assert_eq!((leads.scheme(), leads.host(), leads.port()), (meant.scheme(), meant.host(), meant.port()));
            assert_eq!((leads.path(), leads.fragment()), (meant.path(), meant.fragment()), "{written:?}");
            assert!(leads.username().is_empty() && leads.password().is_none(), "{written:?}");
            signed += 1;
        }
    }
    signed
}

#[test]
fn every_location_is_on_a_listed_host_and_the_one_that_was_meant() {
    let cases = cases();
    let all = |case: &Case| {
        [case.base.as_deref(), case.href.as_deref()].into_iter().flatten().filter_map(authority).collect::<Vec<_>>()
    };
    let mut hosts: Vec<_> = cases.iter().flat_map(all).collect();
    hosts.sort();
    hosts.dedup();
    let signed = signed_cases(&hosts);
    assert!(cases.is_empty() || signed > 200, "{signed} signed");
}

#[test]
fn with_the_hosts_of_the_bases_listed_nothing_else_is_signed() {
    let cases = cases();
    let mut hosts: Vec<_> = cases.iter().filter_map(|case| authority(case.base.as_deref()?)).collect();
    hosts.sort();
    hosts.dedup();
    let signed = signed_cases(&hosts);
    assert!(cases.is_empty() || signed > 50, "{signed} signed");
}

#[test]
fn with_no_host_listed_nothing_is_signed() {
    assert_eq!(signed_cases(&[]), 0);
}

/// Checks that a click's own parameters move nothing: page, host and signed query are those of the
/// destination without them.
fn check_parameters(destination: &Destination, query: &[u8], reaid: &Reaid) -> Result<(), TestCaseError> {
    let without = Url::parse(destination.as_str()).unwrap();
    let leads = browsed(&destination.merge(query, Some(reaid)).location);
    prop_assert_eq!((leads.scheme(), leads.host(), leads.port()), (without.scheme(), without.host(), without.port()));
    prop_assert_eq!((leads.path(), leads.fragment()), (without.path(), without.fragment()));
    prop_assert!(leads.username().is_empty() && leads.password().is_none());
    let (signed, query) = (without.query().unwrap_or_default(), leads.query().unwrap());
    prop_assert!(query.starts_with(signed), "{query}");
    let reaids: Vec<_> = leads.query_pairs().filter(|(name, _)| name.eq_ignore_ascii_case("reaid")).collect();
    prop_assert_eq!(reaids.len(), 1);
    prop_assert_eq!(&reaids[0].1, reaid.as_str());
    Ok(())
}

#[test]
fn parameters_of_a_click_move_neither_host_nor_path_nor_signed_query() {
    let world = World::with_hosts(&["shop.example", "[::1]:8080"]);
    let destinations =
        ["https://shop.example", "https://shop.example/a/b?x=1&y=%C3%A9#top", "http://[::1]:8080/?#/r?z"];
    for destination in destinations.map(|url| world.signed(url).unwrap()) {
        for case in cases() {
            let input = case.input;
            let encoded: String = url::form_urlencoded::byte_serialize(input.as_bytes()).collect();
            for query in [
                input.clone(),
                format!("{input}=1"),
                format!("next={input}"),
                format!("{encoded}=1&{encoded}={encoded}"),
                format!("&&=&{input}&reaid={input}#{input}?{input}"),
            ] {
                check_parameters(&destination, query.as_bytes(), &world.reaid).unwrap();
            }
        }
    }
}

/// Pieces that have fooled checks of redirect targets elsewhere, between spaces.
const TRICKS: &str = r"https:// http:// HTTPS:// https: https:/ https:/// // /\ \\ javascript: data:, \ / ? # & = ; - _ . ..
    shop.example Shop.Example www.shop.example sister.example:8443 bücher.example xn--bcher-kva.example click.shop.example
    evil.example shop.example.evil.example evilshop.example localhost a/../b /..//evil.example /%2e%2e/
    127.0.0.1 0x7f.1 0177.0.0.1 2130706433 127。0。0。1 [::1] [::ffff:127.0.0.1] [ ]
    @ user@ user:pass@ %40 : :443 :8443 :0443 :80 :99999 :０ %2e %2E %2f %5c %00 %09 %zz %
    。 ． ｓ ß ﬃ İ K ／ ＠ ： ？ ＃ ℀ xn-- xn--a é reaid=x amp;reaid=x";

/// The same, of characters that nobody sees.
const UNSEEN: &[&str] = &[
    "\t", "\n", "\r", "\0", " ", "\u{a0}", "\u{ad}", "\u{200b}", "\u{202e}", "\u{2028}", "\u{feff}", "\u{7f}",
    "\u{301}",
];

fn tricks() -> impl Strategy<Value = String> {
    let starts = ["", "https://shop.example", "https://", "http://www.shop.example/", " https://sister.example:8443"];
    let piece = prop_oneof![
        6 => prop::sample::select(TRICKS.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned),
        1 => prop::sample::select(UNSEEN).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    (prop::sample::select(starts.to_vec()), prop::collection::vec(piece, 0..7))
        .prop_map(|(start, pieces)| start.to_owned() + &pieces.concat())
}

fn is_shop(url: &Url) -> bool {
    let Some(Host::Domain(host)) = url.host() else { return false };
    match (host, url.port()) {
        ("click.shop.example", None) => false,
        ("shop.example" | "xn--bcher-kva.example", None) | ("sister.example", Some(8443)) => true,
        (host, None) => host.strip_suffix(".shop.example").is_some_and(|labels| !labels.is_empty()),
        _ => false,
    }
}

fn shops() -> World {
    World::with_hosts(&["shop.example", "*.shop.example", "sister.example:8443", "bücher.example"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_location_outside_the_sites_hosts(url in tricks(), query in tricks()) {
        let world = shops();
        if let Ok(destination) = world.signed(&url) {
            let leads = browsed(&destination.merge(query.as_bytes(), Some(&world.reaid)).location);
            prop_assert!(is_shop(&leads), "{url:?} leads to {leads}");
            let meant = Url::parse(&url).unwrap();
            prop_assert_eq!((leads.host(), leads.port(), leads.path()), (meant.host(), meant.port(), meant.path()));
            prop_assert!(leads.username().is_empty() && leads.password().is_none());
        }
    }

    #[test]
    fn no_trick_in_a_parameter_moves_the_location(query in prop::collection::vec(tricks(), 0..4)) {
        let world = shops();
        for url in ["https://shop.example", "https://a.shop.example/p/?x=1#f", "https://sister.example:8443/?"] {
            check_parameters(&world.signed(url).unwrap(), query.join("&").as_bytes(), &world.reaid)?;
        }
    }

    #[test]
    fn any_bytes_in_the_query_move_nothing(query in prop::collection::vec(any::<u8>(), 0..80)) {
        let world = shops();
        let destination = world.signed("https://shop.example/p?x=1#f").unwrap();
        check_parameters(&destination, &query, &world.reaid)?;
    }
}
