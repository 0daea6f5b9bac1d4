//! Every limit of the admin listener beside those of its connections, each with the reason for its number.

use std::time::Duration;

/// Bytes of a body with one link to look into: the longest text that is looked into, escaped as JSON.
pub(super) const INSPECTED: usize = 256 << 10;

/// Bytes of a call for an erasure: an address of 254 bytes, escaped, with room.
pub(super) const ERASURE: usize = 4 << 10;

/// Bytes of one call for links: 10,000 lines of 3 KiB, ten times what they usually are.
pub(super) const LINKS: usize = 32 << 20;

/// Bytes of one call for REAIDs: 1,000 addresses of the longest, 254 bytes each, and what stands around them.
pub(super) const ADDRESSES: usize = 300_000;

/// Addresses of one call for REAIDs, as Raptor's own service has it.
pub(super) const ADDRESSES_AT_ONCE: usize = 1000;

/// Bytes of one activation: a thousand audiences with long names.
pub(super) const ACTIVATION: usize = 256 << 10;

/// How long a body may stand still: longer than a bad line does.
pub(super) const BODY_STALL: Duration = Duration::from_secs(10);

/// How long a body may take in all: 10 MiB at 1.5 Mbit/s, the largest zip at 9.
pub(super) const BODY: Duration = Duration::from_secs(60);

/// Bytes that all bodies and their answers may take in memory at once: eight newsletters of the largest
/// size, or one zip of the largest size, or thousands of usual ones.
pub(super) const MEMORY: usize = 256 << 20;

/// What memory is counted in: the least that a request takes.
pub(super) const MEMORY_UNIT: usize = 64 << 10;

/// How long a request waits for its part of [`MEMORY`] before it is told to come back: a rewriting takes
/// milliseconds, the largest a second.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// What a refused client may still send, and for how long, so that one that writes everything before it
/// reads sees why it was refused.
pub(super) const LINGER: usize = 32 << 20;

/// The same in time.
pub(super) const LINGER_TIME: Duration = Duration::from_secs(5);

/// Threads that compute for the admin listener at once: half of the machine, so that clicks, which need
/// a few microseconds each, always find a processor.
pub(super) fn turns() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}
