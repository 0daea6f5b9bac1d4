//! Splits a link with merge fields into what can be signed and what has to stay open.
//!
//! A merge field becomes something else for each recipient, so no signature can cover it. Parameters
//! that hold one move to the click URL, from where they are passed on; everything else stays.

use std::collections::HashSet;
use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::value::Value;
use crate::links::reserved::is_reserved;

/// A link, split.
#[derive(Debug)]
pub struct Parts {
    /// The link without merge fields, bytes as written.
    pub destination: Value,
    /// The parameters that moved out of it, joined by `&`.
    pub moved: Value,
}

impl Parts {
    /// Splits a link; None when a merge field stands outside its query.
    pub fn of(link: &Value) -> Option<Self> {
        if link.fields().is_empty() {
            return Some(Self { destination: link.clone(), moved: Value::default() });
        }
        let end = link.text().len();
        let fragment = link.find(&(0..end), |byte| byte == b'#').unwrap_or(end);
        let query = link.find(&(0..fragment), |byte| byte == b'?').map_or(fragment, |mark| mark + 1);
        if link.fields().iter().any(|field| field.start < query || field.end > fragment) {
            return None;
        }
        let parameters = parameters(link, query..fragment);
        let open = open_names(link, &parameters);
        let (moved, kept) = parameters.into_iter().partition(|parameter| open.contains(&name(link, parameter)));
        let mut destination = Value::default();
        destination.push_part(link, 0..query - 1);
        push_joined(&mut destination, link, kept, "?");
        destination.push_part(link, fragment..end);
        Some(Self { destination, moved: without_reserved(link, moved) })
    }
}

/// The names that must leave the signed query: with one parameter all of its namesakes, because a
/// click drops a parameter whose name the signed query has already.
fn open_names(link: &Value, parameters: &[Range<usize>]) -> HashSet<Vec<u8>> {
    let has_field = |parameter: &&Range<usize>| link.fields_in(parameter).next().is_some();
    parameters.iter().filter(has_field).map(|parameter| name(link, parameter)).collect()
}

fn without_reserved(link: &Value, parameters: Vec<Range<usize>>) -> Value {
    let kept =
        parameters.into_iter().filter(|parameter| !is_reserved(&link.text().as_bytes()[name_range(link, parameter)]));
    let mut moved = Value::default();
    push_joined(&mut moved, link, kept.collect(), "");
    moved
}

fn push_joined(out: &mut Value, link: &Value, parameters: Vec<Range<usize>>, first: &str) {
    for (index, parameter) in parameters.into_iter().enumerate() {
        out.push_text(if index == 0 { first } else { "&" });
        out.push_part(link, parameter);
    }
}

/// The places between the `&` of a query; a `&` inside a merge field does not separate.
fn parameters(link: &Value, query: Range<usize>) -> Vec<Range<usize>> {
    let mut parameters = Vec::new();
    let mut start = query.start;
    while let Some(end) = link.find(&(start..query.end), |byte| byte == b'&') {
        parameters.push(start..end);
        start = end + 1;
    }
    parameters.push(start..query.end);
    parameters
}

fn name(link: &Value, parameter: &Range<usize>) -> Vec<u8> {
    percent_decode_str(&link.text()[name_range(link, parameter)]).collect()
}

fn name_range(link: &Value, parameter: &Range<usize>) -> Range<usize> {
    parameter.start..link.find(parameter, |byte| byte == b'=').unwrap_or(parameter.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(link: &str) -> Option<(String, String)> {
        let parts = Parts::of(&Value::from_raw(link))?;
        Some((parts.destination.text().to_owned(), parts.moved.text().to_owned()))
    }

    fn parts(destination: &str, moved: &str) -> Option<(String, String)> {
        Some((destination.to_owned(), moved.to_owned()))
    }

    #[test]
    fn parameters_with_merge_fields_move() {
        assert_eq!(split("https://x/p?a=1&sku=${sku}&b=2#f"), parts("https://x/p?a=1&b=2#f", "sku=${sku}"));
        assert_eq!(split("/p?sku=A-${sku}-B&x={{y}}"), parts("/p", "sku=A-${sku}-B&x={{y}}"));
        assert_eq!(split("/p?${rest}#f"), parts("/p#f", "${rest}"));
    }

    #[test]
    fn without_merge_fields_no_byte_moves() {
        for link in ["/p", "/p?", "/p?&&a==&b?#c?d&e", "/p?a=$%7Bx}", ""] {
            assert_eq!(split(link), parts(link, ""), "{link}");
        }
    }

    #[test]
    fn namesakes_move_together() {
        assert_eq!(split("/p?tag=a&x=1&t%61g=${b}"), parts("/p?x=1", "tag=a&t%61g=${b}"));
    }

    #[test]
    fn a_reserved_parameter_is_absorbed() {
        assert_eq!(split("/p?reaid=${old}&a=${b}&amp;amp;REAID=${x}"), parts("/p", "a=${b}"));
    }

    #[test]
    fn a_merge_field_outside_the_query_cannot_be_signed() {
        for link in ["/${path}", "https://${host}/p?a=1", "/p?a=1#${x}", "${base}?a=1", "/p${query}"] {
            assert_eq!(split(link), None, "{link}");
        }
    }
}
