//! The Actito half of an integration: defaults, named endpoints, and what is assumed of the API.

use std::time::Duration;

use toml::Spanned;
use url::Url;

use super::super::units::{Size, Span};
use super::super::{Actito, ApiGeneration, Assumed, ConfigError, Located, UrlStyle, V5Write, written};
use super::Loader;

/// An answer may take this long: calls beyond Actito's own limit are slowed, not rejected.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Loader<'_> {
    pub(super) fn actito(&self, written: written::Actito) -> Result<Actito, ConfigError> {
        let has_email = written.email.is_some();
        Ok(Actito {
            api_endpoint: self.api_endpoint(written.api_endpoint)?,
            entity: written.entity,
            email: written.email.unwrap_or_default(),
            api_key: self.secret(written.api_key),
            profile_table: written.profile_table,
            profile_table_id: written.profile_table_id,
            email_attribute: written.email_attribute.unwrap_or_else(|| "emailAddress".to_owned()),
            reaid_attribute: written.reaid_attribute.unwrap_or_else(|| "reaid".to_owned()),
            url_style: match written.url_style {
                None | Some(written::UrlStyle::Prefixed) => UrlStyle::Prefixed,
                Some(written::UrlStyle::Plain) => UrlStyle::Plain,
            },
            profiles_api: generation(written.profiles_api),
            import_api: generation(written.import_api),
            calls_per_minute: self.at_least_one(written.calls_per_minute, 90)?,
            concurrency: self.at_least_one(written.concurrency, 4)? as usize,
            timeout: self.timeout(written.timeout)?,
            imports_per_day: written.imports_per_day.unwrap_or(12),
            licence: written.licence,
            allow_private: written.allow_private.unwrap_or(false),
            assumed: self.assumed(written.assumed.unwrap_or_default(), has_email)?,
        })
    }

    fn timeout(&self, written: Option<Spanned<Span>>) -> Result<Duration, ConfigError> {
        match written {
            None => Ok(TIMEOUT),
            Some(none) if none.get_ref().0.is_zero() => {
                Err(self.source.place(none.span()).complain("expected some time for an answer, found none"))
            }
            Some(timeout) => Ok(timeout.into_inner().0),
        }
    }

    /// One of Actito's four named hosts, or a URL.
    fn api_endpoint(&self, written: Spanned<String>) -> Result<Url, ConfigError> {
        let host = match written.get_ref().as_str() {
            name @ ("api" | "api1" | "api3" | "apitest") => format!("https://{name}.actito.com"),
            url => url.to_owned(),
        };
        let place = self.source.place(written.span());
        self.http_url(Spanned::new(written.span(), host)).map(|url| url.value).map_err(|_| {
            place.complain(format!("expected api, api1, api3, apitest or a URL, found `{}`", written.get_ref()))
        })
    }

    fn assumed(&self, written: written::Assumed, has_email: bool) -> Result<Assumed, ConfigError> {
        let usual = Assumed::default();
        Ok(Assumed {
            list_first_page: written.list_first_page.unwrap_or(usual.list_first_page),
            list_page_size: self.at_least_one(written.list_page_size, usual.list_page_size)?,
            v5_write: match written.v5_write {
                None | Some(written::V5Write::Patch) => V5Write::Patch,
                Some(written::V5Write::Put) => V5Write::Put,
            },
            import_max_size: self.import_max_size(written.import_max_size, usual.import_max_size)?,
            import_file_part: self.wire_name(written.import_file_part, usual.import_file_part)?,
            import_parameters_part: self.wire_name(written.import_parameters_part, usual.import_parameters_part)?,
            import_report_field: self.report_field(written.import_report_field, has_email)?,
            import_done: written.import_done.unwrap_or(usual.import_done),
            import_failed: written.import_failed.unwrap_or(usual.import_failed),
        })
    }

    /// Actito refuses more than 100 MB. The least holds some 30,000 rows.
    fn import_max_size(&self, written: Option<Spanned<Size>>, usual: u64) -> Result<u64, ConfigError> {
        let Some(written) = written else { return Ok(usual) };
        match written.get_ref().0 {
            size @ 1_000_000..=100_000_000 => Ok(size),
            size => {
                let found = bytesize::ByteSize(size).display().si();
                Err(self.source.place(written.span()).complain(format!("expected 1MB to 100MB, found {found}")))
            }
        }
    }

    fn report_field(&self, written: Option<Spanned<String>>, has_email: bool) -> Result<Option<String>, ConfigError> {
        match written {
            None => Ok(None),
            Some(field) if !has_email => {
                let place = self.source.place(field.span());
                Err(place.complain("expected email = \"…\" in actito: there is nobody to report to"))
            }
            field => self.wire_name(field, String::new()).map(Some),
        }
    }

    /// The name of a JSON field or of a part of a form.
    fn wire_name(&self, written: Option<Spanned<String>>, usual: String) -> Result<String, ConfigError> {
        let Some(written) = written else { return Ok(usual) };
        let Located { value, place } = self.source.locate(written);
        match !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            true => Ok(value),
            false => Err(place.complain(format!("expected letters, digits, `_` and `-`, found `{value}`"))),
        }
    }
}

fn generation(written: Option<written::ApiGeneration>) -> ApiGeneration {
    match written {
        None | Some(written::ApiGeneration::Auto) => ApiGeneration::Auto,
        Some(written::ApiGeneration::V4) => ApiGeneration::V4,
        Some(written::ApiGeneration::V5) => ApiGeneration::V5,
    }
}
