//! `POST /v1/rewrite`: a newsletter in, the rewritten one and its report out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use super::accept::{Wanted, wanted};
use super::answer::{self, Answer};
use super::body::{Upload, media_type};
use super::error::Error;
use super::{Admin, query};
use crate::authoring::AuthorError;
use crate::rewrite::{Format, Report, RewriteError};

const PARAMETERS: [&str; 3] = ["campaign", "account", "strict"];

const MEDIA_TYPES: &str = "text/html, text/plain, message/rfc822 or application/zip";

/// How often a newsletter is in memory: as it came, rewritten, and in its answer.
const IN_MEMORY: usize = 3;

/// What is answered as JSON.
#[derive(Serialize)]
struct Rewritten<'a> {
    report: &'a Report,
    document: &'a str,
    /// How `document` is written: `utf-8` as it is, else `base64`.
    encoding: &'static str,
}

impl Admin {
    pub(super) async fn rewrite(&self, request: &Parts, body: &mut Option<Upload>) -> Result<Answer, Error> {
        let media_type = media_type(request, MEDIA_TYPES)?;
        let format = Format::of_media_type(&media_type).ok_or(Error::MediaType(MEDIA_TYPES))?;
        let wanted = wanted(&request.headers, &media_type).ok_or(Error::NotAcceptable)?;
        let [campaign, account, strict] = query::read(request.uri.query(), PARAMETERS, "campaign, account and strict")?;
        let campaign = campaign.ok_or(AuthorError::Missing("campaign"))?;
        let strict = match strict.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Error::Parameter { name: "strict", expected: "true or false" }),
        };
        let upload = body.as_mut().ok_or(Error::Internal)?;
        let size = upload.announced().unwrap_or(usize::MAX).min(format.max_size());
        let room = self.room(IN_MEMORY * size).await?;
        let newsletter = newsletter(upload, format).await?;
        let author = self.author.load_full();
        let keep_links = self.keep_links.clone();
        let rewriting = move || {
            let rewritten = author.rewrite(&newsletter, format, &campaign, account.as_deref())?;
            if !(strict && rewritten.report.rejected()) {
                keep_links(&rewritten.report);
            }
            Ok::<_, AuthorError>(rewritten)
        };
        let rewritten = self.compute(rewriting).await??;
        if strict && rewritten.report.rejected() {
            return Ok(rejected(&rewritten.report));
        }
        Ok(match wanted {
            Wanted::Document => answer::document(content_type(request), rewritten.bytes, room),
            Wanted::Json => match std::str::from_utf8(&rewritten.bytes) {
                Ok(text) if format != Format::Archive => in_json(&rewritten.report, text, "utf-8", room),
                _ => in_json(&rewritten.report, &STANDARD.encode(&rewritten.bytes), "base64", room),
            },
        })
    }
}

/// All of the body; of one that is too large the complaint is that of rewriting.
async fn newsletter(upload: &mut Upload, format: Format) -> Result<Vec<u8>, Error> {
    let read = upload.read(format.max_size()).await;
    read.map_err(|error| match error {
        Error::TooLarge { limit: expected, found } => {
            AuthorError::from(RewriteError::TooLarge { found, expected }).into()
        }
        other => other,
    })
}

fn content_type(request: &Parts) -> HeaderValue {
    let written = request.headers.get(header::CONTENT_TYPE);
    written.cloned().unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"))
}

fn in_json(report: &Report, document: &str, encoding: &'static str, room: tokio::sync::OwnedSemaphorePermit) -> Answer {
    answer::json(StatusCode::OK, &Rewritten { report, document, encoding }, Some(room))
}

/// With `strict`, a newsletter that the e-mail platform would reject is none.
fn rejected(report: &Report) -> Answer {
    let message = format!("{} links would be rejected by the e-mail platform: see report.errors", report.errors.len());
    let body = json!({ "error": { "code": "rejected", "message": message }, "report": report });
    answer::json(StatusCode::UNPROCESSABLE_ENTITY, &body, None)
}
