//! Content-Transfer-Encoding: undone, and redone as it was (RFC 2045, section 6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::quoted_printable::QuotedPrintable;
use crate::rewrite::splice::{self, Edit};

/// How long a line of base64 is when the body does not say.
const BASE64_LINE: usize = 76;

/// The longest line of base64 that is kept as one, in bytes: what mail may carry.
const MAX_BASE64_LINE: usize = 998;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    /// `7bit` and `8bit`: as it is, in lines.
    Lines,
    /// `binary`: as it is.
    Binary,
    /// `quoted-printable`
    QuotedPrintable,
    /// `base64`
    Base64,
}

impl Transfer {
    /// The encoding of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" => Some(Self::Lines),
            "binary" => Some(Self::Binary),
            "quoted-printable" => Some(Self::QuotedPrintable),
            "base64" => Some(Self::Base64),
            _ => None,
        }
    }

    /// Whether a line of the text is a line of the message.
    pub(super) fn limits_lines(self) -> bool {
        self == Self::Lines
    }
}

/// A body, decoded, that knows how it was encoded.
#[derive(Debug)]
pub(super) enum Decoded<'m> {
    Identity(&'m [u8]),
    QuotedPrintable(QuotedPrintable<'m>),
    Base64 { bytes: Vec<u8>, wrapping: Wrapping },
}

/// Decodes a body; None when it is not encoded as it should be, so that encoding it again might lose
/// something.
pub(super) fn decode(raw: &[u8], transfer: Transfer) -> Option<Decoded<'_>> {
    match transfer {
        Transfer::Lines | Transfer::Binary => Some(Decoded::Identity(raw)),
        Transfer::QuotedPrintable => QuotedPrintable::decode(raw).map(Decoded::QuotedPrintable),
        Transfer::Base64 => decode_base64(raw),
    }
}

impl Decoded<'_> {
    /// The decoded bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Identity(bytes) => bytes,
            Self::QuotedPrintable(body) => &body.bytes,
            Self::Base64 { bytes, .. } => bytes,
        }
    }

    /// The body with all edits made, encoded as it was. Edits must not overlap.
    pub(super) fn encode(&self, edits: Vec<Edit>) -> Vec<u8> {
        match self {
            Self::Identity(bytes) => splice::splice(bytes, edits),
            Self::QuotedPrintable(body) => body.encode(edits),
            Self::Base64 { bytes, wrapping } => wrapping.wrap(&STANDARD.encode(splice::splice(bytes, edits))),
        }
    }
}

/// How base64 is broken into lines.
#[derive(Debug)]
pub(super) struct Wrapping {
    line: Option<usize>,
    line_break: &'static str,
    /// White space before and after it all.
    around: (Vec<u8>, Vec<u8>),
}

fn decode_base64(raw: &[u8]) -> Option<Decoded<'_>> {
    let digits: Vec<u8> = raw.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    // Canonical only: no digits behind the padding, no bits that are lost.
    let bytes = STANDARD.decode(digits).ok()?;
    Some(Decoded::Base64 { bytes, wrapping: Wrapping::of(raw) })
}

impl Wrapping {
    fn of(raw: &[u8]) -> Self {
        let text = raw.trim_ascii();
        let start = raw.len() - raw.trim_ascii_start().len();
        let around = (raw[..start].to_vec(), raw[(start + text.len()).min(raw.len())..].to_vec());
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_wrapped = first.len() < text.len();
        let length = first.trim_ascii().len();
        let line = match length {
            _ if !is_wrapped && length > BASE64_LINE => None,
            1.. if is_wrapped && length % 4 == 0 && length <= MAX_BASE64_LINE => Some(length),
            _ => Some(BASE64_LINE),
        };
        let has_cr = raw.windows(2).any(|pair| pair == b"\r\n") || !raw.contains(&b'\n');
        Self { line, line_break: if has_cr { "\r\n" } else { "\n" }, around }
    }

    fn wrap(&self, digits: &str) -> Vec<u8> {
        let line = match self.line {
            None if digits.len() <= MAX_BASE64_LINE => MAX_BASE64_LINE,
            None => BASE64_LINE,
            Some(line) => line,
        };
        let mut out = self.around.0.clone();
        for (index, chunk) in digits.as_bytes().chunks(line).enumerate() {
            if index > 0 {
                out.extend_from_slice(self.line_break.as_bytes());
            }
            out.extend_from_slice(chunk);
        }
        out.extend_from_slice(&self.around.1);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(raw: &str, edits: Vec<Edit>) -> String {
        let decoded = decode(raw.as_bytes(), Transfer::Base64).unwrap();
        String::from_utf8(decoded.encode(edits)).unwrap()
    }

    #[test]
    fn base64_is_broken_as_it_was() {
        for raw in [
            "YWJj\nZGVm\nZw==\n",
            "YWJjZGVm\r\nZw==",
            "\r\nYWJjZGVmZw==\r\n\r\n",
            &"YWJj".repeat(30),
            &format!("{}\r\n{}", "YWJj".repeat(19), "YWJj"),
            "",
        ] {
            assert_eq!(again(raw, vec![]), raw);
        }
    }

    #[test]
    fn a_longer_text_makes_more_lines_of_the_same_length() {
        let edit = |with: &str| vec![Edit { range: 3..6, with: with.as_bytes().to_vec(), link: None }];
        assert_eq!(again("YWJj\nZGVm\nZw==\n", edit("defdef")), "YWJj\nZGVm\nZGVm\nZw==\n");
        assert_eq!(
            again("YWJjZGVmZw==", edit(&"def".repeat(20))),
            format!("YWJj{}\r\nZGVmZGVmZw==", "ZGVm".repeat(18))
        );
        let long = again(&"YWJj".repeat(30), edit(&"def".repeat(400)));
        assert!(long.lines().count() > 10 && long.lines().all(|line| line.len() <= BASE64_LINE));
    }

    #[test]
    fn base64_that_would_not_come_back_is_refused() {
        for raw in ["YWJ", "YWJj!", "YW==YWJj", "YWJjZh==", "YWJj--", "YWJj\0"] {
            assert!(decode(raw.as_bytes(), Transfer::Base64).is_none(), "{raw}");
        }
    }
}
