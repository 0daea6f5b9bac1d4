//! What other parts count by themselves, shown with the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::campaign;
use crate::clock::{self, Timestamp};
use crate::store::Loss;
use crate::tracking::Counters;

/// The counters of recording and delivery, read at each scrape.
#[derive(Debug)]
pub(super) struct TrackingCollector(pub(super) Arc<Counters>);

impl Collector for TrackingCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counters = &self.0;
        let mut count = |name: &str, help: &str, value: &AtomicU64| {
            let metric = ConstCounter::new(value.load(Ordering::Relaxed));
            metric.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                prometheus_client::metrics::MetricType::Counter,
            )?)
        };
        count("events_recorded", "Clicks and opens given to the recorder", &counters.recorded)?;
        count("events_stored", "Events on disk", &counters.store.stored)?;
        count("events_late", "Events not yet on disk when their click was answered", &counters.late)?;
        count("commits", "Commits that carried events", &counters.store.commits)?;
        count("deliveries", "Events that Raptor took", &counters.delivered)?;
        count("delivery_retries", "Deliveries that failed and are tried again", &counters.retried)?;
        let took = &counters.store.took;
        let help = "How long a commit that carried events took";
        took.encode(encoder.encode_descriptor("commit_seconds", help, None, took.metric_type())?)?;
        self.encode_by_reason(&mut encoder)?;
        self.encode_lanes(&mut encoder)
    }
}

impl TrackingCollector {
    fn encode_by_reason(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counter = prometheus_client::metrics::MetricType::Counter;
        let mut lost = encoder.encode_descriptor("events_lost", "Events that could not be kept", None, counter)?;
        for reason in Loss::ALL {
            let metric = ConstCounter::new(self.0.store.lost(reason));
            metric.encode(lost.encode_family(&[("reason", reason.as_str())])?)?;
        }
        let mut dead = encoder.encode_descriptor("dead_letters", "Events given up", None, counter)?;
        for (reason, count) in [("rejected", &self.0.dead_rejected), ("expired", &self.0.dead_expired)] {
            ConstCounter::new(count.load(Ordering::Relaxed)).encode(dead.encode_family(&[("reason", reason)])?)?;
        }
        Ok(())
    }

    fn encode_lanes(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let gauge = prometheus_client::metrics::MetricType::Gauge;
        let in_flight = ConstGauge::new(self.0.in_flight.load(Ordering::Relaxed));
        let help = "Calls to Raptor under way";
        in_flight.encode(encoder.encode_descriptor("deliveries_in_flight", help, None, gauge)?)?;
        let lanes = self.0.lanes();
        let mut waiting = encoder.encode_descriptor("outbox_waiting", "Events that wait for Raptor", None, gauge)?;
        for lane in &lanes {
            ConstGauge::new(lane.waiting).encode(waiting.encode_family(&[("account", lane.account.as_str())])?)?;
        }
        let help = "1 while deliveries to the account are held back";
        let mut held = encoder.encode_descriptor("outbox_held", help, None, gauge)?;
        for lane in &lanes {
            let value = u64::from(lane.held);
            ConstGauge::new(value).encode(held.encode_family(&[("account", lane.account.as_str())])?)?;
        }
        Ok(())
    }
}

/// The counters of counting for campaigns. No campaign is a label: there is no end to their names.
#[derive(Debug)]
pub(super) struct CampaignCollector(pub(super) Arc<campaign::Counters>);

impl Collector for CampaignCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counter = prometheus_client::metrics::MetricType::Counter;
        let mut count = |name: &str, help: &str, value: &AtomicU64| {
            let metric = ConstCounter::new(value.load(Ordering::Relaxed));
            metric.encode(encoder.encode_descriptor(name, help, None, counter)?)
        };
        count("campaign_events", "Events counted for their campaign", &self.0.counted)?;
        count("campaign_errors", "Times that events could not be counted", &self.0.failed)?;
        let oldest = self.0.oldest.load(Ordering::Relaxed);
        let age = if oldest == 0 { 0 } else { clock::now().since(Timestamp::from_millis(oldest)).as_secs() };
        let mut gauge = |name: &str, help: &str, value: u64| {
            let gauge = prometheus_client::metrics::MetricType::Gauge;
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, gauge)?)
        };
        gauge("campaign_waiting", "Events not counted for their campaign yet", self.0.waiting.load(Ordering::Relaxed))?;
        gauge("campaign_oldest_seconds", "Age of the oldest event not counted yet", age)
    }
}
