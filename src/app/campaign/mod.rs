//! Campaigns, for people: how many clicks knew who clicked, how many people there were, which links
//! they followed. And remembering what a rewritten newsletter calls its links.

mod remember;
mod shown;

use std::path::Path;

use super::setup::{SetupError, open_store};
use crate::clock;
use crate::config::Config;
use crate::store::{Store, StoreError, campaigns};

pub use remember::{keep_links, remember_in, remember_links};
pub use shown::{Events, InAccount, Listed, Persons, Shown, ShownLink};

/// Links shown of a campaign: those that people clicked most.
const LINKS_SHOWN: usize = 50;

/// Names that are offered when somebody asks for a campaign that is not there.
const OFFERED: usize = 3;

/// How alike names must be to be offered, from 0 to 1.
const ALIKE: f64 = 0.7;

/// Why a campaign cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum CampaignFailure {
    /// Nothing is known of it.
    #[error("nothing is known of a campaign `{campaign}`{where_} here{hint}")]
    Unknown {
        /// What was asked for.
        campaign: String,
        /// The account that was asked for, in words.
        where_: String,
        /// What to look for instead.
        hint: String,
    },
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is kept of campaigns, to be read beside a running `serve` or without one.
pub struct Campaigns(Store);

impl Campaigns {
    /// Opens the store that `file` names.
    ///
    /// # Errors
    /// The configuration or the store says why not.
    pub fn open(file: &Path) -> Result<Self, SetupError> {
        Ok(Self(open_store(&Config::load(file)?)?))
    }

    /// What is kept in a store that is open.
    pub fn of(store: Store) -> Self {
        Self(store)
    }

    /// Everything about one campaign.
    ///
    /// # Errors
    /// Nothing is known of it, or the store says no.
    pub fn show(&self, campaign: &str, account: Option<&str>) -> Result<Shown, CampaignFailure> {
        let (waiting, found) = self.0.read_blocking(|connection| {
            let found = campaigns::find(connection, Some(campaign), account)?.into_iter();
            let found: Vec<_> =
                found.map(|one| campaigns::whole(connection, one, LINKS_SHOWN)).collect::<Result<_, _>>()?;
            Ok((campaigns::progress(connection)?.0, found))
        })?;
        if found.is_empty() {
            return Err(self.unknown(campaign, account, waiting)?);
        }
        Ok(Shown {
            campaign: campaign.to_owned(),
            as_of: clock::now().rfc3339(),
            events_waiting: waiting,
            accounts: found.into_iter().map(InAccount::of).collect(),
        })
    }

    /// Every campaign, the latest first.
    ///
    /// # Errors
    /// The store says no.
    pub fn list(&self) -> Result<Vec<Listed>, StoreError> {
        self.0.read_blocking(|connection| {
            let all = campaigns::find(connection, None, None)?.into_iter();
            all.map(|one| campaigns::counts(connection, one.id).map(|counts| Listed::of(one, &counts))).collect()
        })
    }

    fn unknown(&self, campaign: &str, account: Option<&str>, waiting: u64) -> Result<CampaignFailure, StoreError> {
        let known = self.0.read_blocking(|connection| campaigns::find(connection, None, None))?;
        let mut names: Vec<_> = known.into_iter().map(|one| one.campaign).collect();
        let alike = |name: &String| strsim::jaro_winkler(name, campaign);
        names.retain(|name| name != campaign && alike(name) > ALIKE);
        names.sort_by(|a, b| alike(b).total_cmp(&alike(a)).then(a.cmp(b)));
        names.dedup();
        names.truncate(OFFERED);
        let mut hint = String::new();
        if !names.is_empty() {
            hint += &format!("; there is `{}`", names.join("`, `"));
        }
        if waiting > 0 {
            hint += &format!("; {waiting} events are not counted yet");
        }
        let where_ = account.map(|account| format!(" in account {account}")).unwrap_or_default();
        Ok(CampaignFailure::Unknown { campaign: campaign.to_owned(), where_, hint })
    }
}
