//! What every answer to a click goes by: keys, sites, identities and fallbacks, built once and swapped
//! whole. Whoever asks what a link does asks the same rules as the edge that answers it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Account, CookieRules, Destination, LinkKeys, Location, SiteId, Sites};
use crate::identity::{Identities, Suppressed};

/// One consistent state of everything that decides an answer.
#[derive(Debug)]
pub struct Policy {
    /// Opens tokens.
    pub links: Arc<LinkKeys>,
    /// Judges destinations.
    pub sites: Sites,
    /// The shop behind each [`SiteId`], in order.
    pub shops: Vec<Shop>,
    /// The site of every account: its own, or that of its integration for a sister account without one.
    pub accounts: BTreeMap<Account, SiteId>,
    /// The domains our links live on.
    pub domains: Domains,
    /// Who is not to be known.
    pub suppressed: Arc<Suppressed>,
    /// Whether `Sec-GPC: 1` means "no identity".
    pub respect_gpc: bool,
    /// Whether identity needs `reaid_consent=1` in the click URL.
    pub needs_consent: bool,
}

/// What is known of one site.
#[derive(Debug)]
pub struct Shop {
    /// Checks and mints the REAIDs of its integration; None where synchronisation is switched off.
    pub identities: Option<Arc<Identities>>,
    /// Where its links lead when their own host is gone.
    pub fallback: Option<Destination>,
    /// Which cookies its clicks set; None where they set none.
    pub cookies: Option<CookieRules>,
}

/// One domain that click links live on.
#[derive(Debug)]
pub struct Domain {
    base_url: Destination,
    authority: String,
    with_port: String,
    /// Where a link leads that was asked here and does not open.
    pub fallback: Option<Destination>,
}

impl Domain {
    /// The domain that `base_url` names.
    pub fn new(base_url: &Destination, fallback: Option<Destination>) -> Self {
        let with_port = format!("{}:{}", base_url.host(), base_url.effective_port());
        let authority = if base_url.port().is_some() { with_port.clone() } else { base_url.host().to_owned() };
        Self { base_url: base_url.clone(), authority, with_port, fallback }
    }

    /// Whether a `Host` names this domain; the scheme's own port may be said or not.
    pub fn is_host(&self, host: &str) -> bool {
        self.authority.eq_ignore_ascii_case(host) || self.with_port.eq_ignore_ascii_case(host)
    }

    /// Its name, without a port.
    pub fn host(&self) -> &str {
        self.base_url.host()
    }

    /// The same path and query on this domain, by its own scheme and port.
    pub fn location(&self, path_and_query: &str) -> Location {
        self.base_url.with_path(path_and_query)
    }
}

/// All domains that click links live on.
#[derive(Debug)]
pub struct Domains {
    /// The one that new links are made for.
    pub first: Domain,
    /// Those that are answered, too.
    pub others: Vec<Domain>,
}

impl Domains {
    /// The domain that a `Host` names.
    pub fn of_host(&self, host: &str) -> Option<&Domain> {
        self.all().find(|domain| domain.is_host(host))
    }

    /// The domain that a `Host` names by its name alone: plain HTTP has another port, whichever it is.
    pub fn of_name(&self, host: &str) -> Option<&Domain> {
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
        self.all().find(|domain| domain.host().eq_ignore_ascii_case(name))
    }

    fn all(&self) -> impl Iterator<Item = &Domain> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl Policy {
    /// What is known of a site.
    pub fn shop(&self, site: SiteId) -> Option<&Shop> {
        self.shops.get(site.0)
    }

    /// The shop that an account belongs to.
    pub fn shop_of(&self, account: &Account) -> Option<&Shop> {
        self.accounts.get(account).and_then(|site| self.shop(*site))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_answers_to_its_name_and_port_alone() {
        let domain = |url: &str| Domain::new(&Destination::parse(url).unwrap(), None);
        let click = domain("https://click.example");
        assert!(click.is_host("click.example") && click.is_host("CLICK.example") && click.is_host("click.example:443"));
        assert!(!click.is_host("click.example:80") && !click.is_host("click.example:") && !click.is_host("x.example"));
        let local = domain("http://127.0.0.1:8080");
        assert!(local.is_host("127.0.0.1:8080") && !local.is_host("127.0.0.1"));
    }
    #[test]
    fn plain_http_knows_a_domain_by_its_name() {
        let domain = |url: &str| Domain::new(&Destination::parse(url).unwrap(), None);
        let others = vec![domain("https://two.example:8443"), domain("https://[::1]")];
        let domains = Domains { first: domain("https://click.example"), others };
        for host in ["click.example", "click.example:80", "Click.example:8080"] {
            assert_eq!(domains.of_name(host).unwrap().location("/c/x?y").as_str(), "https://click.example/c/x?y");
        }
        assert_eq!(domains.of_name("two.example").unwrap().location("//x").as_str(), "https://two.example:8443//x");
        assert_eq!(domains.of_name("[::1]:80").unwrap().location("/").as_str(), "https://[::1]/");
        assert!(domains.of_name("click.example:x").is_none() && domains.of_name("x.click.example").is_none());
        assert!(domains.of_host("two.example").is_none() && domains.of_host("two.example:8443").is_some());
    }
}
