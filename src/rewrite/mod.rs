//! Rewrites a newsletter: links to a shop become signed click links, one open pixel is added, and
//! every other byte stays as it is.
//!
//! Pure: no I/O, no clock, no logging. [`html`] finds link targets and their places, [`value`] reads
//! one, [`rules`] decides about it, [`splice`] writes the new targets into the original bytes, and
//! the [`Report`] says what became of each. Rewriting twice changes nothing that rewriting once did
//! not.

pub mod entities;
pub mod html;
pub mod linker;
pub mod merge_field;
pub mod pixel;
pub mod query;
pub mod report;
pub mod rules;
pub mod splice;
pub mod value;

use lol_html::errors::RewritingError;
use thiserror::Error;
use url::Url;

pub use linker::{Linker, Shop};
pub use report::{Finding, Link, Outcome, Reason, Report};

use html::{AttributeValue, Found, Quote, Target};
use rules::Rules;
use splice::Edit;
use value::Value;

/// The largest newsletter, in bytes. Real ones stay below the 102 kB at which a large mail service
/// clips; this leaves room for images inlined by mistake, which deserve a report and not an error.
pub const MAX_DOCUMENT: usize = 10 << 20;

/// The longest target that is looked into, in bytes: four times what a token can carry, which leaves
/// room for merge fields and character references. Longer ones are left alone.
const MAX_TARGET: usize = 8 << 10;

/// What a rewriting is asked for, beside the newsletter.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Knows the shops and makes the URLs of one campaign.
    pub linker: &'a Linker<'a>,
    /// Case-insensitive substrings that mark unsubscribe and preference links.
    pub unsubscribe_patterns: &'a [String],
    /// The attributes that hold a recipient's address, on the e-mail platform.
    pub address_attributes: &'a [String],
    /// Whether to add an open pixel.
    pub pixel: bool,
}

/// A newsletter, rewritten.
#[derive(Debug)]
pub struct Rewritten {
    /// The newsletter.
    pub html: Vec<u8>,
    /// What became of its links.
    pub report: Report,
}

/// Why a newsletter cannot be rewritten at all.
#[derive(Debug, Error)]
pub enum RewriteError {
    /// Beyond [`MAX_DOCUMENT`].
    #[error("the document has {found} bytes, expected at most {MAX_DOCUMENT}")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
    },
    /// Nested deeper than the parser can follow in its memory.
    #[error("the document cannot be parsed: {0}")]
    Parser(#[from] RewritingError),
}

impl RewriteError {
    /// A stable word for metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Parser(_) => "parser",
        }
    }
}

/// Rewrites a newsletter in HTML.
///
/// # Errors
/// When the document is too large or nested too deep. Broken HTML is no error.
pub fn rewrite(document: &[u8], options: Options<'_>) -> Result<Rewritten, RewriteError> {
    if document.len() > MAX_DOCUMENT {
        return Err(RewriteError::TooLarge { found: document.len() });
    }
    let found = html::find(document)?;
    let base = base_url(document, &found);
    let rules = Rules { options, base: base.as_ref() };
    let mut edits = Vec::new();
    let links =
        (1..).zip(&found.links).map(|(number, target)| link(document, target, number, &rules, &mut edits)).collect();
    let has_pixel = has_pixel(document, &found, options.linker);
    let pixel = if options.pixel && !has_pixel { pixel_edit(document, options.linker)? } else { None };
    let carries_pixel = has_pixel || pixel.is_some();
    edits.extend(pixel);
    let html = splice::splice(document, edits);
    let report = Report {
        campaign: options.linker.maker.campaign.as_str().to_owned(),
        account: options.linker.pixel.account.as_str().to_owned(),
        bytes_in: document.len(),
        bytes_out: html.len(),
        pixel: carries_pixel,
        links,
        errors: Vec::new(),
    };
    Ok(Rewritten { html, report })
}

/// Decides about one link and notes the edit.
fn link(document: &[u8], target: &Target, number: usize, rules: &Rules<'_>, edits: &mut Vec<Edit>) -> Link {
    let raw = &document[target.href.range.clone()];
    let (original, decision) = decide(raw, target.off, number, rules);
    let outcome = match decision {
        Ok(url) => {
            edits.push(target_edit(&target.href, &url));
            Outcome::Rewritten { url: url.text().to_owned() }
        }
        Err(reason) => Outcome::Left { reason },
    };
    Link { number, original, outcome }
}

fn decide(raw: &[u8], off: bool, number: usize, rules: &Rules<'_>) -> (String, Result<Value, Reason>) {
    let Ok(text) = str::from_utf8(raw) else {
        return (String::from_utf8_lossy(raw).into_owned(), Err(Reason::Encoding));
    };
    if text.len() > MAX_TARGET {
        return (text.to_owned(), Err(Reason::TooLong));
    }
    let value = Value::from_raw(text);
    let decision = match u16::try_from(number) {
        _ if off => Err(Reason::Off),
        Ok(number) => rules.apply(&value, number),
        Err(_) => Err(Reason::TooMany),
    };
    (value.text().to_owned(), decision)
}

/// The new target between the quotes that are there, or between new ones.
fn target_edit(href: &AttributeValue, url: &Value) -> Edit {
    let (quote, new_mark) = match href.quote {
        Quote::None if url.fields_hold('"') => (Quote::Single, "'"),
        Quote::None => (Quote::Double, "\""),
        given => (given, ""),
    };
    let with = format!("{new_mark}{}{new_mark}", url.escaped(quote));
    Edit { range: href.range.clone(), with }
}

/// The URL that relative links start from: only an absolute http(s) URL without merge fields can be.
fn base_url(document: &[u8], found: &Found) -> Option<Url> {
    let value = value_of(document, found.base.as_ref()?)?;
    let url = Url::parse(value.text()).ok()?;
    (value.fields().is_empty() && matches!(url.scheme(), "http" | "https")).then_some(url)
}

fn has_pixel(document: &[u8], found: &Found, linker: &Linker<'_>) -> bool {
    found.images.iter().any(|src| value_of(document, src).is_some_and(|value| linker.is_own_pixel(value.text())))
}

fn pixel_edit(document: &[u8], linker: &Linker<'_>) -> Result<Option<Edit>, RewriteError> {
    let mut src = Value::default();
    src.push_text(&linker.pixel_url());
    src.push_text("?reaid=");
    src.push_field(&linker.pixel.merge_field);
    let with = pixel::image(&src.escaped(Quote::Double));
    Ok(pixel::position(document)?.map(|at| Edit { range: at..at, with }))
}

fn value_of(document: &[u8], value: &AttributeValue) -> Option<Value> {
    let raw = document.get(value.range.clone()).filter(|raw| raw.len() <= MAX_TARGET)?;
    str::from_utf8(raw).ok().map(Value::from_raw)
}
