//! Rewriting in tests, with a server's own sites and keys, as `reaid rewrite` does it.

use reaid::app::Setup;
use reaid::links::{Account, Campaign, LinkMaker};
use reaid::rewrite::{self, Format, Linker, Options, Rewritten, Shop};

/// What stands for the recipient's REAID.
pub(crate) const MERGE_FIELD: &str = "${reaid}";

/// Rewrites a newsletter for account 1234.
pub(crate) fn rewrite(setup: &Setup, html: &[u8]) -> Rewritten {
    let shops =
        [Shop { account: Account::parse("1234").unwrap(), merge_field: MERGE_FIELD.to_owned(), consent_field: None }];
    let campaign = Campaign::parse("letter").unwrap();
    let base_url = &setup.config.edge.base_url.value;
    let maker = LinkMaker { keys: &setup.trust.links, base_url, campaign: &campaign };
    let options = Options {
        linker: &Linker { sites: &setup.sites, shops: &shops, maker, pixel: &shops[0] },
        unsubscribe_patterns: &setup.config.links.unsubscribe_patterns,
        address_attributes: &["emailAddress".to_owned()],
        utm: &[],
        pixel: true,
    };
    rewrite::rewrite(html, Format::Html, options).unwrap()
}
