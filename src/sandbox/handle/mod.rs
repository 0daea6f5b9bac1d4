//! The sandbox's remote control: what tests and the demo look at and change.

mod actito;
mod audiences;

use std::sync::Arc;
use std::time::Duration;

use super::State;
use super::faults::{FaultError, FaultRule, Service};
use super::newsletter::NewsletterTooLarge;
use super::options::Options;
use super::raptor::{RaptorReport, TrackingCall};
use super::shop::Landing;
use crate::clock::Timestamp;

/// Cheap to clone; all clones control the same sandbox.
#[derive(Clone)]
pub struct Handle {
    state: Arc<State>,
}

impl Handle {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// What the sandbox was started with.
    pub fn options(&self) -> &Options {
        &self.state.options
    }

    /// `http://address:port`, without a slash at the end: Actito's, Raptor's and the shop's base.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.state.address)
    }

    /// The sandbox's time.
    pub fn now(&self) -> Timestamp {
        self.state.clock.now()
    }

    /// Moves the sandbox's time ahead, so that nobody waits for a token to expire.
    pub fn advance(&self, duration: Duration) {
        self.state.clock.advance(duration);
    }

    /// What Raptor saw.
    pub fn raptor(&self) -> RaptorReport {
        self.state.raptor.report()
    }

    /// The events that Raptor keeps, oldest first.
    pub fn tracking_calls(&self) -> Vec<TrackingCall> {
        self.state.raptor.calls(usize::MAX)
    }

    /// Waits until Raptor has received at least `n` events in all, and returns those it keeps.
    pub async fn raptor_received(&self, n: u64) -> Vec<TrackingCall> {
        // The sender lives in `self`, so waiting for it cannot fail.
        let _ = self.state.raptor.received.subscribe().wait_for(|received| *received >= n).await;
        self.tracking_calls()
    }

    /// The landings that the shop keeps, oldest first.
    pub fn landings(&self) -> Vec<Landing> {
        self.state.shop.landings(usize::MAX)
    }

    /// Waits until the shop has seen at least `n` landings in all, and returns those it keeps.
    pub async fn shop_landed(&self, n: u64) -> Vec<Landing> {
        // The sender lives in `self`, so waiting for it cannot fail.
        let _ = self.state.shop.landed.subscribe().wait_for(|landed| *landed >= n).await;
        self.landings()
    }

    /// Makes `html`, with its merge fields, the newsletter that every profile receives.
    ///
    /// # Errors
    /// It is larger than a newsletter can be.
    pub fn publish_newsletter(&self, html: impl Into<String>) -> Result<(), NewsletterTooLarge> {
        self.state.newsletter.publish(html.into())
    }

    /// Where the profile's newsletter is served, as a recipient sees it.
    pub fn newsletter_url(&self, profile_id: u64) -> String {
        format!("{}/sandbox/newsletter/{profile_id}", self.base_url())
    }

    /// Switches a fault on; one of the same kind at the same place is replaced.
    ///
    /// # Errors
    /// The fault is impossible or there are too many.
    pub fn switch(&self, rule: FaultRule) -> Result<(), FaultError> {
        self.state.faults.switch(rule)
    }

    /// Switches off what `service` has, or everything.
    pub fn clear_faults(&self, service: Option<Service>) {
        self.state.faults.clear(service);
    }

    /// The faults in force.
    pub fn faults(&self) -> Vec<FaultRule> {
        self.state.faults.list()
    }
}
