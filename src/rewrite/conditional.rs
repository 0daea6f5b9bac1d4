//! Conditional comments: what Outlook reads and others take for a comment.
//!
//! `<!--[if mso]>…<![endif]-->` and whatever people make of it. The downlevel-revealed forms
//! (`<![if !mso]>…<![endif]>`, `<!--[if !mso]><!-->…<!--<![endif]-->`) need nothing: what they enclose is
//! markup for everybody.

use std::ops::Range;

use memchr::memchr_iter;

use super::mask::starts_with;

/// What a downlevel-hidden conditional comment encloses, up to the comment's end. `comment` covers all
/// of it; None for an ordinary comment.
pub(super) fn content(html: &[u8], comment: Range<usize>) -> Option<Range<usize>> {
    let data = data(html, comment)?;
    let text = &html[data.clone()];
    let condition = text.trim_ascii_start().strip_prefix(b"[")?.trim_ascii_start();
    let rest = condition.get(2..).filter(|_| starts_with(condition, b"if"))?;
    let end = rest.iter().position(|byte| b"]<>".contains(byte))?;
    let content = rest[end..].strip_prefix(b"]")?.trim_ascii_start().strip_prefix(b">")?;
    let is_condition = !rest.first().is_some_and(u8::is_ascii_alphanumeric);
    is_condition.then(|| data.end - content.len()..data.end)
}

/// Whether bytes inside a comment would end it.
pub(super) fn ends_comment(bytes: &[u8]) -> bool {
    let mut ends = memchr_iter(b'>', bytes).map(|at| &bytes[..at]);
    ends.any(|before| before.ends_with(b"--") || before.ends_with(b"--!"))
}

/// The bytes between the delimiters; a comment that never ends has no second one. None for what is only
/// taken for a comment, as `<!x>` and `<?x>`.
fn data(html: &[u8], comment: Range<usize>) -> Option<Range<usize>> {
    let raw = html.get(comment.clone())?;
    let inner = raw.strip_prefix(b"<!--")?;
    let end = [b"-->".as_slice(), b"--!>"].iter().find_map(|end| inner.strip_suffix(*end)).unwrap_or(inner);
    let start = comment.start + 4;
    Some(start..start + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_of(comment: &str) -> Option<&str> {
        content(comment.as_bytes(), 0..comment.len()).map(|range| &comment[range])
    }

    #[test]
    fn every_spelling_of_a_condition_is_understood() {
        for start in [
            "<!--[if mso]>",
            "<!-- [if gte mso 9]>",
            "<!--[IF (gte mso 9)|(IE)]>",
            "<!--\n[ if !vml ] >",
            "<!--[if(mso)]>",
        ] {
            for end in ["<![endif]-->", "<![endif]--!>", "-->", ""] {
                let expected = format!("<a>{}", end.trim_end_matches('>').trim_end_matches('!').trim_end_matches("--"));
                assert_eq!(content_of(&format!("{start}<a>{end}")), Some(expected.as_str()), "{start}{end}");
            }
        }
        assert_eq!(content_of("<!--[if !mso]><!-->"), Some("<!"));
        assert_eq!(content_of("<!--[if !mso]> <!-- -->"), Some(" <!-- "));
    }

    #[test]
    fn an_ordinary_comment_has_no_content() {
        for comment in [
            "<!--<a>-->",
            "<!-->",
            "<!--->",
            "<!---->",
            "<!--<![endif]-->",
            "<![if !mso]>",
            "<!--[iffy]><a>-->",
            "<!--[if mso]-->",
            "<!--[if <a href=x[0]>-->",
            "<!--[",
        ] {
            assert_eq!(content_of(comment), None, "{comment}");
        }
    }

    #[test]
    fn both_ends_of_a_comment_are_noticed() {
        assert!(ends_comment(b"{{ a --> b }}") && ends_comment(b"--!>"));
        assert!(!ends_comment(b"--\">") && !ends_comment(b"-- >") && !ends_comment(b"--"));
    }
}
