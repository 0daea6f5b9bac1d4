//! Changes put aside on disk, so that any number of them takes no memory: one nameless file a lane, beside
//! the store, mode 0600, gone with the process. Records have a fixed size and are read from the end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::plan::{Cause, Change, Lane};
use crate::actito::ProfileId;

/// Characters of a REAID.
const REAID: usize = 24;

/// A profile id, its REAID (zeros for none), the cause, and the number of failures as far as a byte goes.
const RECORD: usize = 8 + REAID + 1 + 1;

/// Changes on disk, by lane.
#[derive(Debug)]
pub(super) struct Spool([Part; Lane::ALL.len()]);

#[derive(Debug)]
struct Part {
    file: File,
    records: u64,
}

impl Spool {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let part = || Ok::<_, io::Error>(Part { file: tempfile::tempfile_in(folder)?, records: 0 });
        Ok(Self([part()?, part()?, part()?, part()?]))
    }

    pub(super) fn push(&mut self, changes: &[Change]) -> io::Result<()> {
        for lane in Lane::ALL {
            let part = &mut self.0[lane as usize];
            let of_lane = changes.iter().filter(|change| change.lane() == lane);
            let bytes: Vec<u8> = of_lane.flat_map(record).collect();
            part.file.write_all_at(&bytes, part.records * RECORD as u64)?;
            part.records += (bytes.len() / RECORD) as u64;
        }
        Ok(())
    }

    /// Takes the last records of a lane, the last first.
    pub(super) fn pop(&mut self, lane: Lane, rows: usize) -> io::Result<Vec<Change>> {
        let part = &mut self.0[lane as usize];
        let rows = part.records.min(rows as u64);
        let from = part.records - rows;
        let mut bytes = vec![0; usize::try_from(rows).unwrap_or(0) * RECORD];
        part.file.read_exact_at(&mut bytes, from * RECORD as u64)?;
        part.records = from;
        if from == 0 {
            // Nothing of it stays on the disk for longer than it is needed.
            part.file.set_len(0)?;
        }
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        bytes.rchunks_exact(RECORD).map(|bytes| change(bytes).ok_or_else(damaged)).collect()
    }
}

fn record(change: &Change) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[..8].copy_from_slice(&change.id.to_i64().to_le_bytes());
    let reaid = change.reaid.as_bytes();
    let length = reaid.len().min(REAID);
    bytes[8..8 + length].copy_from_slice(&reaid[..length]);
    bytes[8 + REAID] = change.cause as u8;
    bytes[8 + REAID + 1] = u8::try_from(change.failures).unwrap_or(u8::MAX);
    bytes
}

fn change(bytes: &[u8]) -> Option<Change> {
    let (id, rest) = bytes.split_first_chunk::<8>()?;
    let (reaid, rest) = rest.split_first_chunk::<REAID>()?;
    let reaid = reaid.split(|byte| *byte == 0).next()?;
    Some(Change {
        id: ProfileId::from_i64(i64::from_le_bytes(*id))?,
        reaid: std::str::from_utf8(reaid).ok()?.to_owned(),
        cause: *Cause::ALL.get(usize::from(*rest.first()?))?,
        failures: u64::from(*rest.get(1)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_as_they_were_the_last_first() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(folder.path()).unwrap();
        let of = |id: i64, reaid: &str, cause| Change {
            id: ProfileId::from_i64(id).unwrap(),
            reaid: reaid.into(),
            cause,
            failures: 3,
        };
        let all = [
            of(1, "AVCX2Xn3aHNLYEVZLOeLQLnM", Cause::New),
            of(i64::MAX, "AmK0C-jW6A1JEqC1xYKQplV1", Cause::Changed),
            of(3, "AWin7WhZveucDx74Dr9bx1XZ", Cause::Retry),
        ];
        spool.push(&all).unwrap();
        assert_eq!(spool.pop(Lane::Fresh, 1).unwrap(), [all[1].clone()]);
        spool.push(&[of(4, "AQ", Cause::New), of(5, "", Cause::New)]).unwrap();
        assert_eq!(spool.pop(Lane::Fresh, 9).unwrap(), [of(4, "AQ", Cause::New), all[0].clone()]);
        assert_eq!(spool.pop(Lane::Clear, 9).unwrap(), [of(5, "", Cause::New)]);
        assert_eq!(
            (spool.pop(Lane::Retry, 9).unwrap(), spool.pop(Lane::Known, 9).unwrap()),
            (vec![all[2].clone()], vec![])
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the files have no names");
    }
}
