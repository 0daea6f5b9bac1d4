//! Finds link targets in HTML, with their exact places in the bytes. Changes nothing.
//!
//! `lol_html` reads the document as a mail client does, without scripts: what stands in comments, scripts,
//! styles, titles and other text-only elements is no markup; `<noscript>` is. What conditional comments
//! enclose is read as a document of its own, because Outlook reads it. Bytes need not be UTF-8; any
//! encoding that contains ASCII will do. (Inside `<template>` links are reported although a browser keeps
//! them inert: nobody can click them, so nothing is lost.)
//!
//! `lol_html` builds no tree. Where only a tree could tell what is markup (odd nesting of SVG, a `<style>`
//! inside a `<select>`), the rest of the document is unclear: whatever could be a link there is reported,
//! and marked so.

use std::ops::Range;

use lol_html::errors::RewritingError;
use memchr::memchr;

use super::conditional;
use super::foreign::Regions;
use super::mask;
use super::scan::{Scanner, Seen};
use super::tag::{self, Tag};

/// How deep conditional comments are followed into one another: people write one in another by mistake,
/// and each level reads the rest once more.
const MAX_DEPTH: u8 = 3;

/// The link targets of a document.
#[derive(Debug, Default)]
pub struct Found {
    /// Targets of `a`, `area` and VML elements, in document order.
    pub links: Vec<Target>,
    /// The first `base` with an `href`.
    pub base: Option<AttributeValue>,
    /// `src` of every `img` outside of comments.
    pub images: Vec<AttributeValue>,
    /// From here on, what is markup could not be told.
    pub unclear: Option<usize>,
    /// Where an image can be put: before the last `</body>` that is a tag, else at the end. None when
    /// either place is no markup.
    pub end: Option<usize>,
}

/// The target of one link.
#[derive(Debug)]
pub struct Target {
    /// Its `href`.
    pub href: AttributeValue,
    /// The start tag.
    pub tag: Range<usize>,
    /// Whether the author asked for it to be left alone: `data-reaid="off"`.
    pub off: bool,
    /// Where it stands.
    pub place: Place,
}

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the page itself.
    Page,
    /// In a conditional comment, which nothing in it may end.
    Comment,
    /// Where nobody can say whether it is a link.
    Unclear,
}

/// Where an attribute's value stands. `range` covers the value alone, without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeValue {
    /// The value's bytes in the document.
    pub range: Range<usize>,
    /// What encloses it.
    pub quote: Quote,
}

/// What encloses an attribute's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// `"`
    Double,
    /// `'`
    Single,
    /// Nothing: the value ends at white space or `>`.
    None,
}

/// Finds all links of a document.
///
/// # Errors
/// When the parser would need more memory than it may have.
pub fn find(html: &[u8]) -> Result<Found, RewritingError> {
    let finder = Finder { html, masked: mask::mask(html), scanner: Scanner::new(html) };
    let mut found = finder.page()?;
    found.links.sort_by_key(|link| link.href.range.start);
    Ok(found)
}

struct Finder<'h> {
    html: &'h [u8],
    /// The copy that is read.
    masked: Vec<u8>,
    scanner: Scanner<'h>,
}

impl Finder<'_> {
    fn page(&self) -> Result<Found, RewritingError> {
        let all = 0..self.html.len();
        let mut seen = self.scanner.scan(&self.masked, all.clone(), Place::Page)?;
        let regions = Regions::of(self.html, &seen);
        self.forget_unclear(&mut seen, &regions, &all)?;
        let mut found = Found { links: seen.links, base: seen.base, images: seen.images, ..Found::default() };
        let can_end = seen.ends_in_markup && regions.unclear.is_none() && !regions.is_open;
        found.end = seen.body_ends.last().copied().or(can_end.then_some(all.end));
        found.unclear = regions.unclear;
        self.comments(&seen.comments, &mut found.links, 0)?;
        Ok(found)
    }

    /// The links in those comments that are conditional.
    fn comments(&self, all: &[Range<usize>], links: &mut Vec<Target>, depth: u8) -> Result<(), RewritingError> {
        let conditional = all.iter().filter_map(|comment| conditional::content(self.html, comment.clone()));
        for part in conditional.filter(|part| has_target(&self.html[part.clone()])) {
            let mut seen = self.scanner.scan(&self.masked[part.clone()], part.clone(), Place::Comment)?;
            let regions = Regions::of(&self.html[..part.end], &seen);
            self.forget_unclear(&mut seen, &regions, &part)?;
            links.append(&mut seen.links);
            if depth < MAX_DEPTH {
                self.comments(&seen.comments, links, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Takes out what was seen where nothing is certain, and puts in everything there that has the form
    /// of a link: read in a copy that holds nothing else, so that nothing can hide it.
    fn forget_unclear(&self, seen: &mut Seen, regions: &Regions, part: &Range<usize>) -> Result<(), RewritingError> {
        let Some(from) = regions.unclear else { return Ok(()) };
        seen.links.retain(|link| link.tag.start < from);
        seen.images.retain(|image| image.range.start < from);
        seen.comments.retain(|comment| comment.start < from);
        seen.body_ends.retain(|end| *end < from);
        seen.base = seen.base.take().filter(|base| base.range.start < from);
        let rest = from..part.end;
        let links = only_links(&self.html[rest.clone()]);
        seen.links.append(&mut self.scanner.scan(&links, rest, Place::Unclear)?.links);
        Ok(())
    }
}

/// Whether a part can hold a link at all. Most conditional comments hold a table for Outlook.
fn has_target(part: &[u8]) -> bool {
    let is_target = |at: usize| mask::starts_with(&part[at + 1..], b"ref");
    memchr::memchr2_iter(b'h', b'H', part).any(is_target)
}

/// A copy of a part, white space but for the tags that have the form of a link.
fn only_links(part: &[u8]) -> Vec<u8> {
    let mut out = vec![b' '; part.len()];
    let mut at = 0;
    while let Some(next) = memchr(b'<', &part[at..]) {
        at += next;
        at += match Tag::at(&part[at..]) {
            Some(found) if !found.is_end && is_link(found.name) => {
                let range = at..at + found.length;
                out[range.clone()].copy_from_slice(&part[range]);
                found.length
            }
            Some(_) => 1,
            // Nothing that ends within reach.
            None if part.len() - at > tag::MAX_LENGTH && looks_like_tag(&part[at..]) => tag::MAX_LENGTH,
            None => 1,
        };
    }
    out
}

fn looks_like_tag(html: &[u8]) -> bool {
    matches!(html, [_, byte, ..] if byte.is_ascii_alphabetic() || *byte == b'/')
}

/// Whether elements of this name lead somewhere: in HTML, in SVG, in VML.
pub(super) fn is_link(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"a") || name.eq_ignore_ascii_case(b"area") || mask::starts_with(name, b"v:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(html: &str) -> Vec<(&str, Quote)> {
        let links = find(html.as_bytes()).unwrap().links;
        links.into_iter().map(|link| (&html[link.href.range], link.href.quote)).collect()
    }

    #[test]
    fn every_way_of_quoting_is_understood() {
        assert_eq!(values(r#"<a href="x y">"#), [("x y", Quote::Double)]);
        assert_eq!(values("<A\nHREF = 'x\"y'>"), [("x\"y", Quote::Single)]);
        assert_eq!(values("<a href=x/>y"), [("x/", Quote::None)]);
        assert_eq!(values("<a title=\"t\"href=x>"), [("x", Quote::None)]);
        assert_eq!(values("<a/href=x//class=b>"), [("x//class=b", Quote::None)]);
        assert_eq!(values("<a href=a\"b'c>"), [("a\"b'c", Quote::None)]);
        assert_eq!(values("<area shape=rect href=x><AREA hReF=y>"), [("x", Quote::None), ("y", Quote::None)]);
    }

    #[test]
    fn a_target_without_a_value_is_empty_and_none_is_no_link() {
        assert_eq!(values("<a href><a href=><a href=''><a name=x><a>").len(), 3);
        assert!(values("<a href><a href=><a href=''>").iter().all(|(value, _)| value.is_empty()));
    }

    #[test]
    fn of_two_targets_the_first_counts() {
        assert_eq!(values("<a HREF=x href=y>"), [("x", Quote::None)]);
    }

    #[test]
    fn comments_scripts_and_styles_hold_no_links() {
        for text in ["style", "script", "title", "textarea", "xmp", "iframe", "noembed", "noframes"] {
            for start in [text.to_owned(), format!("{text} x="), format!("{text} x = ")] {
                assert_eq!(values(&format!("<{start}><a href=x></{text}><a href=y>")), [("y", Quote::None)], "{start}");
            }
        }
        assert_eq!(values("<a href=x><plaintext x=><a href=y>"), [("x", Quote::None)]);
        assert_eq!(values("<!--<a href=x>--><p title='<a href=x>'>"), []);
    }

    /// The targets, and a `!` at those in comments, a `?` at those that may be none.
    fn targets(html: &str) -> String {
        let links = find(html.as_bytes()).unwrap().links.into_iter();
        let marked = links.map(|link| {
            let mark = match link.place {
                Place::Page => "",
                Place::Comment => "!",
                Place::Unclear => "?",
            };
            format!("{}{mark}", &html[link.href.range])
        });
        marked.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn conditional_comments_hold_links() {
        for (html, expected) in [
            ("<a href=1><!--[if mso]><a href=2></a><![endif]--><a href=3>", "1 2! 3"),
            ("<![if !mso]><a href=1><![endif]><a href=2>", "1 2"),
            ("<!--[if !mso]><!--><a href=1><!--<![endif]--><a href=2>", "1 2"),
            ("<!--[if !mso]> <!-- --><a href=1><!-- <![endif]--><a href=2>", "1 2"),
            ("<!-- [IF (gte mso 9)|(IE)]><a href=1><![endif]--!><a href=2>", "1! 2"),
            ("<!--[if mso]><!--[if gte mso 9]><a href=1><![endif]--><a href=2><![endif]-->", "1! 2"),
            ("<!--[if mso]><!-- <a href=0> --><a href=1><![endif]-->", "1"),
            ("<!--[if mso]><style><a href=0></style><a href=1><p title='<a href=2>", "1!"),
            ("<!--[if mso]><style><a href=0><![endif]--><a href=1>", "1"),
            ("<!--[if mso]><a href=1>x", "1!"),
            ("<style><!--[if mso]><a href=1><![endif]--></style>", ""),
        ] {
            assert_eq!(targets(html), expected, "{html}");
        }
    }

    #[test]
    fn vml_elements_lead_somewhere() {
        let html = "<!--[if mso]><v:RoundRect xmlns:v=u href=1 arcsize=10%><w:anchorlock/><v:fill src=x></v:roundrect>\
            <V:shape HREF='2'><v:image href=\"3\"/><o:x href=0><![endif]--><v:line href=4><b href=0><a href=5>";
        assert_eq!(targets(html), "1! 2! 3! 4 5");
    }

    #[test]
    fn what_is_shown_without_scripts_holds_links() {
        assert_eq!(targets("<noscript><a href=1><!-- </noscript> <a href=0>--></NOSCRIPT><a href=2>"), "1 2");
        assert_eq!(targets("<!--[if mso]><noscript><a href=1></noscript><![endif]-->"), "1!");
    }

    #[test]
    fn drawings_hold_links() {
        assert_eq!(targets("<svg><a href=1></a><a XLINK:HREF=2></a></svg><a xlink:href=0><a href=3>"), "1 2 3");
        assert_eq!(targets("<svg><style><a href=1></style></svg><style><a href=0></style><a href=2>"), "1 2");
    }

    #[test]
    fn where_only_a_tree_could_tell_everything_is_reported_as_unclear() {
        for (html, expected) in [
            ("<a href=1><svg><svg><p><style><a href=2></style><a href=3>", "1 2? 3?"),
            ("<a href=1><svg/><style><a href=2></style></svg>", "1 2?"),
            ("<a href=1><select><style></select><a href=2><p title='<a href=3>'>", "1 2? 3?"),
            ("<a href=1><template><col><style></template><a href=2>", "1 2?"),
            ("<select></select><style></style><a href=1><svg></svg><a href=2 title='>'>", "1 2?"),
            ("<!--[if mso]><a href=1><svg/><v:oval href=2><![endif]--><a href=3>", "1! 2? 3"),
        ] {
            assert_eq!(targets(html), expected, "{html}");
        }
    }

    #[test]
    fn places_are_exact_behind_bytes_that_are_not_utf_8() {
        let html = b"\xff\xfe<p title='\xe9'>\x80<a href='caf\xe9'>";
        let found = find(html).unwrap();
        assert_eq!(&html[found.links[0].href.range.clone()], b"caf\xe9");
    }

    #[test]
    fn the_first_base_with_a_target_counts() {
        let html = "<base target=_blank><base href=a><base href=b>";
        assert_eq!(&html[find(html.as_bytes()).unwrap().base.unwrap().range], "a");
    }

    #[test]
    fn off_is_read_in_any_case() {
        let found = find(b"<a href=x DATA-REAID=Off><a href=y data-reaid=on>").unwrap();
        assert_eq!(found.links.iter().map(|link| link.off).collect::<Vec<_>>(), [true, false]);
    }

    fn end(html: &str) -> Option<&str> {
        find(html.as_bytes()).unwrap().end.map(|at| &html[at..])
    }

    #[test]
    fn a_page_ends_before_the_last_end_of_its_body() {
        for (before, rest) in [
            ("<body>x", "</body></html>"),
            ("x", "</BODY\n>"),
            ("</body>x", "</body><!-- </body> -->"),
            ("", "</body><script>'</body>'</script>"),
            ("", "</body><p title='</body>'></p title='</body>'>"),
            ("<svg><g></svg>", "</body>"),
            ("<body></body><!--[if mso]></body><![endif]-->", ""),
        ] {
            let expected = if rest.is_empty() { Some("</body><!--[if mso]></body><![endif]-->") } else { Some(rest) };
            assert_eq!(end(&format!("{before}{rest}")), expected, "{before}");
        }
    }

    #[test]
    fn without_an_end_of_the_body_it_ends_where_it_ends() {
        for html in ["<p>x</p><!-- </body> -->", "", "<style></style>", "<rbody>", "<svg><p>"] {
            assert_eq!(end(html), Some(""), "{html}");
        }
    }

    #[test]
    fn where_no_image_can_be_a_page_has_no_end() {
        for html in [
            "<p>x<!-- ",
            "<script>",
            "<p title='",
            "</p title='",
            "<p",
            "<plaintext>",
            "<p>x</bodyguard></body",
            "<svg>",
            "<svg><style></body>",
            "<svg/>",
        ] {
            assert_eq!(end(html), None, "{html}");
        }
        assert_eq!(end("x</body><svg><style>"), Some("</body><svg><style>"));
    }

    #[test]
    fn nesting_without_end_is_an_error_not_a_crash() {
        let html = "<b>".repeat(3_000_000);
        assert!(matches!(find(html.as_bytes()), Ok(_) | Err(RewritingError::MemoryLimitExceeded(_))));
    }
}
