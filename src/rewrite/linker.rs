//! What rewriting takes from `links`: whether a URL leads to a shop of ours, and the URLs that lead
//! there through us.

use super::report::Reason;
use super::value::Value;
use crate::links::{Account, CLICK_PATH, Destination, DestinationError, LinkMaker, PIXEL_PATH, Sites, reserved};

/// The number in a pixel's token; links count from 1.
const PIXEL_NUMBER: u16 = 0;

/// Judges and makes the links of one campaign.
#[derive(Clone, Copy, Debug)]
pub struct Linker<'a> {
    /// Whose hosts are whose.
    pub sites: &'a Sites,
    /// What belongs to each site, in the order that `sites` was made from.
    pub shops: &'a [Shop],
    /// Makes the URLs.
    pub maker: LinkMaker<'a>,
    /// The shop that opens are counted for.
    pub pixel: &'a Shop,
}

/// What a link to a shop carries beside its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shop {
    /// The account that its clicks are counted for.
    pub account: Account,
    /// What the e-mail platform replaces by the recipient's REAID, as in `${reaid}`.
    pub merge_field: String,
    /// What it replaces by 1 for a recipient who consented; None where nobody is asked.
    pub consent_field: Option<String>,
}

impl Shop {
    /// What comes last in a click or pixel URL: the consent, where it is asked for, and the recipient.
    pub fn query(&self) -> String {
        self.fields().map(|(name, field)| format!("{name}={field}")).collect::<Vec<_>>().join("&")
    }

    pub(super) fn push_query(&self, url: &mut Value) {
        for (at, (name, field)) in self.fields().enumerate() {
            url.push_text(if at == 0 { "" } else { "&" });
            url.push_text(name);
            url.push_text("=");
            url.push_field(field);
        }
    }

    fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let consent = self.consent_field.iter().map(|field| (reserved::CONSENT, field.as_str()));
        consent.chain([(reserved::REAID, self.merge_field.as_str())])
    }
}

impl<'a> Linker<'a> {
    /// The destination that `url` means, and its shop.
    ///
    /// # Errors
    /// The reason to leave the link alone.
    pub fn accept(&self, url: &str) -> Result<(Destination, &'a Shop), Reason> {
        if self.is_under(url, CLICK_PATH) || self.is_under(url, PIXEL_PATH) {
            return Err(Reason::Ours);
        }
        let accepted = self.sites.accept(url).map_err(|error| reason(&error))?;
        let shop = accepted.site.and_then(|site| self.shops.get(site.0)).ok_or(Reason::OtherHost)?;
        Ok((accepted.destination, shop))
    }

    /// The click URL of a campaign link, without a query.
    pub fn click_url(&self, destination: &Destination, number: u16, shop: &Shop) -> String {
        self.maker.campaign_link(destination, number, &shop.account)
    }

    /// The pixel's URL, without a query.
    pub fn pixel_url(&self) -> String {
        self.maker.pixel(PIXEL_NUMBER, &self.pixel.account)
    }

    /// Whether an image is an open pixel of ours, of whatever campaign.
    pub fn is_own_pixel(&self, src: &str) -> bool {
        self.is_under(src, PIXEL_PATH)
    }

    fn is_under(&self, url: &str, path: &str) -> bool {
        url.strip_prefix(self.maker.base_url).is_some_and(|rest| rest.starts_with(path))
    }
}

fn reason(error: &DestinationError) -> Reason {
    match error {
        DestinationError::HostNotListed(_) => Reason::OtherHost,
        DestinationError::OwnClickHost(_) => Reason::Ours,
        DestinationError::TooLong(_) => Reason::TooLong,
        DestinationError::Scheme
        | DestinationError::ControlCharacter(_)
        | DestinationError::Backslash
        | DestinationError::Userinfo
        | DestinationError::Invalid(_)
        | DestinationError::HostDiffers { .. }
        | DestinationError::Port => Reason::Unsafe,
    }
}
