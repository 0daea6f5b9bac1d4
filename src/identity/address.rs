//! An e-mail address in its one normal form, and its digest.

use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{CodePointMapData, props::GeneralCategory};
use ring::digest;

/// The longest normalised address, in bytes (RFC 5321 leaves 254 for the path without brackets).
const MAX_LEN: usize = 254;

/// A normalised e-mail address: NFC, lower case, domain in ASCII.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

/// What is wrong with an address. Never repeats the address itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing but white space.
    #[error("expected an e-mail address, found nothing")]
    Empty,
    /// None, or more than one.
    #[error("expected exactly one `@`, found {0}")]
    AtSigns(usize),
    /// Nothing before the `@`.
    #[error("expected something before the `@`, found nothing")]
    NoLocalPart,
    /// Nothing after the `@`.
    #[error("expected a domain after the `@`, found nothing")]
    NoDomain,
    /// A space, a control character or an invisible one.
    #[error("expected no white space, control or format characters, found U+{0:04X}")]
    ForbiddenCharacter(u32),
    /// `jane@[192.0.2.1]`.
    #[error("expected a domain name after the `@`, found a domain literal")]
    DomainLiteral,
    /// `jane@example.org.`
    #[error("expected a domain without a trailing dot")]
    TrailingDot,
    /// The domain has no ASCII form under UTS 46.
    #[error("expected a domain name that is valid under UTS 46")]
    InvalidDomain,
    /// Longer than 254 bytes.
    #[error("expected at most {MAX_LEN} bytes after normalising, found {0}")]
    TooLong(usize),
}

impl EmailAddress {
    /// Normalises `written`: trims, NFC, lower case, NFC, domain to ASCII (UTS 46, non-transitional).
    ///
    /// # Errors
    /// Says what keeps `written` from being an address.
    pub fn parse(written: &str) -> Result<Self, AddressError> {
        let trimmed = written.trim();
        if trimmed.is_empty() {
            return Err(AddressError::Empty);
        }
        let nfc = ComposingNormalizerBorrowed::new_nfc();
        let lower = nfc.normalize(&nfc.normalize(trimmed).to_lowercase()).into_owned();
        let (local, domain) = split(&lower)?;
        let domain = ascii_domain(domain)?;
        let address = format!("{local}@{domain}");
        split(&address)?;
        if address.len() > MAX_LEN {
            return Err(AddressError::TooLong(address.len()));
        }
        Ok(Self(address))
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest that stands for this address in the systems that exchange hashed e-mail addresses.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

/// The two sides of the one `@`, with no character in them that could hide or break anything.
fn split(address: &str) -> Result<(&str, &str), AddressError> {
    if let Some(c) = address.chars().find(|&c| is_forbidden(c)) {
        return Err(AddressError::ForbiddenCharacter(u32::from(c)));
    }
    let Some((local, domain)) = address.split_once('@') else {
        return Err(AddressError::AtSigns(0));
    };
    match domain.matches('@').count() {
        0 if local.is_empty() => Err(AddressError::NoLocalPart),
        0 if domain.is_empty() => Err(AddressError::NoDomain),
        0 => Ok((local, domain)),
        more => Err(AddressError::AtSigns(1 + more)),
    }
}

fn is_forbidden(c: char) -> bool {
    c.is_whitespace() || c.is_control() || CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
}

fn ascii_domain(domain: &str) -> Result<String, AddressError> {
    if domain.starts_with('[') {
        return Err(AddressError::DomainLiteral);
    }
    let ascii = idna::domain_to_ascii(domain).map_err(|_| AddressError::InvalidDomain)?;
    // Mapping may have made a bracket of a full-width one.
    if ascii.starts_with('[') {
        return Err(AddressError::DomainLiteral);
    }
    if ascii.ends_with('.') {
        return Err(AddressError::TrailingDot);
    }
    Ok(ascii)
}

/// A text that is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct DigestError;

/// SHA-256 of a normalised address: 32 bytes, shown as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    fn of(normalised: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, normalised).as_ref());
        Self(bytes)
    }

    /// A digest that was computed before.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A digest as other systems write it: 64 hexadecimal digits, in either case.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse_hex(text: &str) -> Result<Self, DigestError> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return Err(DigestError);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |at: usize| (pair[at] as char).to_digit(16).ok_or(DigestError);
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(written: &str) -> Result<String, AddressError> {
        EmailAddress::parse(written).map(|address| address.as_str().to_owned())
    }

    #[test]
    fn case_space_and_unicode_forms_fold_to_one_address() {
        assert_eq!(normal(" Jane.Doe@Example.ORG "), Ok("jane.doe@example.org".into()));
        assert_eq!(normal("ju\u{308}rgen@BÜCHER.example"), Ok("jürgen@xn--bcher-kva.example".into()));
        assert_eq!(normal("jürgen@xn--bcher-kva.example"), normal("jürgen@bücher.example"));
        assert_eq!(normal("a@straße.example"), Ok("a@xn--strae-oqa.example".into()));
    }

    #[test]
    fn dots_and_plus_signs_stay() {
        assert_eq!(normal("Jane.Doe+news@example.org"), Ok("jane.doe+news@example.org".into()));
    }

    #[test]
    fn each_fault_is_named() {
        for (written, error) in [
            ("  ", AddressError::Empty),
            ("jane", AddressError::AtSigns(0)),
            ("a@b@c", AddressError::AtSigns(2)),
            ("@example.org", AddressError::NoLocalPart),
            ("jane@", AddressError::NoDomain),
            ("ja ne@example.org", AddressError::ForbiddenCharacter(0x20)),
            ("ja\u{0}ne@example.org", AddressError::ForbiddenCharacter(0)),
            ("jane@exam\u{200b}ple.org", AddressError::ForbiddenCharacter(0x200b)),
            ("jane@exam\u{ad}ple.org", AddressError::ForbiddenCharacter(0xad)),
            ("jane@[192.0.2.1]", AddressError::DomainLiteral),
            ("jane@\u{ff3b}192.0.2.1\u{ff3d}", AddressError::DomainLiteral),
            ("jane@example.org.", AddressError::TrailingDot),
            ("jane@example.org\u{3002}", AddressError::TrailingDot),
            ("jane@xn--a", AddressError::InvalidDomain),
            ("jane@a\u{ff20}b.example", AddressError::AtSigns(2)),
        ] {
            assert_eq!(normal(written), Err(error), "{written:?}");
        }
        let long = format!("{}@example.org", "a".repeat(243));
        assert_eq!(normal(&long), Err(AddressError::TooLong(255)));
        assert!(normal(&long[1..]).is_ok());
    }

    #[test]
    fn debug_shows_no_address() {
        let address = EmailAddress::parse("jane@example.org").unwrap();
        assert!(!format!("{address:?} {:?}", address.digest()).contains("jane"));
    }

    proptest! {
        #[test]
        fn normalising_twice_equals_once(written in "\\PC{0,40}@\\PC{1,40}") {
            if let Ok(once) = EmailAddress::parse(&written) {
                prop_assert_eq!(EmailAddress::parse(once.as_str()), Ok(once));
            }
        }
    }
}
