//! Every limit of a connection, each with the reason for its number.

use std::time::Duration;

/// Connections at once on one listener. An idle one costs a few KiB, so these are some 100 MiB.
pub const CONNECTIONS: usize = 20_000;

/// Connections that are let in before all that can run has its turn: nobody is let in faster than they are served, and
/// those who wait do so in the kernel. With one at a time a hundred who come at once wait long for each other.
pub const LET_IN: u64 = 16;

/// How long to look away when no connection can be accepted: long enough for a descriptor to be
/// freed, short enough that nobody's connect times out.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// For the whole TLS handshake: three exchanges on a phone's bad line take a second or two.
pub const HANDSHAKE: Duration = Duration::from_secs(5);

/// How long a connection may be silent before a request, and how long the request's header may take: a phone on
/// a bad line needs a second or two, a client that drips bytes gets no more.
pub const HEADER: Duration = Duration::from_secs(5);

/// How long a connection may be silent between two requests before what serves it is put away: a busy client asks
/// again within milliseconds, most never do, and hyper's buffers are twice 8 KiB.
pub const REST: Duration = Duration::from_millis(100);

/// How long the socket may refuse what we write. Only a client that reads nothing meets this: the
/// edge's answers fit into its buffer, and the admin listener's are taken by whoever asked for them.
pub const WRITE_STALL: Duration = Duration::from_secs(10);

/// How old a connection may grow, so that load moves to new machines and old state ends.
pub const CONNECTION_AGE: Duration = Duration::from_secs(600);

/// By how much less of [`CONNECTION_AGE`] a connection may end: many opened at once do not close at once.
pub const AGE_JITTER: f64 = 0.2;

/// Connections that may wait in the kernel to be accepted: a second of a thousand a second, for a restart. Whoever
/// comes when it is full asks again after a second, and must then be answered before they give up: a longer line
/// would be answered when nobody waits any more.
pub const BACKLOG: u32 = 1024;

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

/// Requests under way at once on one connection of HTTP/2: browsers make one or two here, and
/// RFC 9113 asks for no fewer than 100.
pub const STREAMS: u32 = 100;

/// Bytes of bodies that may be under way to us on one stream, and on all of a connection: HTTP/2's
/// own default and a byte. Hardly a request here has a body.
pub const WINDOW: u32 = 64 * 1024;

/// Bytes of a header list, as HTTP/2 counts them (each field and 32 more): what HTTP/1.1 may send, and
/// room to tell a target that is too long (414) from too many fields (431).
pub const HEADER_LIST: u32 = 24 * 1024;

/// Bytes of one answer that wait for the client's window: the longest answer is a small page.
pub const SEND_BUFFER: usize = 16 * 1024;

/// Streams that a client may open and reset before they were looked at (rapid reset).
pub const PENDING_RESETS: usize = 20;

/// Streams that we may have to reset for a client's mistakes before the connection is ended.
pub const LOCAL_RESETS: usize = 64;

/// How often a client on HTTP/2 is asked whether it is there: less than what routers forget idle
/// connections after, so that a dead one is found.
pub const PING: Duration = Duration::from_secs(20);

/// How long it may take to say so.
pub const PONG: Duration = Duration::from_secs(10);

/// How long a connection of HTTP/2 may ask for nothing: people click once, and then they read.
pub const IDLE: Duration = Duration::from_secs(30);
