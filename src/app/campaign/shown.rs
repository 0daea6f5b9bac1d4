//! What people and programs read of a campaign. The JSON shape is a contract: `docs/wire-format.md` has it.

use serde::Serialize;

use crate::campaign::{People, STANDARD_ERROR};
use crate::clock::Timestamp;
use crate::store::campaigns::{Campaign, Count, LinkCounts, Whole};
use crate::store::{Agent, Kind, Verdict};

/// A campaign in all its accounts.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// Its name.
    pub campaign: String,
    /// When this was read, RFC 3339.
    pub as_of: String,
    /// Events of all campaigns that are not in these numbers yet.
    pub events_waiting: u64,
    /// One for each account.
    pub accounts: Vec<InAccount>,
}

/// A campaign in one account.
#[derive(Debug, Serialize)]
pub struct InAccount {
    /// The Raptor customer id.
    pub account: String,
    /// When its first event happened, RFC 3339.
    pub first: Option<String>,
    /// When its last event happened, RFC 3339.
    pub last: Option<String>,
    /// All clicks.
    pub clicks: u64,
    /// Clicks of people's browsers.
    pub human_clicks: u64,
    /// All opens.
    pub opens: u64,
    /// Of the clicks of people's browsers, the share that carried a valid REAID; `null` without any.
    pub identity_rate: Option<f64>,
    /// Events by kind, agent and what became of the identity; those that there are.
    pub events: Vec<Events>,
    /// About how many people.
    pub people: Persons,
    /// The links, those that people clicked most first.
    pub links: Vec<ShownLink>,
}

/// Events of one kind.
#[derive(Debug, Serialize)]
pub struct Events {
    /// `click` or `open`.
    pub kind: &'static str,
    /// `human`, `bot`, `prefetch`, `proxy` or `unknown`.
    pub agent: &'static str,
    /// As in the metrics, or `unrecorded`.
    pub identity: &'static str,
    /// How many.
    pub events: u64,
}

/// About how many different REAIDs.
#[derive(Debug, Serialize)]
pub struct Persons {
    /// Who clicked.
    pub clicked: u64,
    /// Who opened.
    pub opened: u64,
    /// Who did one or the other.
    pub either: u64,
    /// How far these are off, as a share: less in two of three cases, less than twice this in 19 of 20.
    pub standard_error: f64,
}

/// A link with its clicks.
#[derive(Debug, Serialize)]
pub struct ShownLink {
    /// Its number in the newsletter.
    pub number: u16,
    /// What it says, where remembered.
    pub text: Option<String>,
    /// Where it leads, where known.
    pub url: Option<String>,
    /// All clicks.
    pub clicks: u64,
    /// Clicks of people's browsers.
    pub human: u64,
    /// Of the campaign's clicks of people's browsers in this account, the share of this link.
    pub share: Option<f64>,
    /// When the first click happened, RFC 3339.
    pub first: Option<String>,
    /// When the last click happened, RFC 3339.
    pub last: Option<String>,
}

/// A campaign in a line.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Its name.
    pub campaign: String,
    /// The Raptor customer id.
    pub account: String,
    /// All clicks.
    pub clicks: u64,
    /// Clicks of people's browsers.
    pub human_clicks: u64,
    /// All opens.
    pub opens: u64,
    /// Of the clicks of people's browsers, the share that carried a valid REAID.
    pub identity_rate: Option<f64>,
    /// When its first event happened, RFC 3339.
    pub first: Option<String>,
    /// When its last event happened, RFC 3339.
    pub last: Option<String>,
}

impl InAccount {
    pub(super) fn of(whole: Whole) -> Self {
        let human = clicks_of_people(&whole.counts);
        let events = |count: &Count| Events {
            kind: count.kind.as_str(),
            agent: count.agent.as_str(),
            identity: count.verdict.map_or("unrecorded", Verdict::as_str),
            events: count.events,
        };
        let link = |link: LinkCounts| ShownLink {
            number: link.number,
            text: link.text,
            url: link.url,
            clicks: link.clicks,
            human: link.human,
            share: share(link.human, human),
            first: link.first.map(Timestamp::rfc3339),
            last: link.last.map(Timestamp::rfc3339),
        };
        Self {
            account: whole.campaign.account,
            first: whole.campaign.first.map(Timestamp::rfc3339),
            last: whole.campaign.last.map(Timestamp::rfc3339),
            clicks: of_kind(&whole.counts, Kind::Click),
            human_clicks: human,
            opens: of_kind(&whole.counts, Kind::Open),
            identity_rate: identity_rate(&whole.counts),
            events: whole.counts.iter().map(events).collect(),
            people: persons(whole.clicked.as_deref(), whole.opened.as_deref()),
            links: whole.links.into_iter().map(link).collect(),
        }
    }
}

impl Listed {
    pub(super) fn of(campaign: Campaign, counts: &[Count]) -> Self {
        Self {
            campaign: campaign.campaign,
            account: campaign.account,
            clicks: of_kind(counts, Kind::Click),
            human_clicks: clicks_of_people(counts),
            opens: of_kind(counts, Kind::Open),
            identity_rate: identity_rate(counts),
            first: campaign.first.map(Timestamp::rfc3339),
            last: campaign.last.map(Timestamp::rfc3339),
        }
    }
}

fn persons(clicked: Option<&[u8]>, opened: Option<&[u8]>) -> Persons {
    // What cannot be read was complained about by whoever counted.
    let people = |bytes: Option<&[u8]>| bytes.and_then(|bytes| People::from_bytes(bytes).ok()).unwrap_or_default();
    let (clicked, opened) = (people(clicked), people(opened));
    Persons {
        clicked: clicked.about(),
        opened: opened.about(),
        either: clicked.or(&opened).about(),
        standard_error: STANDARD_ERROR,
    }
}

fn of_kind(counts: &[Count], kind: Kind) -> u64 {
    sum(counts, |count| count.kind == kind)
}

fn clicks_of_people(counts: &[Count]) -> u64 {
    sum(counts, |count| count.kind == Kind::Click && count.agent == Agent::Human)
}

/// A click whose verdict was not recorded had no REAID, so it is none of the valid ones.
fn identity_rate(counts: &[Count]) -> Option<f64> {
    let of_people = |count: &Count| count.kind == Kind::Click && count.agent == Agent::Human;
    let valid = sum(counts, |count| of_people(count) && count.verdict == Some(Verdict::Valid));
    share(valid, clicks_of_people(counts))
}

fn sum(counts: &[Count], of: impl Fn(&Count) -> bool) -> u64 {
    counts.iter().filter(|count| of(count)).map(|count| count.events).sum()
}

/// Rounded to a tenth of a percent: more digits would say more than there is to know.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1000.0).round() / 1000.0)
}
