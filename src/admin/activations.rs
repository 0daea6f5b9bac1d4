//! `/v1/activations`: those of `proxy.toml` to look at, those that are saved to make, change and delete. `serve`
//! takes up what is saved within two seconds. `/v1/audiences`: what was sent of each audience.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::json;

use super::answer::{self, Answer};
use super::body::{Upload, media_type};
use super::error::Error;
use super::{Admin, limits};
use crate::app::audience::{ActivationStatus, status_of};
use crate::audience::{AudienceStatus, saved};
use crate::config::Config;
use crate::store::Store;

/// What activations are made and looked up with.
#[derive(Clone)]
pub struct Activations {
    /// What they may refer to.
    pub config: Arc<Config>,
    /// Where they are kept.
    pub store: Store,
}

/// An audience and whose it is.
#[derive(Serialize)]
struct Owned<'a> {
    activation: &'a str,
    #[serde(flatten)]
    status: &'a AudienceStatus,
}

impl Admin {
    /// Every audience of every activation.
    pub(super) async fn audiences(&self) -> Result<Answer, Error> {
        let Activations { config, store } = &self.activations;
        let all = status_of(config, store).await.map_err(saved::SaveError::from)?;
        let each = all.iter().flat_map(|ActivationStatus { name: activation, audiences, .. }| {
            audiences.iter().map(move |status| Owned { activation, status })
        });
        Ok(answer::json(StatusCode::OK, &each.collect::<Vec<_>>(), None))
    }

    /// All of them, or a new one.
    pub(super) async fn activations(&self, request: &Parts, body: &mut Option<Upload>) -> Result<Answer, Error> {
        let Activations { config, store } = &self.activations;
        if request.method != Method::POST {
            let all = status_of(config, store).await.map_err(saved::SaveError::from)?;
            return Ok(answer::json(StatusCode::OK, &all, None));
        }
        let json = self.activation_body(request, body).await?;
        let made = saved::create(config, store, &json).await?;
        Ok(answer::json(StatusCode::CREATED, &json!({ "name": made.name }), None))
    }

    /// One of them.
    pub(super) async fn activation(&self, request: &Parts, body: &mut Option<Upload>) -> Result<Answer, Error> {
        let Activations { config, store } = &self.activations;
        let name = name_in(request.uri.path()).ok_or(Error::NotFound)?;
        match request.method {
            Method::PUT => {
                let json = self.activation_body(request, body).await?;
                let kept = saved::replace(config, store, &name, &json).await?;
                Ok(answer::json(StatusCode::OK, &json!({ "name": kept.name }), None))
            }
            Method::DELETE => {
                saved::delete(config, store, &name).await?;
                Ok(answer::json(StatusCode::OK, &json!({ "deleted": name }), None))
            }
            _ => {
                let all = status_of(config, store).await.map_err(saved::SaveError::from)?;
                let one = all.into_iter().find(|it| it.name == name).ok_or(Error::NotFound)?;
                Ok(answer::json(StatusCode::OK, &one, None))
            }
        }
    }

    async fn activation_body(&self, request: &Parts, body: &mut Option<Upload>) -> Result<Vec<u8>, Error> {
        const EXPECTED: &str = "application/json";
        if media_type(request, EXPECTED)? != EXPECTED {
            return Err(Error::MediaType(EXPECTED));
        }
        let _room = self.room(limits::ACTIVATION).await?;
        body.take().ok_or(Error::Internal)?.read(limits::ACTIVATION).await
    }
}

/// What follows `/v1/activations/`, decoded.
fn name_in(path: &str) -> Option<String> {
    let raw = path.strip_prefix("/v1/activations/").filter(|raw| !raw.is_empty() && !raw.contains('/'))?;
    percent_decode_str(raw).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
