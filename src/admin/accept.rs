//! What a client wants to read (RFC 9110, section 12.5.1).

use http::{HeaderMap, header};

/// What the rewritten newsletter is answered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The report, and the document in it.
    Json,
    /// The document alone.
    Document,
}

/// The one of the two that the client likes better, JSON when it likes both alike; None when it wants
/// neither.
pub(super) fn wanted(headers: &HeaderMap, document: &str) -> Option<Wanted> {
    let written: Vec<_> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if written.is_empty() {
        return Some(Wanted::Json);
    }
    let written = written.join(",").to_ascii_lowercase();
    let (json, document) = (quality(&written, "application/json"), quality(&written, document));
    match (json, document) {
        (0, 0) => None,
        (json, document) if document > json => Some(Wanted::Document),
        _ => Some(Wanted::Json),
    }
}

/// How much a type is wanted, in thousandths: by the most telling range that it falls into.
fn quality(accept: &str, media_type: &str) -> u16 {
    let of_its_kind = media_type.split('/').next().unwrap_or_default();
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let telling = match parts.next()? {
            "*/*" => 1,
            range if range.strip_suffix("/*") == Some(of_its_kind) => 2,
            range if range == media_type => 3,
            _ => return None,
        };
        let q = parts.find_map(|parameter| parameter.strip_prefix("q="));
        let q = q.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
        Some((telling, (q.clamp(0.0, 1.0) * 1000.0) as u16))
    });
    ranges.max_by_key(|(telling, _)| *telling).map_or(0, |(_, q)| q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_liked_type_is_answered() {
        use Wanted::{Document, Json};
        for (accept, expected) in [
            ("", None),
            ("*/*", Some(Json)),
            ("application/json", Some(Json)),
            ("text/html", Some(Document)),
            ("Text/HTML;q=0.5, */*;q=0.1", Some(Document)),
            ("text/*", Some(Document)),
            ("text/html,application/json", Some(Json)),
            ("text/html;q=0.9,application/json;q=0.8", Some(Document)),
            ("application/json;q=0, */*", Some(Document)),
            ("text/html;q=0", None),
            ("image/png", None),
            ("text/html;q=nonsense", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(wanted(&headers, "text/html"), expected, "{accept}");
        }
        assert_eq!(wanted(&HeaderMap::new(), "text/html"), Some(Json));
    }
}
