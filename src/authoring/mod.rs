//! What people who make newsletters ask for, alike by the command line and by the admin listener:
//! rewriting a newsletter, making links, saying what is in one.
//!
//! No I/O and no clock: what comes in is bytes and text, what goes out is bytes and reports. A mistake
//! of whoever asks is an [`AuthorError`], one sentence wherever it is told.

mod bulk;
mod gateways;
mod inspect;
mod link;
mod newsletter;
mod pasted;
mod undone;

use std::sync::Arc;

use crate::config::{Config, Integration};
use crate::identity::{AddressError, DigestError};
use crate::links::{Account, AccountError, Campaign, CampaignError, DestinationError, LinkMaker, Policy};
use crate::rewrite::{RewriteError, Shop};

pub use bulk::{Bulk, LinkDefaults, MAX_LINE, MAX_LINES};
pub use inspect::Inspection;
pub use link::LinkOrder;
pub use pasted::PastedError;
pub use undone::Undone;

/// One configuration with its keys; immutable, and swapped whole when the keyring changes.
pub struct Author {
    config: Config,
    /// What the edge goes by at the same time.
    policy: Arc<Policy>,
    /// What belongs to each site, in the order of the configuration.
    shops: Vec<Shop>,
    /// The attributes that hold a recipient's address, on the e-mail platform.
    address_attributes: Vec<String>,
}

impl Author {
    /// `policy` is that of `config`.
    ///
    /// # Errors
    /// An account in the configuration is none.
    pub fn new(config: Config, policy: Arc<Policy>) -> Result<Self, AccountError> {
        let of_site = |site: &crate::config::Site| {
            Ok(shop(&config, config.integration(&site.integration), Account::parse(&site.account.value)?))
        };
        let shops = config.sites.iter().map(of_site).collect::<Result<_, _>>()?;
        let actito = config.integrations.iter().filter_map(|integration| integration.actito.as_ref());
        let address_attributes = actito.map(|actito| actito.email_attribute.clone()).collect();
        Ok(Self { config, policy, shops, address_attributes })
    }

    fn maker<'a>(&'a self, campaign: &'a Campaign) -> LinkMaker<'a> {
        LinkMaker { keys: &self.policy.links, base_url: &self.config.edge.base_url.value, campaign }
    }

    /// The integration that has this account.
    fn integration_of(&self, account: &Account) -> Result<&Integration, AuthorError> {
        let owns = |it: &&Integration| it.accounts.iter().any(|own| own == account.as_str());
        let owner = self.config.integrations.iter().find(owns);
        owner.ok_or_else(|| AuthorError::UnknownAccount(account.clone()))
    }
}

/// What the links of an account carry.
fn shop(config: &Config, integration: Option<&Integration>, account: Account) -> Shop {
    let merge_field = integration.map(|it| it.merge_field.clone()).unwrap_or_default();
    let consent_field = integration.and_then(|it| it.consent_field.clone()).filter(|_| config.raptor.consent_flag);
    Shop { account, merge_field, consent_field }
}

/// What is wrong with what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AuthorError {
    /// No campaign.
    #[error("campaign: {0}")]
    Campaign(#[from] CampaignError),
    /// No account.
    #[error("account: {0}")]
    Account(#[from] AccountError),
    /// An account that the configuration does not have.
    #[error("account: no integration has account {}", .0.as_str())]
    UnknownAccount(Account),
    /// An account that belongs to others than the page.
    #[error("account: {} is not one of integration `{integration}`", account.as_str())]
    ForeignAccount {
        /// The account asked for.
        account: Account,
        /// Whose page it is.
        integration: String,
    },
    /// Several shops, and nothing says which.
    #[error("account: say which one the newsletter is for: {}", .0.join(", "))]
    SeveralAccounts(Vec<String>),
    /// No shop at all.
    #[error("the configuration has no [[site]]")]
    NoSite,
    /// No page of a shop.
    #[error("url: {0}")]
    Url(#[from] DestinationError),
    /// No address.
    #[error("to: {0}")]
    To(#[from] AddressError),
    /// No digest.
    #[error("digest: {0}")]
    Digest(#[from] DigestError),
    /// An address and a digest.
    #[error("to: expected an address or a digest, found both")]
    TwoRecipients,
    /// A person who must not be known.
    #[error("to: this person asked to be forgotten")]
    Suppressed,
    /// Something that cannot be left out.
    #[error("{0}: missing")]
    Missing(&'static str),
    /// Nothing to look into.
    #[error("url: {0}")]
    Pasted(#[from] PastedError),
    /// A newsletter that cannot be rewritten.
    #[error(transparent)]
    Newsletter(#[from] RewriteError),
}

impl AuthorError {
    /// A stable word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Campaign(_) => "campaign",
            Self::Account(_) | Self::UnknownAccount(_) | Self::ForeignAccount { .. } | Self::SeveralAccounts(_) => {
                "account"
            }
            Self::NoSite => "no_site",
            Self::Url(error) => error.kind(),
            Self::To(_) | Self::TwoRecipients => "to",
            Self::Digest(_) => "digest",
            Self::Suppressed => "suppressed",
            Self::Missing(_) => "missing",
            Self::Pasted(error) => error.kind(),
            Self::Newsletter(error) => error.kind(),
        }
    }

    /// Whether another argument would mend it; else it is the newsletter that cannot be rewritten, or a person
    /// who must not be known.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Newsletter(_) | Self::Suppressed)
    }
}
