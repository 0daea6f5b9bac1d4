//! What a sandbox can be told at its start.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

/// Most profiles a sandbox seeds or holds: about 300 MB, and more than any test of ours needs.
pub(super) const MAX_PROFILES: usize = 1_000_000;
/// Fastest time: at this speed a token lives for 9 ms, less than a round trip under load.
const MAX_SPEED: u32 = 100_000;

/// The sandbox's address, size, time and the names that clients must use.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// How many times faster than ours the sandbox's time runs, at least 1.
    pub speed: u32,
    /// How many profiles to seed.
    pub profiles: usize,
    /// Actito's entity.
    pub entity: String,
    /// Name of the profile table (V4 URLs).
    pub profile_table: String,
    /// Id of the profile table (V5 URLs).
    pub profile_table_id: String,
    /// The API key that `/auth/token` accepts.
    pub api_key: String,
    /// Attribute that holds the address.
    pub email_attribute: String,
    /// Attribute that takes the REAID.
    pub reaid_attribute: String,
    /// Longest value that the REAID attribute takes, in characters.
    pub reaid_max_length: usize,
    /// Raptor account to which the shop's own page sends its pageviews: 4 or 5 digits.
    pub account: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            speed: 1,
            profiles: 60,
            entity: "shop".into(),
            profile_table: "Customers".into(),
            profile_table_id: "31".into(),
            api_key: "sandbox-key".into(),
            email_attribute: "emailAddress".into(),
            reaid_attribute: "reaid".into(),
            reaid_max_length: 255,
            account: "1234".into(),
        }
    }
}

impl Options {
    /// Says what is wrong, if anything is.
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=MAX_SPEED).contains(&self.speed) {
            return Err(format!("speed must be 1 to {MAX_SPEED}, not {}", self.speed));
        }
        if self.profiles > MAX_PROFILES {
            return Err(format!("at most {MAX_PROFILES} profiles, not {}", self.profiles));
        }
        if !is_account(&self.account) {
            return Err(format!("account must be 4 or 5 digits, not {:?}", self.account));
        }
        Ok(())
    }
}

/// Whether `text` is a Raptor customer id: 4 or 5 digits.
pub(super) fn is_account(text: &str) -> bool {
    (4..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("speed", &self.speed)
            .field("profiles", &self.profiles)
            .field("entity", &self.entity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range_and_nonsense_is_not() {
        assert_eq!(Options::default().check(), Ok(()));
        assert!(Options { speed: 0, ..Options::default() }.check().is_err());
        assert!(Options { profiles: MAX_PROFILES + 1, ..Options::default() }.check().is_err());
        assert!(Options { account: "12a4".into(), ..Options::default() }.check().is_err());
    }

    #[test]
    fn the_api_key_is_not_shown() {
        assert!(!format!("{:?}", Options::default()).contains("sandbox-key"));
    }
}
