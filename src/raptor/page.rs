//! A page's URL as it may be stored and sent: without fragment, identities and addresses.

use std::borrow::Cow;
use std::iter;

use percent_encoding::percent_decode_str;

use crate::links::reserved;

/// The mark of Actito's click wrapper, which names the recipient's interaction.
const ACTITO_INTERACTION: &str = "actId";

/// Percent-decoding is repeated this often: more layers than any chain of mail gateways adds. What
/// still changes after that is treated as hiding something.
const LAYERS: usize = 8;

/// `location` without its fragment and without the parameters that are reserved, that are `actId`, or
/// that hold an `@` however often it is encoded; a path ends before the segment that may hold an
/// address. All other bytes stay as they are.
pub fn page_url(location: &str) -> String {
    let page = location.split_once('#').map_or(location, |(page, _)| page);
    let (path, query) = page.split_once('?').map_or((page, None), |(path, query)| (path, Some(query)));
    let mut url = String::with_capacity(page.len());
    url.push_str(without_address(path));
    let kept = query.into_iter().flat_map(|query| query.split('&')).filter(|parameter| may_stay(parameter));
    for (parameter, mark) in kept.zip(iter::once('?').chain(iter::repeat('&'))) {
        url.push(mark);
        url.push_str(parameter);
    }
    url
}

fn may_stay(parameter: &str) -> bool {
    let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
    !is_unwanted(name) && decoded(parameter).is_some_and(|parameter| !parameter.contains('@'))
}

fn is_unwanted(name: &str) -> bool {
    decoded(name).is_none_or(|name| {
        reserved::is_reserved(name.as_bytes()) || reserved::is_named(name.as_bytes(), ACTITO_INTERACTION)
    })
}

/// A path up to the first segment with an `@` inside; one that begins with it (`/@brand`) is a name.
fn without_address(path: &str) -> &str {
    let may_hold_address =
        |segment: &str| decoded(segment).is_none_or(|segment| segment.trim_start_matches('@').contains('@'));
    let mut end = 0;
    for segment in path.split_inclusive('/') {
        if may_hold_address(segment) {
            return &path[..end];
        }
        end += segment.len();
    }
    path
}

/// Percent-decoded until nothing changes; `None` when that takes too many layers.
pub(super) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..LAYERS {
        if !text.contains('%') {
            return Some(text);
        }
        let next = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if next == text {
            return Some(text);
        }
        text = Cow::Owned(next);
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identities_and_addresses_go_and_all_else_stays() {
        for (location, page) in [
            ("https://shop.example/p?x=1&y=%C3%A9#top", "https://shop.example/p?x=1&y=%C3%A9"),
            ("https://shop.example/p?reaid=AVCX&x=1", "https://shop.example/p?x=1"),
            ("https://shop.example/p?x=1&REAID=a&amp;rsaReaid=b&r%2565aid=c&eh=d", "https://shop.example/p?x=1"),
            ("https://shop.example/p?reaid=AVCX", "https://shop.example/p"),
            ("https://shop.example/p?actId=5&actCampaignType=mail", "https://shop.example/p?actCampaignType=mail"),
            ("https://shop.example/p?a=jane@x.org&b=jane%40x.org&c=jane%2540x.org&d=1", "https://shop.example/p?d=1"),
            ("https://shop.example/p?jane@x.org&d", "https://shop.example/p?d"),
            ("https://shop.example/p?a=1&&b=+%zz", "https://shop.example/p?a=1&&b=+%zz"),
            ("https://shop.example/@brand/shoes?x", "https://shop.example/@brand/shoes?x"),
            ("https://shop.example/u/jane%40example.org/p?x=1", "https://shop.example/u/?x=1"),
            ("https://shop.example/p?", "https://shop.example/p?"),
            ("https://shop.example/p", "https://shop.example/p"),
            ("https://shop.example/#?reaid=x", "https://shop.example/"),
        ] {
            assert_eq!(page_url(location), page, "{location}");
        }
    }

    #[test]
    fn a_value_in_endless_layers_goes() {
        let hidden = format!("jane%{}40example.org", "25".repeat(3000));
        assert_eq!(page_url(&format!("https://shop.example/p?x={hidden}&y=1")), "https://shop.example/p?y=1");
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing_more(query in "[a-z%&=@;#?0-9]{0,60}") {
            let once = page_url(&format!("https://shop.example/?{query}"));
            prop_assert_eq!(page_url(&once), once.clone());
            prop_assert!(!once.contains('@'));
        }

        #[test]
        fn foreign_parameters_keep_every_byte(query in "(x[a-z]{0,3}=[a-z%+0-9]{0,8}&){0,5}z=1") {
            let layered = query.contains("%40");
            prop_assume!(!layered);
            let location = format!("https://shop.example/p?{query}");
            prop_assert_eq!(page_url(&location), location.clone());
        }
    }
}
