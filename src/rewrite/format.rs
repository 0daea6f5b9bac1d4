//! What a newsletter is written in: by its media type, its name, or its first bytes.

use super::MAX_DOCUMENT;
use super::archive::MAX_ARCHIVE;

/// What a newsletter is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A page, as e-mails have it.
    Html,
    /// Plain text.
    Text,
    /// A whole e-mail (RFC 5322): its bodies in HTML and plain text.
    Message,
    /// A zip with pages in it, as e-mail platforms take it.
    Archive,
}

/// How many bytes are looked at to tell a format. The header of a message that went far has several
/// kilobytes of `Received` before the fields that the author wrote.
const MAX_LOOK: usize = 32 << 10;

/// Fields that a message has, one at least, and text before an empty line seldom.
const KNOWN_FIELDS: [&str; 9] =
    ["from", "date", "mime-version", "received", "subject", "content-type", "message-id", "return-path", "to"];

impl Format {
    /// What the newsletter seems to be. Its name decides where it says something (`.html`, `.htm`,
    /// `.txt`, `.eml`, `.zip`), else its bytes: a zip begins with its mark, a message with a header in
    /// which there is a well-known field, a page with `<`; everything else is text.
    pub fn of(name: Option<&str>, bytes: &[u8]) -> Self {
        name.and_then(Self::of_name).unwrap_or_else(|| Self::of_bytes(bytes))
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "txt" | "text" => Some(Self::Text),
            "eml" => Some(Self::Message),
            "zip" => Some(Self::Archive),
            _ => None,
        }
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        let look = bytes.get(..MAX_LOOK).unwrap_or(bytes);
        let text = look.strip_prefix(b"\xef\xbb\xbf").unwrap_or(look);
        if is_zip(bytes) {
            Self::Archive
        } else if begins_with_header(look) {
            Self::Message
        } else if text.trim_ascii_start().starts_with(b"<") && !text.trim_ascii_start().starts_with(b"<http") {
            Self::Html
        } else {
            Self::Text
        }
    }

    /// The format of a media type; parameters (`; charset=…`) do not count.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let all = [Self::Html, Self::Text, Self::Message, Self::Archive];
        all.into_iter().find(|format| format.media_type().eq_ignore_ascii_case(essence))
    }

    /// The largest newsletter in this format, in bytes.
    pub fn max_size(self) -> usize {
        match self {
            Self::Html | Self::Text | Self::Message => MAX_DOCUMENT,
            Self::Archive => MAX_ARCHIVE,
        }
    }

    /// Its media type, without parameters.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html",
            Self::Text => "text/plain",
            Self::Message => "message/rfc822",
            Self::Archive => "application/zip",
        }
    }
}

/// A local file header, or the end of an archive without entries.
fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// Whether lines of `Name: value` come before the first empty line, one of them well-known.
fn begins_with_header(bytes: &[u8]) -> bool {
    let mut known = false;
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_envelope = index == 0 && line.starts_with(b"From ");
        let is_folded = index > 0 && line.first().is_some_and(|byte| b" \t".contains(byte));
        match field_name(line) {
            _ if line.is_empty() => return known,
            _ if is_envelope || is_folded => {}
            Some(name) => known |= KNOWN_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field.as_bytes())),
            None => return false,
        }
    }
    // All header, as far as we looked.
    known
}

fn field_name(line: &[u8]) -> Option<&[u8]> {
    let name = line.split(|byte| *byte == b':').next().filter(|name| name.len() < line.len())?;
    let name = name.trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides_and_else_the_bytes() {
        assert_eq!(Format::of(Some("a.b/mail.EML"), b"<p>"), Format::Message);
        assert_eq!(Format::of(Some("spring.htm"), b"PK\x03\x04"), Format::Html);
        assert_eq!(Format::of(Some("spring.zip"), b""), Format::Archive);
        assert_eq!(Format::of(Some("spring"), b"x"), Format::Text);
        for (bytes, format) in [
            ("PK\x03\x04", Format::Archive),
            ("PK\x05\x06", Format::Archive),
            ("PK yes", Format::Text),
            ("\u{feff} <!doctype html>", Format::Html),
            ("\n<p>", Format::Html),
            ("<https://shop.example/>", Format::Text),
            ("Hello: you\n\nSubject: x", Format::Text),
            ("Dear customer,\nFrom: now on\n\n", Format::Text),
            ("Received: from x\r\n\tby y\r\nX-A: b\r\n\r\n<p>", Format::Message),
            ("From jane Thu Jan  1 00:00:00 2026\nSubject : x\n\nx", Format::Message),
            ("MIME-Version: 1.0\n", Format::Message),
            ("", Format::Text),
        ] {
            assert_eq!(Format::of(None, bytes.as_bytes()), format, "{bytes:?}");
        }
    }

    #[test]
    fn media_types_go_both_ways() {
        for format in [Format::Html, Format::Text, Format::Message, Format::Archive] {
            assert_eq!(Format::of_media_type(&format!("{} ; charset=x", format.media_type())), Some(format));
        }
        assert_eq!(Format::of_media_type("TEXT/HTML"), Some(Format::Html));
        assert_eq!(Format::of_media_type("application/json"), None);
    }
}
