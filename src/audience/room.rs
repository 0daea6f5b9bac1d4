//! Room on the disk of the store, where a run keeps what it reads and prepares: it must not take it from events,
//! which are lost where none is left.

use std::io;
use std::path::Path;

/// What is left for events: at 500 bytes each a quarter of an hour of a thousand a second.
const LEAST: u64 = 512 << 20;

/// How much may be written until it is looked again.
pub(super) const AGAIN: u64 = 16 << 20;

/// Whether there is room in this folder for more than what is left alone.
pub(super) fn check(folder: &Path) -> io::Result<()> {
    let disk = rustix::fs::statvfs(folder)?;
    judge(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn judge(free: u64) -> io::Result<()> {
    if free >= LEAST {
        return Ok(());
    }
    let message =
        format!("{} MB are free on the disk of the store, and {} MB are left for events", free >> 20, LEAST >> 20);
    Err(io::Error::new(io::ErrorKind::StorageFull, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_events_need_is_left_alone() {
        assert!(judge(LEAST).is_ok());
        let refused = judge(LEAST - 1).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!(refused.to_string(), "511 MB are free on the disk of the store, and 512 MB are left for events");
        // Nothing is ever free there.
        assert_eq!(check(Path::new("/proc")).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(check(Path::new("/no such folder")).is_err());
    }
}
