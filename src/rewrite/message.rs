//! A newsletter as a whole e-mail: its bodies in HTML and plain text are decoded, rewritten, and
//! encoded again as they were; every other byte stays.
//!
//! [`structure`] finds the bodies, [`header`] reads what a header says about one, [`transfer`] undoes
//! and redoes its encoding, [`line_length`] keeps lines as short as mail wants them.

mod header;
mod line_length;
mod quoted_printable;
mod structure;
mod transfer;

use encoding_rs::Encoding;
use memchr::memmem;

use super::draft::Draft;
use super::splice::Edit;
use super::text::{self, Told};
use super::{RewriteError, page};
use structure::{Body, Kind};

/// What changes in a message: the bodies in which there are links to rewrite, each as a whole.
///
/// # Errors
/// A page that is nested deeper than the parser can follow.
pub(super) fn edits(message: &[u8], draft: &mut Draft<'_>) -> Result<Vec<Edit>, RewriteError> {
    let structure = structure::read(message);
    for note in structure.notes {
        draft.warn((note.code, format!("{}: {}", note.part, note.message)));
    }
    let wants_pixel = draft.options.pixel;
    let mut edits = Vec::new();
    for body in &structure.bodies {
        draft.enter(&body.name());
        if let Some(with) = rewritten(&message[body.range.clone()], body, draft)? {
            edits.push(Edit { range: body.range.clone(), with, link: None });
        }
    }
    draft.enter("");
    draft.options.pixel = wants_pixel;
    if !edits.is_empty() && structure.is_sealed {
        let message = "the header has a DKIM or ARC signature, which no longer fits: sign the message after rewriting";
        draft.warn(("dkim", message.to_owned()));
    }
    Ok(edits)
}

/// The body with its links rewritten, encoded as it was; None when nothing changes.
fn rewritten(raw: &[u8], body: &Body, draft: &mut Draft<'_>) -> Result<Option<Vec<u8>>, RewriteError> {
    let name = body.name();
    let Some(decoded) = transfer::decode(raw, body.transfer) else {
        draft.warn(("transfer_encoding", format!("{name}: left, it is not what its Content-Transfer-Encoding says")));
        return Ok(None);
    };
    if is_pgp(decoded.bytes()) {
        draft.warn(("signed", format!("{name}: left, it is signed or encrypted with PGP")));
        return Ok(None);
    }
    let encoding = body.charset.as_deref().and_then(|label| Encoding::for_label(label.as_bytes()));
    let edits = match body.kind {
        Kind::Html => page::edits(decoded.bytes(), encoding, draft)?,
        Kind::Text => text::edits(decoded.bytes(), Told { encoding, joins_lines: body.joins_lines }, draft),
    };
    if body.kind == Kind::Html {
        // One pixel a message, or an open would count twice.
        draft.options.pixel = false;
    }
    let edits = if body.transfer.limits_lines() { line_length::fit(decoded.bytes(), edits, draft) } else { edits };
    Ok((!edits.is_empty()).then(|| decoded.encode(edits)))
}

/// A change would break an inline signature, and there is nothing to read in what is encrypted.
fn is_pgp(text: &[u8]) -> bool {
    let begins = memmem::find_iter(text, b"-----BEGIN PGP ");
    begins.filter(|at| *at == 0 || text[at - 1] == b'\n').any(|at| {
        let rest = &text[at + b"-----BEGIN PGP ".len()..];
        rest.starts_with(b"SIGNED MESSAGE-----") || rest.starts_with(b"MESSAGE-----")
    })
}
