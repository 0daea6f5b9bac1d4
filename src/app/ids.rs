//! Who may ask for REAIDs by address, from the configuration.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::policy::Trust;
use crate::admin::IdDesk;
use crate::config::{Config, ConfigError};
use crate::store::Store;

/// A desk for each integration that has a `get_or_create_key`.
///
/// # Errors
/// A key is missing or weak, or that of another integration: nobody could say which one is meant.
pub(super) fn desks(config: &Config, store: &Store, trust: &Arc<ArcSwap<Trust>>) -> Result<Vec<IdDesk>, ConfigError> {
    let mut desks: Vec<IdDesk> = Vec::new();
    for integration in &config.integrations {
        let Some(source) = &integration.get_or_create_key else { continue };
        let key = source.read_strong()?;
        if let Some(other) = desks.iter().find(|desk| desk.key == key) {
            let message = format!("expected a key of its own, found that of integration `{}`", other.integration);
            return Err(source.complain(message));
        }
        desks.push(IdDesk {
            key,
            integration: integration.name.clone(),
            enabled: integration.enable_email_synchronization,
            wanted: super::sync::wanted(integration.name.clone(), trust.clone()),
            store: store.clone(),
        });
    }
    Ok(desks)
}
