//! Activations: those of `proxy.toml`, and those that were saved through the API, by the same rules.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use toml::Spanned;

use super::super::activation::{
    Activation, ActivationSchedule, AudienceFolder, AudienceSource, Cdp, ReferenceFile, WrittenActivation,
    WrittenSchedule, WrittenSource,
};
use super::super::place::Source;
use super::super::{Config, ConfigError, Integration, Place};
use super::{HOUR, Loader};
use crate::clock::Timestamp;

/// What Actito takes, in its own megabytes.
const LARGEST: u64 = 100_000_000;

/// A file smaller than this could not hold a header and a few people.
const SMALLEST: u64 = 1_000;

/// Actito's own server deletes files after five days; a day and a half of failing runs goes unnoticed with this.
const VALIDITY: Duration = Duration::from_secs(48 * HOUR);

/// More often than this an activation is not run: a list and its changes take calls, too.
const SHORTEST: Duration = Duration::from_secs(60);

/// Losing more than half of its members from one run to the next is taken for an accident.
const MAX_SHRINK: f64 = 0.5;

/// Longest name of an activation or audience in bytes: names become names of files, which have 255.
const LONGEST_NAME: usize = 200;

impl Config {
    /// Checks an activation that somebody saved, as TOML: as those of `proxy.toml`, but `like` names one of them,
    /// whose source, destination and file it has.
    ///
    /// # Errors
    /// Names the key and what was expected there.
    pub fn saved_activation(&self, text: &str) -> Result<Activation, ConfigError> {
        let source = Source { file: Path::new("activation"), text };
        let written: WrittenActivation = toml::from_str(text).map_err(|e| source.syntax(&e))?;
        let loader = Loader { folder: Path::new(""), source };
        let ends = [written.source.as_ref().map(Spanned::span), written.destination.as_ref().map(Spanned::span)];
        if let Some(span) = ends.into_iter().flatten().next() {
            let place = loader.source.place(span);
            return Err(place.complain("expected like = \"…\": where things come from and go stands in proxy.toml"));
        }
        loader.activation(written, &self.integrations, &self.activations)
    }
}

impl Loader<'_> {
    pub(super) fn activations(
        &self,
        written: Vec<Spanned<WrittenActivation>>,
        integrations: &[Integration],
    ) -> Result<Vec<Activation>, ConfigError> {
        let mut all: Vec<Activation> = Vec::with_capacity(written.len());
        for one in written {
            let activation = self.activation(one.into_inner(), integrations, &all)?;
            all.push(activation);
        }
        Ok(all)
    }

    fn activation(
        &self,
        written: WrittenActivation,
        integrations: &[Integration],
        earlier: &[Activation],
    ) -> Result<Activation, ConfigError> {
        let name = self.name(written.name)?;
        let name_at = name.place;
        if earlier.iter().any(|it| it.name == name.value) {
            return Err(name_at.complain(format!("expected a name of its own, found `{}`", name.value)));
        }
        let integration = self.source.locate(written.integration);
        if !integrations.iter().any(|it| it.name == integration.value) {
            let message = format!("there is no integration named `{}`", integration.value);
            return Err(integration.place.complain(message));
        }
        let like = written.like.map(|like| self.like(like, earlier)).transpose()?;
        let (source, destination, file) = match (written.source, like) {
            (Some(source), None) => {
                let destination = self.destination(written.destination)?;
                let usual = ReferenceFile::default();
                (self.audience_source(source)?, destination, usual)
            }
            (None, Some(like)) => {
                let destination = written.destination.map(|it| self.destination(Some(it))).transpose()?;
                (like.source.clone(), destination.unwrap_or_else(|| like.destination.clone()), like.file.clone())
            }
            (Some(source), Some(_)) => {
                return Err(self.source.place(source.span()).complain("expected either source or like, found both"));
            }
            (None, None) => return Err(name_at.complain("expected source = { … } beside it")),
        };
        let file = ReferenceFile {
            separator: written.separator.map(|it| self.separator(it)).transpose()?.unwrap_or(file.separator),
            header: written.header.map(|it| self.header(it)).transpose()?.or(file.header),
            max_size: match written.max_size {
                None => file.max_size,
                Some(size) => self.max_size(size.span(), size.get_ref().0)?,
            },
            too_large: written.too_large.unwrap_or(file.too_large),
        };
        let activation = Activation {
            name: name.value,
            description: written.description.unwrap_or_default(),
            integration: integration.value,
            identifier: written.person_identifier,
            audiences: self.audiences(written.audiences)?,
            schedule: written.schedule.map(|it| self.schedule(it.into_inner())).transpose()?,
            source,
            destination,
            file,
            validity: match written.validity {
                None => like.map_or(VALIDITY, |like| like.validity),
                Some(span) => self.at_least(span.span(), span.get_ref().0)?,
            },
            on_delete: written.on_delete.or(like.map(|like| like.on_delete)).unwrap_or_default(),
            max_shrink: match written.max_shrink {
                None => like.map_or(MAX_SHRINK, |like| like.max_shrink),
                Some(share) if (0.0..=1.0).contains(share.get_ref()) => share.into_inner(),
                Some(share) => {
                    return Err(self.source.place(share.span()).complain("expected a share from 0.0 to 1.0"));
                }
            },
        };
        self.no_target_twice(&activation, earlier, &name_at)?;
        Ok(activation)
    }

    /// Two activations that write one file would overwrite one another for ever.
    fn no_target_twice(
        &self,
        activation: &Activation,
        earlier: &[Activation],
        place: &Place,
    ) -> Result<(), ConfigError> {
        for other in earlier.iter().filter(|other| other.destination == activation.destination) {
            let twice = activation.audiences.iter().find(|name| other.audiences.contains(name));
            if let Some(audience) = twice {
                let message = format!("audience `{audience}` already goes there by activation `{}`", other.name);
                return Err(place.complain(message));
            }
        }
        Ok(())
    }

    fn like<'a>(&self, like: Spanned<String>, earlier: &'a [Activation]) -> Result<&'a Activation, ConfigError> {
        let like = self.source.locate(like);
        let found = earlier.iter().find(|it| it.name == like.value);
        found.ok_or_else(|| like.place.complain(format!("there is no activation named `{}`", like.value)))
    }

    fn name(&self, written: Spanned<String>) -> Result<super::Located<String>, ConfigError> {
        let name = self.source.locate(written);
        let is_name = !name.value.trim().is_empty()
            && name.value.len() <= LONGEST_NAME
            && !name.value.chars().any(char::is_control);
        match is_name {
            true => Ok(name),
            false => Err(name.place.complain(format!("expected a name of at most {LONGEST_NAME} bytes"))),
        }
    }

    fn audiences(&self, written: Spanned<Vec<Spanned<String>>>) -> Result<Vec<String>, ConfigError> {
        let place = self.source.place(written.span());
        let mut all: Vec<String> = Vec::new();
        for audience in written.into_inner() {
            let audience = self.name(audience)?;
            if all.contains(&audience.value) {
                return Err(audience.place.complain(format!("audience `{}` stands here twice", audience.value)));
            }
            all.push(audience.value);
        }
        if all.is_empty() { Err(place.complain("expected at least one audience")) } else { Ok(all) }
    }

    fn schedule(&self, written: WrittenSchedule) -> Result<ActivationSchedule, ConfigError> {
        let every = self.at_least(written.every.span(), written.every.get_ref().0)?;
        let start = written.start.map(|start| {
            let start = self.source.locate(start);
            let time = humantime::parse_rfc3339(&start.value).ok().and_then(|it| it.duration_since(UNIX_EPOCH).ok());
            let complaint =
                || start.place.complain(format!("expected a time as in 2026-12-01T03:00:00Z, found `{}`", start.value));
            time.map(|since| Timestamp::default().after(since)).ok_or_else(complaint)
        });
        Ok(ActivationSchedule { every, start: start.transpose()? })
    }

    fn at_least(&self, span: std::ops::Range<usize>, found: Duration) -> Result<Duration, ConfigError> {
        match found >= SHORTEST {
            true => Ok(found),
            false => Err(self.source.place(span).complain("expected at least 1m")),
        }
    }

    fn audience_source(&self, written: Spanned<WrittenSource>) -> Result<AudienceSource, ConfigError> {
        let place = self.source.place(written.span());
        let written = written.into_inner();
        match (written.cdp_api, written.directory) {
            (Some(url), None) => {
                let api_key = written.api_key.ok_or_else(|| place.complain("expected api_key beside cdp_api"))?;
                Ok(AudienceSource::Cdp(Cdp {
                    url: self.http_url(url)?.value,
                    api_key: self.secret(api_key),
                    auth: written.auth.unwrap_or_default(),
                    email_identifier: written.email_identifier.unwrap_or_else(|| "email".to_owned()),
                    user_identifier: written.user_identifier.unwrap_or_else(|| "userId".to_owned()),
                    allow_private: written.allow_private.unwrap_or(false),
                }))
            }
            (None, Some(path)) => Ok(AudienceSource::Folder(AudienceFolder {
                path: self.path(&path),
                column: written.column,
                separator: written.separator.map(|it| self.separator(it)).transpose()?.unwrap_or(b','),
            })),
            _ => Err(place.complain("expected { cdp_api = \"…\", api_key = … } or { directory = \"…\" }")),
        }
    }

    fn separator(&self, written: Spanned<String>) -> Result<u8, ConfigError> {
        match written.get_ref().as_bytes() {
            [one] if !matches!(one, b'"' | b'\r' | b'\n') && one.is_ascii() => Ok(*one),
            _ => {
                let message =
                    format!("expected one character as in \";\", \",\" or \"\\t\", found {:?}", written.get_ref());
                Err(self.source.place(written.span()).complain(message))
            }
        }
    }

    fn header(&self, written: Spanned<String>) -> Result<String, ConfigError> {
        let header = self.source.locate(written);
        match header.value.is_empty() || header.value.chars().any(char::is_control) {
            true => Err(header.place.complain("expected a name for the column")),
            false => Ok(header.value),
        }
    }

    fn max_size(&self, span: std::ops::Range<usize>, found: u64) -> Result<u64, ConfigError> {
        match (SMALLEST..=LARGEST).contains(&found) {
            true => Ok(found),
            false => Err(self.source.place(span).complain("expected 1kB to 100MB, which is what Actito takes")),
        }
    }
}

impl Default for ReferenceFile {
    fn default() -> Self {
        Self { separator: b';', header: None, max_size: LARGEST, too_large: Default::default() }
    }
}
