//! The outbox, for people: how it stands, what was given up, and giving it another try.

use std::path::Path;

use serde::Serialize;

use super::setup::{SetupError, open_store};
use crate::clock;
use crate::config::Config;
use crate::store::outbox::{self, Which};
use crate::store::{EventId, Store, StoreError};

/// Dead letters shown at once.
const SHOWN: usize = 1000;

/// How many events of one account are in one state.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The Raptor customer id.
    pub account: String,
    /// `waiting`, `delivered`, `dead` or `kept`.
    pub state: &'static str,
    /// How many.
    pub events: u64,
    /// When the oldest happened, RFC 3339.
    pub oldest: Option<String>,
}

/// How the outbox stands.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The events, counted.
    pub counts: Vec<Row>,
    /// The accounts to which deliveries are held back.
    pub held: Vec<Held>,
}

/// An account to which deliveries are held back.
#[derive(Debug, Serialize)]
pub struct Held {
    /// The Raptor customer id.
    pub account: String,
    /// Since when, RFC 3339.
    pub since: String,
}

/// An event that was given up. Shows neither identity nor page.
#[derive(Debug, Serialize)]
pub struct DeadLetter {
    /// The event's id.
    pub id: String,
    /// The Raptor customer id.
    pub account: String,
    /// `click` or `open`.
    pub kind: &'static str,
    /// The campaign.
    pub campaign: String,
    /// When it happened, RFC 3339.
    pub at: String,
    /// When it was given up, RFC 3339.
    pub died: String,
    /// Why.
    pub reason: String,
    /// What Raptor answered last.
    pub answer: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// Which dead letters are meant.
#[derive(Debug)]
pub enum Selection {
    /// All.
    All,
    /// Those of one account.
    Account(String),
    /// One, by its id.
    Id(EventId),
}

/// The outbox of one configuration.
pub struct Outbox(Store);

impl Outbox {
    /// Opens the store that `file` names.
    ///
    /// # Errors
    /// The configuration or the store says why not.
    pub fn open(file: &Path) -> Result<Self, SetupError> {
        Ok(Self(open_store(&Config::load(file)?)?))
    }

    /// How many events there are, by account and state, and which accounts are held back.
    ///
    /// # Errors
    /// Those of the store.
    pub fn status(&self) -> Result<Status, StoreError> {
        let (counts, held) =
            self.0.read_blocking(|connection| Ok((outbox::counts(connection)?, outbox::held(connection)?)))?;
        let row = |count: outbox::Count| Row {
            account: count.account,
            state: count.state.as_str(),
            events: count.events,
            oldest: count.oldest.map(|at| at.rfc3339()),
        };
        let held = held.into_iter().map(|(account, since)| Held { account, since: since.rfc3339() });
        Ok(Status { counts: counts.into_iter().map(row).collect(), held: held.collect() })
    }

    /// The newest dead letters.
    ///
    /// # Errors
    /// Those of the store.
    pub fn dead(&self, selection: Selection) -> Result<Vec<DeadLetter>, StoreError> {
        let which = which(selection);
        let letters = self.0.read_blocking(|connection| outbox::dead(connection, &which, SHOWN))?;
        let shown = |letter: outbox::DeadLetter| DeadLetter {
            id: letter.event.id.to_string(),
            account: letter.event.account,
            kind: letter.event.kind.as_str(),
            campaign: letter.event.campaign,
            at: letter.event.at.rfc3339(),
            died: letter.died.rfc3339(),
            reason: letter.reason,
            answer: letter.answer,
            attempts: letter.attempts,
        };
        Ok(letters.into_iter().map(shown).collect())
    }

    /// Puts dead letters back among those that wait; returns how many. A running `serve` notices.
    ///
    /// # Errors
    /// Those of the store.
    pub fn retry(&self, selection: Selection) -> Result<usize, StoreError> {
        let which = std::sync::Arc::new(which(selection));
        let mut retried = 0;
        loop {
            let which = which.clone();
            match self.0.write_blocking(move |transaction| outbox::retry_dead(transaction, &which, clock::now()))? {
                0 => return Ok(retried),
                more => retried += more,
            }
        }
    }
}

fn which(selection: Selection) -> Which {
    match selection {
        Selection::All => Which::All,
        Selection::Account(account) => Which::Account(account),
        Selection::Id(id) => Which::Id(id),
    }
}
