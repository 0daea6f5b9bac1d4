//! Remembering what a rewritten newsletter calls its links, for `reaid campaign show`.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::admin::KeepLinks;
use crate::app::policy::Trust;
use crate::app::setup::{Setup, SetupError, open_store};
use crate::clock;
use crate::links::{CLICK_PATH, LinkKeys, Target};
use crate::rewrite::{Outcome, Report};
use crate::store::campaigns::{self, Link};
use crate::store::{Store, StoreError};

/// Links remembered in one write: a few milliseconds, so that clicks do not wait.
const SLICE: usize = 1000;

/// Characters kept of what a link says: a line.
const TEXT: usize = 120;

/// Remembers what the links of a newsletter are called that was rewritten with `setup`, in the store that
/// it names, which is made when there is none.
///
/// # Errors
/// The store does not open, or says no. The newsletter is as good as before.
pub fn remember_links(setup: &Setup, report: &Report) -> Result<(), SetupError> {
    let path = &setup.config.store.path;
    remember_in(&open_store(&setup.config)?, &setup.trust.links, report)
        .map_err(|source| SetupError::Store { path: path.display().to_string(), source })
}

/// The same for newsletters that come over HTTP, with the keys of the moment.
pub fn keep_links(store: &Store, trust: &Arc<ArcSwap<Trust>>) -> KeepLinks {
    let (store, trust) = (store.clone(), trust.clone());
    Box::new(move |report| {
        if let Err(error) = remember_in(&store, &trust.load().links, report) {
            tracing::warn!(kind = error.kind(), %error, "what the links of a newsletter say was not kept");
        }
    })
}

/// The same in a store that is open. Blocks on the disk.
///
/// # Errors
/// The store says no.
pub fn remember_in(store: &Store, keys: &LinkKeys, report: &Report) -> Result<(), StoreError> {
    let mut links: Vec<_> = report.links.iter().filter_map(|link| named(keys, link)).collect();
    links.sort_by(|(one, _), (other, _)| one.cmp(other));
    for of_account in links.chunk_by(|(one, _), (other, _)| one == other) {
        for slice in of_account.chunks(SLICE) {
            let (campaign, account) = (report.campaign.clone(), slice[0].0.clone());
            let links: Vec<_> = slice.iter().map(|(_, link)| link.clone()).collect();
            store.write_blocking(move |transaction| {
                campaigns::remember(transaction, &campaign, &account, &links, clock::now())
            })?;
        }
    }
    Ok(())
}

/// What a rewritten link is called, and the account that its clicks are counted for: its token says
/// which, and where it leads without anything that is the recipient's.
fn named(keys: &LinkKeys, link: &crate::rewrite::Link) -> Option<(String, Link)> {
    let Outcome::Rewritten { url } = &link.outcome else { return None };
    let opened = keys.open(url.split_once(CLICK_PATH)?.1.as_bytes()).ok()?;
    let Target::Link(url) = opened.target else { return None };
    let text: String = link.text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(TEXT).collect();
    let text = Some(text).filter(|text| !text.is_empty());
    Some((opened.account.as_str().to_owned(), Link { number: opened.number, url, text }))
}
