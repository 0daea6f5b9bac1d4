//! What is remembered of opened tokens: the same campaign link is clicked by thousands.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use crate::identity::base64url_len;
use crate::links::{OpenLink, Policy, Recipient, Unopened};

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
    let link = Arc::new(policy.open_link(token)?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::{Keyring, Secret};
    use crate::links::{Account, Campaign, Destination, Domain, HostPattern, LinkKeys, Sites};

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
            suppressed: Arc::default(),
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
