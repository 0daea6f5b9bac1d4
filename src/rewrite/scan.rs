//! One pass of `lol_html` over a part of a page: what was seen, where.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use lol_html::errors::RewritingError;
use lol_html::html_content::{Attribute, Element};
use lol_html::{ElementContentHandlers, HtmlRewriter, MemorySettings, Selector, Settings, doc_comments};

use super::html::{AttributeValue, Place, Quote, Target, is_link};

/// What the parser may buffer: its stack of open elements and one unfinished tag. A document of the
/// largest size that is one single tag needs 10 MiB, real newsletters some kilobytes.
const PARSER_MEMORY: usize = 64 << 20;

/// What is looked at in a page. `rbody` is `</body`; of VML, the elements that can lead somewhere.
const IN_PAGE: &str = "a, area[href], base[href], img[src], rbody, svg, math, select, frameset, template, col, \
    v\\:shape, v\\:shapetype, v\\:group, v\\:rect, v\\:roundrect, v\\:oval, v\\:image, v\\:line, v\\:polyline, v\\:curve, \
    v\\:arc, v\\:background, v\\:textbox, v\\:fill";

/// What is looked at elsewhere: everything, for such parts are small, and setting up each selector costs more.
const ELSEWHERE: &str = "*";

/// A tag behind the end: seen, the end is no place inside a comment, a script or another tag.
const PROBE: &[u8] = b"<rbody>";

const HTML: &str = "http://www.w3.org/1999/xhtml";

/// What a pass saw. All places are those of the whole document.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) links: Vec<Target>,
    pub(super) base: Option<AttributeValue>,
    pub(super) images: Vec<AttributeValue>,
    /// Comments of all kinds.
    pub(super) comments: Vec<Range<usize>>,
    /// Every `</body` that is a tag.
    pub(super) body_ends: Vec<usize>,
    /// Every `<svg` and `<math`.
    pub(super) roots: Vec<usize>,
    /// The first element in which a browser may ignore tags, or have ignored them.
    pub(super) unsettled: Option<usize>,
    /// From here on a browser may take for markup what the parser takes for text, or the other way.
    pub(super) unclear: Option<usize>,
    /// Whether the part ends in markup.
    pub(super) ends_in_markup: bool,
}

/// Reads parts of one page.
pub(super) struct Scanner<'h> {
    /// The page as it is.
    html: &'h [u8],
    in_page: Selector,
    /// Parsed when it is needed: most pages have no link in a comment.
    elsewhere: OnceCell<Selector>,
}

impl<'h> Scanner<'h> {
    pub(super) fn new(html: &'h [u8]) -> Self {
        Self { html, in_page: parsed(IN_PAGE), elsewhere: OnceCell::new() }
    }

    /// Reads `copy`, which stands for `part` of the page.
    ///
    /// # Errors
    /// When the parser would need more memory than it may have.
    pub(super) fn scan(&self, copy: &[u8], part: Range<usize>, place: Place) -> Result<Seen, RewritingError> {
        let mut pass = Pass {
            html: self.html,
            part: part.clone(),
            place,
            seen: Seen::default(),
            template: None,
            last_unsettled: None,
        };
        let mut comments = Vec::new();
        let see = ElementContentHandlers::default().element(|element: &mut Element<'_, '_>| {
            pass.see(element);
            Ok(())
        });
        let see_comment = doc_comments!(|comment| {
            let range = comment.source_location().bytes();
            comments.push(part.start + range.start..part.end.min(part.start + range.end));
            Ok(())
        });
        let elsewhere = || self.elsewhere.get_or_init(|| parsed(ELSEWHERE));
        let selector = if place == Place::Page { &self.in_page } else { elsewhere() };
        let settings = settings()
            .append_element_content_handler((Cow::Borrowed(selector), see))
            .append_document_content_handler(see_comment);
        let mut parser = HtmlRewriter::new(settings, |_: &[u8]| {});
        let read = parser.write(copy).and_then(|()| parser.write(PROBE)).and_then(|()| parser.end());
        pass.seen.comments = comments;
        match read {
            Ok(()) => Ok(pass.seen),
            Err(RewritingError::ParsingAmbiguity(_)) => {
                let from = pass.last_unsettled.unwrap_or(part.start);
                pass.seen.unclear = Some(pass.seen.unclear.map_or(from, |earlier| earlier.min(from)));
                Ok(pass.seen)
            }
            Err(error) => Err(error),
        }
    }
}

#[expect(clippy::expect_used, reason = "two literals that parse")]
fn parsed(selector: &str) -> Selector {
    selector.parse().expect("a selector")
}

/// Strict: where a browser may ignore a tag that turns what follows into text, the parser stops instead
/// of guessing. Its graceful bail-out stays off, so that running out of memory is an error, not silence.
fn settings<'h, 's>() -> Settings<'h, 's> {
    Settings::new()
        .with_strict(true)
        .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(PARSER_MEMORY))
}

struct Pass<'h> {
    html: &'h [u8],
    part: Range<usize>,
    place: Place,
    seen: Seen,
    template: Option<usize>,
    last_unsettled: Option<usize>,
}

impl Pass<'_> {
    fn see(&mut self, element: &Element<'_, '_>) {
        let location = element.source_location().bytes();
        let tag = self.part.start + location.start..self.part.start + location.end;
        if tag.start == self.part.end {
            self.seen.ends_in_markup = true;
        }
        // A tag that the part does not end, the probe did.
        if tag.end > self.part.end {
            return;
        }
        match element.tag_name().as_str() {
            "base" => self.seen.base = self.seen.base.take().or_else(|| self.value(element, "href")),
            "img" => self.seen.images.extend(self.value(element, "src")),
            "rbody" if self.html[tag.start + 1] == b'/' => self.seen.body_ends.push(tag.start),
            "svg" | "math" => self.seen.roots.push(tag.start),
            "select" | "frameset" => self.unsettle(tag.start),
            "template" => {
                self.template.get_or_insert(tag.start);
                self.unsettle(tag.start);
            }
            // In a template it makes a browser ignore what a column cannot hold.
            "col" => self.seen.unclear = self.seen.unclear.or(self.template),
            name if is_link(name.as_bytes()) => self.see_link(element, tag),
            _ => {}
        }
    }

    fn unsettle(&mut self, at: usize) {
        self.seen.unsettled.get_or_insert(at);
        self.last_unsettled = Some(at);
    }

    fn see_link(&mut self, element: &Element<'_, '_>, tag: Range<usize>) {
        let may_be_drawing = self.place == Place::Unclear || element.namespace_uri() != HTML;
        let in_drawing = |value: Option<_>| value.filter(|_| may_be_drawing);
        let href = self.value(element, "href").or_else(|| in_drawing(self.value(element, "xlink:href")));
        let target = |href| Target { href, tag, off: self.is_off(element), place: self.place };
        let link = href.map(target);
        self.seen.links.extend(link);
    }

    fn value(&self, element: &Element<'_, '_>, name: &str) -> Option<AttributeValue> {
        let attribute = self.first(element, name)?;
        let start = self.part.start;
        let Some(location) = attribute.value_source_location() else {
            let end = start + attribute.name_source_location()?.bytes().end;
            return Some(AttributeValue { range: end..end, quote: Quote::None });
        };
        let range = start + location.bytes().start..start + location.bytes().end;
        // An unquoted value follows `=` or white space and cannot begin with a quote.
        let quote = match range.start.checked_sub(1).and_then(|before| self.html.get(before)) {
            Some(b'"') => Quote::Double,
            Some(b'\'') => Quote::Single,
            _ => Quote::None,
        };
        Some(AttributeValue { range, quote })
    }

    fn is_off(&self, element: &Element<'_, '_>) -> bool {
        let value = self.first(element, "data-reaid").map(Attribute::value);
        value.is_some_and(|value| value.trim().eq_ignore_ascii_case("off"))
    }

    /// Of attributes with the same name the first counts, as in browsers. Names are compared where they
    /// stand: the parser would make a string of each.
    fn first<'e, 't>(&self, element: &'e Element<'_, 't>, name: &str) -> Option<&'e Attribute<'t>> {
        let written = |attribute: &Attribute<'t>| {
            let range = attribute.name_source_location()?.bytes();
            self.html.get(self.part.start + range.start..self.part.start + range.end)
        };
        let mut attributes = element.attributes().iter();
        attributes.find(|it| written(it).is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes())))
    }
}
