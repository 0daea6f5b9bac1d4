//! Certificates and the orders for them, for the metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::tls::Certificates;
use crate::tls::acme::Orders;

/// Read at each scrape. The hosts are those of the configuration.
#[derive(Debug)]
pub(super) struct TlsCollector {
    pub(super) certificates: Arc<Certificates>,
    pub(super) orders: Arc<Orders>,
}

impl Collector for TlsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let name = "certificate_expiry_timestamp_seconds";
        let help = "When the certificate of a host ends to be valid";
        let mut expiry = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (host, certificate) in self.certificates.all() {
            let at = ConstGauge::new(certificate.not_after().secs());
            at.encode(expiry.encode_family(&[("host", host.as_str())])?)?;
        }
        let help = "Orders of certificates that ended";
        let mut orders = encoder.encode_descriptor("acme_orders", help, None, MetricType::Counter)?;
        for (ended, count) in [("done", &self.orders.done), ("failed", &self.orders.failed)] {
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(orders.encode_family(&[("ended", ended)])?)?;
        }
        Ok(())
    }
}
