//! File descriptors: every connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Listeners;
use crate::listener::limits;

/// Beside those of clients: the store's files, calls to Raptor and Actito, files on their way.
const OTHERS: u64 = 1_000;

/// Takes as many as the system allows, and says so when they are fewer than clients may need: who comes when they are
/// used up waits in the kernel.
pub fn take_descriptors(listeners: &Listeners) {
    let allowed = getrlimit(Resource::Nofile);
    let most = Rlimit { current: allowed.maximum, maximum: allowed.maximum };
    // More than there was is all that is asked for.
    let taken = if setrlimit(Resource::Nofile, most).is_ok() { most.current } else { allowed.current };
    let needed = (listeners.count() * limits::CONNECTIONS) as u64 + OTHERS;
    if let Some(taken) = taken.filter(|taken| *taken < needed) {
        tracing::warn!(
            allowed = taken,
            needed,
            "fewer file descriptors than connections: raise the limit (LimitNOFILE, ulimit -n)"
        );
    }
}
