//! `GET /c/{token}`: open, identify, build the location, record, redirect.

use http::request::Parts;

use super::identity::{self, Identity};
use super::opener::{self, OpenLink, Unopened};
use super::{Answer, Edge, Policy, agent, reply};
use crate::clock;
use crate::links::Location;
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
        let who = identity::identify(policy, shop, link.recipient, &request.headers, query);
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
        let of_shop = match unopened {
            Unopened::HostGone(account) => policy.shop_of(account).and_then(|shop| shop.fallback.as_ref()),
            _ => None,
        };
        match of_shop.or(policy.domain.fallback.as_ref()) {
            Some(destination) => reply::redirect(destination.location()),
            None => reply::not_found(&request.method),
        }
    }

    fn click_event(&self, link: &OpenLink, agent: Agent, who: &Identity, location: &Location) -> Event {
        Event {
            id: self.recorder.next_id(),
            at: clock::now(),
            kind: Kind::Click,
            agent,
            account: link.account.as_str().to_owned(),
            campaign: link.campaign.as_str().to_owned(),
            number: link.number,
            reaid: who.reaid.map(|reaid| reaid.as_str().to_owned()),
            page: Some(location.as_str().to_owned()),
            withheld: !who.may_be_sent,
        }
    }
}
