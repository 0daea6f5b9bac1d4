//! Every limit of a connection, each with the reason for its number.

use std::time::Duration;

/// Connections at once on one listener. An idle one costs a few KiB, so these are some 100 MiB.
pub const CONNECTIONS: usize = 20_000;

/// How long to look away when no connection can be accepted: long enough for a descriptor to be
/// freed, short enough that nobody's connect times out.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// From the end of one request to the end of the next one's header: a phone on a bad line needs a
/// second or two, a client that drips bytes gets no more.
pub const HEADER: Duration = Duration::from_secs(5);

/// How long the socket may refuse what we write. Only a client that reads nothing meets this: the
/// edge's answers fit into its buffer, and the admin listener's are taken by whoever asked for them.
pub const WRITE_STALL: Duration = Duration::from_secs(10);

/// How old a connection may grow, so that load moves to new machines and old state ends.
pub const CONNECTION_AGE: Duration = Duration::from_secs(600);

/// By how much less of [`CONNECTION_AGE`] a connection may end: many opened at once do not close at once.
pub const AGE_JITTER: f64 = 0.2;

/// Connections that may wait in the kernel to be accepted, as tokio asks for.
pub const BACKLOG: usize = 1024;

/// How long a connection that is to end may be asked once more: a busy client asks again within
/// milliseconds, and a stop waits no longer than this for the idle ones.
pub const LAST_CALL: Duration = Duration::from_millis(200);

/// What a connection that was told to end may still take for the request it is in.
pub const LAST_REQUEST: Duration = Duration::from_secs(15);

/// Requests on one connection: bounds what one client can hold on to.
pub const REQUESTS_PER_CONNECTION: u32 = 1000;

/// Header fields of a request; browsers send some 20.
pub const HEADERS: usize = 64;

/// Bytes of a request's header in all: 8 KiB of URL and as much again of cookies.
pub const BUFFER: usize = 16 * 1024;

/// Bytes of a request target. Our longest token is under 3 KiB.
pub const TARGET: usize = 8 * 1024;
