//! What a sandbox can be told at its start, by code or by a TOML file. Whatever Actito does not document
//! is an option here, with our assumption as its default, so that a client can be held to either side.

mod actito;
mod wire;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use actito::{Api, Gone, ImportOptions, Limits, Right, WebhookOptions};
pub use wire::{EmptyField, FileCheck, ItemShape, PayloadVersion, V5Write, WireOptions};

/// Most profiles a sandbox seeds or holds: about 200 MB, the largest licence that we promise.
pub(in crate::sandbox) const MAX_PROFILES: usize = 1_100_000;
/// Fastest time: at this speed a token lives for 9 ms, less than a round trip under load.
const MAX_SPEED: u32 = 100_000;
/// Longest value that an attribute can be made to take, in characters: rows stay small.
const MAX_VALUE: usize = 4_000;

/// The sandbox's address, size, time, the names that clients must use, and everything assumed.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
    /// Whether Actito keeps a second profile from taking an address (assumed). When not, the address is
    /// no key either: only the profileId is.
    pub unique_addresses: bool,
    /// Attribute that takes the REAID.
    pub reaid_attribute: String,
    /// Longest value that the REAID attribute takes, in characters.
    pub reaid_max_length: usize,
    /// The API key that the CDP accepts.
    pub cdp_key: String,
    /// The folder in which Actito looks for files of targets; none: nowhere.
    pub drop: Option<PathBuf>,
    /// How long a file that was picked up may be used.
    #[serde(deserialize_with = "duration")]
    pub target_validity: Duration,
    /// Raptor account to which the shop's own page sends its pageviews: 4 or 5 digits.
    pub account: String,
    /// Actito's limits.
    pub limits: Limits,
    /// Parts of Actito's API that are gone, or will be.
    pub gone: Vec<Gone>,
    /// What the API key may not do.
    pub rights_missing: Vec<Right>,
    /// Mass imports.
    pub imports: ImportOptions,
    /// Pushes.
    pub webhooks: WebhookOptions,
    /// Shapes that are not documented.
    pub wire: WireOptions,
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
            unique_addresses: true,
            reaid_attribute: "reaid".into(),
            reaid_max_length: 255,
            cdp_key: "sandbox-cdp-key".into(),
            drop: None,
            target_validity: Duration::from_secs(48 * 3600),
            account: "1234".into(),
            limits: Limits::default(),
            gone: Vec::new(),
            rights_missing: Vec::new(),
            imports: ImportOptions::default(),
            webhooks: WebhookOptions::default(),
            wire: WireOptions::default(),
        }
    }
}

impl Options {
    /// The options as a TOML file writes them; what it leaves out keeps its default.
    ///
    /// # Errors
    /// No TOML, an unknown key, or a value of the wrong kind.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Says what is wrong, if anything is.
    pub(in crate::sandbox) fn check(&self) -> Result<(), String> {
        if !(1..=MAX_SPEED).contains(&self.speed) {
            return Err(format!("speed must be 1 to {MAX_SPEED}, not {}", self.speed));
        }
        if self.profiles > MAX_PROFILES {
            return Err(format!("at most {MAX_PROFILES} profiles, not {}", self.profiles));
        }
        if !(1..=MAX_VALUE).contains(&self.reaid_max_length) {
            return Err(format!("reaid_max_length must be 1 to {MAX_VALUE}, not {}", self.reaid_max_length));
        }
        if !is_account(&self.account) {
            return Err(format!("account must be 4 or 5 digits, not {:?}", self.account));
        }
        if let Some(gone) = self.gone.iter().find(|gone| !(400..=599).contains(&gone.status)) {
            return Err(format!("what is gone answers a status from 400 to 599, not {}", gone.status));
        }
        self.limits.check()?;
        self.webhooks.check()?;
        self.wire.check()
    }
}

/// Whether `text` is a Raptor customer id: 4 or 5 digits.
pub(in crate::sandbox) fn is_account(text: &str) -> bool {
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

/// Durations in files are text: `"30s"`, `"12h"`.
fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<std::time::Duration, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text).map_err(|error| serde::de::Error::custom(format!("{text:?}: {error}")))
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
        assert!(
            Options { limits: Limits { concurrent: 0, ..Limits::default() }, ..Options::default() }.check().is_err()
        );
    }

    #[test]
    fn the_api_key_is_not_shown() {
        assert!(!format!("{:?}", Options::default()).contains("sandbox-key"));
    }

    #[test]
    fn a_file_sets_what_it_names_and_nothing_else() {
        let options = Options::from_toml(
            "profiles = 7\nrights_missing = [\"imports\"]\n\
             gone = [{ api = \"v4_imports\", status = 410, after = \"2h\" }]\n\
             [imports]\ntakes = \"90s\"\n[limits]\nimports_per_day = 24\n[wire]\nv5_write = \"put\"\n",
        )
        .unwrap();
        assert_eq!((options.profiles, options.limits.imports_per_day, options.limits.concurrent), (7, 24, 5));
        assert_eq!(options.gone, [Gone { api: Api::V4Imports, status: 410, after: Duration::from_secs(7200) }]);
        assert_eq!((options.imports.takes, options.wire.v5_write), (Duration::from_secs(90), V5Write::Put));
        assert_eq!(options.rights_missing, [Right::Imports]);
        assert!(Options::from_toml("profile = 7").is_err());
    }
}
