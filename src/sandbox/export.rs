//! A full export of the profile table as Actito delivers one: CSV with `;` and `"`, a header line, UTF-8
//! without a byte order mark, bare, zipped or gzipped, with the day in its name.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use csv::{QuoteStyle, WriterBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::State;
use super::table::PROFILE_ID;

/// Profiles written under one lock: a few milliseconds.
const CHUNK: usize = 10_000;

/// What an export is packed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Nothing.
    Csv,
    /// A zip with one CSV.
    Zip,
    /// A gzipped CSV.
    Gzip,
}

/// Writes the export into `folder` under a temporary name and renames it, so that whoever watches the
/// folder finds it whole; returns its path, `Customers_20261122.csv` with the packing's ending.
pub(super) fn write(state: &State, folder: &Path, packing: Packing) -> io::Result<PathBuf> {
    let day: String = state.clock.now().rfc3339().chars().filter(char::is_ascii_digit).take(8).collect();
    let csv_name = format!("{}_{day}.csv", state.options.profile_table);
    let path = folder.join(match packing {
        Packing::Csv => csv_name.clone(),
        Packing::Zip => format!("{}_{day}.zip", state.options.profile_table),
        Packing::Gzip => format!("{csv_name}.gz"),
    });
    let partial = path.with_added_extension("part");
    let file = BufWriter::new(File::create(&partial)?);
    let mut file = match packing {
        Packing::Csv => rows(state, file)?,
        Packing::Zip => {
            let mut zip = ZipWriter::new(file);
            zip.start_file(csv_name, SimpleFileOptions::default())?;
            rows(state, zip)?.finish()?
        }
        Packing::Gzip => rows(state, GzEncoder::new(file, Compression::default()))?.finish()?,
    };
    file.flush()?;
    fs::rename(&partial, &path)?;
    Ok(path)
}

/// Writes every profile, by id, and gives the writer back. Null is an empty field.
fn rows<W: Write>(state: &State, to: W) -> io::Result<W> {
    let mut csv = WriterBuilder::new().delimiter(b';').quote_style(QuoteStyle::NonNumeric).from_writer(to);
    let names: Vec<String> = state.actito.read(|table| table.attributes().iter().map(|one| one.name.clone()).collect());
    csv.write_record(std::iter::once(PROFILE_ID).chain(names.iter().map(String::as_str)))?;
    let mut after = Some(0);
    while let Some(last) = after {
        let mut failed = Ok(());
        after = state.actito.read(|table| {
            table.each_after(last, CHUNK, |id, values| {
                let id = id.to_string();
                let fields = std::iter::once(id.as_str()).chain(values.iter().map(|value| value.unwrap_or_default()));
                if failed.is_ok() {
                    failed = csv.write_record(fields);
                }
            })
        });
        failed?;
    }
    csv.into_inner().map_err(|error| error.into_error())
}
