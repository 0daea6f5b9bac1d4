//! Keeps lines as short as mail wants them: a click URL that would make a line of a body too long is
//! not written, since neither an attribute nor a URL in text can be broken.

use std::ops::Range;

use memchr::{memchr, memrchr};

use crate::rewrite::Reason;
use crate::rewrite::draft::Draft;
use crate::rewrite::splice::Edit;

/// The longest line without its line break, in bytes (RFC 5322, section 2.1.1).
const MAX_LINE: usize = 998;

/// The edits that make no line too long that was not. The links of the others are left, with a warning;
/// a pixel gets a line of its own.
pub(super) fn fit(body: &[u8], mut edits: Vec<Edit>, draft: &mut Draft<'_>) -> Vec<Edit> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut fitting = Vec::with_capacity(edits.len());
    let mut edits = edits.into_iter().peekable();
    while let Some(first) = edits.next() {
        let mut lines = Lines { range: lines_of(body, &first.range), edits: vec![first] };
        while let Some(next) = edits.next_if(|edit| edit.range.start <= lines.range.end) {
            lines.range.end = lines_of(body, &next.range).end;
            lines.edits.push(next);
        }
        fitting.extend(lines.fit(body, draft));
    }
    fitting
}

/// Lines that edits touch, without the last line break.
struct Lines {
    range: Range<usize>,
    edits: Vec<Edit>,
}

impl Lines {
    fn fit(self, body: &[u8], draft: &mut Draft<'_>) -> Vec<Edit> {
        let before = &body[self.range.clone()];
        if before.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_end().len() > MAX_LINE) {
            return self.edits;
        }
        let mut length = before.len();
        let mut kept = Vec::new();
        let mut waiting = self.edits;
        // Until nothing more fits: the same are kept when the result is rewritten again.
        while let Some(index) = waiting.iter().position(|edit| grown(length, edit) <= MAX_LINE) {
            let edit = waiting.remove(index);
            length = grown(length, &edit);
            kept.push(edit);
        }
        for edit in waiting {
            match edit.link {
                Some(number) => leave(number, draft),
                None => kept.push(on_its_own_line(edit, body)),
            }
        }
        kept
    }
}

fn grown(length: usize, edit: &Edit) -> usize {
    (length + edit.with.len()).saturating_sub(edit.range.len())
}

fn leave(number: usize, draft: &mut Draft<'_>) {
    let message =
        "left, its line would be longer than 998 bytes: break the line there, or encode the part as quoted-printable";
    draft.leave(number, Reason::LineTooLong, ("line_too_long", message.to_owned()));
}

fn on_its_own_line(mut edit: Edit, body: &[u8]) -> Edit {
    let line_break: &[u8] = if body.windows(2).any(|pair| pair == b"\r\n") { b"\r\n" } else { b"\n" };
    edit.with = [line_break, &edit.with, line_break].concat();
    edit
}

fn lines_of(body: &[u8], range: &Range<usize>) -> Range<usize> {
    let start = memrchr(b'\n', &body[..range.start]).map_or(0, |at| at + 1);
    let end = memchr(b'\n', &body[range.end..]).map_or(body.len(), |length| range.end + length);
    start..end
}
