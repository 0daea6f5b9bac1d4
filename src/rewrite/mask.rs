//! A copy of a page in which `lol_html` sees what a mail client sees. Every byte keeps its place.
//!
//! `lol_html` reads as a browser with scripts: the content of `<noscript>` is text. Mail clients run no
//! scripts and show it, so the copy calls the element something else. It tells handlers of no end tag
//! whose start tag is missing, so `</body` becomes the start tag `<rbody`. And it takes the content of
//! `<style x=>` for markup, because the last attribute lacks the value that its `=` announces, so that
//! becomes `<style xx>`. None of this changes how anything around it is read: tags stay tags, and text text.

use memchr::memchr_iter;

use super::tag::{Attribute, MAX_LENGTH, Tag};

/// The elements that hold nothing but text.
const TEXT_ONLY: [&[u8]; 9] =
    [b"style", b"script", b"title", b"textarea", b"xmp", b"iframe", b"noembed", b"noframes", b"plaintext"];

/// Makes the copy.
pub(super) fn mask(html: &[u8]) -> Vec<u8> {
    let mut bytes = html.to_vec();
    let mut endless_until = 0;
    for at in memchr_iter(b'<', html) {
        match html[at + 1..] {
            [b'n' | b'N', ref rest @ ..] if starts_with(rest, b"oscript") => bytes[at + 8] = b'x',
            [b'/', ref rest @ ..] if is_named(rest, b"body") => bytes[at + 1] = b'r',
            ref name if at >= endless_until && TEXT_ONLY.iter().any(|own| is_named(name, own)) => {
                let Some((tag, attributes)) = Tag::with_attributes(&html[at..]) else {
                    // Not looked for again within reach, or the work would grow with the square.
                    endless_until = at + MAX_LENGTH;
                    continue;
                };
                if let Some(sign) = idle_equals_sign(&html[at..at + tag.length], &attributes) {
                    bytes[at + sign] = b'x';
                }
            }
            _ => {}
        }
    }
    bytes
}

/// Where the equals sign stands by which the last attribute of a tag announces a value that it lacks.
fn idle_equals_sign(tag: &[u8], attributes: &[Attribute<'_>]) -> Option<usize> {
    let before_end = tag.strip_suffix(b">")?.trim_ascii_end();
    let (_, value) = attributes.last()?;
    (value.is_empty() && before_end.ends_with(b"=")).then(|| before_end.len() - 1)
}

/// Whether a tag's name, which `text` begins with, is this one in any case.
pub(super) fn is_named(text: &[u8], name: &[u8]) -> bool {
    starts_with(text, name) && text.get(name.len()).is_some_and(|byte| b" \t\n\x0c\r/>".contains(byte))
}

/// Whether `text` begins with `prefix` in any case.
pub(super) fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tags_get_other_names_and_nothing_else_changes() {
        let masked = mask(b"<NoScript></noscript><noscrip></BODY\n></bodyguard></body");
        assert_eq!(masked, b"<NoScripx></noscript><noscrip><rBODY\n></bodyguard></body");
    }

    #[test]
    fn a_last_attribute_that_lacks_its_value_loses_its_equals_sign_where_text_follows() {
        let masked = |html: &str| String::from_utf8(mask(html.as_bytes())).unwrap();
        assert_eq!(masked("<style x=><TITLE\ny= \n><xmp a='b' c =>"), "<style xx><TITLE\nyx \n><xmp a='b' c x>");
        for html in
            ["<style x=a=>", "<style x=\"=\">", "<a href=>", "</style x=>", "<styles x=>", "<style x=", "<style>"]
        {
            assert_eq!(masked(html), html);
        }
    }
}
