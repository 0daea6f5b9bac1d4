//! Rewrites a newsletter: links to a shop become signed click links, one open pixel is added, and
//! every other byte stays as it is.
//!
//! Pure: no I/O, no clock, no logging. A `page` is a document in HTML: [`charset`] says what its bytes
//! mean, [`html`] finds link targets and their places, [`value`] reads one, `rules` decides about it,
//! `splice` writes the new targets into the original bytes. In a `text` it is [`urls`] that finds them. A
//! `message` and an [`archive`] hold pages and texts: they unpack those, and pack them again. A `draft`
//! is the [`Report`] as it grows, with what [`lint`] remarks. Rewriting twice changes nothing that rewriting
//! once did not.

pub mod archive;
pub mod charset;
mod conditional;
mod draft;
pub mod entities;
mod foreign;
mod format;
pub mod html;
mod label;
pub mod linker;
pub mod lint;
mod mask;
pub mod merge_field;
mod message;
mod page;
mod pixel;
pub mod query;
pub mod report;
mod rules;
mod scan;
pub mod splice;
mod tag;
mod text;
pub mod urls;
mod utm;
pub mod value;

use lol_html::errors::RewritingError;
use thiserror::Error;

pub use archive::ArchiveError;
pub use format::Format;
pub use linker::{Linker, Shop};
pub use report::{Finding, Link, Outcome, Reason, Report, Warning};

use draft::Draft;
use splice::splice;
use text::Told;

/// The largest newsletter, in bytes. Real ones stay below the 102 kB at which a large mail service
/// clips; this leaves room for images inlined by mistake, which deserve a report and not an error.
pub const MAX_DOCUMENT: usize = 10 << 20;

/// What a rewriting is asked for, beside the newsletter.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Knows the shops and makes the URLs of one campaign.
    pub linker: &'a Linker<'a>,
    /// Case-insensitive substrings that mark unsubscribe and preference links.
    pub unsubscribe_patterns: &'a [String],
    /// The attributes that hold a recipient's address, on the e-mail platform.
    pub address_attributes: &'a [String],
    /// Parameters that a destination gets when it has none of that name: `utm_source` and its value, ….
    pub utm: &'a [(String, String)],
    /// Whether to add an open pixel.
    pub pixel: bool,
}

/// A newsletter, rewritten.
#[derive(Debug)]
pub struct Rewritten {
    /// The newsletter.
    pub bytes: Vec<u8>,
    /// What became of its links.
    pub report: Report,
}

/// Why a newsletter cannot be rewritten at all.
#[derive(Debug, Error)]
pub enum RewriteError {
    /// Beyond [`Format::max_size`].
    #[error("the document has {found} bytes, expected at most {expected}")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
        /// The size that it may have.
        expected: usize,
    },
    /// Nested deeper than the parser can follow in its memory.
    #[error("the document cannot be parsed: {0}")]
    Parser(#[from] RewritingError),
    /// A zip that is refused.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl RewriteError {
    /// A stable word for metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Parser(_) => "parser",
            Self::Archive(error) => error.kind(),
        }
    }
}

/// Rewrites a newsletter.
///
/// # Errors
/// When the document is too large or nested too deep. Broken HTML is no error.
pub fn rewrite(document: &[u8], format: Format, options: Options<'_>) -> Result<Rewritten, RewriteError> {
    let expected = format.max_size();
    if document.len() > expected {
        return Err(RewriteError::TooLarge { found: document.len(), expected });
    }
    let mut draft = Draft::new(options);
    let bytes = match format {
        Format::Html => splice(document, page::edits(document, None, &mut draft)?),
        Format::Text => splice(document, text::edits(document, Told::default(), &mut draft)),
        Format::Message => splice(document, message::edits(document, &mut draft)?),
        Format::Archive => archive::rewrite(document, &mut draft)?,
    };
    let report = draft.report(document.len(), bytes.len());
    Ok(Rewritten { bytes, report })
}
