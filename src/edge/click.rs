//! `GET /c/{token}`: open, identify, build the location, record, redirect.

use std::sync::Arc;

use http::request::Parts;

use super::cookies::{self, Visit};
use super::{Answer, Edge, declines, opener, recorded, reply};
use crate::clock::{self, Timestamp};
use crate::links::{Domain, Fallback, Identity, Location, OpenLink, Policy, Shop, Unopened};
use crate::listener::Peer;
use crate::tracking::{Agent, CookieIds, Event, Kind};

impl Edge {
    /// Answers a click. Whatever fails after the token opened, the person lands.
    pub(super) async fn click(
        &self,
        policy: &Arc<Policy>,
        domain: &Domain,
        request: &Parts,
        peer: Peer,
        token: &str,
    ) -> Answer {
        let link = match opener::open_link(policy, token) {
            Ok(link) => link,
            Err(unopened) => return self.fall_back(policy, domain, request, &unopened),
        };
        let query = request.uri.query().unwrap_or_default().as_bytes();
        let shop = link.landing.site.and_then(|site| policy.shop(site));
        let who = policy.identify(shop, link.recipient, query, declines(policy, &request.headers));
        let merged = link.landing.destination.merge(query, who.reaid.as_ref());
        let agent = self.agents.classify(request);
        self.metrics.clicks.count(agent.as_str(), who.verdict.as_str());
        self.metrics.parameters_dropped.inc_by(u64::from(merged.dropped));
        let at = clock::now();
        let visit = match agent {
            Agent::Human => visit(shop, domain, request, &link, &who, at),
            Agent::Bot | Agent::Prefetch | Agent::Proxy | Agent::Unknown => Visit::default(),
        };
        self.record(request, peer, self.click_event(&link, agent, &who, &merged.location, at, visit.ids)).await;
        for (cookie, _) in &visit.set {
            self.metrics.cookies_set.count(cookie.as_str());
        }
        reply::redirect_with(merged.location, visit.set.into_iter().map(|(_, cookie)| cookie))
    }

    /// Where a click leads that cannot lead where it was meant: nobody's identity, no parameters.
    fn fall_back(&self, policy: &Policy, domain: &Domain, request: &Parts, unopened: &Unopened) -> Answer {
        self.metrics.fallbacks.count(unopened.kind());
        match policy.fallback(unopened, domain) {
            Fallback::Site(destination) | Fallback::Edge(destination) => reply::redirect(destination.location()),
            Fallback::Page => reply::not_found(&request.method),
        }
    }

    fn click_event(
        &self,
        link: &OpenLink,
        agent: Agent,
        who: &Identity,
        location: &Location,
        at: Timestamp,
        cookies: CookieIds,
    ) -> Event {
        Event {
            id: self.recorder.next_id(),
            at,
            kind: Kind::Click,
            agent,
            verdict: recorded::verdict(who.verdict),
            account: link.account.as_str().to_owned(),
            campaign: link.campaign.as_str().to_owned(),
            number: link.number,
            reaid: who.reaid.map(|reaid| reaid.as_str().to_owned()),
            page: Some(location.as_str().to_owned()),
            cookies,
            withheld: !who.may_be_sent,
        }
    }
}

/// The shop's cookies, where the shop wants any and this domain may set them.
fn visit(
    shop: Option<&Shop>,
    domain: &Domain,
    request: &Parts,
    link: &OpenLink,
    who: &Identity,
    at: Timestamp,
) -> Visit {
    let rules = shop.and_then(|shop| shop.cookies.as_ref()).filter(|rules| rules.domain.covers(domain.host()));
    let Some(rules) = rules else { return Visit::default() };
    let identities = shop.and_then(|shop| shop.identities.as_deref());
    Visit::of(rules, &request.headers, who, cookies::derived(identities, &link.account, who, at))
}
