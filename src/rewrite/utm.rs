//! UTM parameters: added to what is signed, where the author did not write them, and never overwritten.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::value::Value;
use crate::links::{parameters, reserved, split_query};

/// Everything but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parameters as they are written.
pub(super) struct Utm {
    parameters: Vec<Parameter>,
}

struct Parameter {
    name: String,
    written: String,
}

impl Utm {
    /// From names (`utm_source`) and values.
    pub(super) fn new(parameters: &[(String, String)]) -> Self {
        let parameter = |(name, value): &(String, String)| Parameter {
            name: name.clone(),
            written: format!("{name}={}", utf8_percent_encode(value, ENCODED)),
        };
        Self { parameters: parameters.iter().map(parameter).collect() }
    }

    /// `url` with the parameters that neither it nor `moved` has, before the fragment. Joined as a click
    /// joins: with `?` if there is none, nothing after `?` or `&`, else `&`.
    pub(super) fn add_to<'u>(&self, url: &'u str, moved: &Value) -> Cow<'u, str> {
        let (head, query, fragment) = split_query(url.as_bytes());
        let has = |query: &[u8], name: &str| parameters(query).any(|own| reserved::is_named(own.name, name));
        let is_missing =
            |it: &&Parameter| !has(query.unwrap_or_default(), &it.name) && !has(moved.text().as_bytes(), &it.name);
        let missing: Vec<&str> = self.parameters.iter().filter(is_missing).map(|it| it.written.as_str()).collect();
        if missing.is_empty() {
            return Cow::Borrowed(url);
        }
        let mark = match url.as_bytes()[head.len()..url.len() - fragment.len()] {
            [] => "?",
            [b'?'] | [.., b'&'] => "",
            _ => "&",
        };
        let (before, fragment) = url.split_at(url.len() - fragment.len());
        Cow::Owned([before, mark, &missing.join("&"), fragment].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(url: &str, moved: &str) -> String {
        let parameters = [("utm_source", "news letter"), ("utm_medium", "é-mail")];
        let owned = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Utm::new(&owned).add_to(url, &Value::from_raw(moved)).into_owned()
    }

    #[test]
    fn what_is_missing_is_added_before_the_fragment() {
        let both = "utm_source=news%20letter&utm_medium=%C3%A9-mail";
        for (url, expected) in [
            ("https://x", format!("https://x?{both}")),
            ("https://x/?", format!("https://x/?{both}")),
            ("https://x/?a&#f?g", format!("https://x/?a&{both}#f?g")),
            ("https://x/p?q=what?#f", format!("https://x/p?q=what?&{both}#f")),
            ("/p#f", format!("/p?{both}#f")),
        ] {
            assert_eq!(added(url, ""), expected);
        }
    }

    #[test]
    fn what_is_there_in_any_spelling_stays_alone() {
        for (url, moved, expected) in [
            ("/?UTM_Source=a", "", "/?UTM_Source=a&utm_medium=%C3%A9-mail"),
            ("/?a=b&amp;utm%5Fmedium&utm_source=", "", "/?a=b&amp;utm%5Fmedium&utm_source="),
            ("/?a", "utm_medium=${m}&utm_source=x", "/?a"),
            ("/?utm_source=1", "x={{ y }}&Utm_Medium={{ z }}", "/?utm_source=1"),
        ] {
            assert_eq!(added(url, moved), expected);
        }
    }
}
