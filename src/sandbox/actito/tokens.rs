//! Access tokens: issued for the API key, good for a while of sandbox time (900 s unless told otherwise).

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Timestamp;

/// Tokens good at once; the oldest goes first. A client needs one.
const MAX_TOKENS: usize = 1000;

/// The tokens that are out, oldest first.
pub(super) struct Tokens {
    lifetime: Duration,
    live: VecDeque<(String, Timestamp)>,
    issued: u64,
}

impl Tokens {
    /// Tokens that are good for `lifetime`, as `/auth/token` says in `expiresIn`.
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { lifetime, live: VecDeque::new(), issued: 0 }
    }

    /// A new token and its number.
    pub(super) fn issue(&mut self, now: Timestamp) -> (String, u64) {
        self.issued += 1;
        let token = format!("sandbox-token-{:06}", self.issued);
        if self.live.len() >= MAX_TOKENS {
            self.live.pop_front();
        }
        self.live.push_back((token.clone(), now.after(self.lifetime)));
        (token, self.issued)
    }

    /// Whether `token` is good now.
    pub(super) fn is_good(&mut self, token: &str, now: Timestamp) -> bool {
        while self.live.front().is_some_and(|(_, until)| *until <= now) {
            self.live.pop_front();
        }
        self.live.iter().any(|(live, _)| live == token)
    }

    /// Ends every token that is out.
    pub(super) fn expire_all(&mut self) {
        self.live.clear();
    }

    /// How many were ever issued.
    pub(super) fn issued(&self) -> u64 {
        self.issued
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_lifetime_and_no_longer() {
        let (mut tokens, start) = (Tokens::new(Duration::from_secs(900)), Timestamp::from_secs(1000));
        let (token, _) = tokens.issue(start);
        assert!(tokens.is_good(&token, start.after(Duration::from_secs(899))));
        assert!(!tokens.is_good("another", start));
        assert!(!tokens.is_good(&token, start.after(Duration::from_secs(900))));
    }

    #[test]
    fn all_tokens_can_be_ended_at_once() {
        let (mut tokens, start) = (Tokens::new(Duration::from_secs(900)), Timestamp::from_secs(1000));
        let (token, _) = tokens.issue(start);
        tokens.expire_all();
        assert!(!tokens.is_good(&token, start));
        assert_eq!(tokens.issued(), 1);
    }
}
