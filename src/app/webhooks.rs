//! `reaid sync webhooks`: tells Actito to call us for new profiles and changed addresses, or to stop.

use std::path::Path;

use serde::Serialize;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::hooks::target;
use super::setup::SetupError;
use super::sync::{SyncFailure, client, licences};
use crate::actito::{Client, Error, Licences, Webhook, WebhookEvent, WebhookId, WebhookSpec};
use crate::config::{Config, ConfigError, Integration};

/// What Actito is to call us for.
const EVENTS: [WebhookEvent; 2] = [WebhookEvent::Create, WebhookEvent::Update];

/// A webhook of a profile table.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// The integration whose table it is of.
    pub integration: String,
    /// Its id at Actito.
    pub id: String,
    /// `create`, `update`, or `other`.
    pub event: &'static str,
    /// Where it is delivered, without what stands behind the path: others may keep a secret there.
    pub target: String,
    /// Whether it is delivered at all.
    pub active: bool,
    /// Whether it is delivered to this installation.
    pub ours: bool,
}

/// What was done about a webhook, or would be.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// The integration.
    pub integration: String,
    /// Its id at Actito; none of one that would be created.
    pub id: Option<String>,
    /// `create`, `update`, or `other`.
    pub event: &'static str,
    /// `kept`, `created`, `updated` or `deleted`.
    pub action: &'static str,
    /// Whether nothing was done.
    pub dry_run: bool,
}

/// How webhooks are installed.
#[derive(Clone, Copy, Debug)]
pub struct Install {
    /// How many profiles one delivery may name, 1 to 50.
    pub block: u32,
    /// Whether to write those, too, that look right: Actito may not show a secret that changed.
    pub force: bool,
    /// Whether to say only what would be done.
    pub dry_run: bool,
}

/// The webhooks of one integration, or of all that have an Actito.
///
/// # Errors
/// The configuration or Actito says why not.
pub async fn list(file: &Path, integration: Option<&str>) -> Result<Vec<Listed>, SyncFailure> {
    let config = Config::load(file).map_err(SetupError::from)?;
    let (mut all, licences) = (Vec::new(), licences(&config));
    for integration in chosen(&config, integration, |it| it.actito.is_some())? {
        let desk = Desk::of(&config, integration, &licences)?;
        all.extend(desk.client.webhooks().await?.iter().map(|webhook| desk.listed(webhook)));
    }
    Ok(all)
}

/// Brings the webhooks of one integration, or of all that have a `webhook_secret`, to what they should be: one
/// for new profiles, one for changed addresses. Those of others are left alone.
///
/// # Errors
/// The configuration or Actito says why not; what was done until then stays done, and may be repeated.
pub async fn install(file: &Path, integration: Option<&str>, how: Install) -> Result<Vec<Done>, SyncFailure> {
    let config = Config::load(file).map_err(SetupError::from)?;
    let (mut all, licences) = (Vec::new(), licences(&config));
    let chosen = chosen(&config, integration, |it| it.webhook_secret.is_some())?;
    if chosen.is_empty() {
        let message = "no [[integration]] has webhook_secret = { … } to install".to_owned();
        return Err(SetupError::Unknown(message).into());
    }
    for integration in chosen {
        let Some(secret) = &integration.webhook_secret else {
            let message = format!("integration `{}` has no webhook_secret = {{ … }} to install", integration.name);
            return Err(SetupError::Unknown(message).into());
        };
        let desk = Desk::of(&config, integration, &licences)?;
        desk.demand_https(&config).map_err(SetupError::from)?;
        let secret = secret.read_strong().map_err(SetupError::from)?;
        let there = desk.ours().await?;
        for event in EVENTS {
            let wanted = WebhookSpec {
                event,
                target: desk.target.clone(),
                secret: Zeroizing::new(secret.to_string()),
                block: how.block,
            };
            let there = there.iter().filter(|webhook| webhook.event == Some(event)).collect();
            desk.settle(&wanted, there, how, &mut all).await?;
        }
    }
    Ok(all)
}

/// Deletes the webhooks that are delivered to this installation.
///
/// # Errors
/// The configuration or Actito says why not; what was deleted until then is gone.
pub async fn remove(file: &Path, integration: Option<&str>, dry_run: bool) -> Result<Vec<Done>, SyncFailure> {
    let config = Config::load(file).map_err(SetupError::from)?;
    let (mut all, licences) = (Vec::new(), licences(&config));
    for integration in chosen(&config, integration, |it| it.actito.is_some())? {
        let desk = Desk::of(&config, integration, &licences)?;
        for webhook in desk.ours().await? {
            desk.delete(&webhook, dry_run, &mut all).await?;
        }
    }
    Ok(all)
}

/// Whether Actito calls us for everything that it is to call us for.
///
/// # Errors
/// The secret is weak, or Actito says why not.
pub(super) async fn is_installed(config: &Config, integration: &Integration) -> Result<bool, SyncFailure> {
    if let Some(secret) = &integration.webhook_secret {
        secret.read_strong().map_err(SetupError::from)?;
    }
    let there = Desk::of(config, integration, &licences(config))?.ours().await?;
    let calls_for = |event| there.iter().any(|webhook| webhook.active && webhook.event == Some(event));
    Ok(EVENTS.into_iter().all(calls_for))
}

/// The integration of this name, or all that `have` what is needed.
fn chosen<'a>(
    config: &'a Config,
    name: Option<&str>,
    have: impl Fn(&Integration) -> bool,
) -> Result<Vec<&'a Integration>, SyncFailure> {
    let Some(name) = name else {
        return Ok(config.integrations.iter().filter(|it| have(it)).collect());
    };
    let unknown = || SetupError::Unknown(format!("there is no integration named `{name}`"));
    Ok(vec![config.integration(name).ok_or_else(unknown)?])
}

/// One integration's Actito, and where its webhooks are to go.
struct Desk<'a> {
    integration: &'a Integration,
    client: Client,
    target: Url,
}

impl<'a> Desk<'a> {
    fn of(config: &Config, integration: &'a Integration, licences: &Licences) -> Result<Self, SyncFailure> {
        let target = target(config, integration).map_err(SetupError::from)?;
        Ok(Self { integration, client: client(integration, licences)?, target })
    }

    /// The secret must not travel in the clear, but on this machine.
    fn demand_https(&self, config: &Config) -> Result<(), ConfigError> {
        let stays_here = match self.target.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if self.target.scheme() == "https" || stays_here {
            return Ok(());
        }
        Err(config
            .edge
            .base_url
            .place
            .complain("expected https:// for webhooks: their secret would travel in the clear"))
    }

    fn is_ours(&self, webhook: &Webhook) -> bool {
        webhook.target == self.target.as_str()
    }

    async fn ours(&self) -> Result<Vec<Webhook>, Error> {
        Ok(self.client.webhooks().await?.into_iter().filter(|webhook| self.is_ours(webhook)).collect())
    }

    /// Makes one of these webhooks what is wanted, and deletes the others.
    async fn settle(
        &self,
        wanted: &WebhookSpec,
        mut there: Vec<&Webhook>,
        how: Install,
        all: &mut Vec<Done>,
    ) -> Result<(), Error> {
        there.sort_by_key(|webhook| !self.client.is_as_wanted(webhook, wanted));
        let mut there = there.into_iter();
        let (id, action) = match there.next() {
            None if how.dry_run => (None, "created"),
            None => (Some(self.create(wanted).await?), "created"),
            Some(first) if self.client.is_as_wanted(first, wanted) && !how.force => (Some(first.id.clone()), "kept"),
            Some(first) => {
                if !how.dry_run {
                    self.client.update_webhook(&first.id, wanted).await?;
                }
                (Some(first.id.clone()), "updated")
            }
        };
        all.push(self.done(id.as_ref(), Some(wanted.event), action, how.dry_run));
        for webhook in there {
            self.delete(webhook, how.dry_run, all).await?;
        }
        Ok(())
    }

    /// Creates a webhook. When nobody knows whether that succeeded, Actito's list says.
    async fn create(&self, wanted: &WebhookSpec) -> Result<WebhookId, Error> {
        let error = match self.client.create_webhook(wanted).await {
            Err(error) if error.may_have_arrived() => error,
            settled => return settled,
        };
        let there = self.ours().await?.into_iter().find(|webhook| self.client.is_as_wanted(webhook, wanted));
        there.map(|webhook| webhook.id).ok_or(error)
    }

    async fn delete(&self, webhook: &Webhook, dry_run: bool, all: &mut Vec<Done>) -> Result<(), Error> {
        if !dry_run {
            self.client.delete_webhook(&webhook.id).await?;
        }
        all.push(self.done(Some(&webhook.id), webhook.event, "deleted", dry_run));
        Ok(())
    }

    fn done(&self, id: Option<&WebhookId>, event: Option<WebhookEvent>, action: &'static str, dry_run: bool) -> Done {
        let (integration, id) = (self.integration.name.clone(), id.map(ToString::to_string));
        Done { integration, id, event: name(event), action, dry_run }
    }

    fn listed(&self, webhook: &Webhook) -> Listed {
        Listed {
            integration: self.integration.name.clone(),
            id: webhook.id.to_string(),
            event: name(webhook.event),
            target: without_query(&webhook.target),
            active: webhook.active,
            ours: self.is_ours(webhook),
        }
    }
}

fn name(event: Option<WebhookEvent>) -> &'static str {
    match event {
        Some(WebhookEvent::Create) => "create",
        Some(WebhookEvent::Update) => "update",
        None => "other",
    }
}

/// Scheme, host and path.
fn without_query(target: &str) -> String {
    Url::parse(target).map_or_else(
        |_| "…".to_owned(),
        |url| format!("{}://{}{}", url.scheme(), &url[url::Position::BeforeHost..url::Position::AfterPort], url.path()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_hold_a_secret_of_others_is_not_shown() {
        for (target, shown) in [
            ("https://user:pw@hook.example:8443/a/b?token=x#y", "https://hook.example:8443/a/b"),
            ("https://hook.example", "https://hook.example/"),
            ("nonsense?token=x", "…"),
        ] {
            assert_eq!(without_query(target), shown);
        }
    }
}
