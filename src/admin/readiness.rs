//! Whether clicks should be sent here.

use std::sync::atomic::{AtomicU8, Ordering};

/// How a server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet.
    Starting,
    /// Yes.
    Ready,
    /// No longer.
    Draining,
}

/// A [`Readiness`] that is written by the app and read by whoever asks.
#[derive(Debug)]
pub struct ReadinessFlag(AtomicU8);

impl ReadinessFlag {
    pub(super) fn starting() -> Self {
        Self(AtomicU8::new(Readiness::Starting as u8))
    }

    /// Says how it stands now.
    pub fn store(&self, readiness: Readiness) {
        self.0.store(readiness as u8, Ordering::Relaxed);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Readiness::Ready as u8
    }
}
