//! Webhooks: what Actito calls us for.

use reqwest::Method;

use super::client::Client;
use super::error::{Call, Error};
use super::transport::Request;
use super::webhook::{Pushed, Webhook, WebhookId, WebhookSpec};
use super::wire_webhook::{self, Body, Created};
use crate::config;

impl Client {
    /// The webhooks of our profile table, ours and others'.
    ///
    /// # Errors
    /// Why they could not be read.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, Error> {
        let call = Call::Webhooks;
        let body = self.call(&Request::get(call, wire_webhook::url(&self.settings, None))).await?;
        let expected = "a list of webhooks";
        wire_webhook::read_list(&body, &self.settings).ok_or(Error::Unreadable { call, expected })
    }

    /// Whether a webhook is as it should be, as far as Actito shows it.
    pub fn is_as_wanted(&self, webhook: &Webhook, wanted: &WebhookSpec) -> bool {
        wire_webhook::is_as_wanted(&self.settings, webhook, wanted)
    }

    /// Creates a webhook. After an error that [may have arrived](Error::may_have_arrived), list them
    /// before creating another.
    ///
    /// # Errors
    /// Why it was not confirmed.
    pub async fn create_webhook(&self, wanted: &WebhookSpec) -> Result<WebhookId, Error> {
        let (url, body) = (wire_webhook::url(&self.settings, None), Body::new(&self.settings, wanted));
        let expected = "the id of the webhook";
        let created: Created = self.ask(&Request::json(Call::Webhook, Method::POST, url, &body)?, expected).await?;
        created.id().ok_or(Error::Unreadable { call: Call::Webhook, expected })
    }

    /// Makes a webhook as it should be.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is gone, else why it was not confirmed.
    pub async fn update_webhook(&self, id: &WebhookId, wanted: &WebhookSpec) -> Result<(), Error> {
        let (url, body) = (wire_webhook::url(&self.settings, Some(id)), Body::new(&self.settings, wanted));
        self.call(&Request::json(Call::Webhook, Method::PUT, url, &body)?).await.map(drop)
    }

    /// Deletes a webhook; one that is gone already is fine.
    ///
    /// # Errors
    /// Why it was not confirmed.
    pub async fn delete_webhook(&self, id: &WebhookId) -> Result<(), Error> {
        let request = Request::delete(Call::Webhook, wire_webhook::url(&self.settings, Some(id)));
        match self.call(&request).await {
            Err(Error::NotFound { .. }) => Ok(()),
            deleted => deleted.map(drop),
        }
    }
}

/// What a delivery to our endpoint says of the profile table, one item a profile. Nothing is sent.
///
/// # Errors
/// [`Error::Unreadable`] when it is not what Actito delivers.
pub fn read_delivery(settings: &config::Actito, body: &[u8]) -> Result<Vec<Pushed>, Error> {
    let unreadable = Error::Unreadable { call: Call::Delivery, expected: "profiles under `data`" };
    wire_webhook::read_delivery(body, settings).ok_or(unreadable)
}
