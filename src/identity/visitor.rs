//! The ids under which Raptor knows a person who came by a click: visitor (coid) and session (sid). And
//! the hash by which people are counted.
//!
//! Visitors are keyed per account, so that two shops cannot join them.

use std::fmt;

use ring::hmac;

/// Seconds in a session: clicks of one half hour share a session id.
const SESSION_SECS: u64 = 1800;

/// A visitor id and a session id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VisitorIds {
    /// The visitor id.
    pub coid: Guid,
    /// The session id.
    pub sid: Guid,
}

impl VisitorIds {
    /// coid = `GUID(HMAC(key, account ‖ 0x00 ‖ REAID)[0..16])`,
    /// sid = `GUID(HMAC(key, "sid" ‖ 0x00 ‖ coid as text ‖ u64 BE half hours since the epoch)[0..16])`.
    pub(super) fn derive(key: &hmac::Key, account: &str, reaid: &str, unix_secs: u64) -> Self {
        let coid = mac(key, &[account.as_bytes(), &[0], reaid.as_bytes()]);
        let half_hours = (unix_secs / SESSION_SECS).to_be_bytes();
        let sid = mac(key, &[b"sid\0", coid.to_string().as_bytes(), &half_hours]);
        Self { coid, sid }
    }

    /// The ids of somebody unknown: both are the id of the one event they are for.
    pub fn of_event(event_id: [u8; 16]) -> Self {
        Self { coid: Guid(event_id), sid: Guid(event_id) }
    }
}

impl fmt::Debug for VisitorIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VisitorIds(…)")
    }
}

/// 16 bytes, shown as upper-case 8-4-4-4-12, without version bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Guid([u8; 16]);

impl Guid {
    /// Reads 8-4-4-4-12 hex digits of either case; None for anything else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        let (mut out, mut digits) = ([0; 16], 0);
        for (at, &byte) in text.iter().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16)? as u8;
            out[digits / 2] = out[digits / 2] << 4 | digit;
            digits += 1;
        }
        Some(Self(out))
    }

    /// The GUID of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guid(…)")
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        let part = |from: u32, digits: u32| (number >> from) & ((1 << (4 * digits)) - 1);
        let [a, b, c, d, e] = [part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12)].map(|it| it as u64);
        write!(f, "{a:08X}-{b:04X}-{c:04X}-{d:04X}-{e:012X}")
    }
}

/// `HMAC(key, "people" ‖ 0x00 ‖ REAID)[0..8]`, big endian: the same in all accounts of a scope, so that
/// what they count can be put together.
pub(super) fn person(key: &hmac::Key, reaid: &str) -> u64 {
    let Guid([a, b, c, d, e, f, g, h, ..]) = mac(key, &[b"people\0", reaid.as_bytes()]);
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> Guid {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 16];
    out.copy_from_slice(&context.sign().as_ref()[..16]);
    Guid(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{EmailAddress, Identities, keyring::tests::ring_of};

    #[test]
    fn the_published_vectors_hold() {
        let shop = Identities::derive(&ring_of(1), "shop");
        let jane = shop.mint(&EmailAddress::parse("jane.doe@example.org").unwrap().digest());
        let ids = shop.visitor("1234", jane.as_str(), 1_796_000_000).unwrap();
        assert_eq!(ids.coid.to_string(), "B784D44F-BAB1-EF17-BF97-31B7005ECC59");
        assert_eq!(ids.sid.to_string(), "68439CC2-F9BE-84BC-24E5-A7AB3BA6C14B");
        assert_eq!(shop.person(jane.as_str()), Some(0xd186_a35b_b82a_b44d));
        assert_eq!(shop.person("not a REAID"), None);
    }

    #[test]
    fn a_guid_reads_back_and_nothing_else_does() {
        let written = "B784D44F-BAB1-EF17-BF97-31B7005ECC59";
        for text in [written, &written.to_lowercase()] {
            assert_eq!(Guid::parse(text.as_bytes()).unwrap().to_string(), written);
        }
        let wrong: [&[u8]; 7] = [
            b"",
            b"B784D44FBAB1EF17BF9731B7005ECC59",
            b"B784D44F-BAB1-EF17-BF97-31B7005ECC5",
            b"B784D44F-BAB1-EF17-BF97-31B7005ECC5G",
            b"B784D44F-BAB1-EF17-BF97-31B7005ECC590",
            b"B784D44FB-AB1-EF17-BF97-31B7005ECC59",
            b"B784D44F-BAB1-EF17-BF97-31B7005ECC\xc3\xa9",
        ];
        for text in wrong {
            assert!(Guid::parse(text).is_none(), "{text:?}");
        }
    }
}
