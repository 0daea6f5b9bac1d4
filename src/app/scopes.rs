//! The scope of each integration's REAIDs: written, remembered from its first use, or its name.
//!
//! A changed scope changes every REAID of the integration at once, so it is refused where it shows.

use std::collections::BTreeMap;

use crate::config::{Config, Integration};
use crate::store::{Store, StoreError, meta};

/// Why the scopes are not settled.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    /// Another scope was used before.
    #[error(
        "integration `{integration}`: its id_scope is `{now}`, but REAIDs of its accounts were made in scope `{before}` so \
         far: every REAID would change. Set id_scope = \"{before}\" to keep them"
    )]
    Changed {
        /// The integration.
        integration: String,
        /// What the configuration says.
        now: String,
        /// What the store remembers.
        before: String,
    },
    /// The store could not tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The scope of every integration, by name. With a `store`, what was used before binds, and what is
/// used for the first time is remembered there.
///
/// # Errors
/// A scope differs from the one used before.
pub(super) fn settle(config: &Config, store: Option<&Store>) -> Result<BTreeMap<String, String>, ScopeError> {
    let mut scopes = BTreeMap::new();
    for integration in &config.integrations {
        let scope = match store {
            Some(store) => settle_one(integration, store)?,
            None => integration.id_scope.clone().unwrap_or_else(|| integration.name.clone()),
        };
        scopes.insert(integration.name.clone(), scope);
    }
    Ok(scopes)
}

/// An integration is known by its accounts: they stay when it is renamed.
fn settle_one(integration: &Integration, store: &Store) -> Result<String, ScopeError> {
    let known = remembered(integration, store)?;
    let before = known.iter().flatten().next();
    let scope = integration.id_scope.as_ref().or(before).unwrap_or(&integration.name).clone();
    if let Some(before) = known.iter().flatten().find(|before| **before != scope) {
        let (integration, before) = (integration.name.clone(), before.clone());
        return Err(ScopeError::Changed { integration, now: scope, before });
    }
    if known.contains(&None) {
        remember(integration, store, &scope)?;
    }
    Ok(scope)
}

/// The scope of each account, in order.
fn remembered(integration: &Integration, store: &Store) -> Result<Vec<Option<String>>, StoreError> {
    let accounts = &integration.accounts;
    store.read_blocking(|connection| accounts.iter().map(|it| meta::remembered_scope(connection, it)).collect())
}

fn remember(integration: &Integration, store: &Store, scope: &str) -> Result<(), StoreError> {
    let (accounts, scope) = (integration.accounts.clone(), scope.to_owned());
    store.write_blocking(move |transaction| {
        accounts.iter().try_for_each(|account| meta::remember_scope(transaction, account, &scope))
    })
}
