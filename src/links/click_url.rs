//! Click and pixel URLs: made for a newsletter, and taken apart again when somebody asks what one is.

use super::{Account, Campaign, Destination, LinkKeys, Recipient, split_query};

/// The path before the token of a click URL.
pub const CLICK_PATH: &str = "/c/";

/// The path before the token of a pixel URL.
pub const PIXEL_PATH: &str = "/o/";

/// What stands behind the token of a pixel URL.
pub const PIXEL_SUFFIX: &str = ".gif";

/// Makes the click and pixel URLs of one campaign.
#[derive(Clone, Copy, Debug)]
pub struct LinkMaker<'a> {
    /// Signs the tokens.
    pub keys: &'a LinkKeys,
    /// Scheme, host and port that the URLs start with, without a trailing slash.
    pub base_url: &'a str,
    /// The campaign of all of them.
    pub campaign: &'a Campaign,
}

impl LinkMaker<'_> {
    /// The click URL for everybody, without a query: the caller adds merge fields.
    pub fn campaign_link(&self, destination: &Destination, number: u16, account: &Account) -> String {
        self.click_url(destination, number, account, Recipient::Anyone)
    }

    /// The click URL of one person.
    pub fn personal_link(
        &self,
        destination: &Destination,
        number: u16,
        account: &Account,
        digest: crate::identity::Digest,
    ) -> String {
        self.click_url(destination, number, account, Recipient::Person(digest))
    }

    /// The open pixel, without a query.
    pub fn pixel(&self, number: u16, account: &Account) -> String {
        let token = self.keys.sign_pixel(number, account, self.campaign);
        format!("{}{PIXEL_PATH}{token}{PIXEL_SUFFIX}", self.base_url)
    }

    fn click_url(&self, destination: &Destination, number: u16, account: &Account, recipient: Recipient) -> String {
        let token = self.keys.sign_link(destination, number, account, self.campaign, recipient);
        [self.base_url, CLICK_PATH, &token].concat()
    }
}

/// The parts of a click or pixel URL that matter, as they stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClickUrl<'a> {
    /// Scheme, host and port.
    pub base: &'a str,
    /// What stands where the token is, and whatever a mail program left behind it.
    pub token: &'a str,
    /// The query without `?`.
    pub query: &'a str,
}

impl<'a> ClickUrl<'a> {
    /// Finds the token in a URL; None when its path is neither `/c/…` nor `/o/…`.
    pub fn split(url: &'a str) -> Option<Self> {
        let url = url.trim().trim_start_matches('<');
        let (head, query, _) = split_query(url.as_bytes());
        let head = &url[..head.len()];
        let query = query.map_or("", |query| &url[head.len() + 1..][..query.len()]);
        let authority = head.find("://")? + 3;
        let path = authority + head[authority..].find('/')?;
        let (base, path) = head.split_at(path);
        let token = path.strip_prefix(CLICK_PATH).or_else(|| path.strip_prefix(PIXEL_PATH))?;
        Some(Self { base, token, query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_url_comes_apart() {
        let url = "https://click.shop.example/c/AQEC?x=1&reaid=${reaid}";
        let expected = ClickUrl { base: "https://click.shop.example", token: "AQEC", query: "x=1&reaid=${reaid}" };
        assert_eq!(ClickUrl::split(url), Some(expected));
        assert_eq!(ClickUrl::split("<https://c.example/o/AQEC.gif>").unwrap().token, "AQEC.gif>");
        for other in ["", "x", "https://c.example", "https://c.example/", "https://c.example/p/c/AQEC"] {
            assert_eq!(ClickUrl::split(other), None, "{other}");
        }
    }
}
