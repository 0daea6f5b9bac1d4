//! Counting, for Prometheus. Labels come from closed sets, and every series exists from the start: a
//! count on the hot path is one atomic addition, and nothing a client sent becomes a label.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

type Labels = Vec<(&'static str, &'static str)>;

/// Collects what is to be exposed.
#[derive(Debug)]
pub struct Metrics(Registry);

/// One counter for each value of a closed set; by default the set is empty, and nothing counts.
#[derive(Clone, Debug, Default)]
pub struct Labelled(Vec<(&'static str, Counter)>);

/// One counter for each pair of values of two closed sets.
#[derive(Clone, Debug)]
pub struct Labelled2(Vec<(&'static str, Labelled)>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Registry::with_prefix("reaid"))
    }
}

impl Metrics {
    /// A counter without labels; `_total` is appended to its name.
    pub fn counter(&mut self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.0.register(name, help, counter.clone());
        counter
    }

    /// Counters by one label.
    pub fn labelled(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = &'static str>,
    ) -> Labelled {
        let family = self.family(name, help);
        Labelled(values.into_iter().map(|value| (value, series(&family, vec![(label, value)]))).collect())
    }

    /// Counters by two labels.
    pub fn labelled2(
        &mut self,
        name: &str,
        help: &str,
        labels: [&'static str; 2],
        first: impl IntoIterator<Item = &'static str>,
        second: impl IntoIterator<Item = &'static str> + Clone,
    ) -> Labelled2 {
        let family = self.family(name, help);
        let row = |one| {
            let cell = |two| (two, series(&family, vec![(labels[0], one), (labels[1], two)]));
            (one, Labelled(second.clone().into_iter().map(cell).collect()))
        };
        Labelled2(first.into_iter().map(row).collect())
    }

    /// Registers something that is read when somebody asks.
    pub fn collector(&mut self, collector: Box<dyn prometheus_client::collector::Collector>) {
        self.0.register_collector(collector);
    }

    /// All of it in the OpenMetrics text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        #[expect(clippy::expect_used, reason = "writing into a String does not fail")]
        encode(&mut text, &self.0).expect("a text");
        text
    }

    fn family(&mut self, name: &str, help: &str) -> Family<Labels, Counter> {
        let family = Family::<Labels, Counter>::default();
        self.0.register(name, help, family.clone());
        family
    }
}

fn series(family: &Family<Labels, Counter>, labels: Labels) -> Counter {
    family.get_or_create(&labels).clone()
}

impl Labelled {
    /// Counts one under `value`; a value outside the set is not counted.
    pub fn count(&self, value: &str) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == value) {
            counter.inc();
        }
    }

    /// The count so far under `value`.
    pub fn get(&self, value: &str) -> u64 {
        self.0.iter().find(|(known, _)| *known == value).map_or(0, |(_, counter)| counter.get())
    }
}

impl Labelled2 {
    /// Counts one under this pair.
    pub fn count(&self, first: &str, second: &str) {
        if let Some((_, row)) = self.0.iter().find(|(known, _)| *known == first) {
            row.count(second);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_there_from_the_start() {
        let mut metrics = Metrics::default();
        let clicks =
            metrics.labelled2("clicks", "Clicks answered", ["agent", "identity"], ["human"], ["valid", "missing"]);
        clicks.count("human", "valid");
        clicks.count("human", "made up");
        let text = metrics.render();
        assert!(text.contains("reaid_clicks_total{agent=\"human\",identity=\"valid\"} 1\n"), "{text}");
        assert!(text.contains("reaid_clicks_total{agent=\"human\",identity=\"missing\"} 0\n"), "{text}");
        assert!(!text.contains("made up"));
    }
}
