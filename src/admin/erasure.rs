//! `POST /v1/erasures`: a person asks to be forgotten, or consents anew. The answer is the receipt.

use std::pin::Pin;

use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;

use super::answer::{self, Answer};
use super::body::{Upload, media_type};
use super::error::Error;
use super::{Admin, limits, query};
use crate::app::erasure::{ErasureError, Receipt};
use crate::identity::{Digest, EmailAddress};

const MEDIA_TYPE: &str = "application/json";

/// Forgets the person with this digest; lifts it when told so.
pub type Erase = Box<dyn Fn(Digest, bool) -> Erasing + Send + Sync>;

/// An erasure under way; it goes on when this is dropped.
pub type Erasing = Pin<Box<dyn Future<Output = Result<Receipt, ErasureError>> + Send>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    address: Option<String>,
    digest: Option<String>,
    #[serde(default)]
    lift: bool,
}

impl Admin {
    pub(super) async fn erasure(&self, request: &Parts, body: &mut Option<Upload>) -> Result<Answer, Error> {
        if media_type(request, MEDIA_TYPE)? != MEDIA_TYPE {
            return Err(Error::MediaType(MEDIA_TYPE));
        }
        let [] = query::read(request.uri.query(), [], "of the body alone")?;
        let text = body.as_mut().ok_or(Error::Internal)?.read(limits::ERASURE).await?;
        // The parser's own words would repeat the address.
        let asked = serde_json::from_slice::<Asked>(&text);
        let asked = asked.map_err(|_| Error::Body(r#"a JSON object like {"address": "…"} or {"digest": "…"}"#))?;
        let digest = match (asked.address, asked.digest) {
            (Some(address), None) => EmailAddress::parse(&address)?.digest(),
            (None, Some(digest)) => Digest::parse_hex(&digest)?,
            (Some(_), Some(_)) | (None, None) => return Err(Error::Body("an address or a digest")),
        };
        match (self.erase)(digest, asked.lift).await {
            Ok(receipt) => Ok(answer::json(StatusCode::OK, &receipt, None)),
            Err(error) => {
                tracing::error!(%error, "an erasure did not come to its end");
                Err(Error::Erasure(error.to_string()))
            }
        }
    }
}
