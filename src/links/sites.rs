//! Whose hosts are whose: the only judge of where people may be sent.

use super::{Destination, DestinationError};

/// The place of a site in the list that [`Sites`] was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub usize);

/// A destination, and the site it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Where people may be sent.
    pub destination: Destination,
    /// The site whose host it is; None on a former host, where nobody's REAID is sent.
    pub site: Option<SiteId>,
}

/// `host[:port]` or `*.host[:port]` (one or more labels, not the host itself).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    host: String,
    any_label: bool,
    port: Option<u16>,
}

/// A text that is no host pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a host like `shop.example`, `*.shop.example` or `shop.example:8443`, found `{0}`")]
pub struct HostPatternError(String);

impl HostPattern {
    /// Reads a pattern; an IDN host may be written either way.
    ///
    /// # Errors
    /// `written` is no pattern.
    pub fn parse(written: &str) -> Result<Self, HostPatternError> {
        let error = || HostPatternError(written.to_owned());
        let (any_label, rest) = match written.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        if rest.contains(['/', '?', '#', '*']) || rest.ends_with(':') {
            return Err(error());
        }
        let as_url = Destination::parse(&format!("https://{rest}/")).map_err(|_| error())?;
        let names_port = rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let port = names_port.then(|| as_url.effective_port());
        Ok(Self { host: as_url.host().to_owned(), any_label, port })
    }

    fn matches(&self, destination: &Destination) -> bool {
        let host = match destination.host().strip_suffix(&self.host) {
            Some("") => !self.any_label,
            Some(labels) => self.any_label && labels.strip_suffix('.').is_some_and(are_labels),
            None => false,
        };
        host && match self.port {
            None => destination.port().is_none(),
            Some(port) => destination.effective_port() == port,
        }
    }
}

/// All hosts that people may be sent to, and those of our own click links, where nobody may.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    hosts: Vec<(HostPattern, SiteId)>,
    former: Vec<HostPattern>,
    click_hosts: Vec<Destination>,
}

impl Sites {
    /// `sites` are each site's patterns, in order; `former` may be landed on without identity;
    /// `base_urls` are where our own click links live.
    pub fn new<'a>(
        sites: impl IntoIterator<Item = &'a [HostPattern]>,
        former: Vec<HostPattern>,
        base_urls: Vec<Destination>,
    ) -> Self {
        let own = |(at, patterns): (usize, &'a [HostPattern])| patterns.iter().map(move |p| (p.clone(), SiteId(at)));
        let mut hosts: Vec<_> = sites.into_iter().enumerate().flat_map(own).collect();
        // The most specific pattern decides: a host itself before any wildcard, a longer suffix before a shorter.
        hosts.sort_by_key(|(pattern, _)| (pattern.any_label, std::cmp::Reverse(pattern.host.len())));
        Self { hosts, former, click_hosts: base_urls }
    }

    /// Checks a URL that is to be signed.
    ///
    /// # Errors
    /// It is no destination, or its host is on no site's list.
    pub fn accept(&self, url: &str) -> Result<Accepted, DestinationError> {
        let destination = Destination::parse(url)?;
        match self.site_of(&destination)? {
            Some(site) => Ok(Accepted { destination, site: Some(site) }),
            None => Err(DestinationError::HostNotListed(destination.host().to_owned())),
        }
    }

    /// Checks a URL that was signed once, by the lists of today: former hosts pass, without a site.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn readmit(&self, url: &str) -> Result<Accepted, DestinationError> {
        let destination = Destination::parse(url)?;
        let site = self.site_of(&destination)?;
        if site.is_some() || self.former.iter().any(|pattern| pattern.matches(&destination)) {
            return Ok(Accepted { destination, site });
        }
        Err(DestinationError::HostNotListed(destination.host().to_owned()))
    }

    fn site_of(&self, destination: &Destination) -> Result<Option<SiteId>, DestinationError> {
        if self.click_hosts.iter().any(|own| own.is_same_host(destination)) {
            return Err(DestinationError::OwnClickHost(destination.host().to_owned()));
        }
        Ok(self.hosts.iter().find(|(pattern, _)| pattern.matches(destination)).map(|(_, site)| *site))
    }
}

/// Whether every label has something in it: `a..shop.example` is no host of the shop's.
fn are_labels(labels: &str) -> bool {
    labels.split('.').all(|label| !label.is_empty())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Site 0: `shop.example`, `*.shop.example`, `[::1]:8080`; site 1: `www.shop.example`, `bücher.example:8443`.
    pub(crate) fn sites() -> Sites {
        let patterns = |list: &[&str]| list.iter().map(|p| HostPattern::parse(p).unwrap()).collect::<Vec<_>>();
        let (first, second) = (
            patterns(&["shop.example", "*.shop.example", "[::1]:8080"]),
            patterns(&["www.shop.example", "bücher.example:8443"]),
        );
        let base = Destination::parse("https://click.shop.example").unwrap();
        Sites::new([first.as_slice(), second.as_slice()], patterns(&["old.example"]), vec![base])
    }

    #[test]
    fn a_host_belongs_to_the_most_specific_pattern() {
        for (url, site) in [
            ("https://shop.example/", Ok(0)),
            ("https://SHOP.example/", Ok(0)),
            ("https://a.b.shop.example/", Ok(0)),
            ("https://www.shop.example/", Ok(1)),
            ("http://[::1]:8080/", Ok(0)),
            ("https://xn--bcher-kva.example:8443/", Ok(1)),
            ("https://bücher.example:8443/", Ok(1)),
            ("https://bücher.example/", Err("host_not_listed")),
            ("https://shop.example:8443/", Err("host_not_listed")),
            ("https://shop.example./", Err("host_not_listed")),
            ("https://notshop.example/", Err("host_not_listed")),
            ("https://.shop.example/", Err("host_not_listed")),
            ("https://..shop.example/", Err("host_not_listed")),
            ("https://a..shop.example/", Err("host_not_listed")),
            ("https://shop.example.evil.example/", Err("host_not_listed")),
            ("http://[::1]/", Err("host_not_listed")),
            ("https://old.example/", Err("host_not_listed")),
            ("https://click.shop.example/c/x", Err("own_click_host")),
            ("http://click.shop.example/", Err("own_click_host")),
        ] {
            let found = sites().accept(url).map(|a| a.site.unwrap().0).map_err(|e| e.kind());
            assert_eq!(found, site, "{url}");
        }
    }

    #[test]
    fn a_former_host_is_landed_on_without_a_site() {
        assert_eq!(sites().readmit("https://old.example/x").unwrap().site, None);
        assert_eq!(sites().readmit("https://gone.example/x").unwrap_err().kind(), "host_not_listed");
    }

    #[test]
    fn only_hosts_are_patterns() {
        for wrong in ["", "*", "*.", "https://shop.example", "shop.example/", "a b", "*.*.x", "u@x", "x:", "x:0x1"] {
            assert!(HostPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
