//! Decides about one link: through us, or left alone and why.

use std::ops::Range;

use memchr::memmem::Finder;
use percent_encoding::percent_decode_str;
use url::Url;

use super::html::Quote;
use super::merge_field::{self, Obstacle};
use super::query::Parts;
use super::report::Reason;
use super::utm::Utm;
use super::value::Value;
use super::{Options, Shop};
use crate::links::Destination;

/// The longest click URL, in bytes: the edge takes targets of 8 KiB, and merge fields grow when they are
/// replaced.
const MAX_CLICK_URL: usize = 6 << 10;

/// What the rules need to know beside the link itself.
pub(super) struct Rules<'a> {
    /// What was asked for.
    pub(super) options: Options<'a>,
    /// What marks links that must lead where they lead.
    pub(super) unsubscribe: &'a Patterns,
    /// What is added to destinations.
    pub(super) utm: &'a Utm,
    /// Where relative links start, when the document says so.
    pub(super) base: Option<&'a Url>,
}

/// The configured `unsubscribe_patterns`, ready to compare.
pub(super) struct Patterns(Vec<Finder<'static>>);

impl Rules<'_> {
    /// The click URL for the link, or the reason to leave it.
    ///
    /// # Errors
    /// The reason to leave the link alone.
    pub(super) fn apply(&self, link: &Value, number: u16) -> Result<Value, Reason> {
        self.leave_unread(link)?;
        self.leave_merge_fields(link)?;
        let parts = Parts::of(link).ok_or(Reason::MergeFieldOutsideQuery)?;
        let (destination, shop) = self.accept(&parts)?;
        let url = self.click_url(&destination, shop, number, &parts.moved);
        if url.text().len() > MAX_CLICK_URL {
            return Err(Reason::TooLong);
        }
        // Without fields of the author's there is nothing to be misread.
        if parts.moved.text().is_empty() || reads_back(&url) { Ok(url) } else { Err(Reason::Unsafe) }
    }

    /// Links that are not about a page of a shop.
    fn leave_unread(&self, link: &Value) -> Result<(), Reason> {
        let text = link.text();
        if text.is_empty() {
            return Err(Reason::Empty);
        }
        if text.starts_with('#') {
            return Err(Reason::Fragment);
        }
        let all = 0..text.len();
        if link.fields() == std::slice::from_ref(&all) {
            return Err(Reason::MergeField);
        }
        if let Some(scheme) = scheme(text) {
            leave_scheme(scheme)?;
        }
        if self.unsubscribe.are_in(text) { Err(Reason::Unsubscribe) } else { Ok(()) }
    }

    fn leave_merge_fields(&self, link: &Value) -> Result<(), Reason> {
        let is_address = |field: &Range<usize>| {
            merge_field::is_address(&link.text()[field.clone()], self.options.address_attributes)
        };
        if link.fields().iter().any(is_address) {
            return Err(Reason::AddressMergeField);
        }
        match merge_field::obstacle(link.text(), link.fields()) {
            Some(Obstacle::Open) => return Err(Reason::MergeFieldOpen),
            Some(Obstacle::Block) => return Err(Reason::TemplateBlock),
            None => {}
        }
        if link.hides_fields() { Err(Reason::MergeFieldEscaped) } else { Ok(()) }
    }

    fn accept(&self, parts: &Parts) -> Result<(Destination, &Shop), Reason> {
        let url = self.utm.add_to(parts.destination.text(), &parts.moved);
        if scheme(&url).is_some() {
            return self.options.linker.accept(&url);
        }
        let base = self.base.ok_or(Reason::RelativeWithoutBase)?;
        self.options.linker.accept(base.join(&url).map_err(|_| Reason::Unsafe)?.as_str())
    }

    /// The signed part, what moved out of the destination, and last the recipient.
    fn click_url(&self, destination: &Destination, shop: &Shop, number: u16, moved: &Value) -> Value {
        let mut url = Value::from(self.options.linker.click_url(destination, number, shop));
        url.push_text("?");
        if !moved.text().is_empty() {
            url.push_part(moved, 0..moved.text().len());
            url.push_text("&");
        }
        shop.push_query(&mut url);
        url
    }
}

impl Patterns {
    pub(super) fn new(patterns: &[String]) -> Self {
        let patterns = patterns.iter().filter(|pattern| !pattern.is_empty());
        Self(patterns.map(|pattern| Finder::new(&pattern.to_lowercase()).into_owned()).collect())
    }

    /// Whether one of them is in the URL as written or as meant.
    fn are_in(&self, url: &str) -> bool {
        let is_in = |text: &str| {
            let text = if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() };
            self.0.iter().any(|pattern| pattern.find(text.as_bytes()).is_some())
        };
        is_in(url) || (url.contains('%') && is_in(&percent_decode_str(url).decode_utf8_lossy()))
    }
}

/// Whether the e-mail platform will see the merge fields that we mean: one that the author opened and
/// never closed would swallow ours, and what is escaped between them. Quotes inside a field are written
/// as references.
fn reads_back(url: &Value) -> bool {
    let unquoted = |text: &str| text.replace("&quot;", "\"");
    unquoted(Value::from_raw(&url.escaped(Quote::Double)).text()) == unquoted(url.text())
}

fn leave_scheme(scheme: &str) -> Result<(), Reason> {
    let others = [("mailto", Reason::Mailto), ("tel", Reason::Tel), ("sms", Reason::Sms)];
    if is_web(scheme) {
        return Ok(());
    }
    let known = others.into_iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name));
    Err(known.map_or(Reason::OtherScheme, |(_, reason)| reason))
}

/// Whether a scheme is that of pages.
pub(super) fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

/// The scheme of an absolute URL as written; a relative one has none.
pub(super) fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    valid.then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_what_a_browser_takes_for_one() {
        for (url, expected) in [
            ("HTTPS://x", Some("HTTPS")),
            ("shop.example:80/x", Some("shop.example")),
            ("//x:80", None),
            ("/p?a=b:c", None),
            ("?a:b", None),
            ("1a:b", None),
            ("${x}:b", None),
            ("", None),
        ] {
            assert_eq!(scheme(url), expected, "{url}");
        }
    }
}
