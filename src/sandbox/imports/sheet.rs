//! The rows of an import's CSV, one after the other.

use std::io::{self, Read};

use csv::{ReaderBuilder, StringRecord};

use super::parameters::Parameters;
use super::source::Source;
use super::strict::Strict;

const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The header line, and where the mapped columns are in it, in the mapping's order.
pub(super) struct Header {
    pub(super) names: StringRecord,
    pub(super) places: Vec<usize>,
}

/// Reads the file from its beginning and hands over each row; the error says what is wrong with the file.
/// `each` ends the reading by answering false.
pub(super) fn rows(
    source: &Source,
    parameters: &Parameters,
    max_csv_bytes: u64,
    mut each: impl FnMut(&Header, StringRecord) -> bool,
) -> Result<(), String> {
    source.read(|raw| {
        let mut first = Vec::with_capacity(BOM.len());
        raw.take(BOM.len() as u64).read_to_end(&mut first).map_err(|error| error.to_string())?;
        if first == BOM {
            return Err("the CSV begins with a byte order mark".into());
        }
        let strict = Strict::new(first.chain(raw), parameters.separator, parameters.line_end, max_csv_bytes);
        let mut reader = ReaderBuilder::new().delimiter(parameters.separator).flexible(true).from_reader(strict);
        let header = header(reader.headers().map_err(|error| reason(&error))?.clone(), parameters)?;
        let mut row = StringRecord::new();
        while reader.read_record(&mut row).map_err(|error| reason(&error))? {
            if !each(&header, std::mem::take(&mut row)) {
                break;
            }
        }
        Ok(())
    })
}

/// Looks through the whole file.
pub(super) fn check(source: &Source, parameters: &Parameters, max_csv_bytes: u64) -> Result<(), String> {
    rows(source, parameters, max_csv_bytes, |_, _| true)
}

fn header(names: StringRecord, parameters: &Parameters) -> Result<Header, String> {
    let place = |column: &str| names.iter().position(|name| name == column);
    let places = parameters
        .mapping
        .iter()
        .map(|(column, _)| place(column).ok_or_else(|| format!("the header line has no column {column:?}")));
    let places = places.collect::<Result<Vec<usize>, String>>()?;
    Ok(Header { names, places })
}

/// What is wrong, without the row's text.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::InvalidData => format!("the CSV, {error}"),
        csv::ErrorKind::Utf8 { pos, .. } => {
            format!("the CSV, line {}: not UTF-8", pos.as_ref().map_or(1, csv::Position::line))
        }
        _ => "the CSV cannot be read".to_owned(),
    }
}
