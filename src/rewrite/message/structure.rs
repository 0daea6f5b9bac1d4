//! Finds the bodies of a message, with their exact places in the bytes. Changes nothing.
//!
//! Boundaries are ours to find: they count at the beginning of a line only and as a whole line, each
//! level stays inside the one around it, and depth and number are limited. (`mail-parser` takes them in
//! the middle of a line, too, and searches to the end of the message for each that never comes.)

use std::ops::Range;

use memchr::{memchr, memmem};

use super::header::Header;
use super::transfer::Transfer;

/// How deep parts may lie in parts: newsletters with text, images and attachments have four levels.
const MAX_DEPTH: usize = 16;

/// How many parts a message may have: newsletters with all their images inside have tens.
const MAX_PARTS: usize = 1000;

/// The longest header of a message, in bytes: fifty hops with signatures and verdicts have 100 KB.
const MAX_HEADER: usize = 256 << 10;

/// The longest header of a part, in bytes: four fields, and a long file name.
const MAX_PART_HEADER: usize = 16 << 10;

/// What is in a message.
#[derive(Debug, Default)]
pub(super) struct Structure {
    /// What a mail program shows, in the order of the message.
    pub(super) bodies: Vec<Body>,
    /// What was left, and why.
    pub(super) notes: Vec<Note>,
    /// Whether the header has a signature over the body.
    pub(super) is_sealed: bool,
}

/// A text that a mail program shows.
#[derive(Debug)]
pub(super) struct Body {
    /// Its place among the parts, as in `1.2`.
    number: String,
    /// What it is.
    pub(super) kind: Kind,
    /// Its bytes in the message, without the line break before the next boundary.
    pub(super) range: Range<usize>,
    /// How it is encoded.
    pub(super) transfer: Transfer,
    /// The charset that its header names.
    pub(super) charset: Option<String>,
    /// Whether a space before a line break joins two lines.
    pub(super) joins_lines: bool,
}

/// The kinds of text that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `text/html`
    Html,
    /// `text/plain`
    Text,
}

/// A part that is left as it is, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// Its place and media type.
    pub(super) part: String,
    /// A stable word for the reason.
    pub(super) code: &'static str,
    /// The reason in words.
    pub(super) message: &'static str,
}

impl Body {
    /// How the report calls it: `1.2 text/html`.
    pub(super) fn name(&self) -> String {
        let media_type = match self.kind {
            Kind::Html => "text/html",
            Kind::Text => "text/plain",
        };
        format!("{} {media_type}", self.number)
    }
}

/// Finds the bodies of a message.
pub(super) fn read(message: &[u8]) -> Structure {
    let mut walk = Walk { message, parts: 0, structure: Structure::default() };
    walk.entity(0..message.len(), Place { number: String::new(), depth: 0, around: Around::Nothing });
    walk.structure
}

struct Walk<'m> {
    message: &'m [u8],
    parts: usize,
    structure: Structure,
}

struct Place {
    number: String,
    depth: usize,
    around: Around,
}

/// What a part stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    Nothing,
    Alternative,
    Digest,
    Other,
}

impl Walk<'_> {
    /// A message or a part: a header, an empty line, a body.
    fn entity(&mut self, range: Range<usize>, place: Place) {
        let bytes = &self.message[range.clone()];
        // Without an empty line it is all header.
        let Some(body) = body_start(bytes) else { return };
        let limit = if place.depth == 0 { MAX_HEADER } else { MAX_PART_HEADER };
        if body > limit {
            return self.note(
                &place,
                "",
                "limit",
                "left, its header is longer than 256 KiB, that of a part than 16 KiB",
            );
        }
        let header = Header::read(&bytes[..body]);
        self.structure.is_sealed |= place.depth == 0 && header.is_sealed;
        let default = if place.around == Around::Digest { "message/rfc822" } else { "text/plain" };
        let media_type = header.media_type.clone().unwrap_or_else(|| default.to_owned());
        let body = range.start + body..range.end;
        if header.is_ambiguous {
            return self.note(
                &place,
                &media_type,
                "broken",
                "left, its Content-Type or Content-Transfer-Encoding is given twice",
            );
        }
        match media_type.as_str() {
            "multipart/signed" | "multipart/encrypted" | "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
                self.note(&place, &media_type, "signed", "left, it is signed or encrypted");
            }
            "text/x-amp-html" => self.note(&place, &media_type, "amp", "left, links in AMP are not rewritten"),
            "text/html" => self.text(Kind::Html, &header, body, place),
            "text/plain" => self.text(Kind::Text, &header, body, place),
            other if other.starts_with("multipart/") => self.multipart(&media_type, &header, body, &place),
            _ => {}
        }
    }

    fn text(&mut self, kind: Kind, header: &Header, range: Range<usize>, place: Place) {
        let is_alone = matches!(place.around, Around::Nothing | Around::Alternative);
        if header.is_attachment || header.has_name && !is_alone {
            return;
        }
        let number = if place.number.is_empty() { "1".to_owned() } else { place.number.clone() };
        let body = |transfer| Body {
            number,
            kind,
            range,
            transfer,
            charset: header.charset.clone(),
            joins_lines: header.joins_lines,
        };
        match header.transfer {
            _ if header.has_digest => {
                self.note(&place, "", "signed", "left, its header has a digest of it (Content-MD5)");
            }
            None => self.note(&place, "", "transfer_encoding", "left, its Content-Transfer-Encoding is not known here"),
            Some(transfer) => self.structure.bodies.push(body(transfer)),
        }
    }

    fn multipart(&mut self, media_type: &str, header: &Header, body: Range<usize>, place: &Place) {
        if place.depth == MAX_DEPTH {
            return self.note(place, media_type, "limit", "left, parts lie in parts deeper than 16 levels");
        }
        let Some(boundary) = &header.boundary else {
            return self.note(place, media_type, "broken", "left, it names no boundary");
        };
        let parts = parts(&self.message[body.clone()], boundary.as_bytes());
        if parts.is_empty() {
            return self.note(place, media_type, "broken", "left, its boundary does not come");
        }
        let around = match media_type {
            "multipart/alternative" => Around::Alternative,
            "multipart/digest" => Around::Digest,
            _ => Around::Other,
        };
        for (index, part) in parts.into_iter().enumerate() {
            self.parts += 1;
            if self.parts > MAX_PARTS {
                return self.note(place, media_type, "limit", "left, the message has more than 1000 parts");
            }
            let dot = if place.number.is_empty() { "" } else { "." };
            let number = format!("{}{dot}{}", place.number, index + 1);
            let inside = Place { number, depth: place.depth + 1, around };
            self.entity(body.start + part.start..body.start + part.end, inside);
        }
    }

    fn note(&mut self, place: &Place, media_type: &str, code: &'static str, message: &'static str) {
        let number = if place.number.is_empty() { "message" } else { &place.number };
        let part = format!("{number} {media_type}").trim_end().to_owned();
        let note = Note { part, code, message };
        // Many parts may stand behind one limit, which is one thing to know.
        if self.structure.notes.last() != Some(&note) {
            self.structure.notes.push(note);
        }
    }
}

/// Where the body begins: behind the first empty line.
fn body_start(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    while let Some(length) = memchr(b'\n', &bytes[start..]) {
        let line = &bytes[start..start + length];
        start += length + 1;
        if line.is_empty() || line == b"\r" {
            return Some(start);
        }
    }
    None
}

/// The parts between boundaries. The last one ends with the body when no boundary says that it is the
/// last.
fn parts(body: &[u8], boundary: &[u8]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = None;
    let delimiter = [b"--", boundary].concat();
    for at in memmem::find_iter(body, &delimiter) {
        let Some(line) = delimiter_line(body, at, delimiter.len()) else { continue };
        parts.extend(start.map(|start| start..before_line_break(body, start, at)));
        if line.is_last || parts.len() > MAX_PARTS {
            return parts;
        }
        start = Some(line.end);
    }
    parts.extend(start.map(|start| start..body.len()));
    parts
}

struct Delimiter {
    end: usize,
    is_last: bool,
}

/// The line at `at` when it is a boundary and nothing else.
fn delimiter_line(body: &[u8], at: usize, length: usize) -> Option<Delimiter> {
    if at > 0 && body[at - 1] != b'\n' {
        return None;
    }
    let rest = &body[at + length..];
    let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
    let (is_last, padding) = match line.strip_prefix(b"--") {
        Some(padding) => (true, padding),
        None => (false, line),
    };
    let is_padding = padding.iter().all(|byte| b" \t\r".contains(byte));
    is_padding.then(|| Delimiter { end: (at + length + line.len() + 1).min(body.len()), is_last })
}

/// The line break before a boundary belongs to it.
fn before_line_break(body: &[u8], start: usize, boundary: usize) -> usize {
    let part = &body[start..boundary];
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    let part = part.strip_suffix(b"\r").unwrap_or(part);
    start + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(message: &str) -> Vec<(String, &str)> {
        let structure = read(message.as_bytes());
        structure.bodies.iter().map(|body| (body.name(), &message[body.range.clone()])).collect()
    }

    fn notes(message: &str) -> Vec<(String, &'static str)> {
        read(message.as_bytes()).notes.into_iter().map(|note| (note.part, note.code)).collect()
    }

    fn named<const N: usize>(expected: [(&str, &'static str); N]) -> Vec<(String, &'static str)> {
        expected.map(|(name, text)| (name.to_owned(), text)).into()
    }

    #[test]
    fn a_message_of_one_part_is_its_own_body() {
        assert_eq!(bodies("Subject: x\r\n\r\na\r\n\r\nb"), named([("1 text/plain", "a\r\n\r\nb")]));
        assert_eq!(bodies("Content-Type: text/html\n\n<p>\n"), named([("1 text/html", "<p>\n")]));
        assert_eq!(bodies("\nx"), named([("1 text/plain", "x")]));
        assert_eq!(bodies("Subject: no body\n"), named([]));
    }

    #[test]
    fn parts_end_before_the_line_break_of_their_boundary() {
        let message =
            "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\none\n\n--b \t\r\n\ntwo\r\n--b--\n--b\n\nno";
        assert_eq!(bodies(message), named([("1 text/plain", "one\n"), ("2 text/plain", "two")]));
    }

    #[test]
    fn what_looks_like_a_boundary_is_none() {
        let message =
            "Content-Type: multipart/mixed; boundary=b\n\n --b\n--b\n\nx --b\n--bc\n--b--c\n--B\n> --b--\n--b--";
        assert_eq!(bodies(message), named([("1 text/plain", "x --b\n--bc\n--b--c\n--B\n> --b--")]));
    }

    #[test]
    fn parts_lie_in_parts_and_stay_inside() {
        let message = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; boundary=aa\n\n\
                       --aa\n\nx\n--aa\nContent-Type: text/html\n\ny\n--a\nContent-Type: text/html; name=z\n\nz\n--a--";
        assert_eq!(bodies(message), named([("1.1 text/plain", "x"), ("1.2 text/html", "y")]));
    }

    #[test]
    fn without_a_last_boundary_nothing_is_lost() {
        let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n";
        assert_eq!(bodies(message), named([("1 text/plain", "one"), ("2 text/plain", "two\n")]));
    }

    #[test]
    fn attachments_and_messages_are_no_bodies() {
        for header in [
            "Content-Type: text/html\nContent-Disposition: attachment",
            "Content-Type: text/html\nContent-Disposition: inline; filename=x.html",
            "Content-Type: message/rfc822",
            "Content-Type: image/png",
            "Content-Type: text/calendar",
        ] {
            let message = format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{header}\n\nx\n--b--");
            assert_eq!((bodies(&message).len(), notes(&message).len()), (0, 0), "{header}");
        }
        let digest = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nx\n--b--";
        assert_eq!(bodies(digest).len(), 0);
    }

    #[test]
    fn what_is_left_has_a_reason() {
        for (header, part, code) in [
            ("Content-Type: multipart/signed; boundary=b", "message multipart/signed", "signed"),
            ("Content-Type: multipart/encrypted; boundary=b", "message multipart/encrypted", "signed"),
            ("Content-Type: application/pkcs7-mime", "message application/pkcs7-mime", "signed"),
            ("Content-MD5: x", "message", "signed"),
            ("Content-Type: text/x-amp-html", "message text/x-amp-html", "amp"),
            ("Content-Transfer-Encoding: x-uuencode", "message", "transfer_encoding"),
            ("Content-Type: multipart/mixed", "message multipart/mixed", "broken"),
            ("Content-Type: multipart/mixed; boundary=c", "message multipart/mixed", "broken"),
            ("Content-Type: text/html\nContent-Type: text/html", "message text/html", "broken"),
        ] {
            let message = format!("{header}\n\n--b\n\nx\n--b--\n");
            assert_eq!(notes(&message), [(part.to_owned(), code)], "{header}");
        }
        assert_eq!(notes(&format!("X: {}\n\n", "x".repeat(MAX_HEADER))), [("message".to_owned(), "limit")]);
    }

    #[test]
    fn depth_and_number_have_limits() {
        let open = |level: usize| format!("Content-Type: multipart/mixed; boundary=b{level}.\n\n--b{level}.\n");
        let deep = |levels: usize| (0..levels).map(open).collect::<String>() + "\nx";
        assert_eq!((bodies(&deep(16)).len(), notes(&deep(16)).len()), (1, 0));
        assert_eq!((bodies(&deep(17)).len(), notes(&deep(17))[0].1), (0, "limit"));
        let wide = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(1001));
        assert_eq!((bodies(&wide).len(), notes(&wide)[0].1), (1000, "limit"));
    }
}
