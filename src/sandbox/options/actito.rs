//! Options of Actito's licence: limits, rights, generations of the API, imports, webhooks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;
use super::wire::{EmptyField, FileCheck, PayloadVersion};

/// Most attempts of a push: beyond it a test would wait for ever.
const MAX_ATTEMPTS: u32 = 20;

/// Actito's limits, each with its documented value as the default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls a minute at full speed; beyond, answers are slowed.
    pub calls_per_minute: usize,
    /// Calls at once; beyond, 429.
    pub concurrent: usize,
    /// Imports per table and day; beyond, 429. Some contracts have 24.
    pub imports_per_day: u64,
    /// How long after midnight UTC the day of the imports begins (assumed: at midnight).
    #[serde(deserialize_with = "duration")]
    pub day_starts: Duration,
    /// Whether an import that was answered 400 counts among the day's (assumed: no).
    pub refused_imports_count: bool,
    /// Seconds for a `Retry-After` on a 429 for too many calls at once; none is documented.
    pub concurrent_retry_after: Option<u64>,
    /// Seconds for a `Retry-After` on a 429 for the day's imports; none is documented.
    pub quota_retry_after: Option<u64>,
    /// How long a token is good for.
    #[serde(deserialize_with = "duration")]
    pub token_lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_per_minute: 100,
            concurrent: 5,
            imports_per_day: 12,
            day_starts: Duration::ZERO,
            refused_imports_count: false,
            concurrent_retry_after: None,
            quota_retry_after: None,
            token_lifetime: Duration::from_secs(900),
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.calls_per_minute == 0 || self.concurrent == 0 || self.token_lifetime.is_zero() {
            return Err("calls_per_minute, concurrent and token_lifetime must be above zero".into());
        }
        if self.day_starts >= Duration::from_secs(24 * 3600) {
            return Err("day_starts must be less than 24h".into());
        }
        Ok(())
    }
}

/// Parts of Actito's API that exist or are gone on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// V4 one-by-one calls on profiles.
    V4Profiles,
    /// V4 mass imports.
    V4Imports,
    /// V4 webhook subscriptions.
    V4Webhooks,
    /// V5 reading of profiles, one and the list.
    V5Profiles,
    /// V5 writing of profiles.
    V5Writes,
    /// V5 one-shot ETL.
    V5Imports,
    /// Every URL without a category before its version.
    PlainUrls,
}

/// A part of the API that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    /// Which part.
    pub api: Api,
    /// What its calls get: 404 or 410.
    #[serde(default = "not_found")]
    pub status: u16,
    /// How long after the start of the sandbox, in its own time.
    #[serde(default, deserialize_with = "duration")]
    pub after: Duration,
}

fn not_found() -> u16 {
    404
}

impl Gone {
    /// Gone from the start, with 404.
    pub fn now(api: Api) -> Self {
        Self { api, status: not_found(), after: Duration::ZERO }
    }
}

/// What an API key can be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Read profiles.
    ReadProfiles,
    /// Write, create and delete profiles one by one.
    WriteProfiles,
    /// Start imports and look at them.
    Imports,
    /// Manage webhook subscriptions.
    Webhooks,
    /// Read the structure of profile tables.
    Structure,
}

/// How mass imports go.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportOptions {
    /// How long an import takes, in sandbox time (assumed).
    #[serde(deserialize_with = "duration")]
    pub takes: Duration,
    /// The status of an import that is not over (not known).
    pub word_running: String,
    /// The V4 status of an import whose rows were all taken (not known).
    pub word_finished: String,
    /// The V4 status of an import with rejected rows (not known).
    pub word_with_error: String,
    /// Largest zip: documented as 100 MB.
    pub max_zip_bytes: u64,
    /// Largest CSV: the same 100 MB, which the documentation may mean zipped or not.
    pub max_csv_bytes: u64,
    /// When a file is looked at (assumed: before the call is answered).
    pub check: FileCheck,
    /// What an empty field does (assumed: it empties the attribute).
    pub empty_field: EmptyField,
    /// The field of the parameters with the addresses that get the report; its name is not known.
    pub report_field: String,
    /// Whether V5 takes a CSV that is not zipped, too. The documentation says "a CSV file" there.
    pub v5_bare_csv: bool,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            takes: Duration::from_secs(30),
            word_running: "RUNNING".into(),
            word_finished: "FINISHED".into(),
            word_with_error: "WITH_ERROR".into(),
            max_zip_bytes: 100_000_000,
            max_csv_bytes: 100_000_000,
            check: FileCheck::BeforeAnswer,
            empty_field: EmptyField::Empties,
            report_field: "reportRecipients".into(),
            v5_bare_csv: true,
        }
    }
}

/// How pushes go.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookOptions {
    /// Shape of the pushed body.
    pub payload: PayloadVersion,
    /// How often a push is tried before it is given up (not known).
    pub attempts: u32,
    /// How long after a failed attempt the next one comes, in sandbox time (not known).
    #[serde(deserialize_with = "duration")]
    pub retry_after: Duration,
    /// How long an answer may take, in real time (not known).
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// Whether rows of imports are pushed, too (assumed).
    pub on_imports: bool,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            payload: PayloadVersion::V1,
            attempts: 3,
            retry_after: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            on_imports: true,
        }
    }
}

impl WebhookOptions {
    pub(super) fn check(&self) -> Result<(), String> {
        if (1..=MAX_ATTEMPTS).contains(&self.attempts) {
            return Ok(());
        }
        Err(format!("webhooks.attempts must be 1 to {MAX_ATTEMPTS}, not {}", self.attempts))
    }
}
