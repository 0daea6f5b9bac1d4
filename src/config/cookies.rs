//! `cookies = { … }` of a site: the cookies that its clicks may set.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::place::Source;
use super::units::Span;
use super::{ConfigError, Located};

/// As long as Raptor keeps its visitor id: how long it keeps this cookie is not public.
const REAID_MAX_AGE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Which cookies the clicks of a site set, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookies {
    /// The domain that the cookies are for: the shop's, which the click domain is part of.
    pub domain: Located<String>,
    /// Name and value of the cookie by which a visitor consents; None where nothing has to be asked.
    pub consent: Option<(String, String)>,
    /// How long the cookie with the REAID lives.
    pub reaid_max_age: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenCookies {
    mode: Mode,
    domain: Option<Spanned<String>>,
    consent: Option<Spanned<String>>,
    reaid_max_age: Option<Span>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Off,
    Site,
}

impl WrittenCookies {
    /// What is written in a table that stands at `place` in `source`; None where it is switched off.
    pub(super) fn load(table: Spanned<Self>, source: &Source<'_>) -> Result<Option<Cookies>, ConfigError> {
        let place = source.place(table.span());
        let written = table.into_inner();
        if let Mode::Off = written.mode {
            return Ok(None);
        }
        let Some(domain) = written.domain else {
            return Err(place.complain("expected domain = \"…\": the shop's own, as in \"shop.example\""));
        };
        Ok(Some(Cookies {
            domain: source.locate(domain),
            consent: written.consent.map(|consent| name_and_value(source.locate(consent))).transpose()?,
            reaid_max_age: written.reaid_max_age.map_or(REAID_MAX_AGE, |age| age.0),
        }))
    }
}

fn name_and_value(written: Located<String>) -> Result<(String, String), ConfigError> {
    let is_of_cookies = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
    match written.value.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() && written.value.bytes().all(is_of_cookies) => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(written.place.complain("expected a cookie's name and value, as in \"marketing=yes\"")),
    }
}
