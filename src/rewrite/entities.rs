//! Character references in attribute values: decoded as browsers do, written so that browsers
//! decode them back.
//!
//! In attributes `&copy=1` and `&copyx` are no references although `&copy` is one; numeric references
//! to the C1 controls mean the characters of windows-1252. `htmlize` has these rules and the full
//! table of names; the tests hold it against html5ever.

use std::borrow::Cow;

use memchr::{memchr2, memchr3};

use super::html::Quote;

/// Decodes an attribute value.
pub fn decode(raw: &str) -> Cow<'_, str> {
    let decoded = htmlize::unescape_attribute(raw);
    // The tokenizer replaces NUL before anyone sees the value.
    if decoded.contains('\0') { Cow::Owned(decoded.replace('\0', "\u{fffd}")) } else { decoded }
}

/// Writes `text` so that it can stand inside any quotes and in text.
pub fn escape_into(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    // What most of a click URL is.
    if memchr3(b'&', b'"', b'\'', bytes).is_none() && memchr2(b'<', b'>', bytes).is_none() {
        out.push_str(text);
        return;
    }
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        let reference = match byte {
            b'&' => "&amp;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            _ => continue,
        };
        out.push_str(&text[written..at]);
        out.push_str(reference);
        written = at + 1;
    }
    out.push_str(&text[written..]);
}

/// Writes `verbatim` with nothing changed but the quote that would end the value.
pub fn keep_into(out: &mut String, verbatim: &str, quote: Quote) {
    let (mark, reference) = match quote {
        Quote::Single => ('\'', "&#39;"),
        Quote::Double | Quote::None => ('"', "&quot;"),
    };
    let mut parts = verbatim.split(mark);
    out.extend(parts.next());
    parts.for_each(|part| out.extend([reference, part]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use html5ever::tendril::StrTendril;
    use html5ever::tokenizer::{BufferQueue, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
    use proptest::prelude::*;
    use std::cell::RefCell;

    #[derive(Default)]
    struct Value(RefCell<String>);

    impl TokenSink for Value {
        type Handle = ();
        fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
            if let Token::TagToken(tag) = token {
                *self.0.borrow_mut() = tag.attrs[0].value.to_string();
            }
            TokenSinkResult::Continue
        }
    }

    /// What html5ever makes of `<a b="raw">`.
    fn as_browsers_do(raw: &str) -> String {
        let tokenizer = Tokenizer::new(Value::default(), TokenizerOpts::default());
        let input = BufferQueue::default();
        input.push_back(StrTendril::from(format!("<a b=\"{raw}\">")));
        let _ = tokenizer.feed(&input);
        tokenizer.end();
        tokenizer.sink.0.into_inner()
    }

    #[test]
    fn ambiguous_ampersands_stay() {
        assert_eq!(decode("?a=1&copy=2&amp=3&ampx&lt"), "?a=1&copy=2&amp=3&ampx<");
        assert_eq!(decode("?a=1&amp;copy=2&#x26;b&#38c"), "?a=1&copy=2&b&c");
    }

    #[test]
    fn c1_controls_mean_windows_1252() {
        assert_eq!(decode("&#128;&#x99;&#0;&#xD800;&#x110000;"), "\u{20ac}\u{2122}\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn what_is_kept_cannot_end_the_value() {
        let mut out = String::new();
        keep_into(&mut out, "{{ a & 'b' }}", Quote::Double);
        keep_into(&mut out, "{{ 'b' }}", Quote::Single);
        assert_eq!(out, "{{ a & 'b' }}{{ &#39;b&#39; }}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn decoding_agrees_with_html5ever(
            parts in proptest::collection::vec(
                prop_oneof![
                    "&#?[xX]?[0-9a-fA-F]{0,7};?",
                    "&[a-zA-Z]{0,8}[;=a-z0-9]?",
                    "&(amp|lt|gt|copy|not|notin|times|timesb|Aacute|nGt|AElig|hearts)[;=a-z& ]?",
                    "[^\"\r]{0,4}",
                ],
                0..8,
            )
        ) {
            let raw = parts.concat();
            prop_assert_eq!(decode(&raw), as_browsers_do(&raw));
        }

        #[test]
        fn decoding_undoes_escaping(text in "[^\0\r]*") {
            let mut escaped = String::new();
            escape_into(&mut escaped, &text);
            prop_assert!(!escaped.contains(['"', '\'', '<', '>']));
            prop_assert_eq!(decode(&escaped), text);
        }
    }
}
