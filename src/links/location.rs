//! Where a click leads: the destination, the click URL's own parameters, the REAID, the fragment.

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::{Destination, parameters, reserved, split_query};
use crate::identity::Reaid;

/// What a query may not hold in a `Location` header: a client can write these bytes.
const UNSAFE_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'#');

/// The bytes of a `Location` header: visible ASCII.
#[derive(Clone, PartialEq, Eq)]
pub struct Location(Vec<u8>);

impl Location {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as text.
    pub fn as_str(&self) -> &str {
        #[expect(clippy::expect_used, reason = "merging encodes everything but visible ASCII")]
        std::str::from_utf8(&self.0).expect("visible ASCII")
    }

    /// The bytes, given away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Location(…)")
    }
}

/// A location, and how many parameters of the click URL had to stay behind.
#[derive(Debug)]
pub struct Merged {
    /// Where to send the person.
    pub location: Location,
    /// Parameters dropped because their name is reserved or because the signed query has it already;
    /// `reaid` itself is not counted: it is replaced, not lost.
    pub dropped: u32,
}

impl Destination {
    /// This destination as it is.
    pub fn location(&self) -> Location {
        Location(self.as_bytes().to_vec())
    }

    /// This host with another path and query. What a header must not hold is percent-encoded.
    pub(super) fn with_path(&self, path_and_query: &str) -> Location {
        let (head, _, _) = split_query(self.as_bytes());
        let scheme_end = head.windows(3).position(|bytes| bytes == b"://").map_or(0, |at| at + 3);
        let path = head[scheme_end..].iter().position(|byte| *byte == b'/').map_or(head.len(), |at| scheme_end + at);
        let mut out = head[..path].to_vec();
        out.extend(percent_encode(path_and_query.as_bytes(), UNSAFE_IN_QUERY).flat_map(str::bytes));
        Location(out)
    }

    /// This destination with the other parameters of `click_query`, bytes and order untouched, and
    /// the REAID as the last parameter before the fragment.
    pub fn merge(&self, click_query: &[u8], reaid: Option<&Reaid>) -> Merged {
        let (head, signed, fragment) = split_query(self.as_bytes());
        let mut out = Vec::with_capacity(self.as_bytes().len() + click_query.len() + 2 * Reaid::LEN);
        out.extend_from_slice(head);
        if let Some(signed) = signed {
            out.push(b'?');
            out.extend_from_slice(signed);
        }
        let mut dropped = 0;
        for parameter in parameters(click_query) {
            if reserved::is_named(parameter.name, reserved::REAID) {
                continue;
            }
            if reserved::is_reserved(parameter.name) || has(signed.unwrap_or_default(), parameter.name) {
                dropped += 1;
                continue;
            }
            join(&mut out, head.len());
            out.extend(percent_encode(parameter.raw, UNSAFE_IN_QUERY).flat_map(str::bytes));
        }
        if let Some(reaid) = reaid {
            join(&mut out, head.len());
            out.extend_from_slice(b"reaid=");
            out.extend_from_slice(reaid.as_str().as_bytes());
        }
        out.extend_from_slice(fragment);
        Merged { location: Location(out), dropped }
    }
}

/// `?` if there is none, nothing right after it or after `&`, else `&`. A `?` further on is a value's.
fn join(out: &mut Vec<u8>, head_len: usize) {
    match out.get(head_len..) {
        None | Some([]) => out.push(b'?'),
        Some([b'?'] | [.., b'&']) => {}
        Some(_) => out.push(b'&'),
    }
}

fn has(query: &[u8], name: &[u8]) -> bool {
    !query.is_empty() && parameters(query).any(|own| reserved::decode(own.name) == reserved::decode(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::links::sites::tests::sites;

    fn merged(destination: &str, click_query: &str, with_reaid: bool) -> (String, u32) {
        let ring = crate::identity::Keyring::init(
            crate::identity::Secret::from_bytes([0; 32]),
            crate::identity::Secret::from_bytes([0; 32]),
            crate::clock::Timestamp::from_secs(0),
        );
        let reaid =
            crate::identity::Identities::derive(&ring, "shop").mint(&crate::identity::Digest::from_bytes([0; 32]));
        let destination = sites().accept(destination).unwrap().destination;
        let merged = destination.merge(click_query.as_bytes(), with_reaid.then_some(&reaid));
        let text = String::from_utf8(merged.location.into_bytes()).unwrap();
        (text.replace(reaid.as_str(), "JANE"), merged.dropped)
    }

    #[test]
    fn parameters_come_before_the_reaid_and_the_fragment_last() {
        for (destination, click, expected) in [
            ("https://shop.example", "", "https://shop.example?reaid=JANE"),
            ("https://shop.example/", "", "https://shop.example/?reaid=JANE"),
            ("https://shop.example/?", "", "https://shop.example/?reaid=JANE"),
            ("https://shop.example/?a&", "", "https://shop.example/?a&reaid=JANE"),
            ("https://shop.example/p?x=1#top", "", "https://shop.example/p?x=1&reaid=JANE#top"),
            ("https://shop.example/p?q=what?", "", "https://shop.example/p?q=what?&reaid=JANE"),
            ("https://shop.example/#/r?a=b", "c=d", "https://shop.example/?c=d&reaid=JANE#/r?a=b"),
            (
                "https://shop.example/p?x=a+b&e=%C3%A9&flag&t==",
                "reaid=x&actId=%7Eq&actSource=1",
                "https://shop.example/p?x=a+b&e=%C3%A9&flag&t==&actId=%7Eq&actSource=1&reaid=JANE",
            ),
        ] {
            assert_eq!(merged(destination, click, true), (expected.to_owned(), 0), "{destination}");
        }
    }

    #[test]
    fn reserved_and_signed_names_stay_behind_and_are_counted() {
        let (location, dropped) =
            merged("https://shop.example/p?x=1", "x=2&%78=3&email=a&amp;EH=1&y=4&rsaReaid=z&reaid=q", true);
        assert_eq!(location, "https://shop.example/p?x=1&y=4&reaid=JANE");
        assert_eq!(dropped, 5);
    }

    #[test]
    fn bytes_that_no_header_may_hold_are_encoded() {
        let (location, _) = merged("https://shop.example/", "a=\r\nb&c=é&d= #", false);
        assert_eq!(location, "https://shop.example/?a=%0D%0Ab&c=%C3%A9&d=%20%23");
    }

    proptest! {
        #[test]
        fn merging_leaves_every_foreign_byte_alone(
            names in prop::collection::vec("[a-z%0-9._~!$'()*,;:@/?|^\"<>{}\\[\\]-]{1,6}(=[ -\"$-%'-~]{0,9})?", 0..6),
            path in "/[a-z0-9/]{0,9}", fragment in "(#[!-~]{0,9})?",
        ) {
            let foreign: Vec<_> = names.iter().map(|p| p.replace([' ', '&', '#'], "_"))
                .filter(|p| !reserved::is_reserved(p.split('=').next().unwrap().as_bytes()))
                .filter(|p| !p.is_empty()).collect();
            let destination = format!("https://shop.example{path}?signedname=1{}", fragment.replace('\\', "_"));
            let (location, dropped) = merged(&destination, &foreign.join("&"), true);
            let foreign: String = foreign.iter().map(|p| format!("&{p}")).collect();
            let expected = format!("https://shop.example{path}?signedname=1{foreign}&reaid=JANE{}", fragment.replace('\\', "_"));
            prop_assert_eq!((location, dropped), (expected, 0));
        }
    }
}
