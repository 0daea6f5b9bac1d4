//! A newsletter's page in HTML.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use url::Url;

use super::draft::{Candidate, Draft, Unread};
use super::html::{self, AttributeValue, Found, Quote};
use super::splice::{self, Edit};
use super::value::Value;
use super::{Linker, Reason, RewriteError, Shop, charset, label, lint, pixel};

/// The longest target that is looked into, in bytes: four times what a token can carry, which leaves
/// room for merge fields and character references. Longer ones are left alone.
const MAX_TARGET: usize = 8 << 10;

/// What changes in a page: its links, and one pixel when there is none yet. `transport` is the encoding
/// that brought it, as in `Content-Type: text/html; charset=…`; it counts more than what the page says.
///
/// # Errors
/// Nested deeper than the parser can follow in its memory.
pub(super) fn edits(
    document: &[u8],
    transport: Option<&'static Encoding>,
    draft: &mut Draft<'_>,
) -> Result<Vec<Edit>, RewriteError> {
    let encoding = charset::detect(document, transport);
    let edits = if encoding.is_ascii_compatible() {
        Page { document, encoding }.edits(draft)?
    } else {
        by_way_of_utf_8(document, encoding, draft)?
    };
    lint::size(document.len(), splice::length(document, &edits)).into_iter().for_each(|remark| draft.warn(remark));
    Ok(edits)
}

/// Encodings in which ASCII is something else cannot be searched; such a page is turned into UTF-8 and
/// what changes is turned back. What would not come back the same stays as it is.
fn by_way_of_utf_8(
    document: &[u8],
    encoding: &'static Encoding,
    draft: &mut Draft<'_>,
) -> Result<Vec<Edit>, RewriteError> {
    let linker = draft.options.linker;
    let mut fields = linker.shops.iter().chain([linker.pixel]).map(Shop::query);
    let text = charset::decode(document, encoding).filter(|_| fields.all(|query| query.is_ascii()));
    let Some(text) = text else {
        draft.fail(lint::encoding(encoding.name()));
        return Ok(vec![]);
    };
    let edits = Page { document: text.as_bytes(), encoding: UTF_8 }.edits(draft)?;
    // What is added is ASCII, the rest was there before.
    Ok(charset::translate(&text, edits, encoding))
}

/// A page in an encoding that contains ASCII.
struct Page<'d> {
    document: &'d [u8],
    encoding: &'static Encoding,
}

impl<'d> Page<'d> {
    fn edits(&self, draft: &mut Draft<'_>) -> Result<Vec<Edit>, RewriteError> {
        let found = html::find(self.document)?;
        let base = self.base_url(&found);
        let mut edits = Vec::new();
        for link in &found.links {
            let candidate = Candidate {
                target: self.read(&link.href),
                off: link.off,
                base: base.as_ref(),
                place: link.place,
                encoding: self.encoding,
                text: label::of(self.document, link, self.encoding),
            };
            if let Some(url) = draft.decide(candidate) {
                edits.push(self.target_edit(&link.href, &url, draft.decided()));
            }
        }
        edits.extend(self.pixel_edit(&found, draft));
        found.unclear.into_iter().for_each(|from| draft.warn(lint::unclear(from)));
        Ok(edits)
    }

    /// The new target between the quotes that are there, or between new ones.
    fn target_edit(&self, href: &AttributeValue, url: &Value, number: usize) -> Edit {
        let (quote, new_mark) = match href.quote {
            Quote::None if url.fields_hold('"') => (Quote::Single, "'"),
            Quote::None => (Quote::Double, "\""),
            given => (given, ""),
        };
        let with = match new_mark {
            "" => url.escaped(quote),
            mark => [mark, &url.escaped(quote), mark].concat(),
        };
        let with = match self.encoding.encode(&with).0 {
            Cow::Owned(bytes) => bytes,
            Cow::Borrowed(_) => with.into_bytes(),
        };
        Edit { range: href.range.clone(), with, link: Some(number) }
    }

    /// The URL that relative links start from: only an absolute http(s) URL without merge fields can be.
    fn base_url(&self, found: &Found) -> Option<Url> {
        let value = self.read(found.base.as_ref()?).ok()?;
        let url = Url::parse(value.text()).ok()?;
        (value.fields().is_empty() && matches!(url.scheme(), "http" | "https")).then_some(url)
    }

    /// The pixel, when one is wanted and none is there.
    fn pixel_edit(&self, found: &Found, draft: &mut Draft<'_>) -> Option<Edit> {
        let linker = draft.options.linker;
        if self.has_pixel(found, linker) {
            draft.note_pixel();
            return None;
        }
        if !draft.options.pixel {
            return None;
        }
        let edit = found.end.and_then(|at| {
            let with = charset::encode(&pixel::image(linker), self.encoding)?;
            Some(Edit { range: at..at, with, link: None })
        });
        match edit {
            Some(_) => draft.note_pixel(),
            None => draft.warn(lint::no_pixel()),
        }
        edit
    }

    fn has_pixel(&self, found: &Found, linker: &Linker<'_>) -> bool {
        let may_be = |src: &&AttributeValue| pixel::may_be_own(&self.document[src.range.clone()], linker);
        let mut images = found.images.iter().filter(may_be);
        images.any(|src| self.read(src).is_ok_and(|value| linker.is_own_pixel(value.text())))
    }

    fn read(&self, value: &AttributeValue) -> Result<Value, Unread<'d>> {
        let raw = &self.document[value.range.clone()];
        let unread = |reason| Unread { raw, reason };
        if raw.len() > MAX_TARGET {
            return Err(unread(Reason::TooLong));
        }
        let text = self.encoding.decode_without_bom_handling_and_without_replacement(raw);
        let value = Value::from_raw(text.as_deref().ok_or(unread(Reason::Encoding))?);
        // A merge field is written as it was read, so it must be written with the bytes it was read from.
        let is_verbatim = || text.as_deref().and_then(|it| charset::encode(it, self.encoding)).as_deref() == Some(raw);
        let can_move = value.fields().is_empty() || raw.is_ascii() || is_verbatim();
        if can_move { Ok(value) } else { Err(unread(Reason::Encoding)) }
    }
}
