//! Recognises merge fields: what an e-mail platform replaces per recipient.
//!
//! `${…}` (Actito), `{{…}}` and `{{{…}}}` (Handlebars, Liquid, Braze with its `{{${…}}}`), `%%…%%` and
//! `%%=…=%%` (Salesforce), `[[…]]`, `*|…|*` (Mailchimp) and `<%…%>` (Adobe, EJS). An empty one is plain
//! text. One that is opened but never closed is no field, and neither is a tag that opens or closes a
//! block of several: [`obstacle`] tells.

use std::ops::Range;

use memchr::{memchr2, memchr3};

/// Words inside a merge field that mean an e-mail address on most platforms, beside the configured
/// attribute.
const ADDRESS_WORDS: [&str; 4] = ["email", "emailaddress", "email_address", "emailaddr"];

/// The longest merge field in bytes, delimiters included: real ones have tens. The limit keeps the
/// search linear however often something is opened that nothing closes.
const MAX_LENGTH: usize = 512;

/// Why a link with this text cannot be split into fields and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A field is opened and does not end, perhaps because a quote in it ended the attribute.
    Open,
    /// A condition or a loop: what the link is depends on it.
    Block,
}

/// What begins a field, and what must end it somewhere.
const OPENERS: [(&str, &str); 8] =
    [("${", "}"), ("{{", "}}"), ("{%", "%}"), ("<%", "%>"), ("%%=", "=%%"), ("%%[", "]%%"), ("[[", "]]"), ("*|", "|*")];

/// What begins the tags of conditions and loops, in lower case.
const BLOCKS: [&str; 17] = [
    "{%",
    "{{#",
    "{{/",
    "{{^",
    "{{else}",
    "{{else ",
    "{{~#",
    "{{~/",
    "%%[",
    "<#",
    "</#",
    "*|if:",
    "*|ifnot:",
    "*|elseif:",
    "*|else:",
    "*|end:",
    "*|interested:",
];

/// The places of all merge fields in `text`, in order, none inside another.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut fields: Vec<Range<usize>> = Vec::new();
    for start in marks(text) {
        let inside_the_last = || fields.last().is_some_and(|last| start < last.end);
        if !inside_the_last()
            && let Some(length) = field_length(capped(&text[start..]))
        {
            fields.push(start..start + length);
        }
    }
    fields
}

/// Wherever a field or a block may begin.
fn marks(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    // Each has one of these bytes, most links have none.
    let has_none = memchr3(b'{', b'%', b'[', bytes).is_none() && memchr2(b'|', b'<', bytes).is_none();
    let pairs = if has_none { &[] } else { bytes }.windows(2).enumerate();
    let begins =
        |pair: &[u8]| matches!(pair, b"${" | b"{{" | b"{%" | b"%%" | b"[[" | b"*|" | [b'<', b'%' | b'#' | b'/']);
    pairs.filter(move |(_, pair)| begins(pair)).map(|(at, _)| at)
}

/// What keeps a link from being split; `fields` are those of `text`.
pub fn obstacle(text: &str, fields: &[Range<usize>]) -> Option<Obstacle> {
    let is_open = |at: usize| {
        let is_outside = !fields.iter().any(|field| field.contains(&at));
        let never_ends =
            |(open, close): &(&str, &str)| text[at..].strip_prefix(open).is_some_and(|it| !it.contains(close));
        is_outside && OPENERS.iter().any(never_ends)
    };
    let is_block = |at: usize| {
        let rest = &text.as_bytes()[at..];
        BLOCKS.iter().any(|block| rest.get(..block.len()).is_some_and(|it| it.eq_ignore_ascii_case(block.as_bytes())))
            || is_scriptlet(rest)
    };
    if marks(text).any(is_open) {
        return Some(Obstacle::Open);
    }
    marks(text).any(is_block).then_some(Obstacle::Block)
}

/// `<% if (x) { %>`: code, where `<%=`, `<%-` and `<%@` write something.
fn is_scriptlet(rest: &[u8]) -> bool {
    rest.strip_prefix(b"<%").and_then(<[u8]>::first).is_some_and(|byte| !b"=-@".contains(byte))
}

/// What a field of this platform begins with.
pub fn opener(field: &str) -> &str {
    let openers = ["${", "{{", "%%", "[[", "*|", "<%"];
    openers.into_iter().find(|opener| field.starts_with(opener)).unwrap_or_default()
}

fn capped(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_LENGTH)]
}

/// Whether a merge field becomes the recipient's address: one of its words is among
/// `address_attributes`, or a common name for one. Case does not count.
pub fn is_address(field: &str, address_attributes: &[String]) -> bool {
    let means_address = |word: &str| {
        let configured = address_attributes.iter().map(String::as_str);
        configured.chain(ADDRESS_WORDS).any(|name| word.eq_ignore_ascii_case(name))
    };
    let words = field.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).any(means_address)
}

/// How long the merge field at the beginning of `text` is.
fn field_length(text: &str) -> Option<usize> {
    if text.starts_with("${") {
        return braces(text);
    }
    if text.starts_with("{{{") {
        return enclosed(text, "{{{", "}}}");
    }
    if text.starts_with("{{${") {
        return enclosed(text, "{{", "}}}");
    }
    if text.starts_with("%%") {
        return percent_signs(text);
    }
    [("{{", "}}"), ("[[", "]]"), ("*|", "|*"), ("<%", "%>")]
        .into_iter()
        .find(|(open, _)| text.starts_with(open))
        .and_then(|(open, close)| enclosed(text, open, close))
}

fn enclosed(text: &str, open: &str, close: &str) -> Option<usize> {
    let content = text.get(open.len()..)?;
    let length = content.find(close)?;
    (!content.get(..length)?.trim().is_empty()).then(|| open.len() + length + close.len())
}

/// `${…}` up to the brace that matches: expressions may hold braces of their own.
fn braces(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return (at > 2).then_some(at + 1),
            b'}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// `%%name%%` and `%%=Call(…)=%%`. Anything else between two `%%` is an accident of percent signs.
fn percent_signs(text: &str) -> Option<usize> {
    if text.starts_with("%%=") {
        return enclosed(text, "%%=", "=%%");
    }
    let length = enclosed(text, "%%", "%%")?;
    let name = text.get(2..length - 2)?;
    name.chars().all(|c| c.is_alphanumeric() || " _.:-".contains(c)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn every_platform_is_recognised() {
        for field in [
            "${reaid}",
            "${a ? '{x}' : b}",
            "{{ contact.sku | default: \"a&b\" }}",
            "{{{raw}}}",
            "{{${sku}}}",
            "{{custom_attribute.${sku} | default: 'x'}}",
            "%%sku%%",
            "%%=v(@sku)=%%",
            "[[sku]]",
            "*|SKU|*",
            "<%= sku %>",
            "<%@ include view='x' %>",
        ] {
            assert_eq!(fields(field), [field]);
            assert_eq!(fields(&format!("é?a=-{field}é&b={field}")), [field, field]);
        }
    }

    #[test]
    fn what_is_never_closed_or_empty_is_text() {
        for text in [
            "${reaid",
            "{{x}",
            "%%x",
            "%%20%3D%%",
            "%20%%",
            "[[]]",
            "{{ }}",
            "${}",
            "*|",
            "<%x",
            "a[]=1&b[0]=2",
            "100%",
            "$",
        ] {
            assert_eq!(fields(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_never_ends_and_what_opens_a_block_stands_in_the_way() {
        for (text, expected) in [
            ("?a=${b", Some(Obstacle::Open)),
            ("?a=<%= ", Some(Obstacle::Open)),
            ("?a={{b}}&c={{d}", Some(Obstacle::Open)),
            ("?a=%%=v(", Some(Obstacle::Open)),
            ("?a={% if b %}c{% endif %}", Some(Obstacle::Block)),
            ("?{{#if b}}c{{/if}}", Some(Obstacle::Block)),
            ("?a=%%[ set @b = 1 ]%%", Some(Obstacle::Block)),
            ("?a=<% if (b) { %>c<% } %>", Some(Obstacle::Block)),
            ("?a=*|IF:B|*c*|END:IF|*", Some(Obstacle::Block)),
            ("?a=[[b c=", Some(Obstacle::Open)),
            ("?a={{elsewhere}}&b=*|ENDDATE|*", None),
            ("?a=${b}&c={{d}}&e=<%= f %>&g=%%h%%&i=*|J|*&k=[[l]]", None),
            ("?a=100%&b[0]=c*d|e&f=%7B{x}", None),
        ] {
            assert_eq!(obstacle(text, &find(text)), expected, "{text}");
        }
    }

    #[test]
    fn an_address_is_recognised_by_its_words() {
        let attributes = ["mail1".to_owned()];
        for field in ["${emailAddress}", "${profile.MAIL1}", "*|EMAIL|*", "%%emailaddr%%", "{{ contact.email | url }}"]
        {
            assert!(is_address(field, &attributes), "{field}");
        }
        for field in ["${emailCampaign}", "${sku}", "${reaid}"] {
            assert!(!is_address(field, &attributes), "{field}");
        }
    }
}
