//! What a run did: printed, logged, kept in the history. Nobody's name is in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one run of an activation did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// The activation.
    pub activation: String,
    /// Whether nothing was sent, only said.
    pub dry_run: bool,
    /// How it ended.
    pub ended: Ended,
    /// What became of each audience, in the order of the activation.
    pub audiences: Vec<AudienceRun>,
    /// Calls to the source.
    pub calls: u64,
    /// Bytes that came from the source.
    pub bytes_read: u64,
    /// Bytes that went to the destination.
    pub bytes_sent: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Every audience is as it must be.
    Complete,
    /// Some are not: held back, failed, not found.
    Incomplete,
    /// It was asked to stop, or failed as a whole.
    #[default]
    Early,
}

/// What became of one audience.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AudienceRun {
    /// As the activation names it.
    pub audience: String,
    /// What was done.
    pub action: Action,
    /// Why: of what was sent the cause, of what failed the kind of error.
    pub reason: String,
    /// More about it, for people.
    pub message: String,
    /// Members in the files that stand there now; in a dry run in those that would.
    pub members: u64,
    /// Members who were not in the files before, where that can be said.
    pub added: Option<u64>,
    /// Members who are no longer in the files, where that can be said.
    pub removed: Option<u64>,
    /// Members left out because they are not to be known.
    pub erased: u64,
    /// Identifiers that could not be members, by reason, of those that were read.
    pub unresolved: BTreeMap<String, u64>,
    /// Members who exist as profiles, as far as syncs know, before the run.
    pub matched_before: Option<u64>,
    /// The same after it.
    pub matched: u64,
    /// Bytes of the files that were sent.
    pub bytes: u64,
    /// The names of the files that stand there.
    pub files: Vec<String>,
}

/// What was done about an audience.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Its files were replaced.
    Sent,
    /// They are as they must be.
    Unchanged,
    /// It lost more members than it may; its old files stay.
    Held,
    /// It is not in the list; it is not sent, its files stay.
    Absent,
    /// Two lists in a row lack it; it is not sent.
    Deleted,
    /// The activation no longer names it.
    Dropped,
    /// There is none of this name and never was.
    NotFound,
    /// It could not be read or sent; its old files stay.
    #[default]
    Failed,
}

impl Action {
    /// As it is said.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Unchanged => "unchanged",
            Self::Held => "held",
            Self::Absent => "absent",
            Self::Deleted => "deleted",
            Self::Dropped => "dropped",
            Self::NotFound => "not_found",
            Self::Failed => "failed",
        }
    }

    /// Whether somebody should look.
    pub const fn is_trouble(self) -> bool {
        matches!(self, Self::Held | Self::NotFound | Self::Failed)
    }
}

impl Summary {
    /// How many audiences ended so.
    pub fn count(&self, action: Action) -> usize {
        self.audiences.iter().filter(|audience| audience.action == action).count()
    }
}
