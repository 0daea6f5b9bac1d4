//! `reaid campaign show` and `reaid campaign list`.

use clap::Subcommand;

use super::{Context, Outcome, UsageError, output};
use crate::app::campaign::{Campaigns, Events, InAccount, Listed, ShownLink};
use crate::links::{Account, Campaign as Name};

#[derive(Subcommand)]
pub(super) enum Campaign {
    /// Show what became of a campaign: who clicked and opened, and what.
    Show {
        /// The campaign.
        #[arg(value_name = "C")]
        campaign: String,
        /// Only in this account.
        #[arg(long, value_name = "A")]
        account: Option<String>,
    },
    /// List the campaigns, the latest first.
    List,
}

impl Campaign {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            Self::Show { campaign, account } => show(context, &campaign, account.as_deref()),
            Self::List => list(context),
        }?;
        Ok(Outcome::Done)
    }
}

fn show(context: &Context, campaign: &str, account: Option<&str>) -> anyhow::Result<()> {
    Name::parse(campaign).map_err(|e| UsageError(e.to_string()))?;
    account.map(Account::parse).transpose().map_err(|e| UsageError(format!("--account: {e}")))?;
    let shown = Campaigns::open(&context.config)?.show(campaign, account)?;
    if context.json {
        return output::json(&shown);
    }
    for one in &shown.accounts {
        output::line(format!("campaign {} in account {}{}", shown.campaign, one.account, lifetime(one)));
        output::line(summary(one));
        for (kind, name) in [("click", "clicks"), ("open", "opens")] {
            events(name, one.events.iter().filter(|events| events.kind == kind).collect());
        }
        links(&one.links);
        output::line("");
    }
    output::line(format!("as of {}, {} events waiting to be counted", shown.as_of, shown.events_waiting));
    Ok(())
}

fn lifetime(one: &InAccount) -> String {
    match (&one.first, &one.last) {
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => ", nobody came yet".to_owned(),
    }
}

fn summary(one: &InAccount) -> String {
    let people = &one.people;
    format!(
        "identity rate {} of {} human clicks; about {} people clicked, {} opened, {} in all (± {})",
        percent(one.identity_rate),
        one.human_clicks,
        people.clicked,
        people.opened,
        people.either,
        percent(Some(people.standard_error)),
    )
}

/// What became of the identity down, agents across.
fn events(name: &str, events: Vec<&Events>) {
    if events.is_empty() {
        return;
    }
    let agents = distinct(events.iter().map(|one| one.agent));
    let identities = distinct(events.iter().map(|one| one.identity));
    let count = |identity: &str, agent: &str| {
        let found = events.iter().find(|one| one.identity == identity && one.agent == agent);
        found.map_or_else(String::new, |one| one.events.to_string())
    };
    let row = |identity: &&str| {
        let counts = agents.iter().map(|agent| count(identity, agent));
        std::iter::once((*identity).to_owned()).chain(counts).collect()
    };
    let header: Vec<_> = std::iter::once(name).chain(agents.iter().copied()).collect();
    output::table(&header, identities.iter().map(row));
}

fn links(links: &[ShownLink]) {
    if links.is_empty() {
        return;
    }
    let row = |link: &ShownLink| {
        let name = [&link.text, &link.url].into_iter().flatten().map(String::as_str).collect::<Vec<_>>();
        vec![
            link.number.to_string(),
            name.join("\n"),
            link.human.to_string(),
            percent(link.share),
            link.clicks.to_string(),
        ]
    };
    output::table(&["link", "what it says, where it leads", "human", "share", "all"], links.iter().map(row));
}

fn list(context: &Context) -> anyhow::Result<()> {
    let listed = Campaigns::open(&context.config)?.list()?;
    if context.json {
        return output::json(&listed);
    }
    let row = |one: &Listed| {
        vec![
            one.campaign.clone(),
            one.account.clone(),
            percent(one.identity_rate),
            one.human_clicks.to_string(),
            one.clicks.to_string(),
            one.opens.to_string(),
            one.last.clone().unwrap_or_default(),
        ]
    };
    let header = ["campaign", "account", "identity rate", "human clicks", "clicks", "opens", "last"];
    output::table(&header, listed.iter().map(row));
    Ok(())
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "unknown".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// In the order in which they come first.
fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    words.for_each(|word| {
        if !distinct.contains(&word) {
            distinct.push(word)
        }
    });
    distinct
}
