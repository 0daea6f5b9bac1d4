//! How far a run is, for whoever watches.

use tokio::sync::watch;

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
}

/// Tells whoever watches, if somebody does.
pub(super) fn report(watcher: Option<&watch::Sender<Progress>>, phase: Phase, done: u64, total: Option<u64>) {
    if let Some(watcher) = watcher {
        watcher.send_replace(Progress { phase, done, total });
    }
}
