//! How far the public listener is behind, and whom it keeps out, shown with the metrics.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::listener::Caps;
use crate::overload::{Grade, Load};

/// Read at each scrape.
pub(super) struct LoadCollector {
    pub(super) load: Arc<Load>,
    pub(super) caps: Arc<Caps>,
}

impl std::fmt::Debug for LoadCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoadCollector(…)")
    }
}

impl Collector for LoadCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "How far the work is behind: 0 calm, 1 shedding, 2 refusing, 3 holding";
        let grade = encoder.encode_descriptor("overload_grade", help, None, MetricType::Gauge)?;
        ConstGauge::new(self.load.grade() as u64).encode(grade)?;
        let help = "How long a task that was ready waited for its turn";
        let wait = encoder.encode_descriptor("overload_wait_seconds", help, None, MetricType::Gauge)?;
        ConstGauge::new(self.load.wait().as_secs_f64()).encode(wait)?;
        let help = "Times that a grade was entered";
        let mut entered = encoder.encode_descriptor("overload_entered", help, None, MetricType::Counter)?;
        for grade in Grade::ALL {
            let metric = ConstCounter::new(self.load.entered(grade));
            metric.encode(entered.encode_family(&[("grade", grade.as_str())])?)?;
        }
        let help = "Connections closed at once: their address had as many as it may";
        let refused = encoder.encode_descriptor("connections_refused", help, None, MetricType::Counter)?;
        ConstCounter::new(self.caps.refused()).encode(refused)
    }
}
