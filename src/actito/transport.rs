//! How a call travels: token, budget, repetition, answer.
//!
//! Promises: inside the budget of [`Limits`](super::Limits); a token that expired on the way costs one
//! refresh and one replay; a failure that may pass is tried again with growing waits, a bounded number of
//! times, but what is sent [`Once`](Repeat::Once) only while it surely did not arrive, and what is sent
//! [`Never`](Repeat::Never) again not at all; no redirect is followed, no answer is read beyond its limit.

use std::io::{Seek as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::SpooledTempFile;
use tokio::sync::SemaphorePermit;
use url::Url;

use super::client::Client;
use super::error::{Call, Error};
use super::import_file::ImportFile;
use super::message::Message;
use super::token::{Bearer, TokenBody};
use super::wire_url;
use crate::backoff::Backoff;

/// No answer is kept in memory beyond this: 32 KiB for each profile of a page of 500.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// A sentence about a refusal is shorter; the rest of such a body is nobody's loss.
const LARGEST_REFUSAL: usize = 16 * 1024;

/// Of a file that is fetched, this much is kept in memory; what is longer goes to a nameless file.
const IN_MEMORY: usize = 4 * 1024 * 1024;

/// A file that is sent or fetched may take this long: 100 MB at 1.4 Mbit/s, and within a token's life.
const FILE_TIMEOUT: Duration = Duration::from_secs(600);

/// A call is tried this often: with the waits below about 15 s, enough for a restart on the other side.
/// What lasts longer is for the next run.
const ATTEMPTS: u32 = 6;

/// The waits between attempts. They start short, because most failures are one lost connection.
const RETRY: Backoff = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(30), jitter: 0.5 };

/// A longer `Retry-After` is none: nothing of ours is planned further ahead.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Whether a call that failed may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Reads, and writes that set a value.
    Always,
    /// What must not take place twice: again only while it surely did not take place.
    Once,
    /// What costs even when it is refused: the caller decides.
    Never,
}

/// A call, ready to be sent.
pub(super) struct Request<'a> {
    pub(super) call: Call,
    pub(super) repeat: Repeat,
    method: Method,
    url: Url,
    payload: Payload<'a>,
}

enum Payload<'a> {
    None,
    Json(Bytes),
    Import { file: &'a ImportFile, file_part: String, parameters: String, parameters_part: String },
}

impl<'a> Request<'a> {
    pub(super) const fn get(call: Call, url: Url) -> Self {
        Self { call, repeat: Repeat::Always, method: Method::GET, url, payload: Payload::None }
    }

    pub(super) fn delete(call: Call, url: Url) -> Self {
        Self { method: Method::DELETE, ..Self::get(call, url) }
    }

    pub(super) fn json(call: Call, method: Method, url: Url, body: &impl Serialize) -> Result<Self, Error> {
        let expected = "something that can be written as JSON";
        let body = serde_json::to_vec(body).map_err(|_| Error::Unreadable { call, expected })?;
        let repeat = if method == Method::POST { Repeat::Once } else { Repeat::Always };
        Ok(Self { call, repeat, method, url, payload: Payload::Json(body.into()) })
    }

    /// A form of a zip and its parameters, whose parts have these names.
    pub(super) fn import(url: Url, file: (&str, &'a ImportFile), parameters: (&str, String)) -> Self {
        let payload = Payload::Import {
            file: file.1,
            file_part: file.0.to_owned(),
            parameters: parameters.1,
            parameters_part: parameters.0.to_owned(),
        };
        Self { call: Call::Import, repeat: Repeat::Never, method: Method::POST, url, payload }
    }
}

impl Payload<'_> {
    fn put_into(&self, request: RequestBuilder) -> reqwest::Result<RequestBuilder> {
        Ok(match self {
            Payload::None => request,
            Payload::Json(body) => request.header(CONTENT_TYPE, "application/json").body(body.clone()),
            Payload::Import { file, file_part, parameters, parameters_part } => {
                let zip = Part::stream_with_length(reqwest::Body::wrap_stream(file.stream()), file.bytes());
                let zip = zip.file_name("profiles.zip").mime_str("application/zip")?;
                let parameters = Part::text(parameters.clone()).mime_str("application/json")?;
                let form = Form::new().part(file_part.clone(), zip).part(parameters_part.clone(), parameters);
                request.timeout(FILE_TIMEOUT).multipart(form)
            }
        })
    }
}

/// A success whose body was not read yet, with its place among the calls under way.
struct Answer<'a> {
    call: Call,
    response: Response,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Client {
    /// Sends a call until it is answered for good or its attempts are used up.
    pub(super) async fn call(&self, request: &Request<'_>) -> Result<Bytes, Error> {
        let mut failures = 0;
        loop {
            let attempt = async { self.authorised(request).await?.in_memory().await };
            match attempt.await {
                Err(error) if self.tries_again(request, &error, &mut failures).await => {}
                settled => return settled,
            }
        }
    }

    /// The same, and understands the answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        request: &Request<'_>,
        expected: &'static str,
    ) -> Result<T, Error> {
        parse(request.call, &self.call(request).await?, expected)
    }

    /// The same for an answer of up to `limit` bytes, which goes to the disk when it is long.
    pub(super) async fn fetch(&self, request: &Request<'_>, limit: u64) -> Result<SpooledTempFile, Error> {
        let mut failures = 0;
        loop {
            let attempt = async { self.authorised(request).await?.on_disk(limit).await };
            match attempt.await {
                Err(error) if self.tries_again(request, &error, &mut failures).await => {}
                settled => return settled,
            }
        }
    }

    /// A token that is good now, or a fresh one when this was refused.
    pub(super) async fn bearer(&self, refused: Option<&Bearer>) -> Result<Bearer, Error> {
        self.tokens.valid(refused, crate::clock::now(), async || self.fetch_token().await).await
    }

    /// Whether a call is worth another attempt after an error; waits until then.
    async fn tries_again(&self, request: &Request<'_>, error: &Error, failures: &mut u32) -> bool {
        *failures += 1;
        if !error.is_transient() || !request.may_repeat(error) || *failures == ATTEMPTS {
            return false;
        }
        let (kind, call) = (error.kind(), request.call.purpose());
        tracing::debug!(kind, call, failures, "call to Actito failed, trying again");
        match error.retry_after() {
            Some(wait) => self.limits.hold(wait),
            None => tokio::time::sleep(RETRY.delay(*failures, fastrand::f64())).await,
        }
        true
    }

    /// Sends a call with a token; when the token is refused, once more with a fresh one.
    async fn authorised(&self, request: &Request<'_>) -> Result<Answer<'_>, Error> {
        let bearer = self.bearer(None).await?;
        match self.send(request, &bearer.header).await {
            Err(Error::BadKey) => {
                let fresh = self.bearer(Some(&bearer)).await?;
                self.send(request, &fresh.header).await
            }
            settled => settled,
        }
    }

    async fn fetch_token(&self) -> Result<TokenBody, Error> {
        let mut key = HeaderValue::try_from(self.key.header_value()).map_err(|_| Error::BadKey)?;
        key.set_sensitive(true);
        let request = Request::get(Call::Token, wire_url::token_url(&self.settings));
        let body = self.send(&request, &key).await?.in_memory().await?;
        parse(Call::Token, &body, "an accessToken")
    }

    /// Sends one request inside the budget.
    async fn send(&self, request: &Request<'_>, authorization: &HeaderValue) -> Result<Answer<'_>, Error> {
        let call = request.call;
        let http = self.http.request(request.method.clone(), request.url.clone());
        let http = http.header(AUTHORIZATION, authorization.clone()).header(ACCEPT, "application/json");
        let http = request.payload.put_into(http).map_err(|error| Error::from_transport(call, &error))?;
        let permit = if call == Call::List { self.limits.enter_list().await } else { self.limits.enter().await };
        self.count_call();
        let response = http.send().await.map_err(|error| Error::from_transport(call, &error))?;
        let answer = Answer { call, response, _permit: permit };
        if answer.response.status().is_success() { Ok(answer) } else { Err(answer.refusal().await) }
    }
}

impl Request<'_> {
    const fn may_repeat(&self, error: &Error) -> bool {
        match self.repeat {
            Repeat::Always => true,
            Repeat::Once => !error.may_have_arrived(),
            Repeat::Never => false,
        }
    }
}

impl Answer<'_> {
    async fn in_memory(mut self) -> Result<Bytes, Error> {
        let mut body = bytes::BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > LARGEST_BODY {
                return Err(Error::Unreadable { call: self.call, expected: "at most 16 MiB" });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    async fn on_disk(mut self, limit: u64) -> Result<SpooledTempFile, Error> {
        let (mut file, mut length) = (tempfile::spooled_tempfile(IN_MEMORY), 0);
        while let Some(chunk) = self.chunk().await? {
            length += chunk.len() as u64;
            if length > limit {
                return Err(Error::Unreadable { call: self.call, expected: "a smaller file" });
            }
            file = blocking(move || file.write_all(&chunk).map(|()| file)).await?;
        }
        blocking(move || file.rewind().map(|()| file)).await
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.response.chunk().await.map_err(|error| Error::from_transport(self.call, &error))
    }

    /// What a status that is not success says; of its body the beginning, if it comes at all.
    async fn refusal(mut self) -> Error {
        let (status, retry_after) = (self.response.status().as_u16(), retry_after(&self.response));
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = self.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_REFUSAL {
                break;
            }
        }
        Error::from_status(self.call, status, retry_after, Message::of_body(&body))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(Into::into).flatten().map_err(|error| Error::file(&error))
}

/// `Retry-After` in seconds; a date is not worth parsing for a header that is not documented.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds)).filter(|wait| *wait <= LONGEST_RETRY_AFTER)
}

pub(super) fn parse<T: DeserializeOwned>(call: Call, body: &[u8], expected: &'static str) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|_| Error::Unreadable { call, expected })
}
