//! Transcripts of HTTP: what is sent, what comes back, and what it counts, for people to read.
//!
//! ```text
//! # A sentence about the file.
//! ! edge fallback_url = "https://shop.example/lost"     a line of proxy.toml, in the table named first
//! ! base_url https://click.example                      what links begin with
//! % plain = https://shop.example/                       {plain} is a campaign link to this page
//!
//! == A click lands
//! > GET {plain}?reaid={jane} HTTP/1.1                   lines end in CRLF; the last is followed by an empty one
//! > Host: click.example                                 `>` alone, and what follows is the body; {length} is its length
//! < HTTP/1.1 302 Found                                  everything but the date, in order
//! < location: https://shop.example/?reaid={jane}
//! = closed                                              when the answer says so, and the server did
//! + clicks_total{agent="unknown",identity="valid"}      every counter that moved; by more than one: `+2 …`
//! ```
//!
//! Each exchange has a connection of its own. `{id}` and `{now}` stand for what differs each time; `{a*9000}` stands for 9,000 times `a`. With
//! `UPDATE_GOLDEN=1` the answers are written down anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use reaid::identity::Keyring;
use reaid::links::{Account, Campaign, Destination, LinkKeys, Recipient};

use crate::support::house::{self, vectors_key};
use crate::support::{
    Answer, CAMPAIGN_TOKEN, Connection, JANE, JANE_ADDRESS, JANE_ELSEWHERE, JANE_KEY_2, PERSONAL_TOKEN, PIXEL_TOKEN,
    Server, Settings,
};

/// The pixel, byte for byte.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// Counters that a transcript shows, by the beginning of their names.
const SHOWN: [&str; 9] = [
    "cookies_set",
    "clicks",
    "opens",
    "fallbacks",
    "dead_pixels",
    "requests_refused",
    "requests_misdirected",
    "click_parameters",
    "webhooks",
];

/// Plays `tests/http/NAME.txt` to a server, and compares.
pub(crate) async fn play(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http").join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, exchanges) = text.split_at(text.find("\n==").unwrap() + 1);
    let server = Server::start(&settings(head)).await;
    let placeholders = placeholders(head);
    let to_admin = head.contains("\n! listener admin\n");
    let mut played = head.to_owned();
    for exchange in exchanges.split_inclusive("\n\n") {
        played += &play_one(&server, exchange, &placeholders, to_admin).await;
    }
    server.stop().await;
    let played = format!("{}\n", played.trim_end());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &played).unwrap();
    }
    for (expected, found) in text.split("\n\n").zip(played.split("\n\n")) {
        assert_eq!(found.trim_end(), expected.trim_end(), "in {name}.txt");
    }
    assert_eq!(played, text, "in {name}.txt");
}

fn settings(head: &str) -> Settings {
    let mut settings = Settings::default();
    for line in head.lines().filter_map(|line| line.strip_prefix("! ")) {
        let (table, line) = line.split_once(' ').unwrap();
        let lines = match table {
            "edge" => &mut settings.edge,
            "admin" => &mut settings.admin,
            "links" => &mut settings.links,
            "raptor" => &mut settings.raptor,
            "site" => &mut settings.site,
            "integration" => &mut settings.integration,
            "base_url" => {
                settings.base_url = line.to_owned();
                continue;
            }
            "listener" => continue,
            other => panic!("no table {other}"),
        };
        *lines += &format!("\n{line}");
    }
    settings
}

/// What stands for what, the longest first: in answers texts are replaced by their names.
fn placeholders(head: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = [
        ("campaign_link", format!("/c/{CAMPAIGN_TOKEN}")),
        ("personal_link", format!("/c/{PERSONAL_TOKEN}")),
        ("pixel", format!("/o/{PIXEL_TOKEN}.gif")),
        ("pixel_token", PIXEL_TOKEN.to_owned()),
        ("flipped_link", format!("/c/{}", CAMPAIGN_TOKEN.replace("MTIzN", "MTIzM"))),
        ("unknown_key_link", link("https://shop.example/p", 3)),
        ("jane", JANE.to_owned()),
        ("jane_elsewhere", JANE_ELSEWHERE.to_owned()),
        ("jane_key_2", JANE_KEY_2.to_owned()),
        ("admin_token", house::ADMIN_TOKEN.to_owned()),
        ("hook_secret", house::HOOK_SECRET.to_owned()),
        ("ids_key", house::IDS_KEY.to_owned()),
        ("jane_address", JANE_ADDRESS.to_owned()),
        ("jane_digest", "7f73355bf032dcbb8e5a3f51f1e4a8ba92ef1344de2d95382634cf91da6d6181".to_owned()),
        ("firefox", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned()),
    ]
    .map(|(name, text)| (format!("{{{name}}}"), text))
    .into();
    for line in head.lines().filter_map(|line| line.strip_prefix("% ")) {
        let (name, url) = line.split_once(" = ").unwrap();
        all.push((format!("{{{name}}}"), link(url, 1)));
    }
    all.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
    all
}

/// A campaign link to `url`, signed with a key of the published row.
fn link(url: &str, key: u8) -> String {
    let key = vectors_key(key);
    let ring = Keyring::new(key.id, key.id, vec![key], None).unwrap();
    let (account, campaign) = (Account::parse("1234").unwrap(), Campaign::parse("demo").unwrap());
    let destination = Destination::parse(url).unwrap();
    format!("/c/{}", LinkKeys::derive(&ring).sign_link(&destination, 1, &account, &campaign, Recipient::Anyone))
}

async fn play_one(server: &Server, exchange: &str, names: &[(String, String)], to_admin: bool) -> String {
    let kept: Vec<&str> =
        exchange.lines().filter(|line| ["==", "#", ">"].iter().any(|it| line.starts_with(it))).collect();
    let sent: Vec<&str> = kept.iter().filter_map(|line| line.strip_prefix('>')).collect();
    let (head, body) = sent.split_at(sent.iter().position(|line| line.is_empty()).unwrap_or(sent.len()));
    let head: String = head.iter().map(|line| format!("{}\r\n", line.trim_start())).collect();
    let body: String = body.iter().skip(1).map(|line| format!("{}\n", &line[1..])).collect();
    let body = fill_in(&body, names);
    let request = fill_in(&head, names).replace("{length}", &body.len().to_string()) + "\r\n" + &body;
    let before = counters(server).await;
    let mut connection = Connection::open(if to_admin { server.admin } else { server.edge }).await.unwrap();
    let answer = connection.exchange(request.as_bytes()).await;
    let answer = answer.unwrap_or_else(|| panic!("closed without an answer to {exchange}"));
    let closed = answer.header("connection") == Some("close") && connection.is_closed().await;
    let mut out = kept.join("\n") + "\n" + &name_again(&shown(&answer), names);
    if closed {
        out += "= closed\n";
    }
    out + &moved(&before, &counters(server).await) + "\n"
}

/// A session id changes with the half hour.
fn without_session(line: &str) -> String {
    let session = line.split_once("rsaSession=").and_then(|(before, rest)| Some((before, rest.split_once(';')?.1)));
    session.map_or(line.to_owned(), |(before, after)| format!("{before}rsaSession={{session}};{after}"))
}

fn fill_in(request: &str, names: &[(String, String)]) -> String {
    let mut request = request.to_owned();
    for (name, text) in names {
        request = request.replace(name, text);
    }
    while let Some(at) = request.find("{a*") {
        let end = at + request[at..].find('}').unwrap();
        let times = request[at + 3..end].parse().unwrap();
        request.replace_range(at..=end, &"a".repeat(times));
    }
    request
}

fn name_again(answer: &str, names: &[(String, String)]) -> String {
    names.iter().fold(answer.to_owned(), |answer, (name, text)| answer.replace(text.as_str(), name))
}

/// A receipt without its id and time, which differ each time and are always as long.
fn without_chance(mut text: String) -> String {
    if !text.contains("\"action\":") || !text.contains("\"deleted\":") {
        return text;
    }
    for (before, length, name) in [("{\"id\":\"", 32, "{id}"), ("\",\"at\":\"", 20, "{now}")] {
        if let Some(at) = text.find(before).map(|at| at + before.len()) {
            text.replace_range(at..at + length, name);
        }
    }
    text
}

fn shown(answer: &Answer) -> String {
    let mut out = String::new();
    for line in answer.head.trim_end().split("\r\n").filter(|line| !line.starts_with("date:")) {
        writeln!(out, "< {}", without_session(line)).unwrap();
    }
    let is_metrics = answer.header("content-type").is_some_and(|media| media.contains("openmetrics"));
    let body = match answer.body.as_slice() {
        GIF => "{gif}\n".to_owned(),
        _ if is_metrics => "{metrics}\n".to_owned(),
        text => without_chance(String::from_utf8(text.to_vec()).unwrap()),
    };
    if is_metrics {
        let length = format!("content-length: {}", answer.body.len());
        out = out.replace(&length, "content-length: {length}");
    }
    if !body.is_empty() {
        assert!(body.ends_with('\n'), "a body of ours ends its line: {body:?}");
        writeln!(out, "<").unwrap();
    }
    for line in body.lines() {
        writeln!(out, "< {line}").unwrap();
    }
    out
}

/// The counters of the edge; an event is recorded for each click and open, and for nothing else.
async fn counters(server: &Server) -> BTreeMap<String, u64> {
    let metrics = server.metrics().await;
    let series = metrics.0.lines().filter_map(|line| line.strip_prefix("reaid_")?.rsplit_once(' '));
    let shown = series.filter(|(name, _)| SHOWN.iter().any(|shown| name.starts_with(shown)));
    let counters: BTreeMap<_, _> = shown.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect();
    let is_event = |name: &str| name.starts_with("clicks") || name.starts_with("opens");
    let events: u64 = counters.iter().filter(|(name, _)| is_event(name)).map(|(_, count)| count).sum();
    assert_eq!(metrics.get("reaid_events_recorded_total"), events as f64);
    counters
}

fn moved(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> String {
    let mut out = String::new();
    for (name, now) in after {
        match now - before.get(name).copied().unwrap_or(0) {
            0 => {}
            1 => writeln!(out, "+ {name}").unwrap(),
            more => writeln!(out, "+{more} {name}").unwrap(),
        }
    }
    out
}
