//! RFC 4180 to the letter, as a reader that passes bytes through and fails at the first one that breaks a
//! rule: quotes where they belong, the line end that was promised, and no more bytes than allowed.

use std::io::{self, Read};

use super::parameters::LineEnd;

/// Passes on what `inner` has.
pub(super) struct Strict<R> {
    inner: R,
    separator: u8,
    line_end: LineEnd,
    left: u64,
    line: u64,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    FieldStart,
    Unquoted,
    Quoted,
    /// Behind a quote inside a quoted field: its end, or the first of two.
    Quote,
    /// Behind the CR of a line end.
    Cr,
}

impl<R: Read> Strict<R> {
    pub(super) fn new(inner: R, separator: u8, line_end: LineEnd, max_bytes: u64) -> Self {
        Self { inner, separator, line_end, left: max_bytes, line: 1, at: At::FieldStart }
    }

    fn step(&mut self, byte: u8) -> io::Result<()> {
        let next = match (self.at, byte) {
            (At::Quoted, b'"') => At::Quote,
            (At::Quoted, _) => At::Quoted,
            (At::Quote, b'"') => At::Quoted,
            (At::FieldStart, b'"') => At::Quoted,
            (At::Cr, b'\n') => At::FieldStart,
            (At::Cr, _) => return self.broken("a CR without an LF"),
            (_, b'\r') if self.line_end == LineEnd::CrLf => At::Cr,
            (_, b'\n') if self.line_end == LineEnd::Lf => At::FieldStart,
            (_, b'\r' | b'\n') => return self.broken("another line end than the parameters say"),
            (_, byte) if byte == self.separator => At::FieldStart,
            (At::Quote, _) => return self.broken("text behind the end of a quoted field"),
            (At::Unquoted, b'"') => return self.broken("a quote in a field that is not quoted"),
            (At::FieldStart | At::Unquoted, _) => At::Unquoted,
        };
        self.line += u64::from(byte == b'\n');
        self.at = next;
        Ok(())
    }

    fn broken(&self, what: &str) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {what}", self.line)))
    }
}

impl<R: Read> Read for Strict<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => self.broken("the CSV is larger than allowed")?,
        }
        buffer[..read].iter().try_for_each(|byte| self.step(*byte))?;
        if read == 0 && !buffer.is_empty() && matches!(self.at, At::Quoted | At::Cr) {
            self.broken("the file ends inside a field or a line end")?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, line_end: LineEnd) -> Result<String, String> {
        let mut all = String::new();
        let done = Strict::new(text.as_bytes(), b';', line_end, 60).read_to_string(&mut all);
        done.map(|_| all).map_err(|error| error.to_string())
    }

    #[test]
    fn right_files_pass_unchanged() {
        for text in ["a;b\n1;2\n", "a;b\n\"x;\n\"\"y\";2", "", "\"\";\n"] {
            assert_eq!(read(text, LineEnd::Lf).as_deref(), Ok(text));
        }
        assert!(read("a;b\r\n\"\r\n\";2\r\n", LineEnd::CrLf).is_ok());
    }

    #[test]
    fn broken_files_name_their_line() {
        for (text, line_end, reason) in [
            ("a;b\n1\"2;3\n", LineEnd::Lf, "line 2: a quote"),
            ("a;b\n\"1\"2;3\n", LineEnd::Lf, "line 2: text behind"),
            ("a;b\n\"1;3\n", LineEnd::Lf, "line 3: the file ends"),
            ("a;b\r\n", LineEnd::Lf, "line 1: another line end"),
            ("a;b\n", LineEnd::CrLf, "line 1: another line end"),
            ("a;b\r1", LineEnd::CrLf, "line 1: a CR"),
        ] {
            assert!(read(text, line_end).unwrap_err().starts_with(reason), "{text:?}");
        }
        assert!(read(&"x".repeat(61), LineEnd::Lf).unwrap_err().contains("larger"));
    }
}
