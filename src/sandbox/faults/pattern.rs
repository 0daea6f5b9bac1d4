//! Patterns of paths: `*` stands for any text, everything else for itself.

/// Whether all of `path` is what `pattern` describes.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == path };
    let Some(mut path) = path.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match path.find(part) {
            Some(at) => path = &path[at + part.len()..],
            None => return false,
        }
    }
    path.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, path, expected) in [
            ("/v4/x", "/v4/x", true),
            ("/v4/x", "/v4/xy", false),
            ("/v4/*", "/v4/", true),
            ("*/v4/*/profile/*", "/profiles/v4/entity/shop/table/Customers/profile/801", true),
            ("*/v4/*", "/profiles/v5/entities/shop", false),
            ("*profile", "/profile/801", false),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}
