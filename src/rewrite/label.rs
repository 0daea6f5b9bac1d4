//! What a reader sees of a link, so that a report can be read without the page beside it.

use encoding_rs::Encoding;
use memchr::{memchr, memmem};

use super::html::{Place, Target};
use super::mask::is_named;
use super::tag::{self, Tag};

/// The longest label, in characters: enough to find the link in the page.
const MAX_LABEL: usize = 80;

/// How far behind its start tag a link's text is looked for. Links around whole tables hold more markup
/// than this before their first word only by accident.
const MAX_CONTENT: usize = 4 << 10;

/// Tags that stand inside words.
const INLINE: [&str; 16] =
    ["a", "b", "big", "code", "em", "font", "i", "mark", "s", "small", "span", "strong", "sub", "sup", "tt", "u"];

/// The link's text, else the `alt` of the first image in it, else its `title` or `aria-label`. White space
/// is collapsed, character references are decoded.
pub(super) fn of(html: &[u8], link: &Target, encoding: &'static Encoding) -> String {
    let readable = |raw: &[u8]| collapsed(&htmlize::unescape(encoding.decode_without_bom_handling(raw).0));
    let start = &html[link.tag.clone()];
    if start.len() > tag::MAX_LENGTH {
        return String::new();
    }
    let content = content(html, link);
    let shown = readable(&content.text);
    if !shown.is_empty() {
        return shown;
    }
    let attributes = Tag::with_attributes(start).map(|(_, attributes)| attributes).unwrap_or_default();
    let own = ["alt", "title", "aria-label"].map(|name| tag::value_of(&attributes, name));
    let candidates = content.alt.into_iter().chain(own.into_iter().flatten());
    candidates.map(readable).find(|label| !label.is_empty()).unwrap_or_default()
}

/// What stands between a link's tags.
#[derive(Default)]
struct Content<'h> {
    text: Vec<u8>,
    alt: Option<&'h [u8]>,
}

fn content<'h>(html: &'h [u8], link: &Target) -> Content<'h> {
    let mut content = Content::default();
    let start = &html[link.tag.clone()];
    let (name, _) = tag::name(&start[1..]).unwrap_or_default();
    let rest = &html[link.tag.end..];
    let mut rest = &rest[..rest.len().min(MAX_CONTENT)];
    if link.place == Place::Comment {
        rest = &rest[..memmem::find(rest, b"-->").unwrap_or(rest.len())];
    }
    let is_self_closing = || Tag::at(start).is_some_and(|tag| tag.is_self_closing);
    let is_over = name.eq_ignore_ascii_case(b"area") || !name.eq_ignore_ascii_case(b"a") && is_self_closing();
    while !is_over && content.text.len() < 4 * MAX_LABEL {
        let (text, markup) = rest.split_at(memchr(b'<', rest).unwrap_or(rest.len()));
        content.text.extend_from_slice(text);
        match content.step(markup, name) {
            Some(length) => rest = &markup[length..],
            None => break,
        }
    }
    content
}

impl<'h> Content<'h> {
    /// How much of the markup is no text; None where the link ends.
    fn step(&mut self, markup: &'h [u8], link: &[u8]) -> Option<usize> {
        if markup.starts_with(b"<!--") {
            return memmem::find(markup, b"-->").map(|end| end + 3);
        }
        if matches!(markup.get(1)?, b'!' | b'?') {
            return memchr(b'>', markup).map(|end| end + 1);
        }
        let Some(tag) = Tag::at(markup) else {
            self.text.push(b'<');
            return Some(1);
        };
        let is_end = tag.is_end && tag.name.eq_ignore_ascii_case(link) || !tag.is_end && tag.is("a");
        if is_end {
            return None;
        }
        if tag.is("img") && self.alt.is_none() {
            self.alt = Tag::with_attributes(markup).and_then(|(_, attributes)| tag::value_of(&attributes, "alt"));
        }
        if !INLINE.iter().any(|name| tag.is(name)) {
            self.text.push(b' ');
        }
        let is_hidden = !tag.is_end && ["style", "script", "title"].iter().any(|name| tag.is(name));
        if is_hidden { end_of(&markup[tag.length..], tag.name).map(|end| tag.length + end) } else { Some(tag.length) }
    }
}

/// Where the end tag of an element without markup stands.
fn end_of(text: &[u8], name: &[u8]) -> Option<usize> {
    memmem::find_iter(text, b"</").find(|at| is_named(&text[at + 2..], name))
}

/// White space and what is invisible in between collapsed, and no longer than a label may be.
fn collapsed(text: &str) -> String {
    let is_invisible = |c: char| {
        matches!(c, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}') || c.is_control()
    };
    let (mut label, mut is_between) = (String::with_capacity(text.len().min(MAX_LABEL)), false);
    for character in text.chars() {
        if character.is_whitespace() {
            is_between = !label.is_empty();
        } else if !is_invisible(character) {
            if is_between {
                label.push(' ');
                is_between = false;
            }
            label.push(character);
        }
    }
    match label.char_indices().nth(MAX_LABEL) {
        None => label,
        Some(_) => label.chars().take(MAX_LABEL - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::html;
    use encoding_rs::{SHIFT_JIS, UTF_8};

    fn labels(page: &str) -> Vec<String> {
        let found = html::find(page.as_bytes()).unwrap();
        found.links.iter().map(|link| of(page.as_bytes(), link, UTF_8)).collect()
    }

    #[test]
    fn a_link_is_called_what_a_reader_sees() {
        for (page, expected) in [
            ("<a href=x>\n Buy <b>n</b>ow&nbsp;&amp;\tsave </a>more", "Buy now & save"),
            ("<a href=x><table><tr><td>A</td><td>B</td></tr></table></a>", "A B"),
            ("<a href=x><style>p {}</style><!-- no --><img alt='Our &eacute;t&#233;'><img alt=b></a>", "Our été"),
            ("<a href=x title=T aria-label=L>&#8203;<img src=y></a>", "T"),
            ("<a href=x aria-label='L  l'></a>", "L l"),
            ("<a href=x>${firstName} <a name=y>no", "${firstName}"),
            ("<area href=x alt=Sky>no", "Sky"),
            ("<!--[if mso]><v:rect href=x><center>Buy</center></v:RECT>no<![endif]-->", "Buy"),
            ("<!--[if mso]><a href=x>Go<![endif]-->no", "Go"),
            ("<a href=x>1 < 2", "1 < 2"),
            ("<a href=x></a>", ""),
        ] {
            assert_eq!(labels(page), [expected], "{page}");
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let label = labels(&format!("<a href=x>{}</a>", "é ".repeat(200))).remove(0);
        assert_eq!((label.chars().count(), label.ends_with("é…") || label.ends_with(" …")), (80, true));
        assert_eq!(labels(&format!("<a href=x>{}</a>", "é".repeat(80))), ["é".repeat(80)]);
    }

    #[test]
    fn a_text_is_read_in_the_encoding_of_the_page() {
        let page = b"<a href=x>\x93\xfa\x96{</a>";
        assert_eq!(of(page, &html::find(page).unwrap().links[0], SHIFT_JIS), "日本");
    }
}
