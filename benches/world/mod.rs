//! What all benchmarks share: one shop, its keys and its policy.

#![allow(dead_code, unreachable_pub, reason = "each benchmark is a crate of its own and uses a part of this")]

pub mod cpu;

use std::sync::{Arc, LazyLock};

use reaid::clock::{self, Timestamp};
use reaid::identity::{EmailAddress, Identities, Keyring, Secret};
use reaid::links::{
    Account, Campaign, Destination, Domain, Domains, HostPattern, LinkKeys, Policy, Recipient, Shop, SiteId, Sites,
};
use reaid::store::{Agent, CookieIds, Event, EventId, Kind, Verdict};

/// Where the click links live.
pub const HOST: &str = "click.shop.example";

/// A destination like most: a path and a few parameters.
pub const PAGE: &str = "https://shop.example/kaffe/no-4?utm_source=newsletter&utm_medium=email&part=cup#reviews";

/// Jane's REAID.
pub static REAID: LazyLock<String> = LazyLock::new(|| identities().mint(&jane().digest()).as_str().to_owned());

/// Keys that never change.
pub fn keyring() -> Keyring {
    Keyring::init(Secret::from_bytes([1; 32]), Secret::from_bytes([2; 32]), Timestamp::from_secs(0))
}

/// The ids of the shop.
pub fn identities() -> Identities {
    Identities::derive(&keyring(), "shop")
}

/// What the edge goes by.
pub fn policy() -> Policy {
    let hosts = ["shop.example", "*.shop.example"].map(|host| HostPattern::parse(host).expect("a host"));
    let base = Destination::parse(&format!("https://{HOST}")).expect("a URL");
    let domain = Domain::new(&base, None);
    Policy {
        links: Arc::new(LinkKeys::derive(&keyring())),
        sites: Sites::new([hosts.as_slice()], vec![], vec![base]),
        shops: vec![Shop { identities: Some(Arc::new(identities())), fallback: None, cookies: None }],
        accounts: [(account(), SiteId(0))].into(),
        domains: Domains { first: domain, others: vec![] },
        suppressed: Arc::default(),
        respect_gpc: true,
        needs_consent: false,
    }
}

/// Where the events of the shop go.
pub fn account() -> Account {
    Account::parse("1234").expect("an account")
}

/// The token of a link to [`PAGE`].
pub fn token(policy: &Policy, recipient: Recipient) -> String {
    let page = policy.sites.accept(PAGE).expect("a page of the shop").destination;
    policy.links.sign_link(&page, 7, &account(), &Campaign::parse("autumn-2026").expect("a campaign"), recipient)
}

/// The person of every personal link.
pub fn jane() -> EmailAddress {
    EmailAddress::parse("jane.doe@example.org").expect("an address")
}

/// Jane's click on [`PAGE`], as the edge records it.
pub fn event(number: u64) -> Event {
    Event {
        id: EventId::new([7; 8], number),
        at: clock::now(),
        kind: Kind::Click,
        agent: Agent::Human,
        verdict: Some(Verdict::Valid),
        account: "1234".into(),
        campaign: "autumn-2026".into(),
        number: (number % 40) as u16,
        reaid: Some(REAID.clone()),
        page: Some(PAGE.into()),
        cookies: CookieIds::default(),
        withheld: false,
    }
}
