//! A customer's export of all profiles, as a file: CSV, alone, in a zip or in gzip. Read as a stream, so that
//! memory stays flat, inside limits, so that no file can unpack to more than the disk it came from could
//! hold in earnest.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use csv::StringRecord;
use flate2::CrcReader;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use thiserror::Error;

use crate::actito::{Profile, ProfileId};
use crate::clock::Timestamp;
use crate::config::{self, Export};

/// Bytes of CSV that are read at most: 50 million profiles with 1 kB each is more than Actito serves.
const LARGEST_CSV: u64 = 50_000_000_000;

/// A CSV that is this many times larger than its archive is a bomb: text with addresses packs ten to one.
const LARGEST_RATIO: u64 = 200;

/// Archives smaller than this may unpack to [`LARGEST_RATIO`] times it whatever they are.
const SMALL: u64 = 64 << 10;

/// Bytes of one line at most; a profile with every attribute a table can have stays under it.
const LONGEST_LINE: usize = 1 << 20;

/// Entries that a zip may list.
const MOST_ENTRIES: usize = 1000;

const BUFFER: usize = 256 << 10;

/// Why an export cannot be read. No message holds an address or a REAID.
#[derive(Debug, Error)]
#[error("{file}: {problem}")]
pub struct ExportError {
    file: String,
    problem: Problem,
}

#[derive(Debug, Error)]
enum Problem {
    #[error("cannot be read: {0}")]
    Io(io::Error),
    #[error("is no zip archive that can be read: {0}")]
    Zip(zip::result::ZipError),
    #[error("expected a zip with one .csv, found {found}")]
    Entries { found: usize },
    #[error("the zip's .csv is encrypted or packed by a method that is not known, expected deflate or none")]
    Method,
    #[error("the zip's .csv is damaged: its checksum is wrong")]
    Checksum,
    #[error("unpacks to more than {limit} bytes: that is no export of profiles")]
    TooLarge { limit: u64 },
    #[error("line {line} is longer than {LONGEST_LINE} bytes: is the separator or a quote wrong?")]
    LongLine { line: u64 },
    #[error("the header has no column `{column}`, found {found}: set integration.sync.export in proxy.toml")]
    Column { column: String, found: String },
    #[error("line {line} has {found} fields, expected {expected} as in the header")]
    Fields { line: u64, expected: u64, found: u64 },
    #[error("line {line} is not UTF-8: export with encoding UTF-8")]
    Encoding { line: u64 },
}

/// A part of an export.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Its profiles; each with what the attribute holds, unless the file does not say.
    pub(super) profiles: Vec<Profile>,
    /// Whether the file says what the attribute holds.
    pub(super) holds_reaids: bool,
    /// Lines without a usable profile id.
    pub(super) unreadable: u64,
    /// Whether nothing follows.
    pub(super) last: bool,
}

/// An export that is being read.
pub struct ExportFile {
    path: PathBuf,
    rows: csv::Reader<Box<dyn Read + Send>>,
    columns: Columns,
    record: StringRecord,
    /// When the file was made, as far as it says.
    pub(super) as_of: Timestamp,
}

struct Columns {
    id: usize,
    address: usize,
    reaid: Option<usize>,
}

impl std::fmt::Debug for ExportFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "ExportFile({})", self.path.display())
    }
}

impl ExportFile {
    /// Opens an export and reads its header. `as_of` is when it was made; by default when the file was
    /// last changed.
    ///
    /// # Errors
    /// The file cannot be read, is no archive of one CSV, or lacks a column.
    pub fn open(
        path: &Path,
        format: &Export,
        settings: &config::Actito,
        as_of: Option<Timestamp>,
    ) -> Result<Self, ExportError> {
        Self::read_header(path, format, settings, as_of)
            .map_err(|problem| ExportError { file: path.display().to_string(), problem })
    }

    fn read_header(
        path: &Path,
        format: &Export,
        settings: &config::Actito,
        as_of: Option<Timestamp>,
    ) -> Result<Self, Problem> {
        let file = File::open(path).map_err(Problem::Io)?;
        let changed = file.metadata().and_then(|data| data.modified()).map_err(Problem::Io)?;
        let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = Timestamp::default().after(changed);
        let bytes = without_bom(unpacked(file)?).map_err(Problem::Io)?;
        let mut rows = csv::ReaderBuilder::new().delimiter(format.separator).buffer_capacity(BUFFER).from_reader(bytes);
        let header = rows.headers().map_err(problem)?.clone();
        let columns = Columns::find(&header, format, settings)?;
        Ok(Self { path: path.to_owned(), rows, columns, record: StringRecord::new(), as_of: as_of.unwrap_or(changed) })
    }

    /// The next profiles, `most` at most. Blocks.
    ///
    /// # Errors
    /// Names the line that cannot be read, and what was expected there.
    pub(super) fn next_part(&mut self, most: usize) -> Result<Part, ExportError> {
        let mut part = Part { holds_reaids: self.columns.reaid.is_some(), ..Part::default() };
        while part.profiles.len() + (part.unreadable as usize) < most {
            let read = self.rows.read_record(&mut self.record).map_err(problem);
            if !read.map_err(|problem| ExportError { file: self.path.display().to_string(), problem })? {
                part.last = true;
                break;
            }
            let field = |column| self.record.get(column).unwrap_or_default();
            match ProfileId::parse(field(self.columns.id).trim()) {
                Some(id) => part.profiles.push(Profile {
                    id,
                    address: field(self.columns.address).to_owned(),
                    reaid: self.columns.reaid.map(field).unwrap_or_default().to_owned(),
                }),
                None => part.unreadable += 1,
            }
        }
        Ok(part)
    }
}

impl Columns {
    fn find(header: &StringRecord, format: &Export, settings: &config::Actito) -> Result<Self, Problem> {
        let at = |name: &str| header.iter().position(|column| column.trim() == name);
        let needed = |name: &str| {
            at(name).ok_or_else(|| {
                let found: Vec<_> = header.iter().take(20).map(|column| format!("`{column}`")).collect();
                Problem::Column { column: name.to_owned(), found: found.join(", ") }
            })
        };
        let reaid = match &format.reaid {
            Some(written) => Some(needed(written)?),
            // An export without it is of use, too: our memory then says what the attribute holds.
            None => at(&settings.reaid_attribute),
        };
        Ok(Self {
            id: needed(format.id.as_deref().unwrap_or(ProfileId::ATTRIBUTE))?,
            address: needed(format.address.as_deref().unwrap_or(&settings.email_attribute))?,
            reaid,
        })
    }
}

fn problem(error: csv::Error) -> Problem {
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Limit>()) {
            Some(Limit::Bytes(limit)) => Problem::TooLarge { limit: *limit },
            Some(Limit::Line(line)) => Problem::LongLine { line: *line },
            Some(Limit::Checksum) => Problem::Checksum,
            None => Problem::Io(error),
        },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Problem::Fields { line, expected: expected_len, found: len }
        }
        csv::ErrorKind::Utf8 { .. } => Problem::Encoding { line },
        _ => Problem::Io(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

/// The CSV in a file, whatever it is packed in: what it is, its first bytes say.
fn unpacked(mut file: File) -> Result<Limited, Problem> {
    let packed = file.metadata().map_err(Problem::Io)?.len();
    let mut magic = [0; 4];
    let read = read_up_to(&mut file, &mut magic).map_err(Problem::Io)?;
    file.rewind().map_err(Problem::Io)?;
    let limit = LARGEST_CSV.min(packed.max(SMALL).saturating_mul(LARGEST_RATIO));
    let bytes: Box<dyn Read + Send> = match &magic[..read] {
        [b'P', b'K', 3 | 5, _] => zipped(file)?,
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file))),
        _ => Box::new(file),
    };
    Ok(Limited { bytes, left: limit, limit, line: 1, in_line: 0 })
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// The one CSV of a zip. The archive's directory says where it lies; it is unpacked as it is read.
fn zipped(file: File) -> Result<Box<dyn Read + Send>, Problem> {
    let mut again = file.try_clone().map_err(Problem::Io)?;
    let mut archive = zip::ZipArchive::new(file).map_err(Problem::Zip)?;
    let names: Vec<usize> = (0..archive.len().min(MOST_ENTRIES))
        .filter(|at| archive.name_for_index(*at).is_some_and(|name| name.is_ok_and(|name| is_csv(&name))))
        .collect();
    let [only] = names[..] else { return Err(Problem::Entries { found: names.len() }) };
    let entry = archive.by_index_raw(only).map_err(Problem::Zip)?;
    if entry.encrypted() {
        return Err(Problem::Method);
    }
    let (start, size, crc) = (entry.data_start(), entry.compressed_size(), entry.crc32());
    let method = entry.compression();
    let start = start.ok_or(Problem::Method)?;
    again.seek(SeekFrom::Start(start)).map_err(Problem::Io)?;
    let packed = BufReader::with_capacity(BUFFER, again.take(size));
    match method {
        zip::CompressionMethod::Stored => Ok(Box::new(Checked { bytes: CrcReader::new(packed), crc })),
        zip::CompressionMethod::Deflated => {
            Ok(Box::new(Checked { bytes: CrcReader::new(DeflateDecoder::new(packed)), crc }))
        }
        _ => Err(Problem::Method),
    }
}

/// What one system adds to the archives that it makes is no export.
fn is_csv(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".csv") && !name.starts_with("__MACOSX/")
}

/// Actito takes no byte order mark and writes none; other programs do.
fn without_bom(mut bytes: Limited) -> io::Result<Box<dyn Read + Send>> {
    let mut start = [0; 3];
    let mut filled = 0;
    while filled < start.len() {
        match bytes.read(&mut start[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    let rest = if start == [0xef, 0xbb, 0xbf] { Vec::new() } else { start[..filled].to_vec() };
    Ok(Box::new(io::Cursor::new(rest).chain(bytes)))
}

#[derive(Debug, Error)]
enum Limit {
    #[error("more than {0} bytes")]
    Bytes(u64),
    #[error("line {0} is too long")]
    Line(u64),
    #[error("wrong checksum")]
    Checksum,
}

/// Reads no more than a limit, and no line longer than one: the parser keeps a whole record in memory.
struct Limited {
    bytes: Box<dyn Read + Send>,
    left: u64,
    limit: u64,
    line: u64,
    in_line: usize,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(Limit::Bytes(self.limit)))?;
        for (at, part) in buffer[..read].split(|byte| *byte == b'\n').enumerate() {
            if at > 0 {
                (self.line, self.in_line) = (self.line + 1, 0);
            }
            self.in_line += part.len();
            if self.in_line > LONGEST_LINE {
                return Err(io::Error::other(Limit::Line(self.line)));
            }
        }
        Ok(read)
    }
}

/// Compares the checksum at the end.
struct Checked<R> {
    bytes: CrcReader<R>,
    crc: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        if read == 0 && !buffer.is_empty() && self.bytes.crc().sum() != self.crc {
            return Err(io::Error::other(Limit::Checksum));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
