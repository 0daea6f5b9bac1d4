//! Rewriting a newsletter with the configuration's shops and keys.

use super::{Author, AuthorError, shop};
use crate::links::{Account, Campaign};
use crate::rewrite::{self, Format, Linker, Options, Rewritten, Shop};

impl Author {
    /// Rewrites a newsletter for a campaign; `account` is the one that opens are counted for, when
    /// several are possible.
    ///
    /// # Errors
    /// What is wrong with the names, or with the newsletter.
    pub fn rewrite(
        &self,
        newsletter: &[u8],
        format: Format,
        campaign: &str,
        account: Option<&str>,
    ) -> Result<Rewritten, AuthorError> {
        let campaign = Campaign::parse(campaign)?;
        let pixel = self.pixel_shop(account.map(Account::parse).transpose()?)?;
        let options = Options {
            linker: &Linker {
                sites: &self.policy.sites,
                shops: &self.shops,
                maker: self.maker(&campaign),
                pixel: &pixel,
            },
            unsubscribe_patterns: &self.config.links.unsubscribe_patterns,
            address_attributes: &self.address_attributes,
            utm: &self.config.links.utm,
            pixel: self.config.links.pixel,
        };
        Ok(rewrite::rewrite(newsletter, format, options)?)
    }

    /// The shop that opens are counted for: that of the account asked for, or the only one.
    fn pixel_shop(&self, account: Option<Account>) -> Result<Shop, AuthorError> {
        match (account, self.shops.as_slice()) {
            (None, [only]) => Ok(only.clone()),
            (None, []) => Err(AuthorError::NoSite),
            (None, several) => {
                Err(AuthorError::SeveralAccounts(several.iter().map(|shop| shop.account.as_str().to_owned()).collect()))
            }
            (Some(account), _) => {
                let integration = self.integration_of(&account)?;
                Ok(shop(&self.config, Some(integration), account))
            }
        }
    }
}
