//! Quoted-printable: undone, and redone in the lines that change, so that all others keep their bytes.

use std::ops::Range;

use memchr::{memchr, memrchr};

use crate::rewrite::merge_field;
use crate::rewrite::splice::Edit;

/// The longest line, in bytes, with the `=` that breaks it (RFC 2045, section 6.7).
const MAX_LINE: usize = 76;

/// A body, decoded, that knows where each byte came from.
#[derive(Debug)]
pub(super) struct QuotedPrintable<'m> {
    raw: &'m [u8],
    /// The decoded bytes.
    pub(super) bytes: Vec<u8>,
    /// Where each of them begins in `raw`. Documents have at most 10 MiB.
    starts: Vec<u32>,
}

impl<'m> QuotedPrintable<'m> {
    /// Decodes a body; None when a `=` in it means nothing.
    pub(super) fn decode(raw: &'m [u8]) -> Option<Self> {
        let mut body = Self { raw, bytes: Vec::with_capacity(raw.len()), starts: Vec::with_capacity(raw.len()) };
        let mut position = 0;
        while position < raw.len() {
            let end = memchr(b'\n', &raw[position..]).map_or(raw.len(), |length| position + length + 1);
            body.decode_line(position..end)?;
            position = end;
        }
        Some(body)
    }

    fn decode_line(&mut self, line: Range<usize>) -> Option<()> {
        let line_break = line_break(&self.raw[line.clone()]);
        let text = unpadded(&self.raw[line.start..line.end - line_break]);
        // White space at the end was added on the way; behind it, or a line break, `=` joins lines.
        let (text, is_joined) = match text.strip_suffix(b"=") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let mut at = 0;
        while at < text.len() {
            let start = line.start + at;
            if text[at] == b'=' {
                let (high, low) = (hex(*text.get(at + 1)?)?, hex(*text.get(at + 2)?)?);
                self.push(high << 4 | low, start)?;
                at += 3;
            } else {
                self.push(text[at], start)?;
                at += 1;
            }
        }
        if !is_joined {
            for start in line.end - line_break..line.end {
                self.push(self.raw[start], start)?;
            }
        }
        Some(())
    }

    fn push(&mut self, byte: u8, start: usize) -> Option<()> {
        self.bytes.push(byte);
        self.starts.push(u32::try_from(start).ok()?);
        Some(())
    }

    /// The body with all edits made. Edits must not overlap, and none takes away the end of a line without
    /// what follows.
    pub(super) fn encode(&self, mut edits: Vec<Edit>) -> Vec<u8> {
        edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        let mut out = Vec::with_capacity(self.raw.len() + edits.iter().map(|edit| 2 * edit.with.len()).sum::<usize>());
        let mut position = 0;
        let mut edits = edits.into_iter().peekable();
        while let Some(first) = edits.next() {
            let mut lines = self.lines_of(&first.range);
            let mut here = vec![first];
            while let Some(next) = edits.next_if(|edit| self.lines_of(&edit.range).start < lines.end) {
                lines.end = lines.end.max(self.lines_of(&next.range).end);
                here.push(next);
            }
            out.extend_from_slice(&self.raw[position..lines.start]);
            self.encode_lines(&lines, &here, &mut out);
            position = lines.end;
        }
        out.extend_from_slice(&self.raw[position..]);
        out
    }

    /// Where a decoded byte begins; the end of the body for the place behind the last.
    fn start_of(&self, index: usize) -> usize {
        self.starts.get(index).map_or(self.raw.len(), |start| *start as usize)
    }

    /// The encoded lines that decoded bytes stand in, line breaks included.
    fn lines_of(&self, range: &Range<usize>) -> Range<usize> {
        let first = self.start_of(range.start);
        let last = if range.is_empty() { first } else { self.start_of(range.end - 1) };
        let start = memrchr(b'\n', &self.raw[..first]).map_or(0, |at| at + 1);
        let end = memchr(b'\n', &self.raw[last..]).map_or(self.raw.len(), |length| last + length + 1);
        start..end
    }

    fn encode_lines(&self, lines: &Range<usize>, edits: &[Edit], out: &mut Vec<u8>) {
        let index_at = |position: usize| self.starts.partition_point(|start| (*start as usize) < position);
        let (mut index, end) = (index_at(lines.start), index_at(lines.end));
        let mut text = Encoded::default();
        for edit in edits {
            self.copy(index..edit.range.start, &mut text);
            text.push_text(&edit.with);
            index = edit.range.end;
        }
        self.copy(index..end, &mut text);
        text.write(self.joint(lines), self.line_break(), out);
    }

    /// Decoded bytes as they stood.
    fn copy(&self, range: Range<usize>, text: &mut Encoded) {
        for index in range {
            let start = self.start_of(index);
            let length = if self.raw[start] == b'=' { 3 } else { 1 };
            text.push(self.bytes[index], &self.raw[start..start + length]);
        }
    }

    /// How the last of these lines goes on in the next, if it does.
    fn joint(&self, lines: &Range<usize>) -> Option<&[u8]> {
        let raw = &self.raw[lines.clone()];
        let (text, line_break) = raw.split_at(raw.len() - line_break(raw));
        unpadded(text).ends_with(b"=").then_some(line_break)
    }

    /// As the body breaks its first line; a body of one line as mail does.
    fn line_break(&self) -> &'static [u8] {
        let first = memchr(b'\n', self.raw).map(|at| line_break(&self.raw[..=at]));
        if first == Some(1) { b"\n" } else { b"\r\n" }
    }
}

/// Text and how each of its bytes is written.
#[derive(Default)]
struct Encoded {
    bytes: Vec<u8>,
    written: Vec<u8>,
    /// Where each byte begins in `written`.
    starts: Vec<usize>,
}

impl Encoded {
    fn push(&mut self, byte: u8, written: &[u8]) {
        self.bytes.push(byte);
        self.starts.push(self.written.len());
        self.written.extend_from_slice(written);
    }

    fn push_text(&mut self, text: &[u8]) {
        for &byte in text {
            match byte {
                b' '..=b'<' | b'>'..=b'~' => self.push(byte, &[byte]),
                other => self.push(other, &escaped(other)),
            }
        }
    }

    /// Writes it in lines that are short enough, and breaks none inside a merge field when that can be:
    /// some platforms replace merge fields in the message as it is.
    fn write(&self, joint: Option<&[u8]>, line_break: &[u8], out: &mut Vec<u8>) {
        let mut column = 0;
        for unit in self.units() {
            if self.is_line_break(unit.start) {
                out.extend_from_slice(self.written_of(&unit));
                column = 0;
                continue;
            }
            let ends_line = joint.is_none() && unit.end == self.bytes.len() || self.is_line_break(unit.end);
            let mut written = self.written_of(&unit).to_vec();
            if ends_line && let Some(space) = written.pop_if(|last| matches!(last, b' ' | b'\t')) {
                written.extend_from_slice(&escaped(space));
            }
            if column > 0 && column + written.len() + usize::from(!ends_line) > MAX_LINE {
                break_line(line_break, out);
                column = 0;
                guard_line_start(&mut written, self.bytes.get(unit.start..).unwrap_or_default());
            }
            out.extend_from_slice(&written);
            column += written.len();
        }
        if let Some(joint) = joint {
            break_line(joint, out);
        }
    }

    fn written_of(&self, unit: &Range<usize>) -> &[u8] {
        &self.written[self.starts[unit.start]..self.starts.get(unit.end).copied().unwrap_or(self.written.len())]
    }

    /// A literal line break; an encoded one is a byte like any other.
    fn is_line_break(&self, index: usize) -> bool {
        self.starts.get(index).is_some_and(|start| {
            let rest = &self.written[*start..];
            rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
        })
    }

    /// Bytes that stay together: merge fields that fit a line, and single bytes.
    fn units(&self) -> Vec<Range<usize>> {
        let shown: String =
            self.bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { 'x' }).collect();
        let mut units = Vec::with_capacity(self.bytes.len());
        let mut position = 0;
        for field in merge_field::find(&shown) {
            units.extend((position..field.start).map(|index| index..index + 1));
            let fits = self.written_of(&field).len() < MAX_LINE - 1;
            if fits && !field.clone().any(|index| self.is_line_break(index)) {
                units.push(field.clone());
            } else {
                units.extend(field.clone().map(|index| index..index + 1));
            }
            position = field.end;
        }
        units.extend((position..self.bytes.len()).map(|index| index..index + 1));
        units
    }
}

fn break_line(line_break: &[u8], out: &mut Vec<u8>) {
    out.push(b'=');
    out.extend_from_slice(line_break);
}

/// A new line must not begin with what mail servers or boundaries give a meaning to.
fn guard_line_start(written: &mut Vec<u8>, text: &[u8]) {
    let is_special = text.starts_with(b".") || text.starts_with(b"--") || text.starts_with(b"From ");
    if is_special && let Some(&first) = written.first().filter(|first| **first != b'=') {
        written.splice(..1, escaped(first));
    }
}

fn escaped(byte: u8) -> [u8; 3] {
    let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
    [b'=', digit(byte >> 4), digit(byte & 15)]
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// How long the line break at the end is.
fn line_break(line: &[u8]) -> usize {
    if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) }
}

/// Without the white space at the end.
fn unpadded(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::splice;
    use proptest::prelude::*;

    fn edit(range: Range<usize>, with: &str) -> Edit {
        Edit { range, with: with.as_bytes().to_vec(), link: None }
    }

    /// Replaces the first `what` of the decoded text.
    fn replaced(raw: &str, what: &str, with: &str) -> String {
        let body = QuotedPrintable::decode(raw.as_bytes()).unwrap();
        let at = memchr::memmem::find(&body.bytes, what.as_bytes()).unwrap();
        String::from_utf8(body.encode(vec![edit(at..at + what.len(), with)])).unwrap()
    }

    #[test]
    fn soft_breaks_padding_and_either_case_are_read() {
        let body = QuotedPrintable::decode(b"a=3db=3D=  \r\nc \t\r\nd=\ne=20\n\nf=").unwrap();
        assert_eq!(body.bytes, b"a=b=c\r\nde \n\nf");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for raw in ["a=", "a=\r\n"] {
            assert!(QuotedPrintable::decode(raw.as_bytes()).is_some(), "{raw}");
        }
        for raw in ["a=zz", "a=3", "a==\n", "a=3\n", "=", "a= b"] {
            let is_joint = raw == "=";
            assert_eq!(QuotedPrintable::decode(raw.as_bytes()).is_some(), is_joint, "{raw}");
        }
    }

    #[test]
    fn only_the_lines_that_change_are_written_anew() {
        let raw = "un=65ncoded =\r\nthe=6Cink here=2E =\r\nand =6Dore\r\nend=2E  \r\n";
        assert_eq!(
            replaced(raw, "link", "URL=1"),
            "un=65ncoded =\r\ntheURL=3D1 here=2E =\r\nand =6Dore\r\nend=2E  \r\n"
        );
    }

    #[test]
    fn long_lines_are_broken_outside_merge_fields() {
        let found = replaced("x\nsee U y\n", "U", &format!("{}?reaid=${{reaid}}", "h".repeat(60)));
        assert_eq!(found, format!("x\nsee {}?reaid=3D=\n${{reaid}} y\n", "h".repeat(60)));
    }

    #[test]
    fn no_new_line_begins_with_what_servers_read() {
        for (text, written) in [(".x", "=2Ex"), ("--b", "=2D-b"), ("From x", "=46rom x"), ("-b", "-b")] {
            let found = replaced("U", "U", &format!("{}{text}", "h".repeat(75)));
            assert_eq!(found, format!("{}=\r\n{written}", "h".repeat(75)));
        }
    }

    #[test]
    fn a_space_that_comes_to_stand_at_the_end_is_written_out() {
        assert_eq!(replaced("a Uz\r\n", "Uz", ""), "a=20\r\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn edits_come_out_as_spliced_and_other_lines_stay(
            raw in proptest::collection::vec(
                prop_oneof![
                    4 => "[a-z .=]{0,30}".prop_map(|text| text.replace('=', "=3D")),
                    1 => Just("=\r\n".to_owned()),
                    1 => Just("= \n".to_owned()),
                    2 => Just("\r\n".to_owned()),
                    1 => Just(" \n".to_owned()),
                    1 => Just("=C3=A9=0D=0A=20".to_owned()),
                    1 => Just("${reaid}".to_owned()),
                    1 => Just("\r".to_owned()),
                ],
                0..24,
            ),
            places in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..8, "[a-z =.é${}-]{0,90}"), 0..4),
        ) {
            let raw = raw.concat();
            let body = QuotedPrintable::decode(raw.as_bytes()).unwrap();
            let mut edits: Vec<Edit> = Vec::new();
            let mut places: Vec<_> = places.into_iter().map(|(at, len, with)| (at.index(body.bytes.len() + 1), len, with)).collect();
            places.sort_by_key(|(at, ..)| *at);
            for (at, len, with) in places {
                let range = at..(at + len).min(body.bytes.len());
                let splits = |at: usize| at > 0 && body.bytes[..at].ends_with(b"\r") && body.bytes[at..].starts_with(b"\n");
                if edits.last().is_none_or(|last| last.range.end < at) && !splits(range.start) && !splits(range.end) && !body.bytes[range.clone()].ends_with(b"\n") {
                    edits.push(edit(range, &with));
                }
            }
            let encoded = body.encode(edits.clone());
            let again = QuotedPrintable::decode(&encoded).unwrap();
            prop_assert_eq!(
                String::from_utf8_lossy(&again.bytes).into_owned(),
                String::from_utf8_lossy(&splice::splice(&body.bytes, edits.clone())).into_owned()
            );
            if edits.is_empty() {
                prop_assert_eq!(&encoded, raw.as_bytes());
            }
            let legal = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').all(|line| line.strip_suffix(b"\r").unwrap_or(line).len() <= MAX_LINE);
            prop_assert!(legal(&encoded) || !legal(raw.as_bytes()), "{:?}", String::from_utf8_lossy(&encoded));
        }
    }
}
