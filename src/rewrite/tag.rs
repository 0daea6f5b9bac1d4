//! Where a tag ends, by the rules of the HTML standard, for places where `lol_html` cannot be asked.

/// The longest tag that is followed: real ones have some kilobytes of style. The limit keeps looking for
/// the end of what is no tag cheap.
pub(super) const MAX_LENGTH: usize = 16 << 10;

/// A start or end tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag<'h> {
    /// Its name as written.
    pub(super) name: &'h [u8],
    /// Whether it is an end tag.
    pub(super) is_end: bool,
    /// Whether it ends in `/>`.
    pub(super) is_self_closing: bool,
    /// How long it is, from `<` to `>`.
    pub(super) length: usize,
}

/// An attribute's name and value as written; without a value it is empty.
pub(super) type Attribute<'h> = (&'h [u8], &'h [u8]);

impl<'h> Tag<'h> {
    /// The tag that `html` begins with; None when it begins with none, or with one that does not end.
    pub(super) fn at(html: &'h [u8]) -> Option<Self> {
        Self::read(html, |_| {})
    }

    /// The same, with its attributes.
    pub(super) fn with_attributes(html: &'h [u8]) -> Option<(Self, Vec<Attribute<'h>>)> {
        let mut attributes = Vec::new();
        let tag = Self::read(html, |attribute| attributes.push(attribute))?;
        Some((tag, attributes))
    }

    fn read(html: &'h [u8], mut see: impl FnMut(Attribute<'h>)) -> Option<Self> {
        let html = &html[..html.len().min(MAX_LENGTH)];
        let rest = html.strip_prefix(b"<")?;
        let is_end = rest.first() == Some(&b'/');
        let (name, mut rest) = name(rest.strip_prefix(b"/").unwrap_or(rest))?;
        loop {
            let (between, text) = split(rest, |byte| !is_space(byte) && byte != b'/');
            if text.first()? == &b'>' {
                let is_self_closing = between.ends_with(b"/");
                return Some(Self { name, is_end, is_self_closing, length: html.len() - text.len() + 1 });
            }
            let (name, value, after) = attribute(text)?;
            see((name, value));
            rest = after;
        }
    }

    /// Whether it has this name, in any case.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The name that a tag has behind its `<` or `</`, and what follows it.
pub(super) fn name(html: &[u8]) -> Option<(&[u8], &[u8])> {
    html.first().filter(|byte| byte.is_ascii_alphabetic())?;
    Some(split(html, |byte| is_space(byte) || matches!(byte, b'/' | b'>')))
}

/// The value of the first attribute of this name.
pub(super) fn value_of<'h>(attributes: &[Attribute<'h>], name: &str) -> Option<&'h [u8]> {
    attributes.iter().find(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| *value)
}

/// The name and the value of the attribute that `text` begins with, and what follows it.
fn attribute(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    // An equals sign that nothing precedes is part of the name.
    let ends_name = |byte| is_space(byte) || matches!(byte, b'/' | b'>' | b'=');
    let (_, after_name) = split(&text[1..], ends_name);
    let name = &text[..text.len() - after_name.len()];
    let Some(value) = after_name.trim_ascii_start().strip_prefix(b"=") else {
        return Some((name, b"", after_name));
    };
    let value = value.trim_ascii_start();
    match value.first()? {
        quote @ (b'"' | b'\'') => {
            let end = memchr::memchr(*quote, &value[1..])?;
            Some((name, &value[1..=end], &value[end + 2..]))
        }
        _ => {
            let (value, after) = split(value, |byte| is_space(byte) || byte == b'>');
            Some((name, value, after))
        }
    }
}

/// Splits before the first byte that `ends` says.
fn split(text: &[u8], ends: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| ends(*byte)).unwrap_or(text.len()))
}

/// What separates attributes; `trim_ascii` agrees.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lol_html::{HtmlRewriter, Settings, element};
    use proptest::prelude::*;

    fn tag(html: &str) -> Option<(&str, usize, bool)> {
        let tag = Tag::at(html.as_bytes())?;
        Some((str::from_utf8(tag.name).unwrap(), tag.length, tag.is_self_closing))
    }

    #[test]
    fn a_tag_ends_outside_of_its_values() {
        assert_eq!(tag("<a href=\">\" b='>' c=d/>x"), Some(("a", 23, false)));
        assert_eq!(tag("<br/>x"), Some(("br", 5, true)));
        assert_eq!(tag("</p title='>'>"), Some(("p", 14, false)));
        assert_eq!(tag("<a =\">x"), Some(("a", 6, false)));
        assert_eq!(tag("<a b=>x"), Some(("a", 6, false)));
        assert_eq!(tag("<a b = />"), Some(("a", 9, false)));
        for html in ["", "<", "< a>", "<!a>", "<a", "<a b=\"", "<a b='\">", "</", "<1>"] {
            assert_eq!(tag(html), None, "{html}");
        }
    }

    #[test]
    fn attributes_are_read_as_written() {
        let (_, attributes) = Tag::with_attributes(b"<meta a B='x y' c=\"z\"d=e/f g>").unwrap();
        let expected: [Attribute<'_>; 5] = [(b"a", b""), (b"B", b"x y"), (b"c", b"z"), (b"d", b"e/f"), (b"g", b"")];
        assert_eq!(attributes, expected);
        assert_eq!(value_of(&attributes, "b"), Some(b"x y".as_slice()));
    }

    proptest! {
        #[test]
        fn lol_html_sees_the_same_tag(rest in "[a-c/ =\"'>\n<]{0,24}") {
            let html = format!("<a{rest}");
            let mut seen = None;
            let handler = element!("*", |element| {
                let range = element.source_location().bytes();
                if range.start == 0 {
                    seen = Some((element.tag_name_preserve_case(), range.end, element.is_self_closing()));
                }
                Ok(())
            });
            let mut parser = HtmlRewriter::new(Settings::new().append_element_content_handler(handler), |_: &[u8]| {});
            parser.write(html.as_bytes()).unwrap();
            parser.end().unwrap();
            let own = tag(&html).map(|(name, length, closing)| (name.to_owned(), length, closing));
            prop_assert_eq!(own, seen);
        }
    }
}
