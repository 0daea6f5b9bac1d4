//! Results on stdout: a line for people, or one JSON value for programs.

use std::io::{self, Write as _};

use serde::Serialize;

/// Prints one line; a reader that went away (`| head`) is no failure.
pub(super) fn line(text: impl AsRef<str>) {
    drop(writeln!(io::stdout().lock(), "{}", text.as_ref()));
}

/// Prints one JSON value on a line of its own.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?);
    Ok(())
}

/// A table without decoration, as wide as its content.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_header(header.to_vec());
    table.add_rows(rows);
    line(table.to_string());
}
