//! Whole messages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{Message, MessageParser, PartType};
use proptest::prelude::*;
use reaid::rewrite::{Format, Outcome, Rewritten};

use crate::world::{BASE_URL, World, files, folder};

fn rewrite(message: &[u8]) -> Rewritten {
    World::new().rewrite_as(Format::Message, message, true).unwrap()
}

/// `tests/messages/*.before.eml` becomes `*.after.eml`; with `UPDATE_GOLDEN=1` the latter are written.
#[test]
fn messages_come_out_as_written_down() {
    let before = files(&folder("tests/messages"), ".before.eml");
    assert!(before.len() > 20);
    for path in before {
        let message = std::fs::read(&path).unwrap();
        let found = rewrite(&message).bytes;
        let after = PathBuf::from(path.to_string_lossy().replace(".before.", ".after."));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&after, &found).unwrap();
        }
        let expected = std::fs::read(&after).unwrap();
        assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&expected), "{}", path.display());
        check(&path.to_string_lossy(), &message);
    }
}

/// What of each message is rewritten, and what the warnings are about; what is not listed has neither.
#[test]
fn what_is_left_has_a_warning() {
    let expected: BTreeMap<&str, (usize, &[&str])> = [
        ("alternative-8bit-windows-1252", (3, &[][..])),
        ("alternative-base64", (2, &[])),
        ("alternative-quoted-printable", (2, &[])),
        ("amp", (2, &["amp"])),
        ("base64-utf-16", (1, &[])),
        ("binary-and-envelope", (1, &[])),
        ("boundaries-in-content", (3, &[])),
        ("broken-base64", (1, &["transfer_encoding"])),
        ("broken-quoted-printable", (1, &["transfer_encoding"])),
        ("encrypted", (0, &["signed"])),
        ("flowed", (3, &[])),
        ("flowed-delsp", (1, &[])),
        ("html-7bit", (1, &[])),
        ("long-lines", (3, &["line_too_long", "line_too_long", "line_too_long"])),
        ("merge-fields-quoted-printable", (2, &[])),
        ("message-attached", (1, &[])),
        ("mixed-line-breaks", (2, &[])),
        ("nested-with-attachments", (3, &["dkim"])),
        ("no-last-boundary", (2, &[])),
        ("pgp-inline", (0, &["signed"])),
        ("quoted-printable-iso-8859-1", (2, &[])),
        ("signed", (1, &["signed"])),
        ("text-without-mime", (2, &[])),
        ("two-pages", (2, &[])),
        ("unknown-encodings", (1, &["transfer_encoding", "broken"])),
        ("wrapped-in-angle-brackets", (2, &[])),
    ]
    .into();
    for path in files(&folder("tests/messages"), ".before.eml") {
        let report = rewrite(&std::fs::read(&path).unwrap()).report;
        let name = path.file_name().unwrap().to_string_lossy().replace(".before.eml", "");
        let (rewritten, codes) = expected.get(name.as_str()).copied().unwrap_or((0, &[]));
        assert_eq!(report.rewritten(), rewritten, "{name}: {:#?}", report.links);
        assert_eq!(report.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), codes, "{name}");
    }
}

#[test]
fn links_are_numbered_through_all_parts_and_name_them() {
    let message = std::fs::read(folder("tests/messages/nested-with-attachments.before.eml")).unwrap();
    let links = rewrite(&message).report.links;
    let named: Vec<_> = links.iter().map(|link| (link.number, link.part.as_str(), link.original.as_str())).collect();
    assert_eq!(
        named,
        [
            (1, "1.1.1 text/plain", "https://shop.example/text"),
            (2, "1.1.2 text/html", "https://shop.example/html"),
            (3, "3 text/plain", "https://shop.example/footer"),
        ]
    );
}

/// The messages that `mail-parser` is tested with, where its crate is at hand.
#[test]
fn messages_that_broke_parsers_are_rewritten() {
    let Some(resources) = parser_resources() else {
        eprintln!("no test messages of mail-parser: skipped");
        return;
    };
    let mut seen = 0;
    for suite in ["rfc", "legacy", "thirdparty", "malformed"] {
        for path in files(&resources.join(suite), ".eml") {
            let message = std::fs::read(&path).unwrap();
            let name = path.display().to_string();
            check(&name, &message);
            let lines: Vec<_> =
                message.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
            check(&name, &lines.join(&b"\n"[..]));
            check(&name, &lines.join(&b"\r\n"[..]));
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

/// Where the source of mail-parser lies; the messages are not part of the project.
fn parser_resources() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = std::process::Command::new(cargo)
        .args(["metadata", "--format-version=1", "--offline", "--manifest-path"])
        .arg(folder("Cargo.toml"))
        .output()
        .ok()?;
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).ok()?;
    let package = metadata["packages"].as_array()?.iter().find(|package| package["name"] == "mail-parser")?;
    let resources = Path::new(package["manifest_path"].as_str()?).parent()?.join("resources/eml");
    resources.is_dir().then_some(resources)
}

/// What must hold for any message: to another parser nothing but targets changes, and twice is once.
fn check(name: &str, message: &[u8]) {
    // Every link of every message leads to us.
    let once = everywhere().rewrite_as(Format::Message, message, true).unwrap();
    let twice = everywhere().rewrite_as(Format::Message, &once.bytes, true).unwrap();
    assert_eq!(String::from_utf8_lossy(&twice.bytes), String::from_utf8_lossy(&once.bytes), "{name}: twice");
    assert_eq!(twice.report.rewritten(), 0, "{name}");
    let nowhere = World::with_hosts(&["nowhere.example"], &[]);
    assert_eq!(nowhere.rewrite_as(Format::Message, message, false).unwrap().bytes, message, "{name}: nothing to do");
    if name.contains("boundaries-in-content") {
        // The other parser takes boundaries in the middle of a line, and lines that only begin like one.
        return;
    }
    let parse = |bytes| MessageParser::default().parse(bytes);
    let (before, after) = (parse(message), parse(once.bytes.as_slice()));
    assert_eq!(before.is_some(), after.is_some(), "{name}");
    if let (Some(before), Some(after)) = (before, after) {
        same_but_for_targets(name, &before, &after, &once);
    }
}

fn everywhere() -> World {
    World::with_hosts(
        &["shop.example", "*.shop.example", "example.com", "*.example.com", "*.com", "*.org", "*.net"],
        &["sister.example"],
    )
}

fn same_but_for_targets(name: &str, before: &Message<'_>, after: &Message<'_>, rewritten: &Rewritten) {
    assert_eq!(before.parts.len(), after.parts.len(), "{name}");
    assert_eq!((&before.html_body, &before.text_body), (&after.html_body, &after.text_body), "{name}");
    for (before, after) in before.parts.iter().zip(&after.parts) {
        let fields = |part: &mail_parser::MessagePart<'_>| {
            part.headers
                .iter()
                .map(|field| (field.name.clone().to_owned(), field.value.clone().into_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(fields(before), fields(after), "{name}");
        match (&before.body, &after.body) {
            (PartType::Text(before), PartType::Text(after)) | (PartType::Html(before), PartType::Html(after)) => {
                assert_eq!(without_clicks(before, rewritten), without_clicks(after, rewritten), "{name}");
            }
            (PartType::Message(before), PartType::Message(after)) => {
                same_but_for_targets(name, before, after, rewritten);
            }
            (before, after) => assert_eq!(before, after, "{name}"),
        }
    }
}

/// The text without targets: neither those that were rewritten nor ours, nor a pixel. White space goes,
/// too, since a URL may have been wrapped.
fn without_clicks(text: &str, rewritten: &Rewritten) -> String {
    let mut text = text.replace(['\r', '\n'], "");
    let pixel = format!("<img src=\"{BASE_URL}/o/");
    while let Some(at) = text.find(&pixel) {
        let end = text[at..].find('>').unwrap();
        text.replace_range(at..=at + end, "");
    }
    let written = |url: &str| url.replace('&', "&amp;").replace('"', "&quot;").replace('\'', "&#39;");
    let mut targets: Vec<_> = rewritten
        .report
        .links
        .iter()
        .filter_map(|link| match &link.outcome {
            Outcome::Rewritten { url } => Some([
                url.clone(),
                written(url),
                url.replace('&', "&amp;"),
                link.original.clone(),
                link.original.replace('&', "&amp;"),
                written(&link.original),
            ]),
            Outcome::Left { .. } => None,
        })
        .flatten()
        .collect();
    targets.sort_by_key(|target| std::cmp::Reverse(target.len()));
    for target in targets {
        text = text.replace(&target, "");
    }
    text.replace("\"", "")
}

#[derive(Clone, Copy, Debug)]
enum Transfer {
    Bits,
    QuotedPrintable,
    Base64,
}

/// Written by other code than the one under test.
fn encode(body: &[u8], transfer: Transfer) -> (&'static str, Vec<u8>) {
    match transfer {
        Transfer::Bits => ("8bit", body.to_vec()),
        Transfer::QuotedPrintable => ("quoted-printable", quoted_printable(body)),
        Transfer::Base64 => {
            let digits = STANDARD.encode(body);
            let lines: Vec<_> = digits.as_bytes().chunks(76).collect();
            ("base64", lines.join(&b"\n"[..]))
        }
    }
}

fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut column = 0;
    for (at, &byte) in body.iter().enumerate() {
        let ends = body.get(at + 1).is_none_or(|next| *next == b'\n');
        let token = match byte {
            b'\n' => {
                out.push(byte);
                column = 0;
                continue;
            }
            b'=' | 0..=31 | 127.. => format!("={byte:02X}"),
            b' ' if ends => "=20".to_owned(),
            _ => char::from(byte).to_string(),
        };
        if column + token.len() > 75 {
            out.extend_from_slice(b"=\n");
            column = 0;
        }
        column += token.len();
        out.extend_from_slice(token.as_bytes());
    }
    out
}

fn bodies(links: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(links).prop_map(str::to_owned),
        2 => "[a-zéü .=\n-]{0,40}",
        1 => prop::sample::select(&["--o", "\n--o-", "<p>", "</body>", "${x}", "\n.\n", "From x\n"][..]).prop_map(str::to_owned),
    ];
    // Apart, so that each target is the same wherever it stands: the check takes targets out by their text.
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.join(" ").replace("--o", "- -o"))
}

const TEXT: &[&str] = &[
    "https://shop.example/p?x=1&y=2",
    "<https://shop.example/a\nb>",
    "https://sister.example/?a=${b}&c={{ d }}",
    "https://other.example/",
];

const HTML: &[&str] = &[
    "<a href=\"https://shop.example/p?x=1&amp;y=2\">x</a>",
    "<a href=https://shop.example/>",
    "<a href='https://sister.example/?a=${b}'>",
    "<!-- <a href=x> -->",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_encoding_line_break_and_charset_comes_back(
        text in bodies(TEXT),
        html in bodies(HTML),
        transfers in prop::array::uniform2(prop::sample::select(&[Transfer::Bits, Transfer::QuotedPrintable, Transfer::Base64][..])),
        charset in prop::sample::select(&["utf-8", "windows-1252", "iso-8859-1"][..]),
        crlf: bool,
    ) {
        let bytes = |text: &str| if charset == "utf-8" { text.as_bytes().to_vec() } else { text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect() };
        let mut message = b"From: a@shop.example\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=o\n\npreamble\n".to_vec();
        for (kind, body, transfer) in [("plain", &text, transfers[0]), ("html", &html, transfers[1])] {
            let (name, encoded) = encode(&bytes(body), transfer);
            let header = format!("--o\nContent-Type: text/{kind}; charset={charset}\nContent-Transfer-Encoding: {name}\n\n");
            message.extend([header.as_bytes(), &encoded, b"\n"].concat());
        }
        message.extend_from_slice(b"--o--\nepilogue\n");
        if crlf {
            message = message.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        }
        check("made", &message);
        // What the bodies say decoded is what they say rewritten on their own.
        let once = rewrite(&message);
        prop_assert_eq!(once.report.links.len(), World::new().rewrite_as(Format::Text, text.as_bytes(), false).unwrap().report.links.len()
            + World::new().rewrite(html.as_bytes(), false).report.links.len());
        prop_assert!(once.report.pixel || html.contains("<!--"));
    }

    #[test]
    fn any_bytes_are_a_message(
        parts in prop::collection::vec(
            prop_oneof![
                3 => prop::sample::select(&[
                    "Content-Type: multipart/mixed; boundary=o\n", "Content-Type: text/html\n", "Content-Type: multipart/alternative; boundary=\"o o\"\n",
                    "Content-Transfer-Encoding: base64\n", "Content-Transfer-Encoding: quoted-printable\n", "Content-Type: message/rfc822\n",
                    "\n", "\r\n", "--o\n", "--o--\n", "--o o\r\n", "--o o--\n", "<a href=3D\"https://shop.example/\">\n", "https://shop.example/a=\n",
                    "<a href=\"https://shop.example/\">", "aHR0cHM6Ly9zaG9wLmV4YW1wbGUv\n", "DKIM-Signature: x\n", "charset=utf-16\n", " ",
                ][..]).prop_map(|piece| piece.as_bytes().to_vec()),
                1 => prop::collection::vec(any::<u8>(), 0..8),
            ],
            0..24,
        )
    ) {
        let message = parts.concat();
        let once = rewrite(&message);
        let twice = rewrite(&once.bytes);
        prop_assert_eq!(twice.report.rewritten(), 0);
        prop_assert_eq!(String::from_utf8_lossy(&twice.bytes), String::from_utf8_lossy(&once.bytes));
    }
}
