//! What the e-mail platform would reject, and what else deserves a word.
//!
//! Actito takes links that start with `http://` or `https://`, with a personalisation, `mailto:`, `tel:` or
//! `#`; one other link rejects the whole newsletter. The platform is known by the merge fields of the
//! shops. Codes are part of the report's contract; messages say what to do and never repeat an address.

use memchr::memchr2;
use percent_encoding::percent_decode_str;

use super::merge_field;
use super::report::Reason;
use super::rules::scheme;
use super::value::Value;
use super::{Linker, Outcome};
use crate::links::{parameters, reserved, split_query};

/// Where a large mail service clips a page, in bytes.
pub const CLIPPED_BEYOND: usize = 102_400;

/// A code and a sentence.
pub(super) type Remark = (&'static str, String);

/// Knows what the platform's merge fields look like.
pub(super) struct Lint {
    openers: Vec<String>,
}

impl Lint {
    pub(super) fn new(linker: &Linker<'_>) -> Self {
        let shops = linker.shops.iter().chain([linker.pixel]);
        let mut openers: Vec<_> = shops.map(|shop| merge_field::opener(&shop.merge_field).to_owned()).collect();
        openers.sort();
        openers.dedup();
        openers.retain(|opener| !opener.is_empty());
        Self { openers }
    }

    /// Why the platform would reject the newsletter for this link as it is now.
    pub(super) fn errors(&self, link: &Value, outcome: &Outcome) -> Vec<Remark> {
        let fields = self.foreign_field(link);
        let start = match outcome {
            Outcome::Left { reason: Reason::UnclearMarkup } | Outcome::Rewritten { .. } => None,
            Outcome::Left { reason: Reason::Unsafe } => Some((
                "unsafe_url",
                "this is no URL, or its host is not what it seems to be: write it as https://host/path".to_owned(),
            )),
            Outcome::Left { reason: Reason::MergeFieldOpen } => Some((
                "merge_field_open",
                "a merge field is opened and not closed inside this link: close it, and use other quotes in it than \
                 around the link"
                    .to_owned(),
            )),
            Outcome::Left { .. } => self.start(link),
        };
        start.into_iter().chain(fields).collect()
    }

    fn start(&self, link: &Value) -> Option<Remark> {
        let text = link.text();
        let is_personal = self.openers.iter().any(|opener| text.starts_with(opener.as_str()));
        if text.is_empty() {
            return Some(("empty_link", "this link leads nowhere: give it a target, or take it out".to_owned()));
        }
        match scheme(text).map(str::to_ascii_lowercase).as_deref() {
            Some("http" | "https" | "mailto" | "tel") => None,
            Some(other) => {
                Some(("scheme", format!("`{other}:` is refused: a link starts with https:, http:, mailto:, tel: or #")))
            }
            None if is_personal || text.starts_with('#') => None,
            // Another platform's, which has a remark of its own.
            None if link.fields().first().is_some_and(|field| field.start == 0) => None,
            None => Some(("relative_link", "this link has no host: write all of it, from https:// on".to_owned())),
        }
    }

    fn foreign_field(&self, link: &Value) -> Option<Remark> {
        let opener = |field: &std::ops::Range<usize>| merge_field::opener(&link.text()[field.clone()]);
        let foreign = link.fields().iter().map(opener).find(|it| !self.openers.iter().any(|own| own == it))?;
        let own = self.openers.first()?;
        Some((
            "foreign_merge_field",
            format!("`{foreign}` begins another platform's merge field and would be sent as it is: use `{own}`"),
        ))
    }
}

/// A target that could not be read.
pub(super) fn unread(reason: Reason) -> Option<Remark> {
    let message =
        "this link's bytes are none in the page's encoding: declare the right one, or write the link in ASCII";
    (reason == Reason::Encoding).then(|| ("unreadable_link", message.to_owned()))
}

/// A page that cannot be turned into UTF-8 and back.
pub(super) fn encoding(name: &str) -> Remark {
    (
        "encoding",
        format!("the page is in {name} and would not come back the same: send it in UTF-8; nothing was changed"),
    )
}

/// A page without a pixel that should have one.
pub(super) fn no_pixel() -> Remark {
    let message = "there is no place where an image would be one, so opens are not counted: close what is open before \
                   </body>";
    ("no_pixel", message.to_owned())
}

/// A page that programs read in different ways.
pub(super) fn unclear(from: usize) -> Remark {
    let message = format!(
        "from byte {from} on, programs read this page in different ways, and links there were left: close <svg>, \
         <math>, <select> and <template> properly, or take them out"
    );
    ("unclear_markup", message)
}

/// What deserves a word though no platform rejects it.
pub(super) fn warnings(link: &Value, outcome: &Outcome) -> Vec<Remark> {
    let mut warnings = Vec::new();
    if matches!(outcome, Outcome::Left { reason: Reason::AddressMergeField }) {
        let message = "this link carries the recipient's address, visible to everybody on its way: take the merge \
                       field out";
        warnings.push(("address_merge_field", message.to_owned()));
    }
    if matches!(outcome, Outcome::Rewritten { .. }) {
        if holds_address(link.text()) {
            let message = "this page's URL holds an e-mail address, which everybody can read in the click URL: take \
                           it out";
            warnings.push(("address_in_url", message.to_owned()));
        }
        warnings.extend(dropped_parameter(link.text()));
    }
    warnings
}

/// Whether something in the URL has the form of an address, however often it was percent-encoded.
fn holds_address(url: &str) -> bool {
    if memchr2(b'@', b'%', url.as_bytes()).is_none() {
        return false;
    }
    let mut text = url.to_owned();
    for _ in 0..3 {
        if text.match_indices('@').any(|(at, _)| is_address_at(&text, at)) {
            return true;
        }
        if !text.contains('%') {
            return false;
        }
        text = percent_decode_str(&text).decode_utf8_lossy().into_owned();
    }
    text.match_indices('@').any(|(at, _)| is_address_at(&text, at))
}

fn is_address_at(text: &str, at: usize) -> bool {
    let host_end = |c: char| !(c.is_alphanumeric() || c == '-' || c == '.');
    let host = text[at + 1..].split(host_end).next().unwrap_or_default();
    let has_name = text[..at].ends_with(|c: char| c.is_alphanumeric() || "._+-".contains(c));
    has_name && host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && !rest.is_empty())
}

/// A parameter that no signed URL keeps; `reaid` itself is replaced, not lost.
fn dropped_parameter(url: &str) -> Option<Remark> {
    let (_, query, _) = split_query(url.as_bytes());
    let is_dropped = |name: &&[u8]| reserved::is_reserved(name) && !reserved::is_named(name, reserved::REAID);
    let name = parameters(query?).map(|parameter| parameter.name).find(is_dropped)?;
    let message = format!("the parameter `{}` is kept for identities and was taken out", String::from_utf8_lossy(name));
    Some(("reserved_parameter", message))
}

/// A page that will be clipped.
pub(super) fn size(before: usize, after: usize) -> Option<Remark> {
    let message = || {
        format!(
            "the page has {after} bytes ({before} before rewriting); beyond {CLIPPED_BEYOND} a large mail service \
             clips it: make it shorter"
        )
    };
    (after > CLIPPED_BEYOND).then(|| ("size", message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_noticed_in_any_encoding() {
        for url in
            ["https://x/?m=jane@example.org", "/u/jane%40example.org/", "?m=jane%2540example.org&x", "?%6a%40a.b"]
        {
            assert!(holds_address(url), "{url}");
        }
        for url in ["https://x/@jane/post", "https://x/?a=b@c", "?q=@media", "?q=a%20@ b.c", "?m=100%"] {
            assert!(!holds_address(url), "{url}");
        }
    }

    #[test]
    fn a_page_is_warned_of_when_it_is_clipped() {
        assert_eq!(size(1, CLIPPED_BEYOND), None);
        let (code, message) = size(98_000, 105_000).unwrap();
        assert!(code == "size" && message.contains("105000") && message.contains("98000"), "{message}");
    }

    #[test]
    fn a_parameter_that_is_taken_out_is_named() {
        assert!(dropped_parameter("/?a&EMAIL=x").unwrap().1.contains("`EMAIL`"));
        assert_eq!(dropped_parameter("/?reaid=x&a=email"), None);
    }
}
