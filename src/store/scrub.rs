//! Overwrites what SQLite leaves behind in pages that are in use.
//!
//! `secure_delete` overwrites what is deleted, but not what is moved: when a row outgrows its page, its neighbours
//! are laid out anew, and their old copies stay in the gap between the list of cells and the cells. Nobody reads a
//! gap but who looks for traces, so it may be overwritten in the file itself, as long as the file is the whole
//! truth (the log is empty), nobody else writes (we hold the write lock), and nobody writes a page later that they
//! have in memory as it was: the commit at the end makes every connection read anew.
//! Format: <https://www.sqlite.org/fileformat2.html#b_tree_pages>.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{Loss, StoreError, file, meta};

/// Pages overwritten at once: four megabytes. Most of the time goes into making a part durable, however large it is;
/// clicks wait for some ten milliseconds.
const PAGES_AT_ONCE: u64 = 1024;

/// Between two parts nothing is locked for at least this long, and for as long as the part took: another process that
/// found the lock taken asks again only now and then (after 1, 2, 5, 10, 15 milliseconds …), and its clicks wait
/// meanwhile.
const BREATH: Duration = Duration::from_millis(15);

/// How often a part is tried while another process writes: each time the log must be empty for a moment.
const TRIES: u32 = 100;

/// From this many pages on (128 GiB of the usual ones) the first byte of an overflow page may look like that of a
/// page with cells.
const MAX_PAGES: u64 = 1 << 25;

/// What the header of the file says of its pages.
#[derive(Clone, Copy)]
struct Pages {
    size: usize,
    count: u64,
}

/// What became of a part of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scrubbed {
    /// Nothing is left in it.
    Clean,
    /// The log is not empty: empty it, and come again.
    LogInUse,
}

/// Scrubs all of `raw`, the database at `path`; whether it came to the end. `empty_log` is called before each part that
/// has something to overwrite; it keeps others of this process from writing until what it returned is dropped.
pub(super) fn scrub<T>(
    raw: &File,
    path: &Path,
    connection: &Connection,
    mut empty_log: impl FnMut() -> Result<Option<T>, StoreError>,
) -> Result<bool, StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    let pages = pages(raw).map_err(failed)?;
    if pages.count >= MAX_PAGES {
        return Ok(false);
    }
    for first in (0..pages.count).step_by(PAGES_AT_ONCE as usize) {
        let part = first..(first + PAGES_AT_ONCE).min(pages.count);
        let (mut tries, began) = (0, Instant::now());
        while !gaps(raw, pages, part.clone()).map_err(failed)?.is_empty() {
            let Some(held) = empty_log()? else { return Ok(false) };
            let scrubbed = scrub_part(raw, path, connection, pages, part.clone());
            drop(held);
            tries += 1;
            match scrubbed {
                Ok(Scrubbed::Clean) => {
                    thread::sleep(began.elapsed().max(BREATH));
                    break;
                }
                Ok(Scrubbed::LogInUse) if tries < TRIES => {}
                Ok(Scrubbed::LogInUse) => return Ok(false),
                Err(StoreError::Sqlite(error)) if Loss::of(&error) == Loss::Busy && tries < TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(true)
}

fn scrub_part(
    raw: &File,
    path: &Path,
    connection: &Connection,
    pages: Pages,
    part: Range<u64>,
) -> Result<Scrubbed, StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    if file::wal_of(path).metadata().is_ok_and(|log| log.len() > 0) {
        return Ok(Scrubbed::LogInUse);
    }
    for gap in gaps(raw, pages, part.clone()).map_err(failed)? {
        let zeros = vec![0; (gap.end - gap.start) as usize];
        raw.write_all_at(&zeros, gap.start).map_err(failed)?;
    }
    raw.sync_data().map_err(failed)?;
    // Whoever has a page in memory as it was now throws it away.
    meta::set(&transaction, "scrubbed", &part.end.to_string())?;
    transaction.commit()?;
    Ok(Scrubbed::Clean)
}

fn pages(raw: &File) -> io::Result<Pages> {
    let mut header = [0; 100];
    raw.read_exact_at(&mut header, 0)?;
    let size = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 1 << 16,
        size => usize::from(size).max(512),
    };
    Ok(Pages { size, count: raw.metadata()?.len() / size as u64 })
}

/// The gaps of these pages that hold anything but zeros, as places in the file.
fn gaps(raw: &File, pages: Pages, part: Range<u64>) -> io::Result<Vec<Range<u64>>> {
    let mut bytes = vec![0; pages.size * (part.end - part.start) as usize];
    raw.read_exact_at(&mut bytes, part.start * pages.size as u64)?;
    let of_page = |(number, page): (u64, &[u8])| {
        let gap = gap(page, if number == 0 { 100 } else { 0 })?;
        let at = number * pages.size as u64;
        page[gap.clone()].iter().any(|byte| *byte != 0).then(|| at + gap.start as u64..at + gap.end as u64)
    };
    Ok(part.zip(bytes.chunks_exact(pages.size)).filter_map(of_page).collect())
}

/// The gap of a page with cells; of page 1 the header stands behind that of the file.
fn gap(page: &[u8], header: usize) -> Option<Range<usize>> {
    let number = |at: usize| usize::from(u16::from_be_bytes([page[at], page[at + 1]]));
    let length = match page[header] {
        0x0d | 0x0a => 8,
        0x05 | 0x02 => 12,
        _ => return None,
    };
    let list_ends = header + length + 2 * number(header + 3);
    let cells_begin = match number(header + 5) {
        0 => 1 << 16,
        begin => begin,
    };
    (list_ends <= cells_begin && cells_begin <= page.len()).then_some(list_ends..cells_begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_lies_between_the_list_of_cells_and_the_cells() {
        let mut page = [7_u8; 512];
        page[..8].copy_from_slice(&[0x0d, 0, 0, 0, 2, 1, 0, 0]);
        assert_eq!(gap(&page, 0), Some(12..256));
        page[0] = 0x05;
        assert_eq!(gap(&page, 0), Some(16..256));
        page[0] = 0;
        assert_eq!(gap(&page, 0), None, "an overflow page has no cells");
        page[..8].copy_from_slice(&[0x0d, 0, 0, 1, 2, 1, 0, 0]);
        assert_eq!(gap(&page, 0), None, "more cells than fit are none");
    }
}
