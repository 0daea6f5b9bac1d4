//! A world to rewrite newsletters in: two shops, one click domain.

#![allow(dead_code, reason = "every test crate uses a part of it")]

use std::path::{Path, PathBuf};

use reaid::clock::Timestamp;
use reaid::identity::{Keyring, Secret};
use reaid::links::{
    Account, Campaign, ClickUrl, Destination, HostPattern, LinkKeys, LinkMaker, Recipient, Sites, Target,
};
use reaid::rewrite::{self, Format, Link, Linker, Options, Outcome, Reason, RewriteError, Rewritten, Shop};

pub(crate) const BASE_URL: &str = "https://click.shop.example";
pub(crate) const PIXEL: &str = "https://click.shop.example/o/";

/// Two shops, the second with its own account and merge field.
pub(crate) struct World {
    pub(crate) keys: LinkKeys,
    pub(crate) campaign: Campaign,
    pub(crate) sites: Sites,
    pub(crate) shops: [Shop; 2],
    pub(crate) unsubscribe: Vec<String>,
    pub(crate) address: Vec<String>,
    pub(crate) utm: Vec<(String, String)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_hosts(&["shop.example", "*.shop.example"], &["sister.example"])
    }

    pub(crate) fn with_hosts<H: AsRef<str>>(first: &[H], second: &[H]) -> Self {
        let secret: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let ring = Keyring::init(Secret::from_bytes(secret), Secret::from_bytes([9; 32]), Timestamp::from_secs(0));
        let patterns = |hosts: &[H]| hosts.iter().map(|h| HostPattern::parse(h.as_ref()).unwrap()).collect::<Vec<_>>();
        let base = Destination::parse(BASE_URL).unwrap();
        let shop = |account: &str, merge_field: &str| Shop {
            account: Account::parse(account).unwrap(),
            merge_field: merge_field.to_owned(),
            consent_field: None,
        };
        Self {
            keys: LinkKeys::derive(&ring),
            campaign: Campaign::parse("demo").unwrap(),
            sites: Sites::new([patterns(first).as_slice(), patterns(second).as_slice()], vec![], vec![base]),
            shops: [shop("1234", "${reaid}"), shop("1235", "{{ contact.reaid | default: \"\" }}")],
            unsubscribe: vec!["unsubscribe".into(), "preferences".into()],
            address: vec!["mail1".into()],
            utm: vec![],
        }
    }

    pub(crate) fn rewrite(&self, html: &[u8], pixel: bool) -> Rewritten {
        self.rewrite_as(Format::Html, html, pixel).unwrap()
    }

    pub(crate) fn rewrite_as(&self, format: Format, document: &[u8], pixel: bool) -> Result<Rewritten, RewriteError> {
        let maker = LinkMaker { keys: &self.keys, base_url: BASE_URL, campaign: &self.campaign };
        let linker = Linker { sites: &self.sites, shops: &self.shops, maker, pixel: &self.shops[0] };
        let options = Options {
            linker: &linker,
            unsubscribe_patterns: &self.unsubscribe,
            address_attributes: &self.address,
            utm: &self.utm,
            pixel,
        };
        rewrite::rewrite(document, format, options)
    }

    /// Where a click URL leads, by its token.
    pub(crate) fn destination(&self, url: &str) -> String {
        let opened = self.keys.open(ClickUrl::split(url).unwrap().token.as_bytes()).unwrap();
        assert_eq!(opened.recipient, Recipient::Anyone);
        match opened.target {
            Target::Link(destination) => destination,
            Target::Pixel => panic!("{url} is a pixel"),
        }
    }
}

pub(crate) fn reason(link: &Link) -> Option<Reason> {
    match link.outcome {
        Outcome::Left { reason } => Some(reason),
        Outcome::Rewritten { .. } => None,
    }
}

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub(crate) fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(suffix)).collect();
    files.sort();
    files
}
