//! `GET /c/{token}`: open, identify, build the location, record, redirect.

use http::request::Parts;

use super::{Answer, Edge, agent, declines, opener, recorded, reply};
use crate::clock;
use crate::links::{Fallback, Identity, Location, OpenLink, Policy, Unopened};
use crate::tracking::{Agent, Event, Kind};

impl Edge {
    /// Answers a click. Whatever fails after the token opened, the person lands.
    pub(super) async fn click(&self, policy: &Policy, request: &Parts, token: &str) -> Answer {
        let link = match opener::open_link(policy, token) {
            Ok(link) => link,
            Err(unopened) => return self.fall_back(policy, request, &unopened),
        };
        let query = request.uri.query().unwrap_or_default().as_bytes();
        let shop = link.landing.site.and_then(|site| policy.shop(site));
        let who = policy.identify(shop, link.recipient, query, declines(policy, &request.headers));
        let merged = link.landing.destination.merge(query, who.reaid.as_ref());
        let agent = agent::classify(request);
        self.metrics.clicks.count(agent.as_str(), who.verdict.as_str());
        self.metrics.parameters_dropped.inc_by(u64::from(merged.dropped));
        self.record(self.click_event(&link, agent, &who, &merged.location)).await;
        reply::redirect(merged.location)
    }

    /// Where a click leads that cannot lead where it was meant: nobody's identity, no parameters.
    fn fall_back(&self, policy: &Policy, request: &Parts, unopened: &Unopened) -> Answer {
        self.metrics.fallbacks.count(unopened.kind());
        match policy.fallback(unopened) {
            Fallback::Site(destination) | Fallback::Edge(destination) => reply::redirect(destination.location()),
            Fallback::Page => reply::not_found(&request.method),
        }
    }

    fn click_event(&self, link: &OpenLink, agent: Agent, who: &Identity, location: &Location) -> Event {
        Event {
            id: self.recorder.next_id(),
            at: clock::now(),
            kind: Kind::Click,
            agent,
            verdict: recorded::verdict(who.verdict),
            account: link.account.as_str().to_owned(),
            campaign: link.campaign.as_str().to_owned(),
            number: link.number,
            reaid: who.reaid.map(|reaid| reaid.as_str().to_owned()),
            page: Some(location.as_str().to_owned()),
            withheld: !who.may_be_sent,
        }
    }
}
