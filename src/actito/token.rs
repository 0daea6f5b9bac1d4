//! The access token: fetched when first needed, renewed before it expires or when Actito refuses it.
//!
//! Promise: one fetch at a time, however many calls wait for it; a token that was refused is never
//! handed out again.

use std::time::Duration;

use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::error::{Call, Error};
use crate::clock::Timestamp;

/// A token is renewed this long before it expires, so that none expires on its way …
const LONGEST_MARGIN: Duration = Duration::from_secs(60);
/// … but never more than this share of its life early, for tokens that live shorter.
const MARGIN_SHARE: u32 = 10;
/// The life of a token whose `expiresIn` says nothing we understand: short, so that it costs calls
/// rather than refusals.
const FALLBACK_LIFE: Duration = Duration::from_secs(120);

/// Answer to `GET /auth/token`, as documented:
/// `{"accessToken":"…","tokenType":"bearer","expiresIn":"900s","scope":"read write","jti":"…"}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenBody {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
}

/// The `Authorization` header of a call, and which token it came from.
#[derive(Clone, Debug)]
pub(super) struct Bearer {
    /// Marked as sensitive: it does not print itself.
    pub(super) header: HeaderValue,
    serial: u64,
    renew_at: Timestamp,
}

/// The token in use.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Written by whoever fetched, under the lock that all who need a token wait for.
    current: Mutex<Option<Bearer>>,
}

impl Tokens {
    /// The token in use, or the one that `fetch` brings when there is none, when it is due at `now`,
    /// or when it is the one just `refused`.
    pub(super) async fn valid(
        &self,
        refused: Option<&Bearer>,
        now: Timestamp,
        fetch: impl AsyncFnOnce() -> Result<TokenBody, Error>,
    ) -> Result<Bearer, Error> {
        let mut current = self.current.lock().await;
        let last = current.as_ref().map_or(0, |token| token.serial);
        match &*current {
            Some(token) if now < token.renew_at && refused.is_none_or(|refused| refused.serial != last) => {
                Ok(token.clone())
            }
            _ => {
                let fresh = Bearer::new(&fetch().await?, last + 1, now)?;
                *current = Some(fresh.clone());
                Ok(fresh)
            }
        }
    }
}

impl Bearer {
    fn new(body: &TokenBody, serial: u64, now: Timestamp) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { call: Call::Token, expected: "an accessToken" };
        let mut header =
            HeaderValue::try_from(format!("Bearer {}", body.access_token)).map_err(|_| unreadable.clone())?;
        if body.access_token.is_empty() {
            return Err(unreadable);
        }
        header.set_sensitive(true);
        let life = life(&body.expires_in);
        Ok(Self { header, serial, renew_at: now.after(life - LONGEST_MARGIN.min(life / MARGIN_SHARE)) })
    }
}

/// `"900s"`, and for good measure `"900"` and `900`.
fn life(expires_in: &Value) -> Duration {
    let seconds = match expires_in {
        Value::String(text) => text.strip_suffix('s').unwrap_or(text).parse().ok(),
        other => other.as_u64(),
    };
    seconds.map_or(FALLBACK_LIFE, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use serde_json::json;

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_796_000_000);

    fn body(token: &str, expires_in: &str) -> TokenBody {
        TokenBody { access_token: token.into(), expires_in: json!(expires_in) }
    }

    #[test]
    fn the_life_of_a_token_is_read_from_a_string() {
        assert_eq!(life(&json!("900s")), Duration::from_secs(900));
        assert_eq!(life(&json!("900")), Duration::from_secs(900));
        assert_eq!(life(&json!(900)), Duration::from_secs(900));
        assert_eq!(life(&json!("soon")), FALLBACK_LIFE);
        assert_eq!(life(&Value::Null), FALLBACK_LIFE);
    }

    #[test]
    fn a_token_is_renewed_before_it_expires() {
        let renew_after = |expires_in| Bearer::new(&body("t", expires_in), 1, START).unwrap().renew_at.since(START);
        assert_eq!(renew_after("900s"), Duration::from_secs(840));
        assert_eq!(renew_after("10s"), Duration::from_secs(9));
        assert_eq!(renew_after("0s"), Duration::ZERO);
    }

    #[test]
    fn a_token_never_prints_itself() {
        let token = Bearer::new(&body("very-secret", "900s"), 1, START).unwrap();
        assert!(!format!("{token:?}").contains("very-secret"));
        assert!(Bearer::new(&body("", "900s"), 1, START).is_err());
        assert!(Bearer::new(&body("a\nb", "900s"), 1, START).is_err());
    }

    #[tokio::test]
    async fn many_callers_cause_one_fetch_and_a_refused_token_is_replaced_once() {
        let (tokens, fetches) = (Tokens::default(), AtomicU64::new(0));
        let fetch = async || {
            let count = fetches.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            Ok(body(&format!("token-{count}"), "900s"))
        };
        let all = futures_util::future::join_all((0..20).map(|_| tokens.valid(None, START, fetch))).await;
        assert!(all.iter().all(|token| token.as_ref().unwrap().header == "Bearer token-1"));
        let refused = all[0].as_ref().unwrap();
        futures_util::future::join_all((0..20).map(|_| tokens.valid(Some(refused), START, fetch))).await;
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
        tokens.valid(None, START.after(Duration::from_secs(840)), fetch).await.unwrap();
        assert_eq!(fetches.load(Ordering::SeqCst), 3);
    }
}
