//! From configuration, keyring and scopes to what the edge goes by.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Config, ConfigError, Located};
use crate::identity::{Digest, Identities, Keyring, Suppressed};
use crate::links::{
    Account, CookieDomain, CookieRules, Destination, Domain, Domains, HostPattern, LinkKeys, Policy, Shop, SiteId,
    Sites,
};

/// Everything that makes and judges links and REAIDs, from one keyring.
#[derive(Clone)]
pub struct Trust {
    /// Signs and opens link tokens.
    pub links: Arc<LinkKeys>,
    /// Mint and check REAIDs, by the name of the integration.
    pub identities: BTreeMap<String, Arc<Identities>>,
    /// Who is not to be known.
    pub suppressed: Arc<Suppressed>,
}

impl Trust {
    /// Derives all keys. `scopes` has the scope of every integration.
    pub fn derive(keyring: &Keyring, scopes: &BTreeMap<String, String>, suppressed: Arc<Suppressed>) -> Self {
        let identities = scopes
            .iter()
            .map(|(integration, scope)| (integration.clone(), Arc::new(Identities::derive(keyring, scope))));
        Self { links: Arc::new(LinkKeys::derive(keyring)), identities: identities.collect(), suppressed }
    }

    /// Whether the person with this digest asked to be forgotten: asked by everybody before a REAID is minted.
    pub fn is_suppressed(&self, digest: &Digest) -> bool {
        self.suppressed.has(digest)
    }
}

/// The lists of hosts that people may be sent to.
///
/// # Errors
/// A host is no host, or stands twice.
pub fn sites(config: &Config) -> Result<Sites, ConfigError> {
    let mut seen: Vec<(HostPattern, &str)> = Vec::new();
    let mut of_sites: Vec<Vec<HostPattern>> = Vec::with_capacity(config.sites.len());
    for site in &config.sites {
        let patterns = site.hosts.iter().map(pattern).collect::<Result<Vec<_>, _>>()?;
        for (pattern, written) in patterns.iter().zip(&site.hosts) {
            if let Some((_, owner)) = seen.iter().find(|(earlier, _)| earlier == pattern) {
                let message = format!("host `{}` is listed already for account {owner}", written.value);
                return Err(written.place.complain(message));
            }
            seen.push((pattern.clone(), &site.account.value));
        }
        of_sites.push(patterns);
    }
    let former = config.links.former_hosts.iter().map(pattern).collect::<Result<_, _>>()?;
    Ok(Sites::new(of_sites.iter().map(Vec::as_slice), former, click_hosts(config)?))
}

/// What the edge goes by.
///
/// # Errors
/// A URL or host in the configuration is none.
pub(super) fn policy(config: &Config, trust: &Trust) -> Result<Policy, ConfigError> {
    Ok(Policy {
        links: trust.links.clone(),
        sites: sites(config)?,
        shops: config.sites.iter().map(|site| shop(config, trust, site)).collect::<Result<_, _>>()?,
        accounts: accounts(config),
        domains: domains(config)?,
        suppressed: trust.suppressed.clone(),
        respect_gpc: config.links.respect_gpc,
        needs_consent: config.raptor.consent_flag,
    })
}

fn shop(config: &Config, trust: &Trust, site: &crate::config::Site) -> Result<Shop, ConfigError> {
    let enabled = config.integration(&site.integration).is_some_and(|it| it.enable_email_synchronization);
    Ok(Shop {
        identities: trust.identities.get(&site.integration).filter(|_| enabled).cloned(),
        fallback: site.fallback_url.as_ref().map(|url| fallback(config, url)).transpose()?,
        cookies: site.cookies.as_ref().map(|cookies| cookie_rules(config, site, cookies)).transpose()?,
    })
}

/// A browser takes a cookie from the domain that it is for and from what is below it alone.
fn cookie_rules(
    config: &Config,
    site: &crate::config::Site,
    cookies: &crate::config::Cookies,
) -> Result<CookieRules, ConfigError> {
    let place = &cookies.domain.place;
    let domain = CookieDomain::parse(&cookies.domain.value).map_err(|e| place.complain(e.to_string()))?;
    let bases: Vec<_> = config.edge.click_domains().map(|(base, _)| destination(base)).collect::<Result<_, _>>()?;
    let covered = || bases.iter().filter(|base| domain.covers(base.host()));
    if covered().next().is_none() {
        let hosts: Vec<_> = bases.iter().map(Destination::host).collect();
        let message = format!("expected a domain that {} is part of, found `{}`", hosts.join(" or "), domain.as_str());
        return Err(place.complain(message));
    }
    let secure = covered().all(Destination::is_https);
    let account = Account::parse(&site.account.value).map_err(|e| site.account.place.complain(e.to_string()))?;
    let (consent, reaid_max_age) = (cookies.consent.clone(), cookies.reaid_max_age);
    Ok(CookieRules { domain, account, consent, secure, reaid_max_age })
}

fn accounts(config: &Config) -> BTreeMap<Account, SiteId> {
    let accounts = config.integrations.iter().flat_map(|integration| &integration.accounts);
    let placed = accounts.filter_map(|account| Some((Account::parse(account).ok()?, config.site_of_account(account)?)));
    placed.map(|(account, at)| (account, SiteId(at))).collect()
}

fn pattern(written: &Located<String>) -> Result<HostPattern, ConfigError> {
    HostPattern::parse(&written.value).map_err(|e| written.place.complain(e.to_string()))
}

fn destination(written: &Located<String>) -> Result<Destination, ConfigError> {
    Destination::parse(&written.value).map_err(|e| written.place.complain(e.to_string()))
}

fn domains(config: &Config) -> Result<Domains, ConfigError> {
    let all = config.edge.click_domains().map(|(base_url, fallback_url)| {
        let fallback = fallback_url.map(|url| fallback(config, url)).transpose()?;
        Ok(Domain::new(&destination(base_url)?, fallback))
    });
    let mut others = all.collect::<Result<Vec<_>, ConfigError>>()?;
    Ok(Domains { first: others.remove(0), others })
}

/// Where our own links live.
fn click_hosts(config: &Config) -> Result<Vec<Destination>, ConfigError> {
    config.edge.click_domains().map(|(base_url, _)| destination(base_url)).collect()
}

/// Tries every fallback, so that one that is none is found before anything starts.
///
/// # Errors
/// One is no URL, or leads back to ourselves.
pub(super) fn check_fallbacks(config: &Config) -> Result<(), ConfigError> {
    let of_sites = config.sites.iter().filter_map(|site| site.fallback_url.as_ref());
    of_sites
        .chain(config.edge.click_domains().filter_map(|(_, url)| url))
        .try_for_each(|url| fallback(config, url).map(drop))
}

/// A fallback is the operator's word, but it must not lead back to ourselves.
fn fallback(config: &Config, written: &Located<String>) -> Result<Destination, ConfigError> {
    let fallback = destination(written)?;
    if click_hosts(config)?.iter().any(|own| own.is_same_host(&fallback)) {
        return Err(written
            .place
            .complain("expected a page outside our own click domains: it would redirect for ever"));
    }
    Ok(fallback)
}
