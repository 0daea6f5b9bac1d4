//! Opening a token, and what is remembered of it: the same campaign link is clicked by thousands.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::Policy;
use crate::identity::base64url_len;
use crate::links::{Accepted, Account, Campaign, DestinationError, OpenError, Recipient, Target};

/// Opened tokens kept for each thread: the links of some hundred newsletters, at most 3 KiB each.
const CACHED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

thread_local! {
    /// Read and written by its own thread alone, never across an await. Emptied when the policy changes.
    static CACHE: RefCell<Cache> = RefCell::new(Cache { generation: 0, links: LruCache::new(CACHED) });
}

struct Cache {
    generation: u64,
    links: LruCache<Box<str>, Arc<OpenLink>>,
}

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
    pub(super) const KINDS: [&'static str; 9] =
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

/// Opens a click token. Personal links bypass the cache: each is clicked once or twice.
///
/// # Errors
/// Why the click gets the fallback.
pub fn open_link(policy: &Policy, token: &str) -> Result<Arc<OpenLink>, Unopened> {
    // What opening does not look at must not make a second entry of the same link.
    let token = &token[..base64url_len(token.as_bytes())];
    if let Some(link) = CACHE.with_borrow_mut(|cache| cache.get(policy.generation, token)) {
        return Ok(link);
    }
    let link = Arc::new(open_uncached(policy, token)?);
    if link.recipient == Recipient::Anyone {
        CACHE.with_borrow_mut(|cache| cache.links.put(token.into(), link.clone()));
    }
    Ok(link)
}

impl Cache {
    fn get(&mut self, generation: u64, token: &str) -> Option<Arc<OpenLink>> {
        if self.generation != generation {
            self.links.clear();
            self.generation = generation;
        }
        self.links.get(token).cloned()
    }
}

fn open_uncached(policy: &Policy, token: &str) -> Result<OpenLink, Unopened> {
    let opened = policy.links.open(token.as_bytes()).map_err(Unopened::Token)?;
    let Target::Link(url) = opened.target else {
        return Err(Unopened::NotALink);
    };
    let landing = policy.sites.readmit(&url).map_err(|error| match error {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::edge::Domain;
    use crate::identity::{Keyring, Secret};
    use crate::links::{Destination, HostPattern, LinkKeys, Sites};

    fn policy() -> Policy {
        let ring = Keyring::init(Secret::from_bytes([1; 32]), Secret::from_bytes([2; 32]), Timestamp::from_secs(0));
        let base = Destination::parse("https://click.example").unwrap();
        let hosts = [HostPattern::parse("shop.example").unwrap()];
        Policy {
            generation: 1,
            links: Arc::new(LinkKeys::derive(&ring)),
            sites: Sites::new([hosts.as_slice()], vec![], vec![base.clone()]),
            accounts: Default::default(),
            shops: vec![],
            domain: Domain::new(&base, None),
            respect_gpc: true,
            needs_consent: false,
        }
    }

    #[test]
    fn what_a_mail_program_added_takes_no_second_place_in_the_cache() {
        let policy = policy();
        let page = Destination::parse("https://shop.example/p").unwrap();
        let (account, campaign) = (Account::parse("1234").unwrap(), Campaign::parse("demo").unwrap());
        let token = policy.links.sign_link(&page, 1, &account, &campaign, Recipient::Anyone);
        let link = open_link(&policy, &token).unwrap();
        for added in [")", ".", "=", "/x", "%29"] {
            assert!(Arc::ptr_eq(&link, &open_link(&policy, &format!("{token}{added}")).unwrap()), "{added}");
        }
    }
}
