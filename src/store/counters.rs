//! What happened to events on their way to the disk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

/// Why an event could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Too many events waited for a commit.
    QueueFull,
    /// The database has its largest size.
    MaxSize,
    /// The disk is full.
    DiskFull,
    /// The disk failed.
    Io,
    /// Another process held the write lock for too long.
    Busy,
    /// Anything else that SQLite says.
    Other,
}

impl Loss {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 6] = [Self::QueueFull, Self::MaxSize, Self::DiskFull, Self::Io, Self::Busy, Self::Other];

    /// The label for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::MaxSize => "max_size",
            Self::DiskFull => "disk_full",
            Self::Io => "io",
            Self::Busy => "busy",
            Self::Other => "other",
        }
    }

    /// The class of what SQLite says.
    pub fn of(error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => Self::Io,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Other,
        }
    }
}

/// Counts since the process started. Written by the writer thread, except for `queue_full`.
#[derive(Debug)]
pub struct Counters {
    /// Events that are on disk.
    pub stored: AtomicU64,
    /// Commits that carried events.
    pub commits: AtomicU64,
    /// How long those commits took.
    pub took: Histogram,
    lost: [AtomicU64; Loss::ALL.len()],
}

/// Where the groups of `took` end, in seconds: from the fastest disk to the longest that a commit is tried. Each is at
/// most two and a half times the one before, because a percentile is known no better than that.
const BOUNDS: [f64; 24] = [
    1e-4, 1.5e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 1.5e-3, 2e-3, 3e-3, 5e-3, 7e-3, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07,
    0.1, 0.15, 0.2, 0.5, 1.0, 2.0,
];

impl Default for Counters {
    fn default() -> Self {
        Self {
            stored: AtomicU64::default(),
            commits: AtomicU64::default(),
            took: Histogram::new(BOUNDS),
            lost: Default::default(),
        }
    }
}

impl Counters {
    /// Events lost for this reason.
    pub fn lost(&self, reason: Loss) -> u64 {
        self.lost[reason as usize].load(Ordering::Relaxed)
    }

    /// Events lost for any reason.
    pub fn lost_in_all(&self) -> u64 {
        Loss::ALL.iter().map(|reason| self.lost(*reason)).sum()
    }

    pub(super) fn lose(&self, reason: Loss, events: usize) {
        self.lost[reason as usize].fetch_add(events as u64, Ordering::Relaxed);
    }

    pub(super) fn committed(&self, events: usize, took: Duration) {
        self.took.observe(took.as_secs_f64());
        self.stored.fetch_add(events as u64, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}
