//! Where in a file something stands, and the complaint that names it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file, a line in it and the key that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// The key with its tables, as in `edge.listen`; empty when none is meant.
    pub key: String,
}

impl Place {
    /// The file as a whole.
    pub fn of_file(file: &Path) -> Self {
        Self { file: file.to_owned(), line: 0, key: String::new() }
    }

    /// A complaint about what stands here.
    pub fn complain(&self, message: impl Into<String>) -> ConfigError {
        ConfigError { place: self.clone(), message: message.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.key.is_empty() { Ok(()) } else { write!(f, ": {}", self.key) }
    }
}

/// What is wrong in a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// What was expected and what was found.
    pub message: String,
}

/// A value that remembers where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// The text of a file, to find places in.
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let line = 1 + self.text[..span.start.min(self.text.len())].matches('\n').count();
        Place { file: self.file.to_owned(), line, key: self.key_at(&span) }
    }

    pub(super) fn locate<T>(&self, value: Spanned<T>) -> Located<T> {
        let place = self.place(value.span());
        Located { value: value.into_inner(), place }
    }

    pub(super) fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let mut place = error.span().map_or_else(|| Place::of_file(self.file), |span| self.place(span));
        if let Some(missing) = missing_field(error.message()) {
            // A field of no table is missed at the first byte, where some table's header may stand.
            let of_table = error.span().is_some_and(|span| !self.is_whole(&span)) && !place.key.is_empty();
            place.key = if of_table { format!("{}.{missing}", place.key) } else { missing.to_owned() };
        }
        place.complain(error.message())
    }

    fn is_whole(&self, span: &Range<usize>) -> bool {
        DeTable::parse(self.text).is_ok_and(|table| table.span() == *span)
    }

    /// The path of keys that leads to the byte where `span` starts.
    fn key_at(&self, span: &Range<usize>) -> String {
        let mut path = Vec::new();
        if let Ok(table) = DeTable::parse(self.text) {
            descend_table(table.get_ref(), span.start, &mut path);
        }
        path.join(".")
    }
}

/// The name in serde's complaint about a field that is not there.
fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// Follows the entries that cover `at`, or that belong to the header `at` stands on.
fn descend_table(table: &DeTable<'_>, at: usize, path: &mut Vec<String>) {
    for (key, value) in table {
        if key.span().contains(&at) {
            path.push(key.get_ref().to_string());
            return;
        }
        if covers(value, at) {
            path.push(key.get_ref().to_string());
            descend_value(value.get_ref(), at, path);
            return;
        }
    }
}

fn descend_value(value: &DeValue<'_>, at: usize, path: &mut Vec<String>) {
    match value {
        DeValue::Table(table) => descend_table(table, at, path),
        DeValue::Array(values) => {
            if let Some(value) = values.iter().find(|value| covers(value, at)) {
                descend_value(value.get_ref(), at, path);
            }
        }
        _ => {}
    }
}

/// Whether a value, or anything in it, stands at `at`: a table's own span is only its header.
fn covers(value: &Spanned<DeValue<'_>>, at: usize) -> bool {
    value.span().contains(&at)
        || match value.get_ref() {
            DeValue::Table(table) => table.iter().any(|(key, value)| key.span().contains(&at) || covers(value, at)),
            DeValue::Array(values) => values.iter().any(|value| covers(value, at)),
            _ => false,
        }
}
