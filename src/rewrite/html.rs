//! Finds link targets in HTML, with their exact places in the bytes. Changes nothing.
//!
//! `lol_html` reads the document as a browser does: what stands in comments, scripts, styles, titles
//! and other text-only elements is no markup and is not reported. Bytes need not be UTF-8; any
//! encoding that contains ASCII will do. (Inside `<template>` links are reported although a browser
//! keeps them inert: nobody can click them, so nothing is lost.)

use std::ops::Range;

use lol_html::errors::RewritingError;
use lol_html::html_content::{Attribute, Element};
use lol_html::{HtmlRewriter, MemorySettings, Settings, element};

/// What the parser may buffer: its stack of open elements and one unfinished tag. A document of the
/// largest size that is one single tag needs 10 MiB, real newsletters some kilobytes.
const PARSER_MEMORY: usize = 64 << 20;

/// A name that no document uses: see [`is_markup_at`].
const PROBE: &str = "reaid-probe";

/// The link targets of a document.
#[derive(Debug, Default)]
pub struct Found {
    /// Targets of `a` and `area`, in document order.
    pub links: Vec<Target>,
    /// The first `base` with an `href`.
    pub base: Option<AttributeValue>,
    /// `src` of every `img`.
    pub images: Vec<AttributeValue>,
}

/// The target of one link.
#[derive(Debug)]
pub struct Target {
    /// Its `href`.
    pub href: AttributeValue,
    /// Whether the author asked for it to be left alone: `data-reaid="off"`.
    pub off: bool,
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
    let mut found = Found::default();
    let handler = element!("a[href], area[href], base[href], img[src]", |element| {
        found.add(html, element);
        Ok(())
    });
    let mut parser = HtmlRewriter::new(settings().append_element_content_handler(handler), |_: &[u8]| {});
    parser.write(html)?;
    parser.end()?;
    Ok(found)
}

/// Whether a tag written at `position` would be read as a tag: not inside a comment, a script, an
/// attribute or the like.
///
/// # Errors
/// When the parser would need more memory than it may have.
pub fn is_markup_at(html: &[u8], position: usize) -> Result<bool, RewritingError> {
    let mut seen = false;
    let handler = element!(PROBE, |element| {
        seen |= element.source_location().bytes().start == position;
        Ok(())
    });
    let mut parser = HtmlRewriter::new(settings().append_element_content_handler(handler), |_: &[u8]| {});
    parser.write(html.get(..position).unwrap_or(html))?;
    parser.write(format!("<{PROBE}>").as_bytes())?;
    parser.end()?;
    Ok(seen)
}

/// Not strict: markup that could be read in two ways is read in one of them instead of refused. The
/// parser's graceful bail-out stays off, so that running out of memory is an error, not silence.
fn settings<'h, 's>() -> Settings<'h, 's> {
    Settings::new()
        .with_strict(false)
        .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(PARSER_MEMORY))
}

impl Found {
    fn add(&mut self, html: &[u8], element: &Element<'_, '_>) {
        match element.tag_name().as_str() {
            "base" => self.base = self.base.take().or_else(|| attribute_value(html, element, "href")),
            "img" => self.images.extend(attribute_value(html, element, "src")),
            _ => self
                .links
                .extend(attribute_value(html, element, "href").map(|href| Target { href, off: is_off(element) })),
        }
    }
}

fn is_off(element: &Element<'_, '_>) -> bool {
    first(element, "data-reaid").is_some_and(|attribute| attribute.value().trim().eq_ignore_ascii_case("off"))
}

/// Of attributes with the same name the first counts, as in browsers.
fn first<'e, 't>(element: &'e Element<'_, 't>, name: &str) -> Option<&'e Attribute<'t>> {
    element.attributes().iter().find(|attribute| attribute.name() == name)
}

fn attribute_value(html: &[u8], element: &Element<'_, '_>, name: &str) -> Option<AttributeValue> {
    let attribute = first(element, name)?;
    let Some(location) = attribute.value_source_location() else {
        let end = attribute.name_source_location()?.bytes().end;
        return Some(AttributeValue { range: end..end, quote: Quote::None });
    };
    let range = location.bytes();
    // An unquoted value follows `=` or white space and cannot begin with a quote.
    let quote = match range.start.checked_sub(1).and_then(|before| html.get(before)) {
        Some(b'"') => Quote::Double,
        Some(b'\'') => Quote::Single,
        _ => Quote::None,
    };
    Some(AttributeValue { range, quote })
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
            assert_eq!(values(&format!("<{text}><a href=x></{text}><a href=y>")), [("y", Quote::None)], "{text}");
        }
        assert_eq!(values("<!--[if mso]><a href=x><![endif]--><a href=y>"), [("y", Quote::None)]);
        assert_eq!(values("<!--[if !mso]><!--><a href=x><!--<![endif]-->"), [("x", Quote::None)]);
        assert_eq!(values("<![if !mso]><a href=x><![endif]>"), [("x", Quote::None)]);
        assert_eq!(values("<p title='<a href=x>'>"), []);
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

    #[test]
    fn a_tag_is_a_tag_only_in_markup() {
        for (html, markup) in [
            ("<p>", true),
            ("", true),
            ("<p", false),
            ("<p title='", false),
            ("<!-- ", false),
            ("<!-- -->", true),
            ("<script>", false),
            ("<style></style>", true),
            ("</p title='", false),
        ] {
            assert_eq!(is_markup_at(html.as_bytes(), html.len()).unwrap(), markup, "{html}");
        }
    }

    #[test]
    fn nesting_without_end_is_an_error_not_a_crash() {
        let html = "<b>".repeat(3_000_000);
        assert!(matches!(find(html.as_bytes()), Ok(_) | Err(RewritingError::MemoryLimitExceeded(_))));
    }
}
