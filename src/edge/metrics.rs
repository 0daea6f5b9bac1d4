//! What the edge counts.

use prometheus_client::metrics::counter::Counter;

use super::cookies::Cookie;
use super::hook::Outcome;
use super::{ADDRESS_LIMIT, OVERLOAD};
use crate::links::{OpenError, Unopened, Verdict};
use crate::listener::Refusal;
use crate::metrics::{Labelled, Labelled2, Metrics};
use crate::tracking::Agent;

/// The counters of the public listener.
#[derive(Debug)]
pub struct EdgeMetrics {
    pub(super) clicks: Labelled2,
    pub(super) opens: Labelled2,
    pub(super) fallbacks: Labelled,
    pub(super) dead_pixels: Labelled,
    pub(super) refused: Labelled,
    pub(super) misdirected: Counter,
    pub(super) parameters_dropped: Counter,
    pub(super) webhooks: Labelled,
    pub(super) cookies_set: Labelled,
    pub(super) not_recorded: Labelled,
    pub(super) overloaded: Counter,
}

impl EdgeMetrics {
    /// The requests that were refused, by reason.
    pub fn refused(&self) -> Labelled {
        self.refused.clone()
    }

    /// Registers them.
    pub fn register(metrics: &mut Metrics) -> Self {
        let agents = || Agent::ALL.map(Agent::as_str);
        let verdicts = || Verdict::ALL.map(Verdict::as_str);
        let labels = ["agent", "identity"];
        let reasons = OpenError::KINDS.into_iter().chain(["not_a_pixel"]);
        Self {
            clicks: metrics.labelled2("clicks", "Clicks that landed", labels, agents(), verdicts()),
            opens: metrics.labelled2("opens", "Pixels of ours that were loaded", labels, agents(), verdicts()),
            fallbacks: metrics.labelled("fallbacks", "Clicks sent to the fallback", "reason", Unopened::KINDS),
            dead_pixels: metrics.labelled("dead_pixels", "Pixels loaded without an event", "reason", reasons),
            refused: metrics.labelled(
                "requests_refused",
                "Requests not looked at",
                "reason",
                Refusal::ALL.map(Refusal::kind),
            ),
            misdirected: metrics.counter("requests_misdirected", "Requests for a host that is none of ours"),
            not_recorded: metrics.labelled(
                "events_not_recorded",
                "Clicks and opens that were answered and left out",
                "reason",
                [ADDRESS_LIMIT, OVERLOAD],
            ),
            overloaded: metrics.counter("requests_overloaded", "Requests that are no clicks, refused with 503"),
            cookies_set: metrics.labelled(
                "cookies_set",
                "Cookies of the shop that clicks set",
                "cookie",
                Cookie::ALL.map(Cookie::as_str),
            ),
            parameters_dropped: metrics
                .counter("click_parameters_dropped", "Parameters of click URLs that did not pass on to the shop"),
            webhooks: metrics.labelled(
                "webhooks",
                "Webhooks that came, by what became of them",
                "outcome",
                Outcome::ALL.map(Outcome::kind),
            ),
        }
    }
}
