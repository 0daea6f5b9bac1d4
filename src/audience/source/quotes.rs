//! Sees that what is read is CSV of which nothing is swallowed: a quote that opens and never closes, or that closes
//! only where a later one opens, makes one field of many lines, and their people would be missing in silence.

use std::io::{self, Read};

use super::folder::LONGEST_LINE;

/// Passes on what it reads, until something in it is wrong.
pub(super) struct Quotes<R> {
    from: R,
    separator: u8,
    at: At,
    /// Counted from 1.
    line: u64,
    /// Where the quoted field began that was read last.
    opened: u64,
    /// Bytes of this record.
    length: usize,
    /// What is wrong, and in which line.
    pub(super) wrong: Option<(u64, &'static str)>,
}

/// Where in a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a field.
    Start,
    /// In a field without quotes; one within it means nothing.
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: its end, or the first of two.
    Quote,
}

impl<R: Read> Quotes<R> {
    pub(super) fn new(from: R, separator: u8) -> Self {
        Self { from, separator, at: At::Start, line: 1, opened: 0, length: 0, wrong: None }
    }

    fn see(&mut self, byte: u8) -> Result<(), (u64, &'static str)> {
        let ends = byte == self.separator || matches!(byte, b'\n' | b'\r');
        self.at = match (self.at, byte) {
            (At::Start, b'"') => {
                self.opened = self.line;
                At::Quoted
            }
            (At::Quoted, b'"') => At::Quote,
            (At::Quoted, _) | (At::Quote, b'"') => At::Quoted,
            (At::Quote, _) if !ends => return Err((self.opened, "a separator or the end of the line behind a quote")),
            _ if ends => At::Start,
            _ => At::Plain,
        };
        self.length = if self.at == At::Start && byte != self.separator { 0 } else { self.length + 1 };
        if self.length > LONGEST_LINE {
            let line = if self.at == At::Quoted { self.opened } else { self.line };
            return Err((line, "a line of at most 1 MiB, and an end of what is quoted"));
        }
        self.line += u64::from(byte == b'\n');
        Ok(())
    }
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        let seen = match read {
            0 if self.at == At::Quoted => Err((self.opened, "an end of what is quoted")),
            _ => into[..read].iter().try_for_each(|byte| self.see(*byte)),
        };
        seen.map(|()| read).map_err(|wrong| {
            self.wrong = Some(wrong);
            io::ErrorKind::InvalidData.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<u64> {
        let mut quotes = Quotes::new(text.as_bytes(), b';');
        let result = io::copy(&mut quotes, &mut io::sink());
        assert_eq!(result.is_err(), quotes.wrong.is_some());
        quotes.wrong.map(|(line, _)| line)
    }

    #[test]
    fn a_quote_that_does_not_close_where_a_field_ends_is_found_at_its_line() {
        for right in ["", "a;b\n", "\"a\";\"\"\r\n\"b \"\"c\"\" \n;\"", "screen of 5\";x\n", "a;\"x\"", " \"a;\n"] {
            assert_eq!(read(right), None, "{right}");
        }
        assert_eq!(read("email\n\"a@x\nb@x\n"), Some(2));
        assert_eq!(read("email\n\"a@x\nb@x\n\"c@x\"\nd@x\n"), Some(2));
        assert_eq!(read("email\na@x\n\"b@x\" \n"), Some(3));
        assert_eq!(read(&format!("email\n\"{}", "x\n".repeat(LONGEST_LINE))), Some(2));
        assert_eq!(read(&format!("email\n{}", "x".repeat(LONGEST_LINE + 1))), Some(2));
        assert_eq!(read(&"person@example.org\n".repeat(LONGEST_LINE / 10)), None);
    }

    proptest! {
        #[test]
        fn what_is_written_as_csv_is_right(fields in prop::collection::vec("[a\";\n\r ]{0,4}", 1..20)) {
            let mut writer = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
            fields.iter().for_each(|field| writer.write_record([field, "x"]).unwrap());
            prop_assert_eq!(read(&String::from_utf8(writer.into_inner().unwrap()).unwrap()), None);
        }
    }
}
