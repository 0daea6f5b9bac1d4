//! None signs, none lands: every trick of `tests/tricks.txt` against signing, newsletters, tokens that
//! were signed all the same, and clicks that carry it beside a good token.
//!
//! `tests/browser.rs` clicks the same table in a real browser.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, and says where")]

mod support;
#[path = "tricks/table.rs"]
mod table;

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;

use reaid::links::{ClickUrl, Target};
use reaid::rewrite::Outcome;
use support::{Answer, CAMPAIGN_TOKEN, Connection, House, JANE, Server, letter, program};
use table::{CLICK_HOST, FALLBACK, Trick, beside, forge, is_shop, settings, tricks};
use url::Url;

/// What bytes that are no text come to depends on it.
const UTF_8: &[u8] = b"<meta charset=utf-8>";

#[test]
fn the_table_has_hundreds_of_tricks_and_a_group_that_is_none() {
    let tricks = tricks();
    let distinct: BTreeSet<_> = tricks.iter().map(|trick| &trick.input).collect();
    assert_eq!(distinct.len(), tricks.len());
    assert!(tricks.iter().filter(|trick| !trick.is_control()).count() >= 200);
    assert!(tricks.iter().filter(|trick| trick.is_control()).count() >= 20);
    assert_eq!(
        table::token(2, b"shop.example/p?x=1&y=%C3%A9#top"),
        CAMPAIGN_TOKEN,
        "tokens here are those of the vectors"
    );
}

#[test]
fn none_is_signed() {
    let house = House::new(&settings());
    let (setup, _store) = house.setup();
    for trick in tricks() {
        let Some(text) = trick.text() else { continue };
        let accepted = setup.sites.accept(text);
        assert_eq!(accepted.is_ok(), trick.is_control(), "{}: {accepted:?}", trick.name);
        if let Ok(accepted) = accepted {
            assert!(is_shop(&Url::parse(accepted.destination.as_str()).unwrap()), "{}", trick.name);
        }
    }
}

/// One in five, every kind among them; an argument cannot hold a NUL.
#[test]
fn the_command_line_signs_none() {
    let house = House::new(&settings());
    let mut kinds = BTreeSet::new();
    for (index, trick) in tricks().into_iter().enumerate() {
        if trick.input.contains(&0) || !(kinds.insert(trick.kind) || index % 5 == 0) {
            continue;
        }
        let url = std::ffi::OsStr::from_bytes(&trick.input);
        let mut command = program::command(house.folder(), &["link", "create", "--campaign", "demo", "--"]);
        let output = command.arg(url).output().unwrap();
        let code = if trick.is_control() { 0 } else { 64 };
        assert_eq!(output.status.code(), Some(code), "{}: {output:?}", trick.name);
        assert_eq!(output.stdout.is_empty(), !trick.is_control(), "{}: {output:?}", trick.name);
    }
    assert!(kinds.len() >= 15, "{kinds:?}");
}

#[test]
fn none_is_rewritten_in_a_newsletter() {
    let house = House::new(&settings());
    let (setup, _store) = house.setup();
    let tricks = tricks();
    for spelling in [plainly, in_decimal, in_hex] {
        let links = tricks.iter().map(|trick| [b"<a href=\"".as_slice(), &spelling(trick), b"\">x</a>\n"].concat());
        let report = letter::rewrite(&setup, &[UTF_8.to_vec(), links.collect::<Vec<_>>().concat()].concat()).report;
        assert_eq!(report.links.len(), tricks.len());
        for (trick, link) in tricks.iter().zip(&report.links) {
            match &link.outcome {
                Outcome::Rewritten { url } => assert!(trick.is_control() || is_mended(trick), "{}: {url}", trick.name),
                Outcome::Left { reason } => assert!(!trick.is_control(), "{}: {reason:?}", trick.name),
            }
        }
    }
}

/// With a base a relative link may be rewritten: then it leads where a browser would have gone.
#[test]
fn with_a_base_none_leads_from_a_newsletter_to_another_host() {
    let house = House::new(&settings());
    let (setup, _store) = house.setup();
    let base = Url::parse("http://shop.example/letter/").unwrap();
    let mut relative = 0;
    for trick in tricks() {
        let html = [UTF_8, format!("<base href='{base}'><a href=\"").as_bytes(), &plainly(&trick), b"\">"].concat();
        let report = letter::rewrite(&setup, &html).report;
        let Outcome::Rewritten { url } = &report.links[0].outcome else { continue };
        let opened = setup.trust.links.open(ClickUrl::split(url).unwrap().token.as_bytes()).unwrap();
        let Target::Link(destination) = opened.target else { panic!("{}: a pixel", trick.name) };
        let (leads, meant) = (Url::parse(&destination).unwrap(), base.join(&as_parsed(&trick)).unwrap());
        assert!(is_shop(&leads), "{}: {leads}", trick.name);
        assert_eq!((leads.host(), leads.path()), (meant.host(), meant.path()), "{}", trick.name);
        relative += u32::from(!trick.is_control());
    }
    assert!(relative > 5, "{relative} relative links were rewritten");
}

#[tokio::test]
async fn a_token_for_one_leads_to_the_fallback() {
    let server = Server::start(&settings()).await;
    let mut edge = Edge::new(&server);
    for trick in tricks() {
        for token in forge(&trick.input) {
            let answer =
                edge.get(&format!("/c/{token}?reaid={JANE}")).await.unwrap_or_else(|| panic!("{}", trick.name));
            assert_clean(&trick, &answer);
            let location = Url::parse(answer.location()).unwrap();
            if trick.is_control() {
                assert!(is_shop(&location) && answer.location().contains(JANE), "{}: {location}", trick.name);
            } else if trick.is_former_host() {
                assert_eq!(location.host_str(), Some("old.example"), "{}", trick.name);
                assert!(!answer.location().contains(JANE), "{}: {location}", trick.name);
            } else {
                assert_eq!(answer.location(), FALLBACK, "{}", trick.name);
            }
        }
    }
    server.stop().await;
}

/// What no URL may hold is sent as it is, too: then there may be no answer to follow at all.
#[tokio::test]
async fn none_in_a_click_moves_it() {
    let server = Server::start(&settings()).await;
    let mut edge = Edge::new(&server);
    let (mut asked, mut landed) = (0, 0);
    for trick in tricks() {
        let raw = trick.text().map(str::to_owned);
        for text in [raw, Some(trick.encoded())].into_iter().flatten() {
            let is_raw = text != trick.encoded();
            for target in beside(CAMPAIGN_TOKEN, &text) {
                asked += 1;
                let Some(answer) = edge.get(&target).await else {
                    assert!(is_raw, "{}: no answer to {target}", trick.name);
                    continue;
                };
                if answer.status != 302 {
                    let too_long = answer.status == 414 && target.len() > 8000;
                    // A line break ends the request early, and another `Host` may come behind it.
                    let refused = is_raw && matches!(answer.status, 400 | 421);
                    assert!(refused || too_long, "{}: {}", trick.name, answer.head);
                    assert_eq!(answer.header("location"), None, "{}", trick.name);
                    continue;
                }
                assert_clean(&trick, &answer);
                let location = Url::parse(answer.location()).unwrap();
                assert_eq!((location.host_str(), location.port()), (Some("shop.example"), None), "{}", trick.name);
                assert!(is_shop(&location), "{}: {location}", trick.name);
                assert_eq!((location.path(), location.fragment()), ("/p", Some("top")), "{}: {target}", trick.name);
                landed += 1;
            }
        }
    }
    assert!(landed * 10 > asked * 8, "{landed} of {asked} clicks were answered");
    server.stop().await;
}

/// Connections to the edge, renewed when one ends.
struct Edge<'s> {
    server: &'s Server,
    connection: Option<Connection>,
}

impl<'s> Edge<'s> {
    fn new(server: &'s Server) -> Self {
        Self { server, connection: None }
    }

    /// None when the edge closed without an answer.
    async fn get(&mut self, target: &str) -> Option<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.server.edge).await.unwrap(),
        };
        let answer = connection.get(CLICK_HOST, target, "").await;
        // What follows a line break would be answered as a request of its own.
        let is_whole = !target.contains(|c: char| c.is_ascii_control() || c == ' ');
        if is_whole && answer.as_ref().is_some_and(|answer| answer.header("connection") != Some("close")) {
            self.connection = Some(connection);
        }
        answer
    }
}

/// The headers are ours and no more, and a `Location` is visible ASCII.
fn assert_clean(trick: &Trick, answer: &Answer) {
    let own = ["location", "cache-control", "referrer-policy", "x-robots-tag", "content-length", "date", "connection"];
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.iter().all(|name| own.contains(name)), "{}: {names:?}", trick.name);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{}: {names:?}", trick.name);
    assert!(answer.location().bytes().all(|byte| byte.is_ascii_graphic()), "{}: {:?}", trick.name, answer.location());
    assert_eq!(answer.status, 302, "{}", trick.name);
}

/// The trick as an attribute's value: nothing escaped but what would end it or be read as a reference.
fn plainly(trick: &Trick) -> Vec<u8> {
    let escaped = |byte: &u8| match byte {
        b'&' => b"&amp;".to_vec(),
        b'"' => b"&quot;".to_vec(),
        other => vec![*other],
    };
    trick.input.iter().flat_map(escaped).collect()
}

fn in_decimal(trick: &Trick) -> Vec<u8> {
    by_number(trick, |number| format!("&#{number};"))
}

fn in_hex(trick: &Trick) -> Vec<u8> {
    by_number(trick, |number| format!("&#X{number:X};"))
}

fn by_number(trick: &Trick, written: impl Fn(u32) -> String) -> Vec<u8> {
    as_parsed(trick).chars().map(|character| written(character.into())).collect::<String>().into_bytes()
}

/// What a browser's parser makes of the bytes before anybody sees them.
fn as_parsed(trick: &Trick) -> String {
    String::from_utf8_lossy(&trick.input).replace('\0', "\u{fffd}")
}

/// Whether a page's parser already made a page of the shop of it: bytes that are no text, in the path.
fn is_mended(trick: &Trick) -> bool {
    as_parsed(trick).as_bytes() != trick.input && is_shop(&Url::parse(&as_parsed(trick)).unwrap())
}
