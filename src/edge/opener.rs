//! What is remembered of opened tokens: the same campaign link is clicked by thousands.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::remembered::Remembered;
use crate::identity::base64url_len;
use crate::links::{OpenLink, Policy, Recipient, Unopened};

/// Opened tokens kept for each thread: the links of some hundred newsletters, at most 3 KiB each.
const CACHED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

thread_local! {
    /// Read and written by its own thread alone, never across an await.
    static OPENED: RefCell<Remembered<Policy, Box<str>, Arc<OpenLink>>> = RefCell::new(Remembered::new(CACHED));
}

/// Opens a click token. Personal links bypass the cache: each is clicked once or twice.
///
/// # Errors
/// Why the click gets the fallback.
pub fn open_link(policy: &Arc<Policy>, token: &str) -> Result<Arc<OpenLink>, Unopened> {
    let cached = |token: &str| OPENED.with_borrow_mut(|opened| opened.get(policy, token));
    if let Some(link) = cached(token) {
        return Ok(link);
    }
    // What opening does not look at must not make a second entry of the same link.
    let own = &token[..base64url_len(token.as_bytes())];
    if own.len() < token.len()
        && let Some(link) = cached(own)
    {
        return Ok(link);
    }
    let link = Arc::new(policy.open_link(own)?);
    if link.recipient == Recipient::Anyone {
        OPENED.with_borrow_mut(|opened| opened.put(own.into(), link.clone()));
    }
    Ok(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::{Keyring, Secret};
    use crate::links::{Account, Campaign, Destination, Domain, Domains, HostPattern, LinkKeys, Sites};

    fn policy() -> Policy {
        let ring = Keyring::init(Secret::from_bytes([1; 32]), Secret::from_bytes([2; 32]), Timestamp::from_secs(0));
        let base = Destination::parse("https://click.example").unwrap();
        let hosts = [HostPattern::parse("shop.example").unwrap()];
        Policy {
            links: Arc::new(LinkKeys::derive(&ring)),
            sites: Sites::new([hosts.as_slice()], vec![], vec![base.clone()]),
            accounts: Default::default(),
            shops: vec![],
            domains: Domains { first: Domain::new(&base, None), others: vec![] },
            suppressed: Arc::default(),
            respect_gpc: true,
            needs_consent: false,
        }
    }

    #[test]
    fn what_a_mail_program_added_takes_no_second_place_in_the_cache() {
        let policy = Arc::new(policy());
        let page = Destination::parse("https://shop.example/p").unwrap();
        let (account, campaign) = (Account::parse("1234").unwrap(), Campaign::parse("demo").unwrap());
        let token = policy.links.sign_link(&page, 1, &account, &campaign, Recipient::Anyone);
        let link = open_link(&policy, &token).unwrap();
        for added in [")", ".", "=", "/x", "%29"] {
            assert!(Arc::ptr_eq(&link, &open_link(&policy, &format!("{token}{added}")).unwrap()), "{added}");
        }
    }
}
