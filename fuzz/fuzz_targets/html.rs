//! Newsletters. A first `-` asks for no pixel; the rest is the document.
//!
//! What is checked: every byte outside the replaced targets and the pixel stays, the report says what
//! the document shows, each click URL opens to a page of a listed host, and a second rewriting
//! changes nothing. html5ever, with scripts off, sees the same document but for the targets, also inside
//! conditional comments, and no link that is not in the report.
#![no_main]

#[path = "../../tests/rewrite/dom.rs"]
mod dom;

use libfuzzer_sys::fuzz_target;
use reaid::links::{ClickUrl, Target};
use reaid::rewrite::charset;
use reaid::rewrite::html::{self, AttributeValue, Quote};
use reaid::rewrite::value::Value;
use reaid::rewrite::{Format, Link, Outcome, Rewritten, rewrite};
use reaid_fuzz::{BASE_URL, LINKS, MERGE_FIELDS, is_listed, rewriting};

/// Small documents always fit into the parser's memory.
const SMALL: usize = 1 << 16;

fuzz_target!(|data: &[u8]| {
    let (pixel, document) = match data {
        [b'-', document @ ..] => (false, document),
        document => (true, document),
    };
    let once = match rewriting(pixel, |options| rewrite(document, Format::Html, options)) {
        Ok(once) => once,
        Err(error) => return assert!(document.len() > SMALL, "{error}"),
    };
    check_report(document, &once);
    // Other encodings are turned into UTF-8 and back: their bytes say nothing here.
    if charset::detect(document, None).is_ascii_compatible() {
        check_pixel(&once);
        check_bytes(document, &once);
        check_tree(document, &once);
    }
    let twice =
        rewriting(pixel, |options| rewrite(&once.bytes, Format::Html, options)).expect("what was rewritten parses");
    assert_eq!(text(&twice.bytes), text(&once.bytes), "rewriting twice equals once");
    assert_eq!((twice.report.rewritten(), twice.report.pixel), (0, once.report.pixel));
});

fn check_report(document: &[u8], rewritten: &Rewritten) {
    let report = &rewritten.report;
    assert_eq!((report.bytes_in, report.bytes_out), (document.len(), rewritten.bytes.len()));
    assert!(report.links.iter().map(|link| link.number).eq(1..=report.links.len()));
    report.links.iter().for_each(check_link);
}

fn check_pixel(rewritten: &Rewritten) {
    let report = &rewritten.report;
    let images = html::find(&rewritten.bytes).expect("parses").images;
    let has_pixel = images.iter().any(|image| is_pixel(&rewritten.bytes, image));
    assert_eq!(report.pixel, has_pixel);
}

/// The judge has no encodings and no merge fields: what holds either is not looked for.
fn check_tree(document: &[u8], rewritten: &Rewritten) {
    let links = &rewritten.report.links;
    let before = dom::lines(document);
    for target in dom::targets(&before) {
        let stripped = target.trim_matches(|c: char| c <= ' ').replace(['\t', '\n', '\r'], "");
        let is_plain = stripped.is_ascii() && !stripped.contains(['$', '{', '%', '[', '*', '<']);
        assert!(!is_plain || links.iter().any(|link| link.original == stripped), "{target} is not in the report");
    }
    // An image may end what was open: the tree is compared without it.
    let after = dom::lines(&without_pixel(document, &rewritten.bytes));
    let pixel = format!("{BASE_URL}/o/");
    assert_eq!(dom::without_targets_and_pixel(&before, &pixel), dom::without_targets_and_pixel(&after, &pixel));
}

/// A click URL opens to a listed host, and to the one that a browser would have opened.
fn check_link(link: &Link) {
    let Outcome::Rewritten { url } = &link.outcome else { return };
    let click = ClickUrl::split(url).expect("a click URL");
    assert_eq!(click.base, BASE_URL);
    let opened = LINKS.open(click.token.as_bytes()).expect("our own token opens");
    assert_eq!(usize::from(opened.number), link.number);
    let Target::Link(destination) = opened.target else { panic!("a link became a pixel") };
    let leads = url::Url::parse(&destination).expect("a URL");
    assert!(is_listed(&leads), "{destination}");
    if let Ok(meant) = url::Url::parse(&link.original) {
        assert_eq!((meant.scheme(), meant.host(), meant.port()), (leads.scheme(), leads.host(), leads.port()));
    }
    let merge_field = MERGE_FIELDS[usize::from(opened.account.as_str() != "1234")];
    let click_url = url.strip_suffix(merge_field).expect("the merge field of its shop comes last");
    assert!(click_url.ends_with("?reaid=") || click_url.ends_with("&reaid="), "{url}");
}

fn check_bytes(document: &[u8], rewritten: &Rewritten) {
    let (before, out) = (html::find(document).expect("parsed once"), without_pixel(document, &rewritten.bytes));
    let after = html::find(&out).expect("parses");
    assert_eq!(before.links.len(), after.links.len());
    assert_eq!(before.links.len(), rewritten.report.links.len());
    let encoding = charset::detect(document, None);
    let (mut at_before, mut at_after) = (0, 0);
    for ((old, new), link) in before.links.iter().zip(&after.links).zip(&rewritten.report.links) {
        let quotes_added = usize::from(old.href.quote == Quote::None && new.href.quote != Quote::None);
        assert_eq!(
            text(&document[at_before..old.href.range.start]),
            text(&out[at_after..new.href.range.start - quotes_added])
        );
        let (was, is) = (&document[old.href.range.clone()], &out[new.href.range.clone()]);
        match &link.outcome {
            Outcome::Rewritten { url } => {
                let shown = Value::from_raw(&encoding.decode_without_bom_handling(is).0);
                assert_eq!(unquoted(shown.text()), unquoted(url));
            }
            Outcome::Left { .. } => assert_eq!((text(was), 0), (text(is), quotes_added)),
        }
        (at_before, at_after) = (old.href.range.end, new.href.range.end + quotes_added);
    }
    assert_eq!(text(&document[at_before..]), text(&out[at_after..]));
}

/// A quote inside a merge field is written as a reference where it would end the value.
fn unquoted(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&#39;", "'")
}

/// The output without the pixel that rewriting added, if it added one.
fn without_pixel(document: &[u8], out: &[u8]) -> Vec<u8> {
    let pixels = |html: &[u8]| {
        let images = html::find(html).expect("parses").images;
        images.into_iter().filter(|image| is_pixel(html, image)).collect::<Vec<_>>()
    };
    let (before, after) = (pixels(document), pixels(out));
    if before.len() == after.len() {
        return out.to_vec();
    }
    let [added] = after.as_slice() else { panic!("{} pixels became {}", before.len(), after.len()) };
    let start = added.range.start - "<img src=\"".len();
    let end = added.range.end + out[added.range.end..].iter().position(|byte| *byte == b'>').expect("closed") + 1;
    assert_eq!(text(&out[start..added.range.start]), "<img src=\"");
    [&out[..start], &out[end..]].concat()
}

fn is_pixel(html: &[u8], image: &AttributeValue) -> bool {
    let prefix = format!("{BASE_URL}/o/");
    str::from_utf8(&html[image.range.clone()]).is_ok_and(|src| Value::from_raw(src).text().starts_with(&prefix))
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
