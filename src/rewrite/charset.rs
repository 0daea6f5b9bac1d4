//! What encoding a page is in, and pages in encodings that do not contain ASCII.

use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};
use memchr::{memchr, memmem};

use super::splice::Edit;
use super::tag::{self, Tag};

/// How far a `<meta charset>` is looked for: the HTML standard's number.
const PRESCAN: usize = 1024;

/// The encoding of a page: what its transport says, else its byte order mark, else its own `<meta>`, else
/// UTF-8 if it can be, else windows-1252.
pub fn detect(page: &[u8], transport: Option<&'static Encoding>) -> &'static Encoding {
    let by_mark = || Encoding::for_bom(page).map(|(encoding, _)| encoding);
    let by_bytes = || if str::from_utf8(page).is_ok() { UTF_8 } else { WINDOWS_1252 };
    transport.or_else(by_mark).or_else(|| prescan(page)).unwrap_or_else(by_bytes)
}

/// A whole page as UTF-8; None when turning it back would not give the same bytes.
pub(super) fn decode(page: &[u8], encoding: &'static Encoding) -> Option<String> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(page)?.into_owned();
    (encode(&text, encoding).as_deref() == Some(page)).then_some(text)
}

/// Text in this encoding; None when it has no such characters.
pub(super) fn encode(text: &str, encoding: &'static Encoding) -> Option<Vec<u8>> {
    if encoding == UTF_16LE {
        return Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    }
    if encoding == UTF_16BE {
        return Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
    if encoding.is_ascii_compatible() || encoding == ISO_2022_JP {
        let (bytes, _, has_unmappable) = encoding.encode(text);
        return (!has_unmappable).then(|| bytes.into_owned());
    }
    None
}

/// Edits of a decoded text as edits of what it was decoded from. What they add must be UTF-8, in
/// characters that the encoding has.
pub(super) fn translate(text: &str, mut edits: Vec<Edit>, encoding: &'static Encoding) -> Vec<Edit> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let (mut passed, mut at) = (0, 0);
    let mut advance = |to: usize| {
        let part = &text[passed..to];
        at += if encoding == UTF_8 { part.len() } else { encode(part, encoding).map_or(0, |bytes| bytes.len()) };
        passed = to;
        at
    };
    let translated = edits.into_iter().map(|edit| {
        let start = advance(edit.range.start);
        let with = encode(&String::from_utf8_lossy(&edit.with), encoding).unwrap_or(edit.with);
        Edit { range: start..advance(edit.range.end), with, link: edit.link }
    });
    translated.collect()
}

/// What the first `<meta>` that says so says, by the HTML standard's "prescan a byte stream".
fn prescan(page: &[u8]) -> Option<&'static Encoding> {
    let mut rest = &page[..page.len().min(PRESCAN)];
    while let Some(at) = memchr(b'<', rest) {
        rest = &rest[at..];
        let length = if rest.starts_with(b"<!--") {
            memmem::find(&rest[2..], b"-->")? + 5
        } else if let Some((tag, attributes)) = Tag::with_attributes(rest) {
            let meta = tag.is("meta") && !tag.is_end;
            if let Some(encoding) = meta.then(|| declared(&attributes)).flatten() {
                return Some(encoding);
            }
            tag.length
        } else if matches!(rest.get(1), Some(b'!' | b'/' | b'?')) {
            memchr(b'>', rest)? + 1
        } else {
            1
        };
        rest = &rest[length..];
    }
    None
}

/// What a `<meta>` declares. A page that could be read so far is not in UTF-16, whatever it says.
fn declared(attributes: &[tag::Attribute<'_>]) -> Option<&'static Encoding> {
    let is_pragma =
        || tag::value_of(attributes, "http-equiv").is_some_and(|value| value.eq_ignore_ascii_case(b"content-type"));
    let label = match tag::value_of(attributes, "charset") {
        Some(label) => label,
        None => tag::value_of(attributes, "content").filter(|_| is_pragma()).and_then(charset_of)?,
    };
    match Encoding::for_label(label)? {
        it if it == UTF_16LE || it == UTF_16BE => Some(UTF_8),
        it if it == X_USER_DEFINED => Some(WINDOWS_1252),
        it => Some(it),
    }
}

/// The label in `text/html; charset=label`.
fn charset_of(content: &[u8]) -> Option<&[u8]> {
    let name = b"charset";
    let starts = (0..content.len()).filter(|at| super::mask::starts_with(&content[*at..], name));
    let value = starts.filter_map(|at| content[at + name.len()..].trim_ascii_start().strip_prefix(b"=")).next()?;
    let value = value.trim_ascii_start();
    match value.first()? {
        quote @ (b'"' | b'\'') => memchr(*quote, &value[1..]).map(|end| &value[1..=end]),
        _ => value.split(|byte| byte.is_ascii_whitespace() || *byte == b';').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{BIG5, SHIFT_JIS};

    fn name(page: &[u8]) -> &'static str {
        detect(page, None).name()
    }

    #[test]
    fn the_first_that_says_so_is_believed() {
        let page = b"\xef\xbb\xbf<meta charset=big5>";
        assert_eq!(detect(page, Some(SHIFT_JIS)), SHIFT_JIS);
        assert_eq!(name(page), "UTF-8");
        assert_eq!(name(&page[3..]), "Big5");
        assert_eq!(name("é".as_bytes()), "UTF-8");
        assert_eq!(name(b"\xe9"), "windows-1252");
        assert_eq!(name(b"\xff\xfe<\0"), "UTF-16LE");
    }

    #[test]
    fn a_page_declares_its_encoding_in_many_ways() {
        for (page, expected) in [
            ("<!doctype html><html lang='<'><META CHARSET=\"iso-8859-1\">", "windows-1252"),
            ("<meta http-equiv=Content-Type content='text/html; charset=Shift_JIS'>", "Shift_JIS"),
            ("<meta content='text/html;Charset = \"euc-jp\"; x' http-equiv=content-type>", "EUC-JP"),
            ("<meta content='text/html; charset=big5'><meta name=charset charset=koi8-r>", "KOI8-R"),
            ("<!-- <meta charset=big5> --><?xml <meta charset=big5?><p title='<meta charset=big5>'>", "UTF-8"),
            ("<meta charset=utf-16><meta charset=big5>", "UTF-8"),
            ("<meta charset=nonsense><meta charset=gbk>", "GBK"),
            ("</meta charset=big5>", "UTF-8"),
        ] {
            assert_eq!(name(page.as_bytes()), expected, "{page}");
        }
        let late = format!("{}<meta charset=big5>", " ".repeat(PRESCAN));
        assert_eq!(name(late.as_bytes()), "UTF-8");
    }

    #[test]
    fn what_does_not_come_back_the_same_is_not_decoded() {
        for encoding in [UTF_16LE, UTF_16BE, ISO_2022_JP, BIG5, WINDOWS_1252] {
            let page = encode("<a href=\"x\">\u{00b1}</a>", encoding);
            let Some(page) = page else { panic!("{}", encoding.name()) };
            assert_eq!(decode(&page, encoding).as_deref(), Some("<a href=\"x\">\u{00b1}</a>"), "{}", encoding.name());
        }
        assert_eq!(decode(b"a\0b", UTF_16LE), None);
        assert_eq!(decode(b"\0\xd8", UTF_16LE), None);
        assert_eq!(decode(b"\x1b(Ba", ISO_2022_JP), None);
        assert_eq!(decode(b"a", encoding_rs::REPLACEMENT), None);
    }
}
