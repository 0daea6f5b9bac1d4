//! Finding the REAID among the parameters of a click URL, whatever a mail program did to them.

use super::{parameters, reserved};
use crate::identity::{Reaid, base64url_len, is_base64url};

/// At most so many parameters named `reaid` are tried: each costs an HMAC, and a client writes them.
const MAX_TRIED: usize = 4;

/// What the openings of merge fields look like, on any e-mail platform.
const MERGE_FIELD_OPENINGS: [&[u8]; 6] = [b"${", b"{{", b"%%", b"[[", b"*|", b"<%"];

/// What the parameters of a click URL say about who clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A REAID that its check holds for.
    Valid(Reaid),
    /// No parameter `reaid`, or an empty one.
    Missing,
    /// The e-mail platform did not replace the merge field.
    MergeField,
    /// Something that is no REAID of this scope.
    CheckFailed,
}

/// The parameters named `reaid` in one query.
#[derive(Clone, Copy)]
pub struct Candidates<'a>(&'a [u8]);

impl<'a> Candidates<'a> {
    /// Looks into the query of a click URL.
    pub fn of_query(query: &'a [u8]) -> Self {
        Self(query)
    }

    /// The first candidate that passes `check`, else the most telling reason why there is none.
    pub fn resolve(self, check: impl Fn(&[u8]) -> Option<Reaid>) -> Claim {
        let mut claim = Claim::Missing;
        let named = parameters(self.0).filter(|parameter| reserved::is_named(parameter.name, reserved::REAID));
        for parameter in named.take(MAX_TRIED) {
            let value = reserved::decode(parameter.value);
            if let Some(reaid) = token_in(&value).and_then(&check) {
                return Claim::Valid(reaid);
            }
            claim = match claim {
                Claim::CheckFailed => Claim::CheckFailed,
                _ if is_merge_field(&value) => Claim::MergeField,
                _ if value.is_empty() => claim,
                _ => Claim::CheckFailed,
            };
        }
        claim
    }
}

/// The 24 characters that end the value or meet a byte outside the alphabet, after leading noise and
/// one `3D` (quoted-printable's `=`). No REAID begins with `3D`: its key id would be 220.
fn token_in(value: &[u8]) -> Option<&[u8]> {
    let start = value.iter().position(|&byte| is_base64url(byte))?;
    let value = &value[start..];
    let value = value.strip_prefix(b"3D").unwrap_or(value);
    let end = base64url_len(value);
    (end == Reaid::LEN).then_some(&value[..end])
}

fn is_merge_field(value: &[u8]) -> bool {
    MERGE_FIELD_OPENINGS.iter().any(|opening| memchr::memmem::find(value, opening).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{EmailAddress, Identities, Keyring, Secret};

    fn shop() -> Identities {
        let ring = Keyring::init(
            Secret::from_bytes(std::array::from_fn(|i| i as u8)),
            Secret::from_bytes([0; 32]),
            crate::clock::Timestamp::from_secs(0),
        );
        Identities::derive(&ring, "shop")
    }

    fn claim(query: &str) -> Claim {
        let shop = shop();
        Candidates::of_query(query.as_bytes()).resolve(|text| shop.verify(text).ok())
    }

    const JANE: &str = "AVCX2Xn3aHNLYEVZLOeLQLnM";

    #[test]
    fn mangled_parameters_still_identify() {
        let jane = shop().mint(&EmailAddress::parse("jane.doe@example.org").unwrap().digest());
        assert_eq!(jane.as_str(), JANE);
        for query in [
            "reaid=JANE",
            "REAID=JANE",
            "a=1&amp;reaid=JANE",
            "amp;amp;reaid=JANE&x=y",
            "reaid=3DJANE",
            "reaid==3DJANE",
            "reaid=%20JANE",
            "reaid=JANE)",
            "reaid=JANE%3E",
            "reaid=JANE=",
            "reaid=%22JANE%22",
            "reaid=%41VCX2Xn3aHNLYEVZLOeLQLnM",
            "reaid=${reaid}&reaid=JANE",
            "reaid=x&reaid=y&reaid=z&reaid=JANE",
        ] {
            assert_eq!(claim(&query.replace("JANE", JANE)), Claim::Valid(jane), "{query}");
        }
    }

    #[test]
    fn the_reason_for_no_identity_is_told_apart() {
        for (query, expected) in [
            ("", Claim::Missing),
            ("x=reaid", Claim::Missing),
            ("reaid=", Claim::Missing),
            ("reaid", Claim::Missing),
            ("reaid=${reaid}", Claim::MergeField),
            ("reaid=%24%7Breaid%7D", Claim::MergeField),
            ("reaid={{reaid}}", Claim::MergeField),
            ("reaid=*|REAID|*", Claim::MergeField),
            ("reaid=AVCX2Xn3aHNLYEVZLOeLQLnN", Claim::CheckFailed),
            ("reaid=AVCX2Xn3aHNLYEVZLOeLQLnMA", Claim::CheckFailed),
            ("reaid=AVCX2Xn3aHNLYEVZLOeL", Claim::CheckFailed),
            ("reaid=jane.doe@example.org", Claim::CheckFailed),
            ("reaid=jane.doe%40example.org&reaid=${reaid}", Claim::CheckFailed),
        ] {
            assert_eq!(claim(query), expected, "{query}");
        }
    }

    #[test]
    fn no_more_than_four_are_tried() {
        let query = format!("reaid=1&reaid=2&reaid=3&reaid=4&reaid={JANE}");
        assert_eq!(claim(&query), Claim::CheckFailed);
    }
}
