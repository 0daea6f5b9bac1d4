//! Request bodies: announced, bounded, and never waited for longer than their deadline.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::Error;
use super::limits;

/// The body of one request, until its deadline.
pub(super) struct Upload {
    body: Incoming,
    ends: Instant,
}

impl Upload {
    /// Begins to wait for a body now.
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, ends: Instant::now() + limits::BODY }
    }

    /// The next bytes; None at the end.
    ///
    /// # Errors
    /// They came too late, or never.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let ends = self.ends.min(Instant::now() + limits::BODY_STALL);
        match timeout_at(ends, self.body.frame()).await {
            Err(_) => Err(Error::TooSlow),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => Err(Error::Broken),
            // Trailers are bytes of nothing.
            Ok(Some(Ok(frame))) => Ok(Some(frame.into_data().unwrap_or_default())),
        }
    }

    /// Its size, when the client said it.
    pub(super) fn announced(&self) -> Option<usize> {
        self.body.size_hint().exact().map(|size| usize::try_from(size).unwrap_or(usize::MAX))
    }

    /// All of it, in no more than `limit` bytes.
    ///
    /// # Errors
    /// It is larger, or came too late, or never.
    pub(super) async fn read(&mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let announced = self.announced().unwrap_or_default();
        if announced > limit {
            return Err(Error::TooLarge { limit, found: announced });
        }
        let mut all = Vec::with_capacity(announced);
        while let Some(bytes) = self.next().await? {
            if all.len() + bytes.len() > limit {
                return Err(Error::TooLarge { limit, found: all.len() + bytes.len() });
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    /// Throws the rest away in the background. A client that writes everything before it reads would
    /// otherwise see a broken connection in place of its answer.
    pub(super) fn discard(mut self) {
        if self.body.is_end_stream() {
            return;
        }
        tokio::spawn(timeout(limits::LINGER_TIME, async move {
            let mut left = limits::LINGER;
            while let Ok(Some(bytes)) = self.next().await {
                left = left.saturating_sub(bytes.len());
                if left == 0 {
                    return;
                }
            }
        }));
    }
}

/// The type of the body, in lower case and without parameters.
///
/// # Errors
/// There is no body, or it is compressed; `expected` is what it may be.
pub(super) fn media_type(request: &Parts, expected: &'static str) -> Result<String, Error> {
    let headers = &request.headers;
    if !headers.contains_key(header::CONTENT_LENGTH) && !headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Error::LengthRequired);
    }
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
        return Err(Error::MediaType(expected));
    }
    let written = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let written = written.ok_or(Error::MediaType(expected))?;
    Ok(written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}
