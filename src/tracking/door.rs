//! What happens to an event before it is stored: its page loses identities and addresses, and it is
//! decided whether Raptor shall hear of it.

use super::Withheld;
use crate::config::Deliver;
use crate::raptor;
use crate::store::{Agent, CookieIds, Event, Kind, State, Verdict};

/// Which events are delivered; the others are only stored.
#[derive(Clone, Copy, Debug)]
pub struct Delivers {
    /// Which kinds.
    pub kinds: Deliver,
    /// Whether machines' events are delivered too.
    pub bots: bool,
}

impl Delivers {
    /// Cleans `event` and says where it goes. Doing it twice changes nothing more. A click that was answered
    /// while its person was erased is nobody's.
    pub(super) fn admit(self, event: &mut Event, withheld: &Withheld) -> State {
        if withheld.has(event.reaid.as_deref()) {
            (event.reaid, event.verdict) = (None, Some(Verdict::Suppressed));
            event.cookies = CookieIds::default();
        }
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
    use std::sync::Arc;

    use super::*;
    use crate::clock::Timestamp;

    fn event(kind: Kind, agent: Agent) -> Event {
        Event {
            kind,
            agent,
            page: Some("https://shop.example/?reaid=x&m=jane%40example.org&y=1#top".into()),
            ..Event::of_nobody("1234", Timestamp::from_secs(1))
        }
    }

    fn nobody() -> Arc<Withheld> {
        Withheld::new(Arc::new(|_| false))
    }

    #[test]
    fn a_click_of_somebody_who_was_erased_meanwhile_is_nobodys() {
        let cookies = CookieIds { coid: Some([1; 16]), sid: Some([2; 16]) };
        let named = |reaid: &str| Event { reaid: Some(reaid.into()), cookies, ..event(Kind::Click, Agent::Human) };
        let (mut jane, mut john) = (named("jane"), named("john"));
        let withheld = Withheld::new(Arc::new(|reaid| reaid == "jane"));
        let delivers = Delivers { kinds: Deliver::ClicksAndOpens, bots: false };
        assert_eq!(delivers.admit(&mut jane, &withheld), State::Waiting);
        delivers.admit(&mut john, &withheld);
        assert_eq!((jane.reaid, jane.verdict), (None, Some(Verdict::Suppressed)));
        assert!(jane.cookies == CookieIds::default());
        assert_eq!((john.reaid.as_deref(), john.verdict), (Some("john"), None));
        assert!(john.cookies == cookies);
    }

    #[test]
    fn an_address_never_passes_the_door() {
        let mut event = event(Kind::Click, Agent::Human);
        Delivers { kinds: Deliver::ClicksAndOpens, bots: false }.admit(&mut event, &nobody());
        assert_eq!(event.page.as_deref(), Some("https://shop.example/?y=1"));
    }

    #[test]
    fn without_consent_nothing_is_delivered() {
        let mut event = Event { withheld: true, ..event(Kind::Click, Agent::Human) };
        let delivers = Delivers { kinds: Deliver::ClicksAndOpens, bots: true };
        assert_eq!(delivers.admit(&mut event, &nobody()), State::Kept);
    }

    #[test]
    fn machines_and_unwanted_kinds_are_only_stored() {
        let state = |kinds, bots, kind, agent| Delivers { kinds, bots }.admit(&mut event(kind, agent), &nobody());
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
