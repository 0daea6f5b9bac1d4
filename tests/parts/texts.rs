//! Plain text.

use proptest::prelude::*;
use reaid::rewrite::{Format, Link, Outcome, Reason, Rewritten, urls};

use crate::world::{World, reason};

fn rewrite(text: &[u8]) -> Rewritten {
    World::new().rewrite_as(Format::Text, text, true).unwrap()
}

fn links(text: &str) -> Vec<Link> {
    rewrite(text.as_bytes()).report.links
}

/// The text, each click URL replaced by where it leads and what it carries.
fn resolved(text: &str) -> String {
    let Rewritten { bytes, report } = rewrite(text.as_bytes());
    let mut out = String::from_utf8(bytes).unwrap();
    for link in report.links {
        if let Outcome::Rewritten { url } = link.outcome {
            let carried = url.split_once('?').unwrap().1;
            out = out.replacen(&url, &format!("[{} {carried}]", World::new().destination(&url)), 1);
        }
    }
    out
}

#[test]
fn urls_lead_through_us_and_the_rest_stays() {
    for (text, expected) in [
        ("See https://shop.example/p?x=1&y=2#top.", "See [https://shop.example/p?x=1&y=2#top reaid=${reaid}]."),
        ("(https://shop.example/a_(b))", "([https://shop.example/a_(b) reaid=${reaid}])"),
        ("<https://shop.example/a.>", "<[https://shop.example/a. reaid=${reaid}]>"),
        ("<https://shop.example/a\r\nb>", "<[https://shop.example/ab reaid=${reaid}]>"),
        ("https://shop.example/?a=1&amp;b=2", "[https://shop.example/?a=1&amp;b=2 reaid=${reaid}]"),
        (
            "https://shop.example/p?sku=${sku}&x={{ a | b }}&y=1 z",
            "[https://shop.example/p?y=1 sku=${sku}&x={{ a | b }}&reaid=${reaid}] z",
        ),
        ("»https://sister.example«", "»[https://sister.example reaid={{ contact.reaid | default: \"\" }}]«"),
        ("https://shop.example/ü", "[https://shop.example/%C3%BC reaid=${reaid}]"),
        ("https://shop.example/?reaid=${old}\n", "[https://shop.example/ reaid=${reaid}]\n"),
    ] {
        assert_eq!(resolved(text), expected, "{text}");
    }
}

#[test]
fn every_reason_to_leave_a_url_has_its_word() {
    for (text, expected) in [
        ("https://other.example/", Reason::OtherHost),
        ("https://shop.example/unsubscribe", Reason::Unsubscribe),
        ("https://click.shop.example/c/AQEC?reaid=${reaid}", Reason::Ours),
        ("https://shop.example/${path}", Reason::MergeFieldOutsideQuery),
        ("https://${host}/p", Reason::MergeFieldOutsideQuery),
        ("https://shop.example/?a=${email}", Reason::AddressMergeField),
        ("https://u@shop.example/", Reason::Unsafe),
        ("app://shop.example/", Reason::OtherScheme),
        ("www.shop.example/p", Reason::NoScheme),
        ("{{ https://sister.example/ x", Reason::Unsafe),
    ] {
        let links = links(text);
        assert_eq!(links.len(), 1, "{text}");
        assert_eq!(reason(&links[0]), Some(expected), "{text}");
    }
    assert_eq!(reason(&links(&format!("https://shop.example/{}", "a".repeat(9000)))[0]), Some(Reason::TooLong));
}

#[test]
fn a_text_has_no_pixel() {
    assert!(!rewrite(b"https://shop.example/").report.pixel);
}

#[test]
fn bytes_that_are_not_utf_8_stay() {
    let text = b"Gr\xfc\xdfe \x80 https://shop.example/gr\xfcn?farbe=gr\xfcn&sku=${sku} \x81";
    let out = rewrite(text).bytes;
    assert!(out.starts_with(b"Gr\xfc\xdfe \x80 https://click.shop.example/c/"));
    assert!(out.ends_with(b"?sku=${sku}&reaid=${reaid} \x81"));
}

#[test]
fn a_text_that_is_not_utf_8_does_not_become_it() {
    let text = b"https://shop.example/\xae https://shop.example/ {{\xc2\xbb";
    let Rewritten { bytes, report } = rewrite(text);
    assert_eq!((reason(&report.links[0]), report.rewritten()), (Some(Reason::Encoding), 1));
    assert_eq!(report.warnings[0].code, "encoding");
    assert!(bytes.starts_with(b"https://shop.example/\xae https://click."));
    assert!(rewrite(b"https://shop.example/\xae").bytes.is_ascii());
}

fn texts(between: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let urls: &'static [&'static str] = &[
        "https://shop.example/p?x=1&y=2#z",
        "http://www.shop.example",
        "https://sister.example/?a=${b}&c={{ d }}",
        "https://other.example/",
        "<https://shop.example/a\nb>",
        "www.shop.example",
        "https://shop.example/?utm=<%= x %>",
        "${reaid}",
        "{{",
        "}}",
        "*|x|*",
    ];
    let piece = prop_oneof![
        3 => prop::sample::select(urls).prop_map(|url| url.as_bytes().to_vec()),
        2 => "[ \r\n.,:;()<>\"'«»é%{}|*-]{0,4}".prop_map(String::into_bytes),
        1 => "\\PC{0,3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..16).prop_map(move |pieces| pieces.join(between))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn with_nothing_to_rewrite_the_text_comes_back(text in texts(b"")) {
        let elsewhere = World::with_hosts(&["elsewhere.example"], &[]);
        prop_assert_eq!(elsewhere.rewrite_as(Format::Text, &text, true).unwrap().bytes, text);
    }

    #[test]
    fn rewriting_twice_equals_rewriting_once(text in texts(b"")) {
        let once = rewrite(&text);
        let twice = rewrite(&once.bytes);
        prop_assert_eq!(twice.report.rewritten(), 0);
        prop_assert_eq!(String::from_utf8_lossy(&twice.bytes), String::from_utf8_lossy(&once.bytes));
    }

    /// Apart: where URLs touch, nobody can say where one ends.
    #[test]
    fn bytes_between_urls_stay_as_they_are(text in texts(b" ")) {
        let text = String::from_utf8_lossy(&text).into_owned();
        let after = String::from_utf8(rewrite(text.as_bytes()).bytes).unwrap();
        prop_assert_eq!(between_urls(&after), between_urls(&text));
    }
}

fn between_urls(text: &str) -> Vec<&str> {
    let mut position = 0;
    let mut between = Vec::new();
    for url in urls::find(text) {
        between.push(&text[position..url.range.start]);
        position = url.range.end;
    }
    between.push(&text[position..]);
    between
}
