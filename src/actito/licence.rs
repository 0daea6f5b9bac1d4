//! Who shares a budget: all integrations of one licence.
//!
//! A licence's quotas count for all its entities and tables together. Integrations belong to one
//! licence when `licence` in `proxy.toml` says so, else when endpoint and entity are the same.

use std::collections::HashMap;
use std::sync::Arc;

use super::limits::Limits;
use crate::config;

/// The budgets of all licences of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Licences(HashMap<Licence, Arc<Limits>>);

/// What a licence is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Licence {
    Named(String),
    Entity { endpoint: String, entity: String },
}

impl Licence {
    fn of(settings: &config::Actito) -> Self {
        match &settings.licence {
            Some(name) => Self::Named(name.clone()),
            None => Self::Entity { endpoint: settings.api_endpoint.to_string(), entity: settings.entity.clone() },
        }
    }
}

impl Licences {
    /// One budget a licence. Where integrations of one licence are configured with different numbers,
    /// the smallest count.
    pub fn new<'a>(all: impl IntoIterator<Item = &'a config::Actito>) -> Self {
        let mut smallest: HashMap<Licence, (u32, usize)> = HashMap::new();
        for settings in all {
            let numbers = (settings.calls_per_minute, settings.concurrency);
            let least = smallest.entry(Licence::of(settings)).or_insert(numbers);
            *least = (least.0.min(numbers.0), least.1.min(numbers.1));
        }
        let limits = |(calls, concurrency)| Arc::new(Limits::new(calls, concurrency));
        Self(smallest.into_iter().map(|(licence, numbers)| (licence, limits(numbers))).collect())
    }

    /// The budget that calls with these settings share; one of their own when they were not among all.
    pub fn limits(&self, settings: &config::Actito) -> Arc<Limits> {
        let own = || Arc::new(Limits::new(settings.calls_per_minute, settings.concurrency));
        self.0.get(&Licence::of(settings)).cloned().unwrap_or_else(own)
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire_url::test_settings;
    use super::*;

    fn table(entity: &str, licence: Option<&str>, calls_per_minute: u32) -> config::Actito {
        config::Actito { entity: entity.into(), licence: licence.map(Into::into), calls_per_minute, ..test_settings() }
    }

    #[test]
    fn tables_of_one_entity_share_and_other_entities_do_not() {
        let (first, second, other) = (table("shop", None, 90), table("shop", None, 60), table("other", None, 90));
        let licences = Licences::new([&first, &second, &other]);
        assert!(Arc::ptr_eq(&licences.limits(&first), &licences.limits(&second)));
        assert!(!Arc::ptr_eq(&licences.limits(&first), &licences.limits(&other)));
        assert_eq!(licences.limits(&first).calls_per_minute(), 60, "the smallest number counts");
    }

    #[test]
    fn entities_that_name_one_licence_share() {
        let (first, second) = (table("shop", Some("acme"), 90), table("other", Some("acme"), 90));
        let licences = Licences::new([&first, &second]);
        assert!(Arc::ptr_eq(&licences.limits(&first), &licences.limits(&second)));
    }
}
