//! `reaid outbox …`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, Outcome, UsageError, output};
use crate::app::EventId;
use crate::app::outbox::{self, Selection};

#[derive(Subcommand)]
pub(super) enum Outbox {
    /// Count the events by account and state.
    Status,
    /// List the events that were given up, newest first.
    Dead(Choice),
    /// Let events that were given up be delivered once more.
    Retry(Choice),
}

/// Which dead letters are meant; all of them without one.
#[derive(Args)]
pub(super) struct Choice {
    /// Only this event.
    #[arg(value_name = "EVENT")]
    id: Option<String>,
    /// Only those of this account.
    #[arg(long, conflicts_with = "id", value_name = "A")]
    account: Option<String>,
}

impl Choice {
    fn selection(self) -> Result<Selection, UsageError> {
        match (self.id, self.account) {
            (Some(id), _) => EventId::parse(&id)
                .map(Selection::Id)
                .ok_or_else(|| UsageError(format!("expected an event id of 32 hexadecimal digits, found `{id}`"))),
            (None, Some(account)) => Ok(Selection::Account(account)),
            (None, None) => Ok(Selection::All),
        }
    }
}

impl Outbox {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let outbox = outbox::Outbox::open(&context.config)?;
        match self {
            Self::Status => status(context, &outbox),
            Self::Dead(choice) => dead(context, &outbox, choice.selection()?),
            Self::Retry(choice) => retry(context, &outbox, choice.selection()?),
        }?;
        Ok(Outcome::Done)
    }
}

fn status(context: &Context, outbox: &outbox::Outbox) -> anyhow::Result<()> {
    let status = outbox.status()?;
    if context.json {
        return output::json(&status);
    }
    let row = |row: &outbox::Row| {
        vec![row.account.clone(), row.state.to_owned(), row.events.to_string(), row.oldest.clone().unwrap_or_default()]
    };
    output::table(&["account", "state", "events", "oldest"], status.counts.iter().map(row));
    for held in &status.held {
        output::line(format!("account {} is held back since {}: Raptor refuses or fails", held.account, held.since));
    }
    Ok(())
}

fn dead(context: &Context, outbox: &outbox::Outbox, selection: Selection) -> anyhow::Result<()> {
    let letters = outbox.dead(selection)?;
    if context.json {
        return output::json(&letters);
    }
    let row = |letter: &outbox::DeadLetter| {
        vec![
            letter.id.clone(),
            letter.account.clone(),
            format!("{} {}", letter.kind, letter.campaign),
            letter.at.clone(),
            format!("{} ({})", letter.reason, letter.answer),
            letter.attempts.to_string(),
        ]
    };
    output::table(&["event", "account", "what", "at", "reason", "tries"], letters.iter().map(row));
    Ok(())
}

fn retry(context: &Context, outbox: &outbox::Outbox, selection: Selection) -> anyhow::Result<()> {
    let retried = outbox.retry(selection)?;
    if context.json {
        return output::json(&json!({ "retried": retried }));
    }
    output::line(format!("{retried} events wait for delivery again"));
    Ok(())
}
