//! `[integration.sync]`: how much an import carries, when Actito's day begins, and what an export file
//! looks like.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::place::Source;
use super::units::Span;
use super::{ConfigError, Place};

/// Rows of one import unless written otherwise: a million rows are four of a day's twelve, and what is
/// read of a list before an import goes is not more than eleven minutes of calls.
const IMPORT_ROWS: u64 = 250_000;

/// How an integration is synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Rows that one mass import carries at most.
    pub import_rows: u64,
    /// When Actito's day of quotas begins, after midnight UTC.
    pub quota_day_starts: Duration,
    /// What an export file looks like.
    pub export: Export,
}

/// What an export file looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// What separates two fields.
    pub separator: u8,
    /// The header of the profile ids; none for Actito's own name.
    pub id: Option<String>,
    /// The header of the addresses; none for `email_attribute`.
    pub address: Option<String>,
    /// The header of the REAIDs; none for `reaid_attribute`.
    pub reaid: Option<String>,
}

impl Default for Sync {
    fn default() -> Self {
        Self { import_rows: IMPORT_ROWS, quota_day_starts: Duration::ZERO, export: Export::default() }
    }
}

impl Default for Export {
    /// As Actito writes them.
    fn default() -> Self {
        Self { separator: b';', id: None, address: None, reaid: None }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenSync {
    import_rows: Option<Spanned<u64>>,
    quota_day_starts: Option<Spanned<Span>>,
    #[serde(default)]
    export: WrittenExport,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenExport {
    separator: Option<Spanned<String>>,
    id: Option<String>,
    address: Option<String>,
    reaid: Option<String>,
}

impl WrittenSync {
    pub(super) fn load(self, source: &Source<'_>) -> Result<Sync, ConfigError> {
        let place = |span| -> Place { source.place(span) };
        let import_rows = match self.import_rows {
            None => IMPORT_ROWS,
            Some(rows) if *rows.get_ref() == 0 => {
                return Err(place(rows.span()).complain("expected at least 1, found 0"));
            }
            Some(rows) => rows.into_inner(),
        };
        let quota_day_starts = match self.quota_day_starts {
            None => Duration::ZERO,
            Some(start) if start.get_ref().0 < Duration::from_secs(24 * 3600) => start.into_inner().0,
            Some(start) => return Err(place(start.span()).complain("expected less than 24h after midnight UTC")),
        };
        let WrittenExport { separator, id, address, reaid } = self.export;
        let separator = match separator {
            None => b';',
            Some(separator) => match separator.get_ref().as_bytes() {
                [one] if !matches!(one, b'"' | b'\r' | b'\n') => *one,
                _ => {
                    let found = format!("expected one character as in \";\", \",\" or \"\\t\", found {separator:?}");
                    return Err(place(separator.span()).complain(found));
                }
            },
        };
        Ok(Sync { import_rows, quota_day_starts, export: Export { separator, id, address, reaid } })
    }
}
