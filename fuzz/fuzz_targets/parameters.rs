//! The query of a click URL. The first line is a destination, the rest a query as a client sent it.
//!
//! What is checked, against the `url` crate where a browser's opinion counts: the location stays on
//! the destination's host and path, foreign bytes are kept, reserved names never pass, a REAID is only
//! taken when it stands in the query, and what is stored as the page holds no address.
#![no_main]

use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode;
use reaid::identity::{Digest, Reaid};
use reaid::links::{Account, Candidates, Claim, Destination, Recipient, Target};
use reaid::raptor::page_url;
use reaid_fuzz::{CAMPAIGN, IDENTITIES, LINKS, SITES, is_listed};
use url::Url;

const RESERVED: [&str; 6] = ["reaid", "ruid", "rsareaid", "reaid_consent", "email", "eh"];

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (destination, query) = (String::from_utf8_lossy(&data[..end]), data.get(end + 1..).unwrap_or_default());
    claim_is_in_the_query(query);
    page_holds_no_address(&format!("https://shop.example/p?{}", String::from_utf8_lossy(query)));
    page_holds_no_address(&destination);
    if let Some(signed) = signed(&destination) {
        let reaid = IDENTITIES.mint(&Digest::from_bytes([7; 32]));
        for reaid in [None, Some(&reaid)] {
            let location = merged(&signed, query, reaid);
            page_holds_no_address(&location);
        }
    }
});

/// From a newsletter's link to what the edge makes of its token.
fn signed(written: &str) -> Option<Destination> {
    let accepted = SITES.accept(written).ok()?.destination;
    let account = Account::parse("1234").expect("an account");
    let token = LINKS.sign_link(&accepted, 1, &account, &CAMPAIGN, Recipient::Anyone);
    let Target::Link(url) = LINKS.open(token.as_bytes()).expect("what was signed opens").target else {
        panic!("a link became a pixel");
    };
    let signed = SITES.readmit(&url).expect("what was accepted is readmitted").destination;
    assert_eq!(signed.as_str(), url, "reading what was signed changes nothing");
    let (meant, kept) = (Url::parse(written).expect("accepted"), Url::parse(&url).expect("signed"));
    assert!(is_listed(&kept), "{url}");
    assert_eq!((meant.host(), meant.port(), meant.path()), (kept.host(), kept.port(), kept.path()));
    assert_eq!((meant.scheme(), meant.fragment()), (kept.scheme(), kept.fragment()));
    Some(signed)
}

fn merged(destination: &Destination, query: &[u8], reaid: Option<&Reaid>) -> String {
    let merged = destination.merge(query, reaid);
    let location = merged.location.as_str().to_owned();
    assert!(http::HeaderValue::from_str(&location).is_ok() && location.bytes().all(|b| b.is_ascii_graphic()));
    let (meant, leads) = (Url::parse(destination.as_str()).expect("a URL"), Url::parse(&location).expect("a URL"));
    assert!(is_listed(&leads), "{location}");
    assert_eq!((meant.scheme(), meant.host(), meant.port()), (leads.scheme(), leads.host(), leads.port()));
    assert_eq!((meant.path(), meant.fragment()), (leads.path(), leads.fragment()));
    let mut names = leads.query_pairs().map(|(name, _)| meaning(name.as_bytes())).filter(|name| is_reserved(name));
    assert_eq!(names.next().as_deref(), reaid.map(|_| b"reaid".as_slice()), "{location}");
    assert_eq!(names.next(), None);
    let (expected, dropped) = expected(destination.as_str(), query, reaid);
    assert_eq!(parts(&location), expected);
    assert_eq!(merged.dropped, dropped);
    location
}

/// What stands before the query, its parameters, and the fragment.
type Parts = (String, Vec<String>, String);

fn parts(url: &str) -> Parts {
    let (url, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let (head, query) = url.split_once('?').unwrap_or((url, ""));
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty()).map(str::to_owned);
    (head.to_owned(), parameters.collect(), fragment.to_owned())
}

/// The signed parameters, the foreign ones byte for byte (but for what no header may hold), the REAID.
fn expected(destination: &str, query: &[u8], reaid: Option<&Reaid>) -> (Parts, u32) {
    let (head, mut parameters, fragment) = parts(destination);
    let decoded = |raw: &[u8]| -> Vec<u8> { percent_decode(name(raw)).collect() };
    let signed: Vec<_> = parameters.iter().map(|parameter| decoded(parameter.as_bytes())).collect();
    let mut dropped = 0;
    for raw in query.split(|byte| *byte == b'&').filter(|raw| !raw.is_empty()) {
        let name = decoded(raw);
        match meaning(&name) {
            meaning if meaning == b"reaid" => {}
            meaning if is_reserved(&meaning) || signed.contains(&name) => dropped += 1,
            _ => parameters.push(raw.iter().map(|byte| written(*byte)).collect()),
        }
    }
    parameters.extend(reaid.map(|reaid| format!("reaid={}", reaid.as_str())));
    ((head, parameters, fragment), dropped)
}

fn written(byte: u8) -> String {
    if byte.is_ascii_graphic() && byte != b'#' { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

fn name(raw: &[u8]) -> &[u8] {
    raw.split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// A decoded name without case and without leading `amp;` and `?`.
fn meaning(name: &[u8]) -> Vec<u8> {
    let mut name = name.to_ascii_lowercase();
    while let Some(rest) = name.strip_prefix(b"amp;").or(name.strip_prefix(b"?")) {
        name = rest.to_vec();
    }
    name
}

fn is_reserved(meaning: &[u8]) -> bool {
    RESERVED.iter().any(|name| name.as_bytes() == meaning)
}

fn claim_is_in_the_query(query: &[u8]) {
    let tried = std::cell::Cell::new(0);
    let claim = Candidates::of_query(query).resolve(|text| {
        tried.set(tried.get() + 1);
        assert_eq!(text.len(), Reaid::LEN);
        IDENTITIES.verify(text).ok()
    });
    assert!(tried.get() <= 4);
    let named = query
        .split(|byte| *byte == b'&')
        .any(|raw| meaning(&percent_decode(name(raw)).collect::<Vec<_>>()) == b"reaid");
    match claim {
        Claim::Valid(reaid) => {
            let decoded: Vec<u8> = percent_decode(query).collect();
            assert!(named && decoded.windows(Reaid::LEN).any(|window| window == reaid.as_str().as_bytes()));
        }
        Claim::Missing => {}
        Claim::MergeField | Claim::CheckFailed => assert!(named),
    }
}

fn page_holds_no_address(location: &str) {
    let page = page_url(location);
    assert_eq!(page_url(&page), page, "cleaning twice changes nothing more");
    assert!(!page.contains('#') && page.len() <= location.len());
    let (path, query) = page.split_once('?').unwrap_or((&page, ""));
    for segment in path.split('/') {
        assert!(!meant(segment).trim_start_matches('@').contains('@'), "{page}");
    }
    for parameter in query.split('&') {
        assert!(!meant(parameter).contains('@'), "{page}");
        let name = meaning(meant(parameter.split('=').next().unwrap_or_default()).as_bytes());
        assert!(!is_reserved(&name) && name != b"actid", "{page}");
    }
}

/// Decoded until nothing changes.
fn meant(text: &str) -> String {
    let decoded = percent_decode(text.as_bytes()).decode_utf8_lossy().into_owned();
    if decoded == text { decoded } else { meant(&decoded) }
}
