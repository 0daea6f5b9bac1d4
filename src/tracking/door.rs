//! What happens to an event before it is stored: its page loses identities and addresses, and it is
//! decided whether Raptor shall hear of it.

use crate::config::Deliver;
use crate::raptor;
use crate::store::{Agent, Event, Kind, State};

/// Which events are delivered; the others are only stored.
#[derive(Clone, Copy, Debug)]
pub struct Delivers {
    /// Which kinds.
    pub kinds: Deliver,
    /// Whether machines' events are delivered too.
    pub bots: bool,
}

impl Delivers {
    /// Cleans `event` and says where it goes. Doing it twice changes nothing more.
    pub(super) fn admit(self, event: &mut Event) -> State {
        if let Some(page) = &mut event.page {
            *page = raptor::page_url(page);
        }
        if self.wants(event) { State::Waiting } else { State::Kept }
    }

    fn wants(self, event: &Event) -> bool {
        let kind = match self.kinds {
            Deliver::ClicksAndOpens => true,
            Deliver::Clicks => event.kind == Kind::Click,
            Deliver::Off => false,
        };
        !event.withheld && kind && (self.bots || !matches!(event.agent, Agent::Bot | Agent::Prefetch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::EventId;

    fn event(kind: Kind, agent: Agent) -> Event {
        Event {
            id: EventId([0; 16]),
            at: Timestamp::from_secs(1),
            kind,
            agent,
            verdict: None,
            account: "1234".into(),
            campaign: "demo".into(),
            number: 1,
            reaid: None,
            page: Some("https://shop.example/?reaid=x&m=jane%40example.org&y=1#top".into()),
            withheld: false,
        }
    }

    #[test]
    fn an_address_never_passes_the_door() {
        let mut event = event(Kind::Click, Agent::Human);
        Delivers { kinds: Deliver::ClicksAndOpens, bots: false }.admit(&mut event);
        assert_eq!(event.page.as_deref(), Some("https://shop.example/?y=1"));
    }

    #[test]
    fn without_consent_nothing_is_delivered() {
        let mut event = Event { withheld: true, ..event(Kind::Click, Agent::Human) };
        let delivers = Delivers { kinds: Deliver::ClicksAndOpens, bots: true };
        assert_eq!(delivers.admit(&mut event), State::Kept);
    }

    #[test]
    fn machines_and_unwanted_kinds_are_only_stored() {
        let state = |kinds, bots, kind, agent| Delivers { kinds, bots }.admit(&mut event(kind, agent));
        for agent in [Agent::Human, Agent::Proxy, Agent::Unknown] {
            assert_eq!(state(Deliver::ClicksAndOpens, false, Kind::Open, agent), State::Waiting);
            assert_eq!(state(Deliver::Clicks, false, Kind::Open, agent), State::Kept);
            assert_eq!(state(Deliver::Off, true, Kind::Click, agent), State::Kept);
        }
        for agent in [Agent::Bot, Agent::Prefetch] {
            assert_eq!(state(Deliver::Clicks, false, Kind::Click, agent), State::Kept);
            assert_eq!(state(Deliver::Clicks, true, Kind::Click, agent), State::Waiting);
        }
    }
}
