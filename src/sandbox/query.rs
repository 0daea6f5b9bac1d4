//! Query strings and paths as raw text: what was sent stays visible, nothing is re-serialised.

use percent_encoding::percent_decode_str;

/// The `name=value` pairs of a raw query, undecoded; a pair without `=` has an empty value.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The first value of `name`, percent-decoded; `+` stays a plus.
pub(super) fn value(query: &str, name: &str) -> Option<String> {
    pairs(query).find(|(key, _)| *key == name).map(|(_, raw)| decode(raw))
}

/// `value`, as a number; absent or no number is `None`.
pub(super) fn number(query: &str, name: &str) -> Option<usize> {
    value(query, name).and_then(|text| text.parse().ok())
}

/// Percent-decodes once; bytes that are no UTF-8 become replacement characters.
pub(super) fn decode(raw: &str) -> String {
    percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

/// Percent-decodes as a browser's `decodeURIComponent` does: `None` when any escape is malformed or
/// the bytes are no UTF-8.
pub(super) fn decode_component(raw: &str) -> Option<String> {
    let escapes_are_whole = raw.split('%').skip(1).all(|rest| {
        let mut digits = rest.bytes().take(2);
        digits.len() == 2 && digits.all(|byte| byte.is_ascii_hexdigit())
    });
    if !escapes_are_whole {
        return None;
    }
    percent_decode_str(raw).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_without_being_rewritten() {
        let query = "a=1&flag&&b=x%20y+z&c=1=2";
        assert_eq!(pairs(query).collect::<Vec<_>>(), [("a", "1"), ("flag", ""), ("b", "x%20y+z"), ("c", "1=2")]);
        assert_eq!(value(query, "b").as_deref(), Some("x y+z"));
        assert_eq!(number(query, "a"), Some(1));
        assert_eq!(number(query, "flag"), None);
    }

    #[test]
    fn a_malformed_escape_is_refused_as_a_browser_does() {
        assert_eq!(decode_component("a%20b").as_deref(), Some("a b"));
        assert_eq!(decode_component("a+b").as_deref(), Some("a+b"));
        assert_eq!(decode_component("100%"), None);
        assert_eq!(decode_component("%zz"), None);
        assert_eq!(decode_component("%FF"), None);
    }
}
