//! `POST /v1/links/inspect`: what is in a click URL as somebody pasted it. Counts nothing, logs nothing.

use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;

use super::answer::{self, Answer};
use super::body::{Upload, media_type};
use super::error::Error;
use super::{Admin, limits, query};

const MEDIA_TYPES: &str = "application/json or text/plain";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    url: String,
}

impl Admin {
    pub(super) async fn inspect(&self, request: &Parts, body: &mut Option<Upload>) -> Result<Answer, Error> {
        let media_type = media_type(request, MEDIA_TYPES)?;
        let is_json = match media_type.as_str() {
            "application/json" => true,
            "text/plain" => false,
            _ => return Err(Error::MediaType(MEDIA_TYPES)),
        };
        let [] = query::read(request.uri.query(), [], "of the body alone")?;
        let room = self.room(limits::INSPECTED).await?;
        let text = body.as_mut().ok_or(Error::Internal)?.read(limits::INSPECTED).await?;
        let url = if is_json {
            // The parser's own words would repeat what was pasted.
            let asked = serde_json::from_slice::<Asked>(&text);
            asked.map_err(|_| Error::Body("a JSON object like {\"url\": \"https://…\"}"))?.url
        } else {
            String::from_utf8(text).map_err(|_| Error::Body("a text in UTF-8"))?
        };
        let author = self.author.load_full();
        let found = self.compute(move || author.inspect(&url)).await??;
        Ok(answer::json(StatusCode::OK, &found, Some(room)))
    }
}
