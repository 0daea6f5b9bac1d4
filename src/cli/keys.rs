//! `reaid keys …`

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Context, Outcome, UsageError, output};
use crate::app::keyring::{self, KeyringLock};
use crate::app::{SetupError, Store, open_store, suppressions};
use crate::clock;
use crate::config::Config;
use crate::identity::{KeyId, Keyring};

#[derive(Subcommand)]
pub(super) enum Keys {
    /// Make the first keyring.
    Init,
    /// Show the keys, without their secrets.
    List,
    /// Add a key that signs links from now on; older links keep working.
    Rotate {
        /// Let the new key mint REAIDs, too: every profile changes, and Raptor sees new ids.
        #[arg(long)]
        identities: bool,
    },
    /// Forget a key that is active for nothing: what was made with it stops working.
    Retire {
        /// The key's id, 1 to 200.
        id: u8,
    },
    /// Write a copy of the keyring, secrets included.
    Backup {
        /// A file that does not exist yet.
        file: PathBuf,
    },
    /// Put a backup in the keyring's place.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Even where the keyring of today has keys that the backup lacks.
        #[arg(long)]
        force: bool,
    },
}

impl Keys {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = Config::load(&context.config)?;
        let path = config.keyring.clone();
        let only_reads = matches!(self, Self::List | Self::Backup { .. });
        let lock = (!only_reads).then(|| keyring::lock(&path)).transpose()?;
        match self {
            Self::Init => init(context, &path),
            Self::List => list(context, &path),
            Self::Rotate { identities } => rotate(context, &path, identities),
            Self::Retire { id } => retire(context, &path, id),
            Self::Backup { file } => backup(context, &config, &file),
            Self::Restore { file, force } => restore(context, &config, lock.as_ref(), &file, force),
        }?;
        Ok(Outcome::Done)
    }
}

fn init(context: &Context, path: &Path) -> anyhow::Result<()> {
    let ring = Keyring::init(keyring::new_secret()?, keyring::new_secret()?, clock::now());
    keyring::create(path, &ring)?;
    if context.json {
        return output::json(&json!({ "keyring": path, "key": ring.active_links().get() }));
    }
    output::line(format!("made {} with key {}", path.display(), ring.active_links()));
    output::line("Without it no link and no REAID works again: keep a copy, with `reaid keys backup FILE`.");
    Ok(())
}

fn list(context: &Context, path: &Path) -> anyhow::Result<()> {
    let ring = keyring::read(path)?;
    let (links, ids) = (ring.active_links(), ring.active_ids());
    if context.json {
        let keys = ring.keys().iter().map(|key| {
            json!({ "id": key.id.get(), "created": key.created, "retired": key.retired, "active_links": key.id == links, "active_ids": key.id == ids })
        });
        return output::json(&keys.collect::<Vec<_>>());
    }
    let row = |key: &crate::identity::Key| {
        let role = match (key.id == links, key.id == ids, &key.retired) {
            (true, true, _) => "signs links, mints REAIDs".to_owned(),
            (true, false, _) => "signs links".to_owned(),
            (false, true, _) => "mints REAIDs".to_owned(),
            (false, false, Some(retired)) => format!("retired {retired}"),
            (false, false, None) => "opens and checks".to_owned(),
        };
        vec![key.id.to_string(), key.created.clone().unwrap_or_default(), role]
    };
    output::table(&["key", "created", "use"], ring.keys().iter().map(row));
    Ok(())
}

fn rotate(context: &Context, path: &Path, identities: bool) -> anyhow::Result<()> {
    let mut ring = keyring::read(path)?;
    let id = ring.rotate(keyring::new_secret()?, identities, clock::now())?;
    let profiles = if identities { known_profiles(context)? } else { 0 };
    keyring::replace(path, &ring)?;
    if context.json {
        return output::json(&json!({ "key": id.get(), "identities": identities, "profiles_that_change": profiles }));
    }
    output::line(format!("key {id} signs links from now on; links made with older keys keep working"));
    if identities {
        output::line(format!(
            "key {id} mints REAIDs from now on: the next sync changes all profiles ({profiles} known so far)"
        ));
        output::line("Raptor will see new ids for everybody; old REAIDs are still recognised when they are clicked.");
    }
    output::line("A running `reaid serve` takes it up by itself. Back the keyring up: `reaid keys backup FILE`.");
    Ok(())
}

fn known_profiles(context: &Context) -> anyhow::Result<u64> {
    super::runtime()?.block_on(crate::app::sync::known_profiles(&context.config))
}

fn retire(context: &Context, path: &Path, id: u8) -> anyhow::Result<()> {
    let id = KeyId::new(id).map_err(|e| UsageError(e.to_string()))?;
    let mut ring = keyring::read(path)?;
    ring.retire(id, clock::now()).map_err(|e| UsageError(e.to_string()))?;
    keyring::replace(path, &ring)?;
    if context.json {
        return output::json(&json!({ "retired": id.get() }));
    }
    output::line(format!("key {id} is retired: its links lead to the fallback, its REAIDs are unknown"));
    Ok(())
}

fn backup(context: &Context, config: &Config, file: &Path) -> anyhow::Result<()> {
    let ring = keyring::read(&config.keyring)?;
    let words = suppressions::gather(&ring, &config.keyring, store_if_any(config)?.as_ref(), None)?.words.to_lines();
    let (keys, people) = (ring.keys().len(), words.len());
    let mut open = fs::OpenOptions::new();
    let mut copy = open
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|e| UsageError(format!("cannot make {}: {e}", file.display())))?;
    let written = copy.write_all(ring.carrying(words).to_toml().as_bytes()).and_then(|()| copy.sync_all());
    written.with_context(|| format!("cannot write {}", file.display()))?;
    if context.json {
        return output::json(&json!({ "backup": file, "keys": keys, "suppressions": people }));
    }
    output::line(format!(
        "wrote {keys} keys and {people} suppressions to {}: whoever has this file can forge links",
        file.display()
    ));
    Ok(())
}

fn restore(
    context: &Context,
    config: &Config,
    lock: Option<&KeyringLock>,
    file: &Path,
    force: bool,
) -> anyhow::Result<()> {
    let path = &config.keyring;
    let text = fs::read_to_string(file).map_err(|e| UsageError(format!("cannot read {}: {e}", file.display())))?;
    let ring = Keyring::from_toml(&Zeroizing::new(text));
    let ring = ring.map_err(|e| UsageError(format!("{}: {e}", file.display())))?;
    if path.exists() && !force {
        refuse_to_lose_keys(&keyring::read(path)?, &ring)?;
    }
    suppressions::check_carried(&ring, file)?;
    let store = store_if_any(config)?;
    // What is here and in the backup is put together before anything is replaced.
    let words = match suppressions::gather(&ring, path, store.as_ref(), lock) {
        Err(error) if force && error.is_of_another_keyring() => {
            eprintln!("reaid: who was suppressed under another keyring is suppressed no longer: {error}");
            suppressions::forget(path, store.as_ref())?;
            suppressions::gather(&ring, path, store.as_ref(), lock)?.words
        }
        gathered => gathered?.words,
    };
    let (keys, people) = (ring.keys().len(), words.to_lines().len());
    keyring::replace(path, &ring.carrying(Vec::new()))?;
    if context.json {
        return output::json(&json!({ "keyring": path, "keys": keys, "suppressions": people }));
    }
    output::line(format!("restored {keys} keys and {people} suppressions to {}", path.display()));
    Ok(())
}

/// The store, unless nothing was ever stored.
fn store_if_any(config: &Config) -> Result<Option<Store>, SetupError> {
    config.store.path.exists().then(|| open_store(config)).transpose()
}

/// A key that is on the ring of today and not in the backup would be lost for good.
fn refuse_to_lose_keys(today: &Keyring, backup: &Keyring) -> Result<(), UsageError> {
    let is_in = |key: &crate::identity::Key| {
        backup.keys().iter().any(|it| it.id == key.id && it.secret.to_base64url() == key.secret.to_base64url())
    };
    let lost: Vec<_> = today.keys().iter().filter(|key| !is_in(key)).map(|key| key.id.to_string()).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let lost = lost.join(", ");
    Err(UsageError(format!(
        "the backup lacks key {lost} of the keyring of today: what was made with it would be lost; --force to do it"
    )))
}
