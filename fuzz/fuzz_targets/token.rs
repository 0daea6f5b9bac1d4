//! Link tokens. The first byte says what the rest is: text to open (`o`), fields that a key holder
//! signs as they are (`m` with a MAC, `p` with a sealed recipient), or fields to sign properly (`s`).
//!
//! What is checked: a token opens only if signing its fields again gives the same bytes; what was
//! signed opens to itself, and with one bit flipped it opens to nothing.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use reaid::identity::{Digest, is_base64url};
use reaid::links::{Account, Campaign, Destination, LinkKeys, Opened, Recipient, Target};
use reaid_fuzz::{LINKS, OLDER_LINKS, SECRETS};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;

const FLAG_PIXEL: u8 = 1;
const FLAG_HTTPS: u8 = 2;
const FLAG_PERSONAL: u8 = 4;

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((b'o', text)) => open_text(text),
        Some((b'm', fields)) => open_fields(fields, false),
        Some((b'p', fields)) => open_fields(fields, true),
        Some((b's', fields)) => sign_and_open(fields),
        _ => {}
    }
});

/// Nobody but us makes tokens that open.
fn open_text(text: &[u8]) {
    let Ok(opened) = LINKS.open(text) else { return };
    let end = text.iter().position(|byte| !is_base64url(*byte)).unwrap_or(text.len());
    let again = sign_again(&opened).expect("what opens was signed from a destination");
    assert_eq!(again.as_bytes(), &text[..end]);
}

/// Behind a signature that fits may stand anything that a key holder of another version wrote.
fn open_fields(fields: &[u8], personal: bool) {
    let token = if personal { seal(fields) } else { mac(fields) };
    let Ok(opened) = LINKS.open(token.as_bytes()) else { return };
    let (version, key, flags) = (fields[0], fields[1], fields[2]);
    assert_eq!((version, key), (1, opened.key.get()));
    assert_eq!(flags & FLAG_PERSONAL != 0, opened.recipient != Recipient::Anyone);
    assert_eq!(flags & FLAG_PIXEL != 0, opened.target == Target::Pixel);
    let Some(again) = sign_again(&opened) else { return };
    let canonical = match &opened.target {
        Target::Pixel => true,
        // A key holder could leave `https://` in; we never do.
        Target::Link(url) => (flags & FLAG_HTTPS != 0) == url.starts_with("https://"),
    };
    if canonical {
        assert_eq!(again, token);
    }
    let once_more = LINKS.open(again.as_bytes()).expect("what was signed opens");
    assert_eq!(once_more, opened);
}

/// Lines: account, campaign, URL, and with a fourth line it is personal.
fn sign_and_open(fields: &[u8]) {
    let Some(([high, low, flip], text)) = fields.split_first_chunk::<3>().map(|(head, text)| (*head, text)) else {
        return;
    };
    let mut lines = str::from_utf8(text).unwrap_or_default().split('\n');
    let account = lines.next().and_then(|account| Account::parse(account).ok());
    let campaign = lines.next().and_then(|campaign| Campaign::parse(campaign).ok());
    let destination = lines.next().and_then(|url| Destination::parse(url).ok());
    let (Some(account), Some(campaign), Some(destination)) = (account, campaign, destination) else { return };
    let number = u16::from_be_bytes([high, low]);
    let recipient = lines.next().map_or(Recipient::Anyone, |_| Recipient::Person(Digest::from_bytes([flip; 32])));
    let token = LINKS.sign_link(&destination, number, &account, &campaign, recipient);
    let opened = LINKS.open(token.as_bytes()).expect("what was signed opens");
    let Target::Link(url) = &opened.target else { panic!("a link became a pixel") };
    assert_eq!((opened.number, &opened.account, &opened.campaign), (number, &account, &campaign));
    assert_eq!(opened.recipient, recipient);
    assert_eq!(sign_again(&opened).as_ref(), Some(&token));
    let signed = url::Url::parse(url).expect("a URL");
    assert_eq!(signed.host_str(), Some(destination.host()));
    assert_eq!(LINKS.open(format!("{token})").as_bytes()).as_ref(), Ok(&opened));
    let mut raw = URL_SAFE_NO_PAD.decode(&token).expect("base64url");
    let at = usize::from(high) * usize::from(low) % raw.len();
    raw[at] ^= 1 << (flip % 8);
    assert!(LINKS.open(URL_SAFE_NO_PAD.encode(raw).as_bytes()).is_err(), "a flipped bit opened");
}

/// The same fields signed with the same key; None when they hold what we would not sign as it is.
fn sign_again(opened: &Opened) -> Option<String> {
    let keys: &LinkKeys = if opened.key.get() == 1 { &OLDER_LINKS } else { &LINKS };
    match &opened.target {
        Target::Pixel if opened.recipient == Recipient::Anyone => {
            Some(keys.sign_pixel(opened.number, &opened.account, &opened.campaign))
        }
        Target::Pixel => None,
        Target::Link(url) => {
            let destination = Destination::parse(url).ok().filter(|destination| destination.as_str() == url)?;
            let token =
                keys.sign_link(&destination, opened.number, &opened.account, &opened.campaign, opened.recipient);
            let signed_as_is = keys.open(token.as_bytes()).ok()?.target == opened.target;
            signed_as_is.then_some(token)
        }
    }
}

fn secret(fields: &[u8]) -> &'static reaid::identity::Secret {
    &SECRETS[usize::from(fields.get(1) != Some(&1))]
}

fn mac(fields: &[u8]) -> String {
    let mac = hmac::sign(&secret(fields).derive_hmac("link v1 mac", ""), fields);
    URL_SAFE_NO_PAD.encode([fields, &mac.as_ref()[..16]].concat())
}

fn seal(fields: &[u8]) -> String {
    let digest = [7; 32];
    let nonce_key = secret(fields).derive_hmac("link v1 nonce", "");
    let nonce = hmac::sign(&nonce_key, &[fields, &digest].concat());
    let nonce: [u8; 12] = nonce.as_ref()[..12].try_into().expect("12 bytes");
    let key = secret(fields).derive("link v1 seal", "");
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).expect("32 bytes"));
    let mut sealed = digest.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(fields), &mut sealed).expect("sealed");
    URL_SAFE_NO_PAD.encode([fields, &nonce, &sealed].concat())
}
