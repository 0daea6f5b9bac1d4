//! Calls to the authority, by the one client for calls to others.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::config::{Acme, ConfigError, Place};
use crate::outbound::{self, Options};

/// How long the authority may take to be connected to, and to answer.
const CONNECT: Duration = Duration::from_secs(10);
const TOTAL: Duration = Duration::from_secs(30);

/// Bytes of an answer that are read: a chain of certificates is a few KiB.
const MAX_ANSWER: usize = 256 * 1024;

/// The client; a clone is the same one.
#[derive(Clone)]
pub(super) struct Call(reqwest::Client);

#[derive(Debug, thiserror::Error)]
#[error("expected an answer of at most {MAX_ANSWER} bytes")]
struct TooLong;

impl Call {
    pub(super) fn new(config: &Acme) -> Result<Self, ConfigError> {
        let options = Options { connect: CONNECT, total: TOTAL, allow_private: config.allow_private };
        let Some(roots) = &config.roots else {
            let made = outbound::client(&config.directory, options);
            return made.map(Self).map_err(|error| Place::of_file(&config.path).complain(error.to_string()));
        };
        let complain = |error: String| roots.place.complain(format!("{}: {error}", roots.value.display()));
        let pem = std::fs::read(&roots.value).map_err(|error| complain(format!("cannot read: {error}")))?;
        outbound::client_trusting(&config.directory, options, &pem)
            .map(Self)
            .map_err(|error| complain(error.to_string()))
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
        let call = self.0.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let other = |error: reqwest::Error| Error::Other(Box::new(error.without_url()));
        let mut answer = call.send().await.map_err(other)?;
        let mut all = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(other)? {
            all.extend_from_slice(&chunk);
            if all.len() > MAX_ANSWER {
                return Err(Error::Other(Box::new(TooLong)));
            }
        }
        let mut response = Response::new(Full::new(all.freeze()));
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response.into())
    }
}

impl HttpClient for Call {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().send(request))
    }
}
