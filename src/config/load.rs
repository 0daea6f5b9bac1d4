//! From `proxy.toml` as typed to the configuration as used: defaults, paths, and what one table says
//! about another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use url::Url;

use super::cookies::WrittenCookies;
use super::place::Source;
use super::secret::Origin;
use super::{
    Admin, Config, ConfigError, Deliver, Integration, Links, Located, Place, Raptor, RaptorErasure, SecretSource, Site,
    Store, written,
};

mod actito;
mod activation;
mod destination;
mod edge;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const GIB: u64 = 1 << 30;

impl Config {
    /// Reads and checks a configuration file. Secrets are read later, where they are needed.
    ///
    /// # Errors
    /// Names file, line and key, and what was expected there.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|e| Place::of_file(file).complain(format!("cannot read the configuration: {e}")))?;
        Self::parse(file, &text)
    }

    /// Checks the text of a configuration file; `file` is what its relative paths are relative to.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let source = Source { file, text };
        let written: written::Written = toml::from_str(text).map_err(|e| source.syntax(&e))?;
        let loader = Loader { folder: file.parent().unwrap_or(Path::new("")), source };
        loader.load(written)
    }
}

pub(super) struct Loader<'a> {
    pub(super) source: Source<'a>,
    folder: &'a Path,
}

impl Loader<'_> {
    fn load(&self, written: written::Written) -> Result<Config, ConfigError> {
        let integrations = self.integrations(written.integration)?;
        let sites = self.sites(written.site, &integrations)?;
        let activations = self.activations(written.activation, &integrations)?;
        Ok(Config {
            edge: self.edge(written.edge)?,
            admin: self.admin(written.admin),
            keyring: self.path(&written.keys.path),
            store: self.store(written.store),
            links: self.links(written.links)?,
            raptor: self.raptor(written.raptor)?,
            sites,
            integrations,
            activations,
            file: self.source.file.to_owned(),
            written: self.source.text.parse().map_err(|e| self.source.syntax(&e))?,
        })
    }

    pub(super) fn base_url(&self, written: Spanned<String>) -> Result<Located<String>, ConfigError> {
        let Located { value, place } = self.http_url(written)?;
        if value.path() != "/" || value.query().is_some() || value.fragment().is_some() {
            return Err(place.complain("expected scheme, host and port alone, as in \"https://click.shop.example\""));
        }
        Ok(Located { value: value.as_str().trim_end_matches('/').to_owned(), place })
    }

    pub(super) fn http_url(&self, written: Spanned<String>) -> Result<Located<Url>, ConfigError> {
        let Located { value, place } = self.source.locate(written);
        match Url::parse(&value) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.username().is_empty() => {
                Ok(Located { value: url, place })
            }
            _ => Err(place.complain(format!("expected a URL that starts with http:// or https://, found `{value}`"))),
        }
    }

    fn admin(&self, written: written::Admin) -> Admin {
        let default = std::net::SocketAddr::from(([127, 0, 0, 1], 8081));
        Admin { listen: written.listen.unwrap_or(default), token: self.secret(written.token), hosts: written.hosts }
    }

    fn store(&self, written: written::Store) -> Store {
        Store {
            path: self.path(&written.path),
            max_size: written.max_size.map_or(10 * GIB, |size| size.0),
            keep_delivered: written.keep_delivered.map_or(Duration::from_secs(DAY), |keep| keep.0),
            keep_dead: written.keep_dead.map_or(Duration::from_secs(30 * DAY), |keep| keep.0),
        }
    }

    fn links(&self, written: written::Links) -> Result<Links, ConfigError> {
        let patterns = || vec!["unsubscribe".to_owned(), "preferences".to_owned()];
        Ok(Links {
            pixel: written.pixel.unwrap_or(true),
            respect_gpc: written.respect_gpc.unwrap_or(true),
            former_hosts: written.former_hosts.into_iter().map(|host| self.source.locate(host)).collect(),
            unsubscribe_patterns: written.unsubscribe_patterns.unwrap_or_else(patterns),
            utm: self.utm(written.utm.unwrap_or_default())?,
        })
    }

    fn utm(&self, written: written::Utm) -> Result<Vec<(String, String)>, ConfigError> {
        let written::Utm { source, medium, campaign, term, content } = written;
        let named =
            [("source", source), ("medium", medium), ("campaign", campaign), ("term", term), ("content", content)];
        let given = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let used = |(name, value): (&str, Spanned<String>)| Ok((format!("utm_{name}"), self.not_empty(value)?));
        given.map(used).collect()
    }

    fn not_empty(&self, value: Spanned<String>) -> Result<String, ConfigError> {
        if value.get_ref().is_empty() {
            return Err(self.source.place(value.span()).complain("expected a value, found an empty one"));
        }
        Ok(value.into_inner())
    }

    fn all_not_empty(&self, values: Vec<Spanned<String>>) -> Result<Vec<String>, ConfigError> {
        values.into_iter().map(|value| self.not_empty(value)).collect()
    }

    fn raptor(&self, written: written::Raptor) -> Result<Raptor, ConfigError> {
        let tracking_url = written.tracking_url.map(|url| self.http_url(url)).transpose()?.map(|url| url.value);
        #[expect(clippy::expect_used, reason = "a literal that parses")]
        let default = || Url::parse("https://t.raptorsmartadvisor.com").expect("a URL");
        Ok(Raptor {
            tracking_url: tracking_url.unwrap_or_else(default),
            deliver: match written.deliver {
                None | Some(written::Deliver::ClicksAndOpens) => Deliver::ClicksAndOpens,
                Some(written::Deliver::Clicks) => Deliver::Clicks,
                Some(written::Deliver::Off) => Deliver::Off,
            },
            deliver_bots: written.deliver_bots.unwrap_or(false),
            consent_flag: matches!(written.consent, Some(written::Consent::Flag)),
            v: written.v.unwrap_or_else(|| "reaid-edge".to_owned()),
            max_age: written.max_age.map_or(Duration::from_secs(DAY), |age| age.0),
            allow_private: written.allow_private.unwrap_or(false),
            erasure: self.raptor_erasure(written.erasure_url, written.erasure_key)?,
        })
    }

    fn raptor_erasure(
        &self,
        url: Option<Spanned<String>>,
        key: Option<Spanned<written::Secret>>,
    ) -> Result<Option<RaptorErasure>, ConfigError> {
        match (url, key) {
            (None, None) => Ok(None),
            (Some(url), Some(key)) => {
                Ok(Some(RaptorErasure { url: self.http_url(url)?.value, api_key: self.secret(key) }))
            }
            (Some(url), None) => Err(self.source.place(url.span()).complain("expected erasure_key beside it")),
            (None, Some(key)) => Err(self.source.place(key.span()).complain("expected erasure_url beside it")),
        }
    }

    fn sites(
        &self,
        written: Vec<Spanned<written::Site>>,
        integrations: &[Integration],
    ) -> Result<Vec<Site>, ConfigError> {
        let mut sites: Vec<Site> = Vec::with_capacity(written.len());
        for site in written {
            let site = self.site(site.into_inner(), integrations)?;
            if sites.iter().any(|earlier| earlier.account.value == site.account.value) {
                let message = format!("account {} already has a site", site.account.value);
                return Err(site.account.place.complain(message));
            }
            sites.push(site);
        }
        Ok(sites)
    }

    fn site(&self, written: written::Site, integrations: &[Integration]) -> Result<Site, ConfigError> {
        let account = self.account(written.account)?;
        let named = self.source.locate(written.integration);
        let Some(integration) = integrations.iter().find(|it| it.name == named.value) else {
            return Err(named.place.complain(format!("there is no integration named `{}`", named.value)));
        };
        if !integration.accounts.contains(&account.value) {
            let message = format!("account {} is not one of integration `{}`", account.value, named.value);
            return Err(account.place.complain(message));
        }
        Ok(Site {
            account,
            hosts: written.hosts.into_iter().map(|host| self.source.locate(host)).collect(),
            integration: named.value,
            click_event: written.events.click.unwrap_or_else(|| "newsletterclick".to_owned()),
            open_event: written.events.open.unwrap_or_else(|| "newsletteropen".to_owned()),
            fallback_url: written.fallback_url.map(|url| self.source.locate(url)),
            cookies: match written.cookies {
                Some(table) => WrittenCookies::load(table, &self.source)?,
                None => None,
            },
        })
    }

    fn integrations(&self, written: Vec<Spanned<written::Integration>>) -> Result<Vec<Integration>, ConfigError> {
        let mut all: Vec<Integration> = Vec::with_capacity(written.len());
        for integration in written {
            let integration = self.integration(integration.into_inner(), &all)?;
            all.push(integration);
        }
        Ok(all)
    }

    fn integration(&self, written: written::Integration, earlier: &[Integration]) -> Result<Integration, ConfigError> {
        let name = self.source.locate(written.name);
        if name.value.is_empty() || earlier.iter().any(|it| it.name == name.value) {
            return Err(name.place.complain(format!("expected a name of its own, found `{}`", name.value)));
        }
        let accounts_at = self.source.place(written.accounts.span());
        let mut accounts: Vec<String> = Vec::new();
        for account in written.accounts.into_inner() {
            let account = self.account(account)?;
            let owner = earlier.iter().find(|it| it.accounts.contains(&account.value)).map(|it| it.name.as_str());
            let owner = owner.or_else(|| accounts.contains(&account.value).then_some(name.value.as_str()));
            if let Some(owner) = owner {
                let message = format!("account {} already belongs to integration `{owner}`", account.value);
                return Err(account.place.complain(message));
            }
            accounts.push(account.value);
        }
        if accounts.is_empty() {
            return Err(accounts_at.complain("expected at least one account"));
        }
        let every = written.schedule.map(|schedule| self.every(&schedule, written.actito.is_some())).transpose()?;
        let webhook_secret = written.webhook_secret.map(|secret| self.secret(secret));
        if let Some(secret) = webhook_secret.as_ref().filter(|_| written.actito.is_none()) {
            return Err(secret.complain("expected actito = { … } beside it: there is nobody to be called by"));
        }
        Ok(Integration {
            id_scope: written.id_scope,
            accounts,
            enable_email_synchronization: written.enable_email_synchronization.unwrap_or(true),
            merge_field: written.merge_field.unwrap_or_else(|| "${reaid}".to_owned()),
            consent_field: written.consent_field.map(|field| self.not_empty(field)).transpose()?,
            actito: written.actito.map(|actito| self.actito(actito)).transpose()?,
            every,
            sync: written.sync.load(&self.source)?,
            webhook_secret,
            get_or_create_key: written.get_or_create_key.map(|key| self.secret(key)),
            name: name.value,
        })
    }

    fn every(&self, schedule: &Spanned<written::Schedule>, has_actito: bool) -> Result<Duration, ConfigError> {
        let place = self.source.place(schedule.span());
        match schedule.get_ref().every.0 {
            Duration::ZERO => Err(place.complain("expected more than no time between two syncs")),
            _ if !has_actito => Err(place.complain("expected actito = { … } beside it: there is nothing to sync with")),
            every => Ok(every),
        }
    }

    fn account(&self, written: Spanned<String>) -> Result<Located<String>, ConfigError> {
        let account = self.source.locate(written);
        let digits = account.value.bytes().all(|byte| byte.is_ascii_digit());
        if digits && matches!(account.value.len(), 4 | 5) {
            return Ok(account);
        }
        Err(account.place.complain(format!("expected an account of 4 or 5 digits, found `{}`", account.value)))
    }

    fn at_least_one(&self, written: Option<Spanned<u32>>, default: u32) -> Result<u32, ConfigError> {
        match written {
            None => Ok(default),
            Some(number) if *number.get_ref() == 0 => {
                Err(self.source.place(number.span()).complain("expected at least 1, found 0"))
            }
            Some(number) => Ok(number.into_inner()),
        }
    }

    fn secret(&self, written: Spanned<written::Secret>) -> SecretSource {
        let Located { value, place } = self.source.locate(written);
        let origin = match value {
            written::Secret::File(path) => Origin::File(self.path(&path)),
            written::Secret::Env(name) => Origin::Env(name),
        };
        SecretSource { origin, place: Box::new(place) }
    }

    pub(super) fn path(&self, written: &Path) -> PathBuf {
        self.folder.join(written)
    }
}

#[cfg(test)]
mod tests;
