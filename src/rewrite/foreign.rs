//! SVG and MathML inside a page, where a browser follows other rules: a `<style>` there holds markup, and
//! an `<img>` ends it all.
//!
//! `lol_html` keeps no stack of open elements, so it loses track of what is nested oddly or never closed.
//! This module follows one such region by the rules of the HTML standard and answers whether `lol_html`
//! sees the same. Where it cannot say so for certain, everything from the region on is unclear, and the
//! rewriter touches nothing there.

use std::ops::Range;

use memchr::{memchr, memmem};

use super::scan::Seen;
use super::tag::Tag;

/// Start tags that end a region: they are HTML wherever they stand.
const BREAKOUTS: [&str; 44] = [
    "b",
    "big",
    "blockquote",
    "body",
    "br",
    "center",
    "code",
    "dd",
    "div",
    "dl",
    "dt",
    "em",
    "embed",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "hr",
    "i",
    "img",
    "li",
    "listing",
    "menu",
    "meta",
    "nobr",
    "ol",
    "p",
    "pre",
    "ruby",
    "s",
    "small",
    "span",
    "strong",
    "strike",
    "sub",
    "sup",
    "table",
    "tt",
    "u",
    "ul",
    "var",
];

/// Elements whose content is HTML again; only those that hold nothing but text are followed.
const INTEGRATION_POINTS: [&str; 9] =
    ["desc", "title", "foreignobject", "mi", "mo", "mn", "ms", "mtext", "annotation-xml"];

/// What drawings do to a part.
pub(super) struct Regions {
    /// From where on nothing is certain.
    pub(super) unclear: Option<usize>,
    /// Whether the last drawing never ends.
    pub(super) is_open: bool,
}

impl Regions {
    /// `seen` is what was seen in a part of the page; `html` ends where the part ends.
    pub(super) fn of(html: &[u8], seen: &Seen) -> Self {
        let (mut end, mut unclear) = (0, seen.unclear);
        for root in &seen.roots {
            let is_unsettled = seen.unsettled.is_some_and(|from| from < *root);
            match follow(html, *root) {
                _ if *root < end => {}
                Region::Clear(region) if !is_unsettled => end = region.end,
                Region::Clear(_) | Region::Unclear => {
                    unclear = Some(unclear.map_or(*root, |from| from.min(*root)));
                    break;
                }
            }
        }
        Self { unclear, is_open: end == usize::MAX }
    }
}

/// How a region ends.
#[derive(Debug, PartialEq, Eq)]
enum Region {
    /// What is read as the standard says.
    Clear(Range<usize>),
    /// Nobody can say where it ends without building the whole tree.
    Unclear,
}

/// Follows the region whose first tag, `<svg>` or `<math>`, stands at `start`.
fn follow(html: &[u8], start: usize) -> Region {
    let mut open: Vec<&[u8]> = Vec::new();
    let mut at = start;
    loop {
        match step(&html[at..], &mut open) {
            Some(Step::On(length)) => at += length,
            Some(Step::Left(length)) => return Region::Clear(start..at + length),
            Some(Step::EndOfPage) => return Region::Clear(start..usize::MAX),
            None => return Region::Unclear,
        }
    }
}

enum Step {
    /// Inside it for so many bytes.
    On(usize),
    /// Outside of it after so many bytes.
    Left(usize),
    /// Inside it to the end.
    EndOfPage,
}

/// One token; None for what is not followed.
fn step<'h>(html: &'h [u8], open: &mut Vec<&'h [u8]>) -> Option<Step> {
    let Some(at) = memchr(b'<', html) else { return Some(Step::EndOfPage) };
    let rest = &html[at..];
    match rest.get(1) {
        Some(b'!') => return comment(rest).map(|length| Step::On(at + length)),
        Some(byte) if byte.is_ascii_alphabetic() || *byte == b'/' => {}
        Some(b'?') | None => return None,
        Some(_) => return Some(Step::On(at + 1)),
    }
    let tag = Tag::at(rest)?;
    let end = at + tag.length;
    if tag.is_end { close(&tag, open, end) } else { enter(rest, &tag, open, at) }
}

/// `lol_html` follows nested regions by another count, so only one is clear.
fn enter<'h>(html: &'h [u8], tag: &Tag<'h>, open: &mut Vec<&'h [u8]>, at: usize) -> Option<Step> {
    let end = at + tag.length;
    let is_root = tag.is("svg") || tag.is("math");
    if is_root && (!open.is_empty() || tag.is_self_closing) || tag.is("font") {
        return None;
    }
    if BREAKOUTS.iter().any(|name| tag.is(name)) {
        return Some(Step::Left(at));
    }
    if tag.is_self_closing {
        return Some(Step::On(end));
    }
    if INTEGRATION_POINTS.iter().any(|name| tag.is(name)) {
        return text_only(&html[tag.length..], tag).map(|length| Step::On(end + length));
    }
    open.push(tag.name);
    Some(Step::On(end))
}

/// An end tag closes the nearest element of its name, and all inside it. One that closes nothing here
/// may close something outside.
fn close(tag: &Tag<'_>, open: &mut Vec<&[u8]>, end: usize) -> Option<Step> {
    let depth = open.iter().rposition(|name| tag.name.eq_ignore_ascii_case(name))?;
    open.truncate(depth);
    Some(if depth == 0 { Step::Left(end) } else { Step::On(end) })
}

/// How long the text and the end tag are that follow an integration point's start tag.
fn text_only(html: &[u8], start: &Tag<'_>) -> Option<usize> {
    let at = memchr(b'<', html)?;
    let end = Tag::at(&html[at..])?;
    (end.is_end && end.name.eq_ignore_ascii_case(start.name)).then_some(at + end.length)
}

/// How long a comment or a CDATA section is that all parsers read alike.
fn comment(html: &[u8]) -> Option<usize> {
    if html.starts_with(b"<![CDATA[") {
        return memmem::find(html, b"]]>").map(|end| end + 3);
    }
    let data = html.strip_prefix(b"<!--")?;
    let end = memmem::find(data, b"-->")?;
    let data = &data[..end];
    let is_odd = data.starts_with(b">") || data.starts_with(b"->") || memmem::find(data, b"--!>").is_some();
    (!is_odd).then_some(end + 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows the region that begins the page.
    fn rest(html: &str) -> Option<&str> {
        match follow(html.as_bytes(), 0) {
            Region::Clear(region) => Some(html.get(region.end..).unwrap_or("(open)")),
            Region::Unclear => None,
        }
    }

    #[test]
    fn a_drawing_as_people_make_them_is_clear() {
        for drawing in [
            "<svg></svg>",
            "<SVG width=1><path d='>'/><title>a &lt; b</title><g><style>.a > b {}</style></g></svg >",
            "<svg><path></svg>",
            "<svg><a xlink:href=x><text>1 < 2</text></a><![CDATA[</svg>]]><!-- </svg> --></svg>",
            "<math><mrow><mi>x</mi><mo>=</mo></mrow></math>",
            "<svg><g>",
        ] {
            let expected = if drawing.ends_with("<g>") { "(open)" } else { "<p>" };
            let html = format!("{drawing}{}", if expected == "<p>" { expected } else { "" });
            assert_eq!(rest(&html), Some(expected), "{drawing}");
        }
        assert_eq!(rest("<svg><g><p>x"), Some("<p>x"));
    }

    #[test]
    fn what_only_a_whole_tree_could_tell_is_not() {
        for html in [
            "<svg/>",
            "<svg><svg></svg></svg>",
            "<svg><math>",
            "<svg></div>",
            "<svg></p>",
            "<svg><foreignObject><p></p></foreignObject></svg>",
            "<svg><title><b></title></svg>",
            "<svg><font color=red>",
            "<svg><!--></svg>-->",
            "<svg><!--",
            "<svg><p title='",
            "<svg><?x?></svg>",
        ] {
            assert_eq!(rest(html), None, "{html}");
        }
    }
}
