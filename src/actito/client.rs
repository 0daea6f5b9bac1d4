//! The client: every call to Actito goes through [`Client::call`].
//!
//! Promises: inside the budget of [`Limits`]; a token that expired on the way costs one refresh and one
//! replay; a failure that may pass is tried again with growing waits, a bounded number of times (all
//! calls are idempotent: a write sets a value); no redirect is followed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use url::Url;

use super::error::{Call, Error};
use super::key::ApiKey;
use super::limits::{LONGEST_HOLD, Limits};
use super::profile::{ListPage, Profile, ProfileId};
use super::token::{Bearer, TokenBody, Tokens};
use super::{wire_v4, wire_v5};
use crate::backoff::Backoff;
use crate::config::{self, ApiGeneration};
use crate::outbound;

/// Profiles asked for at once. At 90 calls a minute a table of a million is listed in 23 minutes; a
/// page of 500 full profiles stays well under 16 MiB, beyond which no answer is read.
pub const PAGE_SIZE: u32 = 500;

/// No answer is read beyond this: 32 KiB for each profile of a page.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// A call may take this long: calls beyond Actito's own limit are slowed, not rejected.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Name, TCP and TLS together take a few round trips; five seconds are for a lost packet or two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A call is tried this often: with the waits below about 15 s, enough for a restart on the other side.
/// What lasts longer is for the next run.
const ATTEMPTS: u32 = 6;

/// The waits between attempts. They start short, because most failures are one lost connection.
const RETRY: Backoff = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(30), jitter: 0.5 };

/// Characters of a REAID: what the attribute must hold.
const REAID_LENGTH: u64 = 24;

/// Actito, for one entity and profile table. Shared by reference; all methods may run at once.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    settings: config::Actito,
    key: ApiKey,
    tokens: Tokens,
    limits: Limits,
    /// Requests sent, tokens and repetitions included.
    calls: AtomicU64,
}

impl Client {
    /// A client for the table that `settings` name. Nothing is sent yet.
    ///
    /// # Errors
    /// When the settings ask for V5 writes, or TLS cannot be set up.
    pub fn new(settings: &config::Actito, key: ApiKey) -> Result<Self, Error> {
        if settings.profiles_api == ApiGeneration::V5 {
            return Err(Error::Unsupported(
                "actito.profiles_api = \"v5\" is not supported: its write bodies are not public, use \"auto\" or \"v4\"",
            ));
        }
        let limits = Limits::new(settings.calls_per_minute, settings.concurrency);
        let (tokens, calls) = (Tokens::default(), AtomicU64::new(0));
        Ok(Self { http: http_client(settings)?, settings: settings.clone(), key, tokens, limits, calls })
    }

    /// Requests sent so far, tokens and repetitions included.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Calls that may be under way at once.
    pub fn concurrency(&self) -> usize {
        self.settings.concurrency.max(1)
    }

    /// Checks that the profile table has the address attribute, and a REAID attribute that holds REAIDs.
    ///
    /// # Errors
    /// What is wrong with which attribute, or why the structure could not be read.
    pub async fn check_structure(&self) -> Result<(), Error> {
        let url = wire_v5::structure_url(&self.settings);
        let body = self.call(Call::Structure, Method::GET, &url, None).await?;
        let structure: wire_v5::StructureBody = parse(Call::Structure, &body, "a list of attributes")?;
        structure.check(&self.settings, REAID_LENGTH)
    }

    /// One page of the list of profiles, [`PAGE_SIZE`] long, counted from 0.
    ///
    /// # Errors
    /// Why the page could not be read.
    pub async fn list_page(&self, number: u32) -> Result<ListPage, Error> {
        let url = wire_v5::list_url(&self.settings, number, PAGE_SIZE);
        let body = self.call(Call::List, Method::GET, &url, None).await?;
        let list: wire_v5::ListBody = parse(Call::List, &body, "a list of profiles")?;
        Ok(list.into_page(&self.settings, number, PAGE_SIZE))
    }

    /// One profile.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, else why it could not be read.
    pub async fn profile(&self, id: ProfileId) -> Result<Profile, Error> {
        let url = wire_v4::profile_url(&self.settings, id);
        let body = self.call(Call::Get, Method::GET, &url, None).await?;
        let profile: wire_v4::ProfileBody = parse(Call::Get, &body, "a profile")?;
        let unreadable = Error::Unreadable { call: Call::Get, expected: "a profile with its profileId" };
        profile.into_profile(&self.settings).ok_or(unreadable)
    }

    /// Sets the REAID attribute of a profile; the empty text empties it. `Ok` is Actito's word that it
    /// is written.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the profile is gone, else why the write is not confirmed.
    pub async fn put_reaid(&self, id: ProfileId, reaid: &str) -> Result<(), Error> {
        let url = wire_v4::profile_url(&self.settings, id);
        let expected = "the profileId that was written";
        let change = serde_json::to_vec(&wire_v4::Change::one(&self.settings.reaid_attribute, reaid))
            .map_err(|_| Error::Unreadable { call: Call::Put, expected })?;
        let body = self.call(Call::Put, Method::PUT, &url, Some(change.into())).await?;
        let written: wire_v4::Written = parse(Call::Put, &body, expected)?;
        if written.confirms(id) { Ok(()) } else { Err(Error::Unreadable { call: Call::Put, expected }) }
    }

    /// Sends a call until it is answered for good or its attempts are used up.
    async fn call(&self, call: Call, method: Method, url: &Url, body: Option<Bytes>) -> Result<Bytes, Error> {
        let mut failures = 0;
        loop {
            let error = match self.authorised(call, &method, url, body.as_ref()).await {
                Err(error) if error.is_transient() => error,
                settled => return settled,
            };
            failures += 1;
            if failures == ATTEMPTS {
                return Err(error);
            }
            tracing::debug!(
                kind = error.kind(),
                call = call.purpose(),
                failures,
                "call to Actito failed, trying again"
            );
            self.wait_before_retry(&error, failures).await;
        }
    }

    async fn wait_before_retry(&self, error: &Error, failures: u32) {
        match error {
            Error::Throttled { retry_after: Some(wait), .. } => self.limits.hold(*wait),
            _ => tokio::time::sleep(RETRY.delay(failures, fastrand::f64())).await,
        }
    }

    /// Sends a call with a token; when the token is refused, once more with a fresh one.
    async fn authorised(&self, call: Call, method: &Method, url: &Url, body: Option<&Bytes>) -> Result<Bytes, Error> {
        let bearer = self.bearer(None).await?;
        match self.send(call, method, url, &bearer.header, body).await {
            Err(Error::BadKey) => {
                let fresh = self.bearer(Some(&bearer)).await?;
                self.send(call, method, url, &fresh.header, body).await
            }
            settled => settled,
        }
    }

    async fn bearer(&self, refused: Option<&Bearer>) -> Result<Bearer, Error> {
        self.tokens.valid(refused, crate::clock::now(), async || self.fetch_token().await).await
    }

    async fn fetch_token(&self) -> Result<TokenBody, Error> {
        let mut key = HeaderValue::try_from(self.key.header_value()).map_err(|_| Error::BadKey)?;
        key.set_sensitive(true);
        let url = wire_v5::token_url(&self.settings);
        let body = self.send(Call::Token, &Method::GET, &url, &key, None).await?;
        parse(Call::Token, &body, "an accessToken")
    }

    /// Sends one request inside the budget and reads its answer.
    async fn send(
        &self,
        call: Call,
        method: &Method,
        url: &Url,
        authorization: &HeaderValue,
        body: Option<&Bytes>,
    ) -> Result<Bytes, Error> {
        let mut request = self.http.request(method.clone(), url.clone());
        request = request.header(AUTHORIZATION, authorization.clone()).header(ACCEPT, "application/json");
        if let Some(body) = body {
            request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let _permit = self.limits.enter().await;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let response = request.send().await.map_err(|error| Error::from_transport(call, &error))?;
        if !response.status().is_success() {
            return Err(Error::from_status(call, response.status().as_u16(), retry_after(&response)));
        }
        read_body(call, response).await
    }
}

fn http_client(settings: &config::Actito) -> Result<reqwest::Client, Error> {
    let options =
        outbound::Options { connect: CONNECT_TIMEOUT, total: CALL_TIMEOUT, allow_private: settings.allow_private };
    outbound::client(&settings.api_endpoint, options).map_err(|_| {
        Error::Unsupported("no TLS for calls to Actito: install this machine's root certificates (ca-certificates)")
    })
}

async fn read_body(call: Call, mut response: Response) -> Result<Bytes, Error> {
    let mut body = bytes::BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Error::from_transport(call, &error))? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(Error::Unreadable { call, expected: "at most 16 MiB" });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// `Retry-After` in seconds; a date is not worth parsing for a header that is not documented.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_HOLD))
}

fn parse<T: DeserializeOwned>(call: Call, body: &[u8], expected: &'static str) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|_| Error::Unreadable { call, expected })
}
