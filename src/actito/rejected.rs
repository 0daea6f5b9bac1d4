//! The rejected rows of an import: a zip with a CSV that repeats each row, and says why.
//!
//! Promise: whatever the file holds, reading it takes bounded memory and ends: the archive, what it
//! unfolds to, a row, and the number of archive entries each have a limit.

use std::cell::Cell;
use std::io::{self, BufRead as _, BufReader, Cursor, Read, Seek, SeekFrom};

use csv::ByteRecord;
use zip::ZipArchive;

use super::import::Rejected;
use super::message::Message;
use super::profile::ProfileId;
use super::wire_import::{CODE_COLUMN, COLUMN_COLUMN, ID_COLUMN, SEPARATOR};

/// No import is larger than 100 MB, and its rejected rows are it again with two short columns.
pub(super) const LARGEST_ARCHIVE: u64 = 200_000_000;

/// The same unfolded: forty bytes a row and twice as much for the reasons.
const LARGEST_CSV: u64 = 1_000_000_000;

/// One CSV is expected; a few files beside it would do no harm.
const MOST_ENTRIES: u16 = 16;

/// A row holds an id, a REAID, a code and a column's name.
const LONGEST_ROW: u64 = 64 * 1024;

/// The end of an archive, before its comment: where the number of its entries is.
const END_LENGTH: u64 = 22;
const END_MARK: &[u8] = b"PK\x05\x06";
const LONGEST_COMMENT: u64 = 65_535;

/// Hands each rejected row to `each`, until it says `false`.
///
/// # Errors
/// What was expected and not found.
pub(super) fn read(mut archive: impl Read + Seek, each: impl FnMut(Rejected) -> bool) -> Result<(), &'static str> {
    if entries(&mut archive).is_none_or(|entries| entries > MOST_ENTRIES) {
        return Err("a zip of at most 16 files");
    }
    let mut archive = ZipArchive::new(archive).map_err(|_| "a zip")?;
    let is_csv = |name: &str| name.to_ascii_lowercase().ends_with(".csv");
    let mut names = archive.file_names().flatten();
    let name = names.find(|name| is_csv(name)).ok_or("a CSV in a zip")?.into_owned();
    drop(names);
    let csv = archive.by_name(&name).map_err(|_| "a CSV in a zip")?;
    rows(csv.take(LARGEST_CSV), each)
}

/// How many entries the archive says it has, before anything is made for them.
fn entries(archive: &mut (impl Read + Seek)) -> Option<u16> {
    let length = archive.seek(SeekFrom::End(0)).ok()?;
    archive.seek(SeekFrom::Start(length.saturating_sub(END_LENGTH + LONGEST_COMMENT))).ok()?;
    let mut tail = Vec::new();
    archive.take(END_LENGTH + LONGEST_COMMENT).read_to_end(&mut tail).ok()?;
    let end = tail.windows(END_LENGTH as usize).rev().find(|window| window.starts_with(END_MARK))?;
    Some(u16::from_le_bytes([end[10], end[11]]))
}

fn rows(csv: impl Read, mut each: impl FnMut(Rejected) -> bool) -> Result<(), &'static str> {
    const EXPECTED: &str = "a CSV with the columns profileId and errorCode";
    let (allowance, mut first) = (Cell::new(LONGEST_ROW), Vec::new());
    let mut csv = BufReader::new(csv);
    csv.by_ref().take(LONGEST_ROW).read_until(b'\n', &mut first).map_err(|_| EXPECTED)?;
    let separator = if first.contains(&SEPARATOR) { SEPARATOR } else { b',' };
    let bounded = Bounded { csv: Cursor::new(&first).chain(csv), allowance: &allowance };
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(bounded);
    let columns = Columns::of(reader.byte_headers().map_err(|_| EXPECTED)?).ok_or(EXPECTED)?;
    let (mut record, mut row) = (ByteRecord::new(), 0);
    loop {
        allowance.set(LONGEST_ROW);
        match reader.read_byte_record(&mut record) {
            Ok(true) => row += 1,
            Ok(false) => return Ok(()),
            Err(_) => return Err("rows of at most 64 KiB, 1 GB in all"),
        }
        if !each(columns.rejected(&record, row)) {
            return Ok(());
        }
    }
}

/// Where in a row what stands.
struct Columns {
    profile: usize,
    code: usize,
    column: Option<usize>,
}

impl Columns {
    fn of(header: &ByteRecord) -> Option<Self> {
        // A BOM would be part of the first name.
        let clean = |name: &'_ [u8]| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_lowercase();
        let names: Vec<String> = header.iter().map(clean).collect();
        let place = |wanted: &str| names.iter().position(|name| *name == wanted.to_lowercase());
        Some(Self { profile: place(ID_COLUMN)?, code: place(CODE_COLUMN)?, column: place(COLUMN_COLUMN) })
    }

    fn rejected(&self, record: &ByteRecord, row: u64) -> Rejected {
        let text = |column: usize| String::from_utf8_lossy(record.get(column).unwrap_or_default());
        let clean = |column: usize| Message::clean(&text(column)).as_str().to_owned();
        Rejected {
            profile: ProfileId::parse(text(self.profile).trim()),
            row,
            code: clean(self.code),
            column: self.column.map(clean).unwrap_or_default(),
        }
    }
}

/// Refuses to read on within one row.
struct Bounded<'a, R> {
    csv: R,
    /// What may still be read before a row must have ended; a block that the reader keeps ahead of the
    /// row is part of it.
    allowance: &'a Cell<u64>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.allowance.get() == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.csv.read(into)?;
        self.allowance.set(self.allowance.get().saturating_sub(read as u64));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn zip(files: &[(&str, &str)]) -> Cursor<Vec<u8>> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap()
    }

    fn read_all(archive: Cursor<Vec<u8>>) -> Result<Vec<Rejected>, &'static str> {
        let mut all = Vec::new();
        read(archive, |rejected| {
            all.push(rejected);
            true
        })
        .map(|()| all)
    }

    #[test]
    fn each_row_says_whose_it_was_and_why() {
        let csv = "profileId;reaid;errorCode;errorColumn\n812;AVCX2Xn3aHNLYEVZLOeLQLnM;UNKNOWN_PROFILE;profileId\n\
            x;y;\"BAD;VALUE jane@example.org\";\n";
        let all = read_all(zip(&[("readme.txt", ""), ("Errors.CSV", csv)])).unwrap();
        let row = |profile, row, code: &str, column: &str| Rejected {
            profile,
            row,
            code: code.into(),
            column: column.into(),
        };
        let first = row(ProfileId::parse("812"), 1, "UNKNOWN_PROFILE", "profileId");
        assert_eq!(all, [first, row(None, 2, "BAD;VALUE …", "")]);
    }

    #[test]
    fn other_separators_a_bom_and_another_order_are_understood() {
        let all = read_all(zip(&[("e.csv", "\u{feff}errorcode,profileid\r\nGONE,7\r\n")])).unwrap();
        assert_eq!((all[0].profile, all[0].code.as_str()), (ProfileId::parse("7"), "GONE"));
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        let many: Vec<_> = (0..17).map(|number| format!("{number}.csv")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
        let long = format!("profileId;errorCode\n1;\"{}\"\n", "x\n".repeat(100_000));
        for (archive, expected) in [
            (Cursor::new(b"profileId;errorCode".to_vec()), "a zip of at most 16 files"),
            (zip(&many), "a zip of at most 16 files"),
            (zip(&[("readme.txt", "")]), "a CSV in a zip"),
            (zip(&[("e.csv", "")]), "a CSV with the columns profileId and errorCode"),
            (zip(&[("e.csv", "profileId;why\n")]), "a CSV with the columns profileId and errorCode"),
            (zip(&[("e.csv", &long)]), "rows of at most 64 KiB, 1 GB in all"),
        ] {
            assert_eq!(read_all(archive), Err(expected));
        }
    }

    #[test]
    fn reading_stops_when_nobody_listens() {
        let mut seen = 0;
        let archive = zip(&[("e.csv", "profileId;errorCode\n1;a\n2;b\n3;c\n")]);
        let ended = read(archive, |_| {
            seen += 1;
            seen < 2
        });
        assert_eq!((ended, seen), (Ok(()), 2));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..200) {
            let mut archive = zip(&[("e.csv", "profileId;errorCode\n1;a\n")]).into_inner();
            let at = at.min(archive.len());
            archive.splice(at..(at + bytes.len().min(8)).min(archive.len()), bytes.iter().copied().take(8));
            drop(read_all(Cursor::new(archive)));
            drop(read_all(Cursor::new(bytes)));
        }
    }
}
