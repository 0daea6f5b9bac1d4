//! Activations that were saved through the API, kept in the store beside those of `proxy.toml`, and held to the
//! same rules. Where audiences come from and where targets go stands in `proxy.toml` alone: a saved one says `like`.

use serde_json::Value;

use crate::config::{Activation, Config, ConfigError};
use crate::store::{Store, StoreError, audiences as rows};

/// Activations that may be saved: more than people look after.
const MOST: usize = 200;

/// Why an activation is not saved or deleted.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Something in it is not what it must be.
    #[error("{key}: {message}")]
    Invalid {
        /// The key; `activation` for the whole.
        key: String,
        /// What was expected.
        message: String,
    },
    /// There is one of this name.
    #[error("there is an activation named `{0}` already")]
    Exists(String),
    /// There is none of this name.
    #[error("there is no saved activation named `{0}`")]
    Unknown(String),
    /// It stands in the file.
    #[error("activation `{0}` stands in proxy.toml: change it there")]
    InFile(String),
    /// There are too many.
    #[error("expected at most {MOST} saved activations")]
    TooMany,
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SaveError {
    /// A stable word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "activation",
            Self::Exists(_) => "exists",
            Self::Unknown(_) => "unknown_activation",
            Self::InFile(_) => "in_file",
            Self::TooMany => "too_many",
            Self::Store(_) => "store",
        }
    }
}

impl From<ConfigError> for SaveError {
    fn from(error: ConfigError) -> Self {
        let key = if error.place.key.is_empty() { "activation".to_owned() } else { error.place.key };
        // The first line says it; more would be a picture of a file that nobody wrote.
        let message = error.message.lines().next().unwrap_or_default().to_owned();
        Self::Invalid { key, message }
    }
}

/// An activation and where it stands.
#[derive(Clone, Debug)]
pub struct Known {
    /// The activation.
    pub activation: Activation,
    /// Whether it was saved; else it stands in `proxy.toml`.
    pub saved: bool,
}

/// Those of the file, then the saved ones. A saved one that the file no longer allows is left out and said.
///
/// # Errors
/// Those of the store.
pub async fn all(config: &Config, store: &Store) -> Result<Vec<Known>, StoreError> {
    let (known, misfits) = all_and_misfits(config, store).await?;
    say(&misfits);
    Ok(known)
}

/// The same, and what there is to say of those that are left out.
pub(super) async fn all_and_misfits(config: &Config, store: &Store) -> Result<(Vec<Known>, Vec<String>), StoreError> {
    let in_file = config.activations.iter().map(|activation| Known { activation: activation.clone(), saved: false });
    let (mut known, mut misfits): (Vec<Known>, _) = (in_file.collect(), Vec::new());
    for (name, text) in store.read(rows::activations).await? {
        match config.saved_activation(&text) {
            Ok(activation) => known.push(Known { activation, saved: true }),
            Err(error) => misfits.push(format!("{name}: {error}")),
        }
    }
    Ok((known, misfits))
}

pub(super) fn say(misfits: &[String]) {
    for misfit in misfits {
        tracing::warn!("a saved activation no longer fits proxy.toml: {misfit}");
    }
}

/// Saves a new activation, from JSON.
///
/// # Errors
/// It is not valid, or there is one of its name.
pub async fn create(config: &Config, store: &Store, json: &[u8]) -> Result<Activation, SaveError> {
    let (activation, text) = read(config, json, None)?;
    let (new, config) = (activation.clone(), config.clone());
    let saved = store.write(move |db| {
        let known = rows::activations(db)?;
        let refused = match known.iter().any(|(other, _)| *other == new.name) {
            true => Some(SaveError::Exists(new.name.clone())),
            false if known.len() >= MOST => Some(SaveError::TooMany),
            false => target_twice(&config, &known, &new),
        };
        if refused.is_none() {
            rows::save_activation(db, &new.name, &text)?;
        }
        Ok(refused)
    });
    saved.await?.map_or(Ok(activation), Err)
}

/// Saves an activation under a name, in place of the one that was saved under it.
///
/// # Errors
/// It is not valid, has another name, or there is none of this name.
pub async fn replace(config: &Config, store: &Store, name: &str, json: &[u8]) -> Result<Activation, SaveError> {
    let (activation, text) = read(config, json, Some(name))?;
    let (new, config) = (activation.clone(), config.clone());
    let saved = store.write(move |db| {
        let known = rows::activations(db)?;
        let refused = match known.iter().any(|(other, _)| *other == new.name) {
            true => target_twice(&config, &known, &new),
            false => Some(SaveError::Unknown(new.name.clone())),
        };
        if refused.is_none() {
            rows::save_activation(db, &new.name, &text)?;
        }
        Ok(refused)
    });
    saved.await?.map_or(Ok(activation), Err)
}

/// Deletes a saved activation. Its files stay.
///
/// # Errors
/// There is none of this name, or it stands in the file.
pub async fn delete(config: &Config, store: &Store, name: &str) -> Result<(), SaveError> {
    let own = name.to_owned();
    let is_in_file = config.activations.iter().any(|activation| activation.name == name);
    match store.write(move |db| rows::delete_activation(db, &own)).await? {
        // Perhaps beside one of the file that took its name later.
        true => Ok(()),
        false if is_in_file => Err(SaveError::InFile(name.to_owned())),
        false => Err(SaveError::Unknown(name.to_owned())),
    }
}

/// Reads JSON by the rules of the file.
fn read(config: &Config, json: &[u8], name: Option<&str>) -> Result<(Activation, String), SaveError> {
    let invalid = |message: &str| SaveError::Invalid { key: "activation".into(), message: message.to_owned() };
    let mut value: Value = serde_json::from_slice(json).map_err(|_| invalid("expected a JSON object"))?;
    let fields = value.as_object_mut().ok_or_else(|| invalid("expected a JSON object"))?;
    // TOML has no null: what is null is left out.
    fields.retain(|_, value| !value.is_null());
    if let Some(name) = name {
        fields.entry("name").or_insert_with(|| name.into());
    }
    let text = toml::to_string(&value).map_err(|_| invalid("expected texts, numbers, lists and objects"))?;
    if let Some(taken) = config.activations.iter().find(|it| value["name"] == it.name.as_str()) {
        return Err(SaveError::InFile(taken.name.clone()));
    }
    let activation = config.saved_activation(&text)?;
    match name {
        Some(name) if name != activation.name => Err(invalid("expected the name of the path")),
        _ => Ok((activation, text)),
    }
}

/// As for those of the file: two activations that write one file would overwrite one another for ever.
fn target_twice(config: &Config, saved: &[(String, String)], new: &Activation) -> Option<SaveError> {
    let saved: Vec<Activation> = saved.iter().filter_map(|(_, text)| config.saved_activation(text).ok()).collect();
    let mut others = config.activations.iter().chain(&saved).filter(|it| it.name != new.name);
    others.find_map(|other| {
        let is_there = other.destination == new.destination;
        let audience = new.audiences.iter().find(|name| is_there && other.audiences.contains(name))?;
        let message = format!("audience `{audience}` already goes there by activation `{}`", other.name);
        Some(SaveError::Invalid { key: "audiences".into(), message })
    })
}
