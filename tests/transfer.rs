//! Targets on the file servers of others: OpenSSH's and vsftpd, as Debian has them. The program as it ships.
//!
//! What is lacking is said, and the tests that need it do nothing. `REAID_REQUIRE_SERVERS` names what must be there, of
//! `sshd`, `vsftpd` and `mount` (a file system of one's own; as root no sshd goes without), or is 1 for all: then they
//! fail.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, and says where")]

mod support;

#[path = "transfer/ftps.rs"]
mod ftps;
#[path = "transfer/inetd.rs"]
mod inetd;
#[path = "transfer/namespace.rs"]
mod namespace;
#[path = "transfer/sftp.rs"]
mod sftp;
#[path = "transfer/sshd.rs"]
mod sshd;
#[path = "transfer/vsftpd.rs"]
mod vsftpd;
#[path = "transfer/world.rs"]
mod world;
