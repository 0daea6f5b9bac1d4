//! `[edge]` and the tables in it.

use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;
use toml::Spanned;

use super::super::{Agents, ClientHeader, ConfigError, Edge, tls, written};
use super::Loader;

/// Whoever is on this machine is trusted, because they could do worse than open connections.
const OWN_MACHINE: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// A connection between two clicks lives five seconds: 512 at once are a hundred clicks a second from one
/// address, more than an office or a mobile operator's gateway sends, and a fortieth of what there is.
const CONNECTIONS_PER_ADDRESS: u32 = 512;

impl Loader<'_> {
    pub(super) fn edge(&self, written: written::Edge) -> Result<Edge, ConfigError> {
        let listen = self.source.place(written.listen.span());
        if written.listen.get_ref().is_empty() {
            return Err(listen.complain("expected at least one address"));
        }
        let limits = written.limits;
        let front = tls::WrittenFront {
            http_listen: written.http_listen,
            tls: written.tls,
            acme: written.acme,
            domain: written.domain,
            hsts: written.hsts,
        };
        let mut edge = Edge {
            listen: written.listen.into_inner(),
            base_url: self.base_url(written.base_url)?,
            fallback_url: written.fallback_url.map(|url| self.source.locate(url)),
            commit_wait: written.commit_wait.map_or(Duration::from_millis(20), |wait| wait.0),
            drain: written.drain.map_or(Duration::from_secs(30), |drain| drain.0),
            trusted_proxies: self.networks(written.trusted_proxies)?,
            client_header: match written.client_header {
                None | Some(written::ClientHeader::XForwardedFor) => ClientHeader::XForwardedFor,
                Some(written::ClientHeader::Forwarded) => ClientHeader::Forwarded,
            },
            connections_per_address: self.at_least_one(limits.connections_per_address, CONNECTIONS_PER_ADDRESS)?,
            events_per_address: match limits.events_per_address {
                None => None,
                some => NonZeroU32::new(self.at_least_one(some, 1)?),
            },
            agents: Agents {
                human: self.all_not_empty(written.agents.human)?,
                proxy: self.all_not_empty(written.agents.proxy)?,
                bot: self.all_not_empty(written.agents.bot)?,
            },
            lame_duck: written.lame_duck.map_or(Duration::ZERO, |delay| delay.0),
            http_listen: Vec::new(),
            tls: None,
            acme: None,
            domains: Vec::new(),
            hsts: None,
        };
        self.front(front, &mut edge)?;
        if edge.lame_duck >= edge.drain {
            return Err(listen.complain(format!("expected edge.lame_duck ({:?}) below edge.drain", edge.lame_duck)));
        }
        Ok(edge)
    }

    /// Networks, or single addresses.
    fn networks(&self, written: Option<Vec<Spanned<String>>>) -> Result<Vec<IpNet>, ConfigError> {
        let Some(written) = written else {
            return Ok(OWN_MACHINE.iter().filter_map(|network| network.parse().ok()).collect());
        };
        let network = |text: Spanned<String>| {
            let (found, place) = (text.get_ref(), self.source.place(text.span()));
            let address = || found.parse::<std::net::IpAddr>().map(IpNet::from);
            let expected = "expected a network, as in \"10.0.0.0/8\", or an address";
            found.parse().or_else(|_| address()).map_err(|_| place.complain(format!("{expected}, found `{found}`")))
        };
        written.into_iter().map(network).collect()
    }
}
