//! A newsletter as a zip, as e-mail platforms take it: its pages in HTML are rewritten, every other
//! entry is copied as it is compressed.
//!
//! Order, names, times, attributes and comments stay. The same zip gives the same bytes, and one in
//! which nothing changes comes back as it was. Zips in the zip are not opened, links are not followed.

use std::io::{Cursor, Read as _, Write as _};

use thiserror::Error;
use zip::read::ZipFile;
use zip::result::ZipError;
use zip::write::FullFileOptions;
use zip::{ExtraField, ZipArchive, ZipWriter};

use super::draft::Draft;
use super::splice::splice;
use super::{Format, MAX_DOCUMENT, RewriteError, page};

/// The largest zip, in bytes: with all its images a newsletter has a few megabytes, and the output is
/// held in memory beside it.
pub const MAX_ARCHIVE: usize = 64 << 20;

/// How many entries a zip may have: a template with its images and fonts has tens.
const MAX_ENTRIES: usize = 2000;

/// What all entries may have together, unpacked, in bytes. They are not unpacked here, but whoever gets
/// the zip next will: images hardly shrink, so that this is room for four zips of the largest size.
const MAX_UNPACKED: u64 = 256 << 20;

/// What all pages may have together, unpacked, in bytes: they are held in memory.
const MAX_PAGES: u64 = 64 << 20;

/// How many times larger than its compressed form an entry may be: HTML made of tables reaches thirty,
/// a bomb a thousand. Small entries may, since they harm nobody.
const MAX_RATIO: u64 = 200;

/// The size from which [`MAX_RATIO`] counts, in bytes.
const RATIO_COUNTS: u64 = 1 << 20;

/// How many names an error tells, and how many characters of each.
const TOLD_NAMES: usize = 5;
const TOLD_LENGTH: usize = 100;

type Reader<'z> = ZipArchive<Cursor<&'z [u8]>>;
type Writer = ZipWriter<Cursor<Vec<u8>>>;

/// Why a zip cannot be rewritten at all.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// Not a zip, or a broken one.
    #[error("the zip cannot be read: {0}")]
    Zip(#[from] ZipError),
    /// An entry that cannot be read.
    #[error("{name} in the zip cannot be read: {source}")]
    Entry {
        /// Its name.
        name: String,
        /// Why.
        source: ZipError,
    },
    /// An entry that has another size than it says, or does not end.
    #[error("{name} in the zip has another size than the {expected} bytes that the zip says")]
    Size {
        /// Its name.
        name: String,
        /// What the zip says.
        expected: u64,
    },
    /// Something stands before the zip.
    #[error("{found} bytes stand before the zip, expected none")]
    Prefix {
        /// How many bytes.
        found: u64,
    },
    /// Beyond `MAX_ENTRIES`.
    #[error("the zip has {found} entries, expected at most {MAX_ENTRIES}")]
    Entries {
        /// How many.
        found: usize,
    },
    /// Beyond `MAX_UNPACKED`.
    #[error("the zip unpacks to {found} bytes, expected at most {MAX_UNPACKED}")]
    Unpacked {
        /// How many bytes.
        found: u64,
    },
    /// Beyond `MAX_PAGES`.
    #[error("the pages in the zip have {found} bytes, expected at most {MAX_PAGES}")]
    Pages {
        /// How many bytes, up to the one that was too much.
        found: u64,
    },
    /// A page beyond [`MAX_DOCUMENT`].
    #[error("{name} in the zip has {found} bytes, expected at most {MAX_DOCUMENT}")]
    Page {
        /// Its name.
        name: String,
        /// Its size in bytes.
        found: u64,
    },
    /// Beyond `MAX_RATIO`.
    #[error("{name} in the zip unpacks to more than {MAX_RATIO} times its size, as bombs do")]
    Ratio {
        /// The entry's name.
        name: String,
    },
    /// Entries that share bytes.
    #[error("entries of the zip overlap, as in bombs")]
    Overlap,
    /// An encrypted entry.
    #[error("{name} in the zip is encrypted, expected a zip without a password")]
    Encrypted {
        /// Its name.
        name: String,
    },
    /// A name that leads out of the folder that the zip is unpacked to.
    #[error(
        "{name:?} in the zip is no name inside a folder: expected one without `..`, drive, or `/` at its beginning"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A name that comes twice.
    #[error("a name comes twice in the zip, expected each once")]
    Duplicate,
    /// Nothing to rewrite.
    #[error("no page in the zip: expected an .html or .htm, found {found}")]
    NoPage {
        /// The first names.
        found: String,
    },
}

impl ArchiveError {
    /// A stable word for metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Zip(_) | Self::Entry { .. } | Self::Size { .. } | Self::Prefix { .. } => "zip_broken",
            Self::Entries { .. } | Self::Unpacked { .. } | Self::Pages { .. } | Self::Page { .. } => "zip_too_large",
            Self::Ratio { .. } | Self::Overlap => "zip_bomb",
            Self::Encrypted { .. } => "zip_encrypted",
            Self::Name { .. } | Self::Duplicate => "zip_name",
            Self::NoPage { .. } => "zip_no_page",
        }
    }
}

/// Rewrites a zip.
///
/// # Errors
/// When the zip is broken, encrypted, dangerous, too large or without a page, or a page of it cannot be
/// rewritten.
pub(super) fn rewrite(document: &[u8], draft: &mut Draft<'_>) -> Result<Vec<u8>, RewriteError> {
    let mut archive = ZipArchive::new(Cursor::new(document)).map_err(ArchiveError::Zip)?;
    let pages = check(&mut archive)?;
    let mut rewritten = Vec::new();
    let mut read = 0;
    for (index, name) in pages {
        let bytes = read_page(&mut archive, index, &name, &mut read)?;
        draft.enter(&name);
        let edits = page::edits(&bytes, None, draft)?;
        if !edits.is_empty() {
            rewritten.push((index, splice(&bytes, edits)));
        }
    }
    draft.enter("");
    if rewritten.is_empty() {
        return Ok(document.to_vec());
    }
    Ok(write(&mut archive, rewritten)?)
}

/// Refuses what is dangerous or too much, and says which entries are pages.
fn check(archive: &mut Reader<'_>) -> Result<Vec<(usize, String)>, ArchiveError> {
    if archive.offset() != 0 {
        return Err(ArchiveError::Prefix { found: archive.offset() });
    }
    if archive.len() > MAX_ENTRIES {
        return Err(ArchiveError::Entries { found: archive.len() });
    }
    if archive.has_duplicate_names() {
        return Err(ArchiveError::Duplicate);
    }
    let mut pages = Vec::new();
    let mut unpacked = 0_u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        let name = checked_name(&entry)?;
        unpacked = unpacked.saturating_add(entry.size());
        if entry.is_file() && is_page(&name) {
            pages.push((index, name));
        }
    }
    if unpacked > MAX_UNPACKED {
        return Err(ArchiveError::Unpacked { found: unpacked });
    }
    if archive.has_overlapping_entries()? {
        return Err(ArchiveError::Overlap);
    }
    if pages.is_empty() { Err(no_page(archive)) } else { Ok(pages) }
}

fn checked_name(entry: &ZipFile<'_, Cursor<&[u8]>>) -> Result<String, ArchiveError> {
    let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
    let told = told(&name);
    let is_drive = name.as_bytes().get(1) == Some(&b':');
    let mut steps = name.split(['/', '\\']);
    if is_drive || name.starts_with(['/', '\\']) || name.contains('\0') || steps.any(|step| step == "..") {
        return Err(ArchiveError::Name { name: told });
    }
    if entry.encrypted() {
        return Err(ArchiveError::Encrypted { name: told });
    }
    if entry.size() >= RATIO_COUNTS && entry.size() / entry.compressed_size().max(1) > MAX_RATIO {
        return Err(ArchiveError::Ratio { name: told });
    }
    Ok(name)
}

/// Whether an entry is a page, by its name. Files that begin with `._`, and those in `__MACOSX`, hold what
/// macOS knows about the file of that name.
fn is_page(name: &str) -> bool {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let is_about_another = file.starts_with("._") || name.starts_with("__MACOSX/");
    !is_about_another && Format::of_name(file) == Some(Format::Html)
}

fn no_page(archive: &Reader<'_>) -> ArchiveError {
    let names = archive.file_names_raw().map(|name| told(&String::from_utf8_lossy(name)));
    let mut found: Vec<_> = names.take(TOLD_NAMES).collect();
    if archive.len() > TOLD_NAMES {
        found.push(format!("and {} more", archive.len() - TOLD_NAMES));
    }
    ArchiveError::NoPage { found: if found.is_empty() { "nothing".to_owned() } else { found.join(", ") } }
}

fn told(name: &str) -> String {
    name.chars().take(TOLD_LENGTH).collect()
}

fn read_page(archive: &mut Reader<'_>, index: usize, name: &str, read: &mut u64) -> Result<Vec<u8>, ArchiveError> {
    let unreadable = |source| ArchiveError::Entry { name: told(name), source };
    let entry = archive.by_index(index).map_err(unreadable)?;
    let expected = entry.size();
    if expected > MAX_DOCUMENT as u64 {
        return Err(ArchiveError::Page { name: told(name), found: expected });
    }
    *read += expected;
    if *read > MAX_PAGES {
        return Err(ArchiveError::Pages { found: *read });
    }
    let mut bytes = Vec::new();
    entry.take(expected + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.into()))?;
    if bytes.len() as u64 != expected {
        return Err(ArchiveError::Size { name: told(name), expected });
    }
    Ok(bytes)
}

/// The zip with some entries replaced, in order.
fn write(archive: &mut Reader<'_>, rewritten: Vec<(usize, Vec<u8>)>) -> Result<Vec<u8>, ArchiveError> {
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    out.set_raw_comment(archive.comment().into())?;
    let mut rewritten = rewritten.into_iter().peekable();
    for index in 0..archive.len() {
        match rewritten.next_if(|(changed, _)| *changed == index) {
            Some((_, bytes)) => replace(archive, index, &bytes, &mut out)?,
            None => out.raw_copy_file(archive.by_index_raw(index)?)?,
        }
    }
    Ok(out.finish()?.into_inner())
}

fn replace(archive: &mut Reader<'_>, index: usize, bytes: &[u8], out: &mut Writer) -> Result<(), ArchiveError> {
    let entry = archive.by_index_raw(index)?;
    let mut options: FullFileOptions<'_, '_> = entry.options().into_full_options();
    if !entry.comment().is_empty() {
        options = options.with_file_comment(entry.comment());
    }
    for field in entry.extra_data_fields() {
        // Owners and the like. Sizes are written anew; a second, finer time is lost, as the library loses
        // it in the entries that are copied.
        if let ExtraField::Custom(field) = field {
            options.add_extra_field(field.header_id, &field.data, false)?;
        }
    }
    out.start_file_with_options(options.name(entry.name_raw()))?;
    out.write_all(bytes).map_err(ZipError::from)?;
    Ok(())
}
