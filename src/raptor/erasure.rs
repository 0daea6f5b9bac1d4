//! Asking Raptor to delete a person (its right to be forgotten). Raptor takes up to 14 days.
//!
//! The call is Raptor's documented one; that it knows a person by the REAID as `UserId` is our assumption: it is
//! the only id of a person that we ever send.

use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use crate::outbound::{self, Options, OutboundError};

const OPTIONS: Options =
    Options { connect: Duration::from_secs(5), total: Duration::from_secs(10), allow_private: false };

/// Raptor's endpoint for erasures.
pub struct Erasures {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Erasures {
    /// A client for the endpoint at `base`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(base: &Url, key: &str, allow_private: bool) -> Result<Self, OutboundError> {
        let http = outbound::client(base, Options { allow_private, ..OPTIONS })?;
        Ok(Self { http, base: base.as_str().trim_end_matches('/').to_owned(), key: key.to_owned() })
    }

    /// Asks to delete the person that an account knows by this id.
    ///
    /// # Errors
    /// What was answered, as in `503` or `timeout`.
    pub async fn delete(&self, account: &str, user_id: &str) -> Result<(), String> {
        let mut key = HeaderValue::from_str(&self.key).map_err(|_| "api_key".to_owned())?;
        key.set_sensitive(true);
        let body = serde_json::json!({ "UserId": user_id });
        let call = self.http.post(format!("{}/{account}/DeleteUser", self.base)).header("x-api-key", key).json(&body);
        match call.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(answer.status().as_u16().to_string()),
            Err(error) => Err(outbound::reason(&error).to_owned()),
        }
    }
}
