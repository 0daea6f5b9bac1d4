//! `[[activation]]`: which audiences become targets in Actito, from where, how often, and with what care.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use url::Url;

use super::SecretSource;
use super::file_server::{FileServer, WrittenDestination};
use super::units::{Size, Span};
use super::written::Secret;
use crate::clock::Timestamp;

/// Audiences that are kept as targets in Actito.
#[derive(Clone, Debug)]
pub struct Activation {
    /// Its name, for the command line and the logs.
    pub name: String,
    /// For people.
    pub description: String,
    /// The integration whose profiles are meant.
    pub integration: String,
    /// What the targets select profiles by.
    pub identifier: PersonIdentifier,
    /// Names or ids of audiences, in the order written.
    pub audiences: Vec<String>,
    /// When `serve` runs it by itself; none: by hand alone.
    pub schedule: Option<ActivationSchedule>,
    /// Where the audiences come from.
    pub source: AudienceSource,
    /// Where the targets go.
    pub destination: AudienceDestination,
    /// What a target's file looks like.
    pub file: ReferenceFile,
    /// How long Actito takes a file for valid; after half of it the file is sent again.
    pub validity: Duration,
    /// What becomes of the file of an audience that is deleted.
    pub on_delete: OnDelete,
    /// The share of its members that an audience may lose from one run to the next, 0 to 1.
    pub max_shrink: f64,
}

/// What a target selects profiles by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum PersonIdentifier {
    /// The address.
    Email,
    /// Actito's id of the profile.
    #[serde(rename = "UserID")]
    UserId,
}

impl PersonIdentifier {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "Email",
            Self::UserId => "UserID",
        }
    }
}

/// When an activation runs. Instants and lengths of time, so that no change of a clock's hour matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivationSchedule {
    /// From one run to the next.
    pub every: Duration,
    /// When the first one is due; none: as soon as the activation is there.
    pub start: Option<Timestamp>,
}

/// Where audiences come from.
#[derive(Clone, Debug)]
pub enum AudienceSource {
    /// Raptor's CDP API.
    Cdp(Cdp),
    /// A folder with one file for each audience.
    Folder(AudienceFolder),
}

/// Which one it is.
impl fmt::Display for AudienceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cdp(cdp) => write!(f, "{}", cdp.url),
            Self::Folder(folder) => write!(f, "{}", folder.path.display()),
        }
    }
}

/// Raptor's CDP API. What is not publicly known of it can be set.
#[derive(Clone, Debug)]
pub struct Cdp {
    /// Scheme and host.
    pub url: Url,
    /// The API key.
    pub api_key: SecretSource,
    /// The header that takes the key.
    pub auth: CdpAuth,
    /// What the API calls an address.
    pub email_identifier: String,
    /// What the API calls an id of a user.
    pub user_identifier: String,
    /// Whether the host's name may resolve to a private address.
    pub allow_private: bool,
}

/// The header that takes the CDP's API key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CdpAuth {
    /// `x-api-key: …`, as Raptor's only other documented API of this kind.
    #[default]
    XApiKey,
    /// `Authorization: Bearer …`.
    Bearer,
}

/// A folder with one file for each audience: `.csv` with a header, or `.ndjson`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudienceFolder {
    /// The folder.
    pub path: PathBuf,
    /// The column or key that holds the identifier; none: what it is usually called.
    pub column: Option<String>,
    /// What separates two fields of a `.csv`.
    pub separator: u8,
}

/// Where targets go. A closed set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudienceDestination {
    /// A folder on this machine.
    Folder(PathBuf),
    /// A folder of a file server.
    Server(Box<FileServer>),
}

/// What a target's file looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceFile {
    /// What separates fields.
    pub separator: u8,
    /// The header; none: what Actito calls the identifier.
    pub header: Option<String>,
    /// Bytes that a file may have.
    pub max_size: u64,
    /// What becomes of an audience that needs more.
    pub too_large: TooLarge,
}

/// What becomes of an audience that does not fit into one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TooLarge {
    /// It is not sent, and the run says so.
    #[default]
    Refuse,
    /// It becomes several files, each a target of its own.
    Split,
}

/// What becomes of the file of an audience that is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDelete {
    /// It stays, and is not sent again.
    #[default]
    Keep,
    /// It goes.
    Remove,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenActivation {
    pub(super) name: Spanned<String>,
    pub(super) description: Option<String>,
    pub(super) integration: Spanned<String>,
    pub(super) person_identifier: PersonIdentifier,
    pub(super) audiences: Spanned<Vec<Spanned<String>>>,
    pub(super) schedule: Option<Spanned<WrittenSchedule>>,
    pub(super) like: Option<Spanned<String>>,
    pub(super) source: Option<Spanned<WrittenSource>>,
    pub(super) destination: Option<Spanned<WrittenDestination>>,
    pub(super) separator: Option<Spanned<String>>,
    pub(super) header: Option<Spanned<String>>,
    pub(super) max_size: Option<Spanned<Size>>,
    pub(super) too_large: Option<TooLarge>,
    pub(super) validity: Option<Spanned<Span>>,
    pub(super) on_delete: Option<OnDelete>,
    pub(super) max_shrink: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenSchedule {
    pub(super) every: Spanned<Span>,
    pub(super) start: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenSource {
    pub(super) cdp_api: Option<Spanned<String>>,
    pub(super) api_key: Option<Spanned<Secret>>,
    pub(super) auth: Option<CdpAuth>,
    pub(super) email_identifier: Option<String>,
    pub(super) user_identifier: Option<String>,
    pub(super) allow_private: Option<bool>,
    pub(super) directory: Option<PathBuf>,
    pub(super) column: Option<String>,
    pub(super) separator: Option<Spanned<String>>,
}
