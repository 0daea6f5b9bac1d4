//! What every answer to a click goes by: keys, sites, identities and fallbacks, built once and swapped
//! whole. Whoever asks what a link does asks the same rules as the edge that answers it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Account, Destination, LinkKeys, SiteId, Sites};
use crate::identity::{Identities, Suppressed};

/// One consistent state of everything that decides an answer.
#[derive(Debug)]
pub struct Policy {
    /// Grows with every swap: what was cached under an older one is not used.
    pub generation: u64,
    /// Opens tokens.
    pub links: Arc<LinkKeys>,
    /// Judges destinations.
    pub sites: Sites,
    /// The shop behind each [`SiteId`], in order.
    pub shops: Vec<Shop>,
    /// The site of every account: its own, or that of its integration for a sister account without one.
    pub accounts: BTreeMap<Account, SiteId>,
    /// The domain our links live on.
    pub domain: Domain,
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
}

/// One domain that click links live on.
#[derive(Debug)]
pub struct Domain {
    authority: String,
    with_port: String,
    /// Where a link that does not open leads.
    pub fallback: Option<Destination>,
}

impl Domain {
    /// The domain that `base_url` names.
    pub fn new(base_url: &Destination, fallback: Option<Destination>) -> Self {
        let with_port = format!("{}:{}", base_url.host(), base_url.effective_port());
        let authority = if base_url.port().is_some() { with_port.clone() } else { base_url.host().to_owned() };
        Self { authority, with_port, fallback }
    }

    /// Whether a `Host` names this domain; the scheme's own port may be said or not.
    pub fn is_host(&self, host: &str) -> bool {
        self.authority.eq_ignore_ascii_case(host) || self.with_port.eq_ignore_ascii_case(host)
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
}
