//! `POST /v1/links`: an order a line in, a link a line out, while both are still under way.
//!
//! Answers wait in memory and not in the request: many clients send everything before they read, and
//! would wait for us while we wait for them. [`MAX_LINES`] bounds what that can be.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::channel::{Channel, Sender};
use tokio::sync::Semaphore;

use super::answer::{self, Answer};
use super::body::{Upload, media_type};
use super::error::Error;
use super::{Admin, compute, limits, query};
use crate::authoring::{Bulk, LinkDefaults, MAX_LINES};

const PARAMETERS: [&str; 4] = ["url", "campaign", "account", "number"];

const MEDIA_TYPES: &str = "application/x-ndjson or application/jsonl";

impl Admin {
    pub(super) async fn links(&self, request: &Parts, body: &mut Option<Upload>) -> Result<Answer, Error> {
        match media_type(request, MEDIA_TYPES)?.as_str() {
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {}
            _ => return Err(Error::MediaType(MEDIA_TYPES)),
        }
        let [url, campaign, account, number] =
            query::read(request.uri.query(), PARAMETERS, "url, campaign, account and number")?;
        let expected = Error::Parameter { name: "number", expected: "0 to 65535" };
        let number = number.map(|number| number.parse()).transpose().map_err(|_| expected)?;
        let bulk = Bulk::new(self.author.load_full(), LinkDefaults { url, campaign, account, number })?;
        // An `id` comes back as long as it went in, and beside it a link of 3 KiB at most.
        let room = self.room(2 * limits::LINKS).await?;
        let upload = body.take().ok_or(Error::Internal)?;
        // An answer at most for each line, one for what stops the call, and nothing ever waits.
        let (sender, stream) = Channel::new(MAX_LINES + 2);
        tokio::spawn(make(bulk, upload, sender, self.turns.clone()));
        Ok(answer::lines(stream, room))
    }
}

/// Answers line after line until the body ends, the client goes, or something is wrong with the whole.
async fn make(mut bulk: Bulk, mut upload: Upload, mut sender: Sender<Bytes>, turns: Arc<Semaphore>) {
    let mut taken = 0;
    loop {
        let next = upload.next().await;
        taken += next.as_ref().ok().and_then(Option::as_ref).map_or(0, Bytes::len);
        let is_last = !matches!(next, Ok(Some(_))) || taken > limits::LINKS;
        let Ok((same, out)) = compute(turns.clone(), move || step(bulk, next, taken)).await else {
            return;
        };
        bulk = same;
        if !out.is_empty() && sender.send_data(out.into()).await.is_err() {
            return;
        }
        if is_last || bulk.is_over() {
            return upload.discard();
        }
    }
}

/// What is answered to the next bytes, to the end of all, or to what went wrong.
fn step(mut bulk: Bulk, next: Result<Option<Bytes>, Error>, taken: usize) -> (Bulk, Vec<u8>) {
    let mut out = Vec::new();
    let wrong = match next {
        Ok(_) if taken > limits::LINKS => Some(Error::TooLarge { limit: limits::LINKS, found: taken }),
        Ok(Some(bytes)) => {
            bulk.feed(&bytes, &mut out);
            None
        }
        Ok(None) => {
            bulk.finish(&mut out);
            None
        }
        Err(error) => Some(error),
    };
    if let Some(error) = wrong {
        bulk.stop(error.kind(), error.to_string(), &mut out);
    }
    (bulk, out)
}
