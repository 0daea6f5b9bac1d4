//! How activations go, for the metrics. No activation and no audience is a label: people may save any number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::audience::Counters;

/// The counters of all activations, read at each scrape.
#[derive(Debug)]
pub(super) struct AudienceCollector(pub(super) Arc<Counters>);

impl Collector for AudienceCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counters = &self.0;
        let mut by_label = |name: &str, help: &str, label: &str, values: &[(&str, &AtomicU64)]| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (value, counter) in values {
                let metric = ConstCounter::new(counter.load(Ordering::Relaxed));
                metric.encode(family.encode_family(&[(label, *value)])?)?;
            }
            Ok::<_, std::fmt::Error>(())
        };
        let runs = [("complete", &counters.complete), ("incomplete", &counters.incomplete), ("early", &counters.early)];
        by_label("audience_runs", "Runs of activations that ended", "ended", &runs)?;
        let actions = [
            ("sent", &counters.sent),
            ("unchanged", &counters.unchanged),
            ("held", &counters.held),
            ("failed", &counters.failed),
            ("deleted", &counters.deleted),
        ];
        by_label("audiences", "Audiences that a run dealt with", "action", &actions)?;
        let bytes = ConstCounter::new(counters.bytes.load(Ordering::Relaxed));
        let help = "Bytes that went to targets";
        bytes.encode(encoder.encode_descriptor("audience_bytes", help, None, MetricType::Counter)?)?;
        let help = "When every audience of an activation was right last; 0 before";
        let at = ConstGauge::new(counters.complete_at.load(Ordering::Relaxed));
        at.encode(encoder.encode_descriptor("audience_complete_timestamp_seconds", help, None, MetricType::Gauge)?)
    }
}
