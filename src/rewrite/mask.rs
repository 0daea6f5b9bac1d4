//! A copy of a page in which `lol_html` sees what a mail client sees. Every byte keeps its place.
//!
//! `lol_html` reads as a browser with scripts: the content of `<noscript>` is text. Mail clients run no
//! scripts and show it, so the copy calls the element something else. And it tells handlers of no end
//! tag whose start tag is missing, so `</body` becomes the start tag `<rbody`. Neither changes how
//! anything around it is read: both stay tags where they were tags, and text where they were text.

use memchr::memchr_iter;

/// Makes the copy.
pub(super) fn mask(html: &[u8]) -> Vec<u8> {
    let mut bytes = html.to_vec();
    for at in memchr_iter(b'<', html) {
        match html[at + 1..] {
            [b'n' | b'N', ref rest @ ..] if starts_with(rest, b"oscript") => bytes[at + 8] = b'x',
            [b'/', ref rest @ ..] if is_named(rest, b"body") => bytes[at + 1] = b'r',
            _ => {}
        }
    }
    bytes
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
    fn the_two_tags_get_other_names_and_nothing_else_changes() {
        let masked = mask(b"<NoScript></noscript><noscrip></BODY\n></bodyguard></body");
        assert_eq!(masked, b"<NoScripx></noscript><noscrip><rBODY\n></bodyguard></body");
    }
}
