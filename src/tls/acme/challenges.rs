//! The proofs that an authority must find at `/.well-known/acme-challenge/` while an order is under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Proofs by their tokens. Written by the task that orders, read by whoever answers HTTP.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<Mutex<HashMap<String, String>>>);

/// A proof that can be found until this is dropped.
pub(super) struct Offered {
    challenges: Challenges,
    token: String,
}

impl Challenges {
    /// What must be answered under this token.
    pub fn proof(&self, token: &str) -> Option<String> {
        self.proofs().get(token).cloned()
    }

    pub(super) fn offer(&self, token: &str, proof: &str) -> Offered {
        self.proofs().insert(token.to_owned(), proof.to_owned());
        Offered { challenges: self.clone(), token: token.to_owned() }
    }

    fn proofs(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.challenges.proofs().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_found_while_its_order_is_under_way() {
        let challenges = Challenges::default();
        let offered = challenges.offer("token", "token.thumbprint");
        assert_eq!(challenges.proof("token").as_deref(), Some("token.thumbprint"));
        assert_eq!(challenges.proof("other"), None);
        drop(offered);
        assert_eq!(challenges.proof("token"), None);
    }
}
