//! Making one click link.

use super::{Author, AuthorError, shop};
use crate::config::Integration;
use crate::identity::{Digest, EmailAddress};
use crate::links::{Account, Campaign, Destination, DestinationError, Recipient};

/// What a click link is asked for.
#[derive(Clone, Copy)]
pub struct LinkOrder<'a> {
    /// The page.
    pub url: &'a str,
    /// The campaign it is for.
    pub campaign: &'a str,
    /// The account, when it is not that of the page's host.
    pub account: Option<&'a str>,
    /// Its number in the newsletter.
    pub number: u16,
    /// The address of the one person it is for.
    pub to: Option<&'a str>,
    /// Or the digest of that address, in hexadecimal digits.
    pub digest: Option<&'a str>,
}

/// A page of a shop that links may be made to.
#[derive(Clone)]
pub(super) struct Page {
    destination: Destination,
    /// The place of its site in the configuration.
    site: usize,
}

impl Author {
    /// The click URL of a page: for everybody with the merge field, or for one person.
    ///
    /// # Errors
    /// What is wrong with the order.
    pub fn link(&self, order: LinkOrder<'_>) -> Result<String, AuthorError> {
        let page = self.page(order.url)?;
        self.link_to(&page, &Campaign::parse(order.campaign)?, order)
    }

    /// The page that a URL means.
    pub(super) fn page(&self, url: &str) -> Result<Page, AuthorError> {
        let accepted = self.policy.sites.accept(url)?;
        match accepted.site {
            Some(site) if site.0 < self.shops.len() => Ok(Page { destination: accepted.destination, site: site.0 }),
            _ => Err(DestinationError::HostNotListed(accepted.destination.host().to_owned()).into()),
        }
    }

    /// The same as [`link`](Self::link) with page and campaign read already.
    pub(super) fn link_to(
        &self,
        page: &Page,
        campaign: &Campaign,
        order: LinkOrder<'_>,
    ) -> Result<String, AuthorError> {
        let asked = order.account.map(Account::parse).transpose()?;
        let integration = self.integration_for(page, asked.as_ref())?;
        let account = asked.as_ref().unwrap_or(&self.shops[page.site].account);
        let maker = self.maker(campaign);
        match self.recipient(order)? {
            Recipient::Person(digest) => Ok(maker.personal_link(&page.destination, order.number, account, digest)),
            Recipient::Anyone => {
                let link = maker.campaign_link(&page.destination, order.number, account);
                Ok(format!("{link}?{}", shop(&self.config, Some(integration), account.clone()).query()))
            }
        }
    }

    /// The integration of a page's site, which must have the account that was asked for.
    fn integration_for(&self, page: &Page, asked: Option<&Account>) -> Result<&Integration, AuthorError> {
        let integration = self.integration_of(&self.shops[page.site].account)?;
        match asked {
            Some(account) if !integration.accounts.iter().any(|own| own == account.as_str()) => {
                Err(AuthorError::ForeignAccount { account: account.clone(), integration: integration.name.clone() })
            }
            _ => Ok(integration),
        }
    }

    /// Whom a link is for. Every personal link passes here: whoever must not get one is refused here.
    fn recipient(&self, order: LinkOrder<'_>) -> Result<Recipient, AuthorError> {
        let digest = match (order.to, order.digest) {
            (None, None) => return Ok(Recipient::Anyone),
            (Some(address), None) => EmailAddress::parse(address)?.digest(),
            (None, Some(digest)) => Digest::parse_hex(digest)?,
            (Some(_), Some(_)) => return Err(AuthorError::TwoRecipients),
        };
        if self.policy.suppressed.has(&digest) {
            return Err(AuthorError::Suppressed);
        }
        Ok(Recipient::Person(digest))
    }
}
