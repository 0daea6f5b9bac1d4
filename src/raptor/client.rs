//! Sending a call and judging the answer. No error text holds the URL: it names a person.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use url::Url;

use super::{Call, Visitor, tracking_url};
use crate::outbound::{self, Options, OutboundError};

/// An answer's body means nothing to us; this much is read so that the connection can be used again.
const BODY_READ: usize = 64 << 10;

/// Raptor's own tag gives up after one second; ten leave room for a slow network.
const OPTIONS: Options =
    Options { connect: Duration::from_secs(5), total: Duration::from_secs(10), allow_private: false };

/// No wait that Raptor asks for is longer than our own longest one.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// What the events of one account are called in Raptor.
#[derive(Clone, Debug)]
pub struct EventNames {
    /// A click.
    pub click: String,
    /// An open.
    pub open: String,
}

impl Default for EventNames {
    fn default() -> Self {
        Self { click: "newsletterclick".into(), open: "newsletteropen".into() }
    }
}

/// What an answer means for the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken (2xx).
    Delivered(u16),
    /// It may work later: no answer, 408, 429 or 5xx.
    Retry {
        /// What was answered, as in `503` or `timeout`.
        answer: String,
        /// How long Raptor asks to wait.
        after: Option<Duration>,
    },
    /// It will not work: any other status.
    Rejected(u16),
}

/// Raptor's tracking endpoint.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    name: String,
    events: HashMap<String, EventNames>,
    /// For accounts that no longer have a site.
    fallback: EventNames,
}

impl Client {
    /// A client for the endpoint at `base`, which calls itself `name` and calls the events of each
    /// account as `events` says (others by the defaults).
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        base: &Url,
        name: &str,
        events: HashMap<String, EventNames>,
        allow_private: bool,
    ) -> Result<Self, OutboundError> {
        let http = outbound::client(base, Options { allow_private, ..OPTIONS })?;
        Ok(Self { http, base: base.clone(), name: name.to_string(), events, fallback: EventNames::default() })
    }

    /// Tells Raptor of a click that landed on `page`.
    pub async fn click(&self, account: &str, visitor: &Visitor, reaid: Option<&str>, page: &str) -> Verdict {
        let event = &self.events.get(account).unwrap_or(&self.fallback).click;
        self.send(&Call { account, event, visitor, reaid, page: Some(page), campaign: "" }).await
    }

    /// Tells Raptor that the newsletter of `campaign` was opened.
    pub async fn open(&self, account: &str, visitor: &Visitor, reaid: Option<&str>, campaign: &str) -> Verdict {
        let event = &self.events.get(account).unwrap_or(&self.fallback).open;
        self.send(&Call { account, event, visitor, reaid, page: None, campaign }).await
    }

    async fn send(&self, call: &Call<'_>) -> Verdict {
        let url = tracking_url(&self.base, &self.name, call);
        match self.http.get(url).send().await {
            Ok(answer) => {
                let verdict = judge(answer.status(), retry_after(&answer));
                read_to_the_end(answer).await;
                verdict
            }
            Err(error) => Verdict::Retry { answer: outbound::reason(&error).to_string(), after: None },
        }
    }
}

fn judge(status: StatusCode, after: Option<Duration>) -> Verdict {
    match status.as_u16() {
        code @ 200..300 => Verdict::Delivered(code),
        code @ (408 | 429 | 500..600) => Verdict::Retry { answer: code.to_string(), after },
        code => Verdict::Rejected(code),
    }
}

/// Only seconds are understood: a date would trust two clocks.
fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// The status has decided: whatever goes wrong with the body changes nothing.
async fn read_to_the_end(mut answer: reqwest::Response) {
    let mut read = 0;
    while let Ok(Some(bytes)) = answer.chunk().await {
        read += bytes.len();
        if read > BODY_READ {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_decides_what_becomes_of_the_event() {
        let wait = Some(Duration::from_secs(3));
        let verdict = |code: u16| judge(StatusCode::from_u16(code).unwrap(), wait);
        for code in [200, 204, 299] {
            assert_eq!(verdict(code), Verdict::Delivered(code));
        }
        for code in [408, 429, 500, 503, 599] {
            assert_eq!(verdict(code), Verdict::Retry { answer: code.to_string(), after: wait });
        }
        for code in [300, 302, 400, 401, 404, 410, 600] {
            assert_eq!(verdict(code), Verdict::Rejected(code));
        }
    }

    #[tokio::test]
    async fn nobody_listening_is_tried_again() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        drop(listener);
        let client = Client::new(&base, "test", HashMap::new(), false).unwrap();
        let visitor = Visitor { coid: "C".into(), sid: "S".into() };
        let verdict = client.open("1234", &visitor, None, "demo").await;
        assert_eq!(verdict, Verdict::Retry { answer: "connect".into(), after: None });
    }
}
