//! How the syncs go, for the metrics: one series for each integration that has an Actito.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::config::Config;
use crate::sync::Counters;

/// A number of an integration.
type Pick = fn(&Counters) -> &AtomicU64;

const RUNS: [(&str, Pick); 4] = [
    ("complete", |it| &it.complete),
    ("waiting", |it| &it.waiting),
    ("stopped", |it| &it.stopped),
    ("failed", |it| &it.failed),
];

const PROFILES: [(&str, Pick); 4] = [
    ("written", |it| &it.written),
    ("cleared", |it| &it.cleared),
    ("failed", |it| &it.rows_failed),
    ("gone", |it| &it.gone),
];

const COUNTERS: [(&str, &str, Pick); 2] = [
    ("sync_calls", "Calls to Actito by syncs", |it| &it.calls),
    ("sync_imports", "Mass imports sent to Actito", |it| &it.imports),
];

const GAUGES: [(&str, &str, Pick); 6] = [
    ("sync_complete_timestamp_seconds", "When every profile was right last; 0 before", |it| &it.complete_at),
    ("sync_profiles_left", "Profiles that wait for the quotas of another day", |it| &it.left),
    ("sync_profiles_skipped", "Profiles without a valid address", |it| &it.skipped),
    ("sync_imports_left", "Mass imports that today still has", |it| &it.imports_left),
    ("sync_imports_under_way", "Mass imports whose result is not known yet", |it| &it.under_way),
    ("sync_hints_waiting", "Profiles that somebody wants looked at", |it| &it.hints),
];

/// The counters of all integrations, read at each scrape.
#[derive(Clone, Debug)]
pub(super) struct SyncCollector(Vec<(String, Arc<Counters>)>);

impl SyncCollector {
    /// One set of counters for each integration that has an Actito.
    pub(super) fn of(config: &Config) -> Self {
        let with_actito = config.integrations.iter().filter(|integration| integration.actito.is_some());
        Self(with_actito.map(|integration| (integration.name.clone(), Arc::default())).collect())
    }

    pub(super) fn of_integration(&self, name: &str) -> Arc<Counters> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, counters)| counters.clone()).unwrap_or_default()
    }

    fn by_label(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help, label): (&str, &str, &str),
        picks: &[(&str, Pick)],
    ) -> Result<(), std::fmt::Error> {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (integration, counters) in &self.0 {
            for (value, pick) in picks {
                let labels = [("integration", integration.as_str()), (label, value)];
                ConstCounter::new(pick(counters).load(Ordering::Relaxed)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

impl Collector for SyncCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.by_label(&mut encoder, ("sync_runs", "Syncs that ended", "ended"), &RUNS)?;
        self.by_label(&mut encoder, ("sync_profiles", "Profiles that a sync dealt with", "outcome"), &PROFILES)?;
        for (name, help, pick) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (integration, counters) in &self.0 {
                let labels = [("integration", integration.as_str())];
                ConstCounter::new(pick(counters).load(Ordering::Relaxed)).encode(family.encode_family(&labels)?)?;
            }
        }
        for (name, help, pick) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (integration, counters) in &self.0 {
                let labels = [("integration", integration.as_str())];
                ConstGauge::new(pick(counters).load(Ordering::Relaxed)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
