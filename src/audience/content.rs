//! What goes into the files of one audience: members in order, each once, without people who are not to be known.
//!
//! Everything is streamed: from sorted runs or from the files that stand at the destination, into nameless files
//! beside the store. Blocks: call it where blocking is allowed.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write};
use std::ops::Bound::{Excluded, Unbounded};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{Context, SHA256};

use super::member::Member;
use super::people::{Judgement, Matcher};
use super::room;
use super::sorting::{Members, Sorted, merge, reader};
use super::source::Delta;
use crate::config::TooLarge;

/// Most files that one audience is split into: six gigabytes of members, and a list that people still read.
const MOST_PARTS: usize = 64;

/// Parts are made for so much more than there is, so that a little growth does not shuffle everybody.
const HEADROOM: f64 = 1.2;

/// What is written to each file at once.
const BUFFER: usize = 64 << 10;

/// What the files look like.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) header: String,
    pub(super) separator: u8,
    pub(super) max_size: u64,
    pub(super) too_large: TooLarge,
}

/// Who is in an audience now.
pub(super) enum Fresh {
    /// As the source says.
    Whole(Sorted),
    /// As what was sent, and what changed since.
    Changed(Base, Delta),
}

/// The files that stand at the destination, as we sent them.
#[derive(Clone)]
pub(super) struct Base {
    parts: Vec<Arc<File>>,
    separator: u8,
}

/// A file that is ready to be sent.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) file: File,
    pub(super) bytes: u64,
    /// SHA-256, in hex.
    pub(super) hash: String,
}

/// All files of an audience, and who is in them.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) drafts: Vec<Arc<Draft>>,
    pub(super) members: u64,
    /// Not in what was sent before.
    pub(super) added: u64,
    /// In what was sent before, and no longer.
    pub(super) removed: u64,
    /// Left out, because they are not to be known.
    pub(super) erased: u64,
    /// Of `members`, those who exist as profiles, as far as syncs know.
    pub(super) matched: u64,
}

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContentError {
    #[error("it takes {found} bytes, and one file takes {limit}: set too_large = \"split\", or make it smaller")]
    TooLarge { found: u64, limit: u64 },
    #[error("cannot prepare its file: {0}")]
    File(#[from] io::Error),
}

impl Base {
    /// The files, if they are those of these hashes.
    pub(super) fn verified(files: Vec<(File, &str)>, separator: u8) -> io::Result<Option<Self>> {
        let mut parts = Vec::new();
        for (file, hash) in files {
            let file = Arc::new(file);
            if hash_of(&file)? != hash {
                return Ok(None);
            }
            parts.push(file);
        }
        Ok(Some(Self { parts, separator }))
    }

    pub(super) fn members(&self) -> Members {
        let of = |file| {
            let read = csv::ReaderBuilder::new().delimiter(self.separator).flexible(true).from_reader(reader(file));
            let member = |row: csv::Result<csv::StringRecord>| match row {
                Ok(row) => Ok(Member::kept(row.get(0).unwrap_or_default())),
                Err(error) => Err(io::Error::other(error)),
            };
            Box::new(read.into_records().map(member)) as Members
        };
        merge(self.parts.iter().map(of).collect())
    }
}

impl Fresh {
    fn members(&self) -> Members {
        match self {
            Self::Whole(sorted) => sorted.members(),
            Self::Changed(base, changes) => apply(base.members(), changes.clone()),
        }
    }

    /// Writes everybody into files in `folder`, in `parts` of them, or twice as many as often as it takes: then who
    /// moves does so into a new file, and none of the others misses anybody who is not in a new one. Compares with
    /// `old`.
    pub(super) fn write(
        &self,
        old: Option<&Base>,
        form: &Form,
        people: &Matcher,
        folder: &Path,
        parts: usize,
    ) -> Result<Written, ContentError> {
        let mut parts = parts.clamp(1, MOST_PARTS);
        loop {
            let mut pass = Pass::begin(form, folder, parts)?;
            pass.all(self.members(), old.map(Base::members), people)?;
            if pass.fits(form) {
                return Ok(pass.end()?);
            }
            let bytes: u64 = pass.sizes.iter().sum();
            let needed = (bytes as f64 * HEADROOM / form.max_size as f64).ceil() as usize;
            parts *= 2;
            while parts < needed {
                parts *= 2;
            }
            if form.too_large == TooLarge::Refuse || parts > MOST_PARTS {
                return Err(ContentError::TooLarge { found: bytes, limit: form.max_size });
            }
        }
    }
}

/// One pass over everybody.
struct Pass {
    /// Empty once something does not fit: from then on it is only counted.
    writers: Vec<csv::Writer<Tally>>,
    /// Bytes of each part, at least.
    sizes: Vec<u64>,
    limit: u64,
    written: Written,
    folder: PathBuf,
    /// Bytes since it was looked whether there is room.
    since: u64,
}

impl Pass {
    fn begin(form: &Form, folder: &Path, parts: usize) -> io::Result<Self> {
        room::check(folder)?;
        let mut writers = Vec::with_capacity(parts);
        for _ in 0..parts {
            let tally = Tally::new(tempfile::tempfile_in(folder)?);
            let mut writer = csv::WriterBuilder::new()
                .delimiter(form.separator)
                .terminator(csv::Terminator::Any(b'\n'))
                .from_writer(tally);
            writer.write_record([&form.header])?;
            writers.push(writer);
        }
        let sizes = vec![form.header.len() as u64 + 1; parts];
        let (folder, since) = (folder.to_owned(), 0);
        Ok(Self { writers, sizes, limit: form.max_size, written: Written::default(), folder, since })
    }

    fn all(&mut self, members: Members, old: Option<Members>, people: &Matcher) -> io::Result<()> {
        let mut old = old.map(Iterator::peekable);
        for member in members {
            let member = member?;
            let matched = match people.judge(&member) {
                Judgement::Erased => {
                    self.written.erased += 1;
                    continue;
                }
                Judgement::Matched => true,
                Judgement::Unmatched => false,
            };
            self.written.members += 1;
            self.written.matched += u64::from(matched);
            let was_in = match &mut old {
                None => false,
                Some(old) => {
                    while old.next_if(|it| it.as_ref().is_ok_and(|it| *it < member)).is_some() {
                        self.written.removed += 1;
                    }
                    match old.peek() {
                        Some(Ok(same)) if *same == member => old.next().is_some(),
                        Some(Err(_)) => return old.next().map_or(Ok(()), |error| error.map(drop)),
                        _ => false,
                    }
                }
            };
            self.written.added += u64::from(!was_in);
            self.put(&member)?;
        }
        for left in old.into_iter().flatten() {
            left?;
            self.written.removed += 1;
        }
        Ok(())
    }

    fn put(&mut self, member: &Member) -> io::Result<()> {
        let (part, text) = (member.part(self.sizes.len()), member.as_str());
        // Quotes that a field may need are counted by the file itself.
        self.sizes[part] += text.len() as u64 + 1;
        if self.sizes[part] > self.limit {
            self.writers.clear();
        }
        if let Some(writer) = self.writers.get_mut(part) {
            writer.write_record([text])?;
            self.since += text.len() as u64 + 1;
        }
        if self.since >= room::AGAIN {
            self.since = 0;
            room::check(&self.folder)?;
        }
        Ok(())
    }

    fn fits(&mut self, form: &Form) -> bool {
        let flushed = self.writers.iter_mut().all(|writer| writer.flush().is_ok());
        let longest = self.writers.iter().map(|writer| writer.get_ref().bytes).max().unwrap_or_default();
        // What cannot be flushed is for `end` to complain about.
        !self.writers.is_empty() && (!flushed || longest <= form.max_size)
    }

    fn end(self) -> io::Result<Written> {
        let mut written = self.written;
        for writer in self.writers {
            let tally = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
            written.drafts.push(Arc::new(tally.draft()?));
        }
        Ok(written)
    }
}

/// Counts and hashes what goes into a file.
struct Tally {
    file: BufWriter<File>,
    hash: Context,
    bytes: u64,
}

impl Tally {
    fn new(file: File) -> Self {
        Self { file: BufWriter::with_capacity(BUFFER, file), hash: Context::new(&SHA256), bytes: 0 }
    }

    fn draft(self) -> io::Result<Draft> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Draft { file, bytes: self.bytes, hash: hex(self.hash.finish().as_ref()) })
    }
}

impl Write for Tally {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// `members` with those that came in, and without those that left.
fn apply(members: Members, changes: Delta) -> Members {
    let after = move |last: Option<&Member>| {
        let (member, comes) = changes.range((last.map_or(Unbounded, Excluded), Unbounded)).next()?;
        Some((member.clone(), *comes))
    };
    let (mut members, mut first) = (members.peekable(), after(None));
    Box::new(std::iter::from_fn(move || {
        loop {
            let next = match members.peek() {
                None => None,
                Some(Ok(member)) => Some(member),
                Some(Err(_)) => return members.next(),
            };
            let Some((change, _)) = &first else { return members.next() };
            if next.is_some_and(|member| member < change) {
                return members.next();
            }
            if next == Some(change) {
                members.next();
            }
            let following = after(Some(change));
            if let Some((member, true)) = std::mem::replace(&mut first, following) {
                return Some(Ok(member));
            }
        }
    }))
}

fn hash_of(file: &Arc<File>) -> io::Result<String> {
    let (mut hash, mut buffer) = (Context::new(&SHA256), vec![0; BUFFER]);
    let mut from = BufReader::new(reader(file));
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hex(hash.finish().as_ref())),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
impl Draft {
    pub(super) fn of(file: File, bytes: u64) -> Self {
        Self { file, bytes, hash: String::new() }
    }
}

#[cfg(test)]
mod tests;
