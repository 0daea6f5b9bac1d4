//! How far a run is, for whoever watches.

use super::planner::Quotas;

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Waiting its turn, checking the table.
    #[default]
    Checking,
    /// Reading the list of profiles.
    Listing,
    /// Writing what differs.
    Writing,
    /// Waiting for the result of a mass import.
    Importing,
}

/// How far a run is in its phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// How many profiles are behind it.
    pub done: u64,
    /// How many there are, when that is known.
    pub total: Option<u64>,
    /// What is left of the quotas, once that was looked up.
    pub quotas: Option<Quotas>,
}
