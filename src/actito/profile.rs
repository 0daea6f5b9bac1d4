//! What Actito tells us about a profile, in our own words.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id that Actito gives a profile: how we name people in URLs, logs and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProfileId(u64);

impl ProfileId {
    /// What Actito calls it, in attributes and in the header of a file.
    pub const ATTRIBUTE: &'static str = "profileId";

    /// No profile: Actito counts from 1.
    pub(super) const NOBODY: Self = Self(0);

    /// Reads an id as Actito spells it: decimal digits, within what a database integer holds.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let id = if digits { text.parse::<i64>().ok()? } else { return None };
        u64::try_from(id).ok().map(Self)
    }

    /// The id as the store keeps it.
    pub const fn to_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// An id that the store kept; `None` for what [`Self::to_i64`] never gave.
    pub fn from_i64(id: i64) -> Option<Self> {
        u64::try_from(id).ok().map(Self)
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// One profile, as far as a sync needs it. An attribute without a value is empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its id.
    pub id: ProfileId,
    /// The e-mail address, as written in Actito.
    pub address: String,
    /// What the REAID attribute holds.
    pub reaid: String,
}

impl fmt::Debug for Profile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Profile({}, …)", self.id)
    }
}

/// One page of the list of profiles.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// The profiles on it.
    pub profiles: Vec<Profile>,
    /// Items without a usable profile id: counted, because they cannot be named or written.
    pub unreadable: u64,
    /// How many profiles the table holds, when Actito says so.
    pub total: Option<u64>,
    /// Whether nothing follows.
    pub last: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_decimal_digits_are_a_profile_id() {
        assert_eq!(ProfileId::parse("812").map(ProfileId::to_i64), Some(812));
        for wrong in ["", "-1", "+1", "8 12", "9223372036854775808", "jane@example.org"] {
            assert_eq!(ProfileId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn debug_never_shows_the_address_or_the_reaid() {
        let profile = Profile {
            id: ProfileId(812),
            address: "jane@example.org".into(),
            reaid: "AVCX2Xn3aHNLYEVZLOeLQLnM".into(),
        };
        assert_eq!(format!("{profile:?}"), "Profile(812, …)");
    }
}
