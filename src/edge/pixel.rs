//! `GET /o/{token}.gif`: always the same image, and an event when the token opens.

use http::request::Parts;

use super::{Answer, Edge, declines, recorded, reply};
use crate::clock;
use crate::links::{Opened, Policy, Target};
use crate::listener::Peer;
use crate::tracking::{CookieIds, Event, Kind};

impl Edge {
    /// Answers an open with the GIF, whatever happens.
    pub(super) async fn pixel(&self, policy: &Policy, request: &Parts, peer: Peer, token: &str) -> Answer {
        match policy.links.open(token.as_bytes()) {
            Ok(opened @ Opened { target: Target::Pixel, .. }) => self.open(policy, request, peer, opened).await,
            Ok(_) => self.metrics.dead_pixels.count("not_a_pixel"),
            Err(error) => self.metrics.dead_pixels.count(error.kind()),
        }
        reply::gif(&request.method)
    }

    async fn open(&self, policy: &Policy, request: &Parts, peer: Peer, opened: Opened) {
        let query = request.uri.query().unwrap_or_default().as_bytes();
        let shop = policy.shop_of(&opened.account);
        let who = policy.identify(shop, opened.recipient, query, declines(policy, &request.headers));
        let agent = self.agents.classify(request);
        self.metrics.opens.count(agent.as_str(), who.verdict.as_str());
        let event = Event {
            id: self.recorder.next_id(),
            at: clock::now(),
            kind: Kind::Open,
            agent,
            verdict: recorded::verdict(who.verdict),
            account: opened.account.as_str().to_owned(),
            campaign: opened.campaign.as_str().to_owned(),
            number: opened.number,
            reaid: who.reaid.map(|reaid| reaid.as_str().to_owned()),
            page: None,
            cookies: CookieIds::default(),
            withheld: !who.may_be_sent,
        };
        self.record(request, peer, event).await;
    }
}
