//! Durations and sizes as people write them: `"30s"`, `"2MiB"`.

use std::time::Duration;

use serde::Deserialize;

/// As good as for ever, and still far from where a point in time plus a duration overflows.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// A duration: `"20ms"`, `"24h"`, `"30d"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Span(pub(super) Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match humantime::parse_duration(&text) {
            Ok(duration) if duration <= LONGEST => Ok(Self(duration)),
            Ok(_) => Err(format!("expected a duration of at most 100 years, found `{text}`")),
            Err(_) => Err(format!("expected a duration like \"20ms\", \"30s\" or \"24h\", found `{text}`")),
        }
    }
}

/// A size in bytes: `"2MiB"`, `"10GiB"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Size(pub(super) u64);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse::<bytesize::ByteSize>()
            .map(|size| Self(size.as_u64()))
            .map_err(|_| format!("expected a size like \"2MiB\" or \"10GiB\", found `{text}`"))
    }
}
