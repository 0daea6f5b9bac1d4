//! The rows that an import rejected, as Actito gives them back: a zip with one CSV, the row as it came and
//! behind it `errorCode` and `errorColumn`.

use std::fs::File;
use std::io;

use csv::{StringRecord, Writer, WriterBuilder};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Why a row was rejected. The words are not known; these are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) code: &'static str,
    /// Name of the column, when one is to blame.
    pub(super) column: String,
}

/// The file, being written.
pub(super) struct Rejected {
    writer: Writer<ZipWriter<File>>,
    has_header: bool,
}

impl Rejected {
    pub(super) fn begin(separator: u8) -> io::Result<Self> {
        let mut zip = ZipWriter::new(tempfile::tempfile()?);
        zip.start_file("errors.csv", SimpleFileOptions::default())?;
        Ok(Self {
            writer: WriterBuilder::new().delimiter(separator).flexible(true).from_writer(zip),
            has_header: false,
        })
    }

    pub(super) fn add(&mut self, header: &StringRecord, row: &StringRecord, why: &Rejection) -> io::Result<()> {
        if !self.has_header {
            self.writer.write_record(header.iter().chain(["errorCode", "errorColumn"]))?;
            self.has_header = true;
        }
        Ok(self.writer.write_record(row.iter().chain([why.code, &why.column]))?)
    }

    pub(super) fn finish(self) -> io::Result<File> {
        let zip = self.writer.into_inner().map_err(|error| error.into_error())?;
        Ok(zip.finish()?)
    }
}
