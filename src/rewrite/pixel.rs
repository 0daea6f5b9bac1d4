//! The open pixel: one invisible image before the end of the body.

use lol_html::errors::RewritingError;
use memchr::memmem;

use super::html;

/// How many `</body` are tried, from the last: real documents have one, generated ones a second in a
/// comment. Each try reads the document once.
const MAX_BODY_ENDS: usize = 8;

/// The image; `src` is an escaped attribute value.
pub fn image(src: &str) -> String {
    format!(
        r#"<img src="{src}" width="1" height="1" alt="" border="0" style="display:block;width:1px;height:1px;border:0">"#
    )
}

/// Where the image belongs: before the last `</body>` that is a tag, else at the end. None when the
/// document ends inside a comment, a script or an unfinished tag: an image there would be none.
///
/// # Errors
/// When the parser would need more memory than it may have.
pub fn position(html: &[u8]) -> Result<Option<usize>, RewritingError> {
    for at in body_ends(html) {
        if html::is_markup_at(html, at)? {
            return Ok(Some(at));
        }
    }
    Ok(html::is_markup_at(html, html.len())?.then_some(html.len()))
}

/// Places of `</body`, the last first.
fn body_ends(html: &[u8]) -> impl Iterator<Item = usize> {
    let is_body_end = |at: &usize| {
        let rest = &html[at + 2..];
        rest.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"body"))
            && rest.get(4).is_some_and(|byte| b" \t\n\x0c\r/>".contains(byte))
    };
    memmem::rfind_iter(html, b"</").filter(is_body_end).take(MAX_BODY_ENDS).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(html: &str) -> Option<&str> {
        position(html.as_bytes()).unwrap().map(|at| &html[at..])
    }

    #[test]
    fn the_pixel_stands_before_the_last_end_of_the_body() {
        assert_eq!(before("<body>x</body></html>"), Some("</body></html>"));
        assert_eq!(before("x</BODY\n>"), Some("</BODY\n>"));
        assert_eq!(before("</body>x</body><!-- </body> -->"), Some("</body><!-- </body> -->"));
        assert_eq!(before("</body><script>'</body>'</script>"), Some("</body><script>'</body>'</script>"));
        assert_eq!(
            before("</body><p title='</body>'></p title='</body>'>"),
            Some("</body><p title='</body>'></p title='</body>'>")
        );
    }

    #[test]
    fn without_an_end_of_the_body_it_stands_at_the_end() {
        assert_eq!(before("<p>x</bodyguard></body"), None);
        assert_eq!(before("<p>x</p><!-- </body> -->"), Some(""));
        assert_eq!(before(""), Some(""));
    }

    #[test]
    fn where_no_image_can_be_there_is_no_pixel() {
        for html in ["<p>x<!-- ", "<script>", "<p title='", "<plaintext>"] {
            assert_eq!(before(html), None, "{html}");
        }
    }
}
