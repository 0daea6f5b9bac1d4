//! Queries as bytes: nothing is decoded and written again, so nothing changes on the way.

/// One parameter as it stands between two `&`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// All of it, `name=value` or `name`.
    pub raw: &'a [u8],
    /// What stands before the first `=`.
    pub name: &'a [u8],
    /// What stands after the first `=`; empty without one.
    pub value: &'a [u8],
}

/// The parameters of a query, in order. Nothing between two `&` is no parameter.
pub fn parameters(query: &[u8]) -> impl Iterator<Item = Parameter<'_>> {
    query.split(|&byte| byte == b'&').filter(|raw| !raw.is_empty()).map(|raw| {
        let equals = memchr::memchr(b'=', raw).unwrap_or(raw.len());
        Parameter { raw, name: &raw[..equals], value: raw.get(equals + 1..).unwrap_or_default() }
    })
}

/// A URL cut into what stands before `?`, the query (None without `?`), and the fragment with its `#`.
pub fn split_query(url: &[u8]) -> (&[u8], Option<&[u8]>, &[u8]) {
    let (head, fragment) = url.split_at(memchr::memchr(b'#', url).unwrap_or(url.len()));
    match memchr::memchr(b'?', head) {
        Some(at) => (&head[..at], Some(&head[at + 1..]), fragment),
        None => (head, None, fragment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_splits_at_its_first_marks() {
        for (url, (head, query, fragment)) in [
            ("a", ("a", None, "")),
            ("a?", ("a", Some(""), "")),
            ("a?b?c#d?e#f", ("a", Some("b?c"), "#d?e#f")),
            ("a#b?c", ("a", None, "#b?c")),
            ("a?b=c&d#", ("a", Some("b=c&d"), "#")),
        ] {
            assert_eq!(
                split_query(url.as_bytes()),
                (head.as_bytes(), query.map(str::as_bytes), fragment.as_bytes()),
                "{url}"
            );
        }
    }

    #[test]
    fn parameters_keep_their_bytes() {
        let found: Vec<_> = parameters(b"a=1&&b&c==&=d&e=%20+").map(|p| (p.raw, p.name, p.value)).collect();
        let expected: [(&[u8], &[u8], &[u8]); 5] = [
            (b"a=1", b"a", b"1"),
            (b"b", b"b", b""),
            (b"c==", b"c", b"="),
            (b"=d", b"", b"d"),
            (b"e=%20+", b"e", b"%20+"),
        ];
        assert_eq!(found, expected);
    }
}
