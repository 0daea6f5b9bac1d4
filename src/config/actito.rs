//! The Actito half of an integration, as used.

use std::time::Duration;

use url::Url;

use super::SecretSource;

/// The Actito half of an integration.
#[derive(Clone, Debug)]
pub struct Actito {
    /// Scheme and host, as in `https://api3.actito.com`.
    pub api_endpoint: Url,
    /// The entity's name.
    pub entity: String,
    /// The technical contact.
    pub email: String,
    /// The API key.
    pub api_key: SecretSource,
    /// The profile table's name (V4 URLs).
    pub profile_table: String,
    /// The profile table's id (V5 URLs).
    pub profile_table_id: String,
    /// The attribute that holds the e-mail address.
    pub email_attribute: String,
    /// The attribute that holds the REAID.
    pub reaid_attribute: String,
    /// Whether URLs carry a category before the version.
    pub url_style: UrlStyle,
    /// Which generation of the profile calls to use.
    pub profiles_api: ApiGeneration,
    /// Which generation of mass imports to use.
    pub import_api: ApiGeneration,
    /// Calls a minute, all kinds together.
    pub calls_per_minute: u32,
    /// Calls in flight at once.
    pub concurrency: usize,
    /// How long an answer may take, but for the file of an import.
    pub timeout: Duration,
    /// Mass imports a day and table.
    pub imports_per_day: u32,
    /// The licence, where its quotas are shared with integrations of other entities.
    pub licence: Option<String>,
    /// Whether the endpoint's name may resolve to a private address.
    pub allow_private: bool,
    /// What Actito does not document.
    pub assumed: Assumed,
}

/// What Actito does not document and we assume, so that a wrong assumption can be mended at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// Number of the first page of the list of profiles.
    pub list_first_page: u32,
    /// Profiles asked for at once.
    pub list_page_size: u32,
    /// How V5 writes a profile.
    pub v5_write: V5Write,
    /// Bytes that the CSV of a mass import may have, not compressed.
    pub import_max_size: u64,
    /// The part of an import that holds its file.
    pub import_file_part: String,
    /// The part of an import that holds its parameters.
    pub import_parameters_part: String,
    /// The parameter of an import that takes `email` as recipient of its report.
    pub import_report_field: Option<String>,
    /// What Actito calls an import that is done.
    pub import_done: Vec<String>,
    /// What Actito calls an import that ended without a result.
    pub import_failed: Vec<String>,
}

impl Default for Assumed {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            list_first_page: 0,
            list_page_size: 500,
            v5_write: V5Write::Patch,
            // Actito refuses 100 MB; whether zipped or not is not clear, so both stay under it.
            import_max_size: 95_000_000,
            import_file_part: "inputFile".to_owned(),
            import_parameters_part: "parameters".to_owned(),
            import_report_field: None,
            import_done: words(&["FINISHED", "SUCCESS", "WITH_ERROR"]),
            import_failed: words(&["ERROR", "FAILED", "CANCELLED", "ABORTED"]),
        }
    }
}

/// How V5 writes a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V5Write {
    /// `PATCH …/profiles/{key}`
    Patch,
    /// `PUT …/profiles/{key}`
    Put,
}

/// Whether Actito's URLs carry a category before the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlStyle {
    /// `/profiles/v4/entity/…`
    Prefixed,
    /// `/v4/entity/…`
    Plain,
}

/// Which generation of an Actito API to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiGeneration {
    /// Ask at start which answers.
    Auto,
    /// V4 only.
    V4,
    /// V5 only.
    V5,
}
