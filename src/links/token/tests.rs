//! The published vectors, and everything that must not open.

use proptest::prelude::*;

use super::*;
use crate::identity::EmailAddress;
use crate::identity::tests::ring_of;

const CAMPAIGN_LINK: &str = "AQECAAEEMTIzNARkZW1vc2hvcC5leGFtcGxlL3A_eD0xJnk9JUMzJUE5I3RvcMcHcBJ7ZQkuHym88AvLnvg";
const PERSONAL_LINK: &str = "AQEGAAEEMTIzNARkZW1vc2hvcC5leGFtcGxlL3A_eD0xJnk9JUMzJUE5I3RvcOv1LH6sxIgEP2W4-khrS7-XSSqkTvJbp-xsJREAZ8L6FR9pUmJr5W_PQJFqBih5DQ_JXsCnpaIdPcyaCA";
const PIXEL: &str = "AQEBAAAEMTIzNARkZW1vZtxWmisVLw9fbeY5FEPUvA";

fn keys() -> LinkKeys {
    LinkKeys::derive(&ring_of(1))
}

fn account() -> Account {
    Account::parse("1234").unwrap()
}

fn demo() -> Campaign {
    Campaign::parse("demo").unwrap()
}

fn destination() -> Destination {
    Destination::parse("https://shop.example/p?x=1&y=%C3%A9#top").unwrap()
}

fn jane() -> Digest {
    EmailAddress::parse("jane.doe@example.org").unwrap().digest()
}

#[test]
fn the_published_vectors_hold() {
    let sign = |recipient| keys().sign_link(&destination(), 1, &account(), &demo(), recipient);
    assert_eq!(sign(Recipient::Anyone), CAMPAIGN_LINK);
    assert_eq!(sign(Recipient::Person(jane())), PERSONAL_LINK);
    assert_eq!(keys().sign_pixel(0, &account(), &demo()), PIXEL);
}

#[test]
fn what_was_signed_opens() {
    let link = keys().open(CAMPAIGN_LINK.as_bytes()).unwrap();
    assert_eq!(link.target, Target::Link(destination().as_str().to_owned()));
    assert_eq!((link.number, link.account, link.campaign), (1, account(), demo()));
    assert_eq!(keys().open(PERSONAL_LINK.as_bytes()).unwrap().recipient, Recipient::Person(jane()));
    assert_eq!(keys().open(PIXEL.as_bytes()).unwrap().target, Target::Pixel);
}

#[test]
fn another_key_on_the_ring_opens_what_an_older_one_signed() {
    let rotated = LinkKeys::derive(&ring_of(2));
    assert_eq!(rotated.open(CAMPAIGN_LINK.as_bytes()).unwrap().key, KeyId::FIRST);
}

#[test]
fn what_a_mail_program_adds_does_no_harm() {
    for tail in [")", ".", ">", "=", "=3D", "%20", ".gif", "\"", " "] {
        assert!(keys().open(format!("{CAMPAIGN_LINK}{tail}").as_bytes()).is_ok(), "{tail}");
    }
}

#[test]
fn each_fault_has_its_name() {
    let raw = URL_SAFE_NO_PAD.decode(CAMPAIGN_LINK).unwrap();
    let with = |at: usize, byte: u8| {
        let mut raw = raw.clone();
        raw[at] = byte;
        keys().open(URL_SAFE_NO_PAD.encode(raw).as_bytes()).unwrap_err()
    };
    assert_eq!(with(0, 2), OpenError::Version(2));
    assert_eq!(with(1, 9), OpenError::UnknownKey(9));
    assert_eq!(with(1, 0), OpenError::UnknownKey(0));
    assert_eq!(with(2, 8 | 2), OpenError::Flags(10));
    assert_eq!(with(2, 5), OpenError::Flags(5));
    assert_eq!(with(2, 3), OpenError::Flags(3));
    assert_eq!(with(9, b'x'), OpenError::Forged);
    for cut in ["", "A", "AQ", "AQEC", &CAMPAIGN_LINK[..40], &"A".repeat(9999)] {
        assert!(keys().open(cut.as_bytes()).is_err(), "{cut}");
    }
    // The last character of the pixel's token has bits to spare: only one spelling is canonical.
    assert_eq!(keys().open(PIXEL.replace("vA", "vB").as_bytes()), Err(OpenError::Malformed));
}

#[test]
fn the_longest_token_opens() {
    let account = Account::parse("12345").unwrap();
    let campaign = Campaign::parse(&"c".repeat(64)).unwrap();
    let longest = format!("https://shop.example/{}", "a".repeat(2035));
    let destination = Destination::parse(&longest).unwrap();
    let token = keys().sign_link(&destination, u16::MAX, &account, &campaign, Recipient::Person(jane()));
    assert_eq!(keys().open(token.as_bytes()).unwrap().target, Target::Link(longest));
}

proptest! {
    #[test]
    fn opening_never_accepts_a_flipped_bit(which in 0..3usize, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let token = [CAMPAIGN_LINK, PERSONAL_LINK, PIXEL][which];
        let mut raw = URL_SAFE_NO_PAD.decode(token).unwrap();
        let at = at.index(raw.len());
        raw[at] ^= 1 << bit;
        prop_assert!(keys().open(URL_SAFE_NO_PAD.encode(raw).as_bytes()).is_err());
    }

    #[test]
    fn opening_never_accepts_a_cut_or_an_extension(which in 0..3usize, len in any::<prop::sample::Index>(), more in "[A-Za-z0-9_-]{1,9}") {
        let token = [CAMPAIGN_LINK, PERSONAL_LINK, PIXEL][which];
        prop_assert!(keys().open(&token.as_bytes()[..len.index(token.len())]).is_err());
        let extended = format!("{token}{more}");
        prop_assert!(keys().open(extended.as_bytes()).is_err());
    }

    #[test]
    fn a_signed_link_opens_to_itself(path in "/[!-~&&[^\\\\]]{0,60}", number: u16, personal: bool, http: bool) {
        let destination = Destination::parse(&format!("http{}://shop.example{path}", if http { "" } else { "s" })).unwrap();
        let recipient = if personal { Recipient::Person(jane()) } else { Recipient::Anyone };
        let token = keys().sign_link(&destination, number, &account(), &demo(), recipient);
        let opened = keys().open(token.as_bytes()).unwrap();
        prop_assert_eq!(opened.target, Target::Link(destination.without_reserved().as_str().to_owned()));
        prop_assert_eq!((opened.number, opened.recipient), (number, recipient));
    }
}
