//! Webhooks of Actito's, set up from the configuration: where they are sent, what takes them in, and what
//! Actito must be told so that it sends them.
//!
//! A push is a hint and no more: of each profile in it the id is stored, and a sync reads the profile itself.
//! So a push may come twice, late or incomplete. Of a profile without an id, whose address alone is known,
//! the fingerprint of its REAID is stored: the address is forgotten with the request.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use url::Url;

use super::policy::Trust;
use crate::actito::{self, Pushed};
use crate::clock;
use crate::config::{self, Config, ConfigError, Integration};
use crate::edge::{HOOK_PATH, Hook, Hooks, Taken};
use crate::store::Store;
use crate::store::sync::Fingerprint;
use crate::sync::plan::Stamp;
use crate::sync::{Wanted, WantedFn};

/// Profiles that one push may name: twenty times what Actito sends at once.
const MOST_PROFILES: usize = 1000;

/// Takes in the webhooks of every integration that has a `webhook_secret`.
///
/// # Errors
/// A secret is missing or weak.
pub(super) fn hooks(config: &Config, store: &Store, trust: &Arc<ArcSwap<Trust>>) -> Result<Hooks, ConfigError> {
    let mut by_path = HashMap::new();
    for integration in &config.integrations {
        let (Some(secret), Some(settings)) = (&integration.webhook_secret, &integration.actito) else { continue };
        let intake = Arc::new(Intake {
            integration: integration.name.clone(),
            settings: settings.clone(),
            enabled: integration.enable_email_synchronization,
            wanted: super::sync::wanted(integration.name.clone(), trust.clone()),
            store: store.clone(),
        });
        let take = move |body| {
            let intake = intake.clone();
            Box::pin(async move { intake.take(&body).await }) as _
        };
        let hook = Hook { secret: secret.read_strong()?, take: Box::new(take) };
        by_path.insert(target(config, integration)?.path().to_owned(), hook);
    }
    Ok(Hooks::new(by_path))
}

/// Where Actito sends the webhooks of an integration.
///
/// # Errors
/// `edge.base_url` is no URL.
pub(super) fn target(config: &Config, integration: &Integration) -> Result<Url, ConfigError> {
    let base = &config.edge.base_url;
    let url = Url::parse(&format!("{}{HOOK_PATH}", base.value));
    let mut url = url.map_err(|error| base.place.complain(error.to_string()))?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push(&integration.name);
    }
    Ok(url)
}

/// What takes the webhooks of one integration in.
struct Intake {
    integration: String,
    settings: config::Actito,
    enabled: bool,
    wanted: WantedFn,
    store: Store,
}

impl Intake {
    async fn take(&self, body: &Bytes) -> Taken {
        let Ok(pushed) = actito::read_delivery(&self.settings, body) else { return Taken::Unreadable };
        if pushed.len() > MOST_PROFILES {
            return Taken::TooMany;
        }
        // The first run after it is switched on again reads every profile.
        if !self.enabled {
            return Taken::Dropped;
        }
        let profiles = pushed.iter().filter_map(|one| one.profile).map(actito::ProfileId::to_i64).collect();
        let people = pushed.iter().filter(|one| one.profile.is_none()).filter_map(|one| self.fingerprint(one));
        let (people, now) = (people.collect(), clock::now().millis());
        match self.store.hint_all(&self.integration, profiles, people, now).await {
            Ok(true) => Taken::Stored,
            Ok(false) => self.not_stored("full"),
            Err(error) => self.not_stored(error.kind()),
        }
    }

    fn not_stored(&self, kind: &'static str) -> Taken {
        tracing::warn!(integration = self.integration, kind, "a webhook could not be stored");
        Taken::NotStored
    }

    /// As whom a person is waited for whose profile is not named.
    fn fingerprint(&self, one: &Pushed) -> Option<Fingerprint> {
        match (self.wanted)(one.address.as_deref()?) {
            Wanted::Reaid(reaid) => Some(Stamp::of(&reaid).fingerprint),
            Wanted::None | Wanted::Invalid(_) => None,
        }
    }
}
