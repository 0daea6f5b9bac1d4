//! A newsletter in plain text: the URLs in it become click URLs, no other byte changes.
//!
//! Nothing is escaped and nothing is decoded: `&amp;` in text is what it says.

use std::borrow::Cow;
use std::ops::Range;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::draft::{Candidate, Draft, Unread};
use super::html::Place;
use super::splice::{self, Edit};
use super::urls::{self, Url};
use super::value::Value;
use super::{Options, Reason, charset, merge_field};

/// The longest URL that is looked into, in bytes: as in a page.
const MAX_TARGET: usize = 8 << 10;

/// How far before a URL a merge field may begin that has no end, and how far behind one may end: as long
/// as one may be.
const MAX_OPEN_FIELD: usize = 512;

/// What the transport says about a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Its encoding.
    pub(super) encoding: Option<&'static Encoding>,
    /// Whether a space before a line break joins two lines into one: `format=flowed; delsp=yes`.
    pub(super) joins_lines: bool,
}

/// What changes in a text: its links.
pub(super) fn edits(document: &[u8], told: Told, draft: &mut Draft<'_>) -> Vec<Edit> {
    let (text, encoding) = decode(document, told.encoding);
    let mut edits = Vec::new();
    let mut written = String::new();
    let mut end = 0;
    for url in urls::find(&text) {
        let raw = &text[url.range.clone()];
        written.push_str(&text[end..url.range.start]);
        end = url.range.end;
        let target = match obstacle(&text, &url, &written, told, draft.options) {
            Some(reason) => Err(Unread { raw: raw.as_bytes(), reason }),
            None => Ok(Value::from_plain(raw)),
        };
        let place = Place::Page;
        match draft.decide(Candidate { target, off: false, base: None, place, encoding, text: String::new() }) {
            Some(click) => {
                written.push_str(click.text());
                edits.push(Edit { range: url.range, with: click.text().into(), link: Some(draft.decided()) });
            }
            None => written.push_str(raw),
        }
    }
    let edits = charset::translate(&text, edits, encoding);
    if encoding == UTF_8 || !encoding.is_ascii_compatible() || !becomes_utf_8(document, &edits) {
        return edits;
    }
    let (kept, left): (Vec<Edit>, Vec<Edit>) =
        edits.into_iter().partition(|edit| document[edit.range.clone()].is_ascii());
    left.iter().for_each(|edit| leave(edit, draft));
    kept
}

/// Whether a text that is not UTF-8 would pass for it, because what told them apart was in its links.
fn becomes_utf_8(document: &[u8], edits: &[Edit]) -> bool {
    let after = splice::splice(document, edits.to_vec());
    !after.is_ascii() && str::from_utf8(&after).is_ok()
}

fn leave(edit: &Edit, draft: &mut Draft<'_>) {
    let message = "left, without its letters the text would pass for UTF-8, which it is not";
    edit.link.into_iter().for_each(|number| draft.leave(number, Reason::Encoding, ("encoding", message.to_owned())));
}

/// Why a URL is not looked into; `written` is the text before it as it will be.
fn obstacle(text: &str, url: &Url, written: &str, told: Told, options: Options<'_>) -> Option<Reason> {
    let Range { start, end } = url.range;
    if !url.has_scheme {
        return Some(Reason::NoScheme);
    }
    if url.range.len() > MAX_TARGET {
        return Some(Reason::TooLong);
    }
    if told.joins_lines && (text[end..].starts_with(" \n") || text[end..].starts_with(" \r\n")) {
        return Some(Reason::Wrapped);
    }
    if url.is_glued {
        return Some(Reason::Unsafe);
    }
    let before = &written[written.floor_char_boundary(written.len().saturating_sub(MAX_OPEN_FIELD))..];
    let behind = &text[end..text.floor_char_boundary(end + MAX_OPEN_FIELD)];
    is_swallowed(before, &text[start..end], behind, options).then_some(Reason::Unsafe)
}

/// Whether a merge field that the author never closed would end in ours or behind it, and take the click
/// URL with it.
fn is_swallowed(before: &str, url: &str, behind: &str, options: Options<'_>) -> bool {
    options.linker.shops.iter().any(|shop| {
        let click = format!("{}?{}", url.replace(['\r', '\n'], ""), shop.query());
        let bounds = [before.len(), before.len() + click.len()];
        let fields = merge_field::find(&format!("{before}{click}{behind}"));
        fields.iter().any(|field| bounds.iter().any(|bound| field.start < *bound && *bound < field.end))
    })
}

/// The text, and how it is written: in UTF-8 when it is, else as the transport says when that is true,
/// else in windows-1252, which has a character for every byte.
fn decode<'d>(document: &'d [u8], told: Option<&'static Encoding>) -> (Cow<'d, str>, &'static Encoding) {
    let marked = Encoding::for_bom(document).map(|(encoding, _)| encoding);
    let wide = [marked, told].into_iter().flatten().find(|encoding| *encoding == UTF_16LE || *encoding == UTF_16BE);
    if wide.is_none()
        && let Ok(text) = str::from_utf8(document)
    {
        return (text.into(), UTF_8);
    }
    for encoding in [wide, told].into_iter().flatten() {
        if let Some(text) = charset::decode(document, encoding) {
            return (text.into(), encoding);
        }
    }
    (WINDOWS_1252.decode_without_bom_handling(document).0, WINDOWS_1252)
}
