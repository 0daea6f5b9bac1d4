//! From a token to a page, or to why there is none and where the person goes instead.

use super::{
    Accepted, Account, Campaign, Destination, DestinationError, Domain, OpenError, Opened, Policy, Recipient, Target,
};

/// A link that opened, and whose destination may be landed on today.
#[derive(Debug)]
pub struct OpenLink {
    /// Its number in the newsletter.
    pub number: u16,
    /// The account that the event is for.
    pub account: Account,
    /// The campaign.
    pub campaign: Campaign,
    /// Whom it was made for.
    pub recipient: Recipient,
    /// Where it leads, and whose site that is.
    pub landing: Accepted,
}

/// Why a click gets the fallback.
#[derive(Debug)]
pub enum Unopened {
    /// No token of ours.
    Token(OpenError),
    /// A pixel's token in a click URL.
    NotALink,
    /// The token is ours, but its host is on no list any more; whose it was.
    HostGone(Account),
    /// The token is ours, but its destination would not be signed today.
    Destination,
}

impl Unopened {
    /// Every word that [`kind`](Self::kind) can say.
    pub const KINDS: [&'static str; 9] =
        ["malformed", "version", "unknown_key", "flags", "forged", "fields", "not_a_link", "host_gone", "destination"];

    /// A word for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Token(error) => error.kind(),
            Self::NotALink => "not_a_link",
            Self::HostGone(_) => "host_gone",
            Self::Destination => "destination",
        }
    }
}

/// Where a click leads that cannot lead where it was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback<'a> {
    /// To the page of the shop whose link it was.
    Site(&'a Destination),
    /// To the page of the domain that was asked.
    Edge(&'a Destination),
    /// To nothing but a small page of ours.
    Page,
}

impl Policy {
    /// Opens a click token.
    ///
    /// # Errors
    /// Why the click gets the fallback.
    pub fn open_link(&self, token: &str) -> Result<OpenLink, Unopened> {
        self.land(self.links.open(token.as_bytes()).map_err(Unopened::Token)?)
    }

    /// The page that an opened token leads to, by the lists of today.
    ///
    /// # Errors
    /// Why the click gets the fallback.
    pub fn land(&self, opened: Opened) -> Result<OpenLink, Unopened> {
        let Target::Link(url) = opened.target else {
            return Err(Unopened::NotALink);
        };
        let landing = self.sites.readmit(&url).map_err(|error| match error {
            DestinationError::HostNotListed(_) => Unopened::HostGone(opened.account.clone()),
            _ => Unopened::Destination,
        })?;
        Ok(OpenLink {
            number: opened.number,
            account: opened.account,
            campaign: opened.campaign,
            recipient: opened.recipient,
            landing,
        })
    }

    /// Where a click on `domain` leads instead: nobody's identity, no parameters.
    pub fn fallback<'a>(&'a self, unopened: &Unopened, domain: &'a Domain) -> Fallback<'a> {
        let of_shop = match unopened {
            Unopened::HostGone(account) => self.shop_of(account).and_then(|shop| shop.fallback.as_ref()),
            Unopened::Token(_) | Unopened::NotALink | Unopened::Destination => None,
        };
        match (of_shop, &domain.fallback) {
            (Some(page), _) => Fallback::Site(page),
            (None, Some(page)) => Fallback::Edge(page),
            (None, None) => Fallback::Page,
        }
    }
}
