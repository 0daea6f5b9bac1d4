//! Where audiences come from: a closed set of sources.
//!
//! Every source promises: a list is whole or an error; a membership is whole or an error; what it says of a version
//! changes when the members do.

mod folder;
mod quotes;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

pub(super) use self::folder::{Folder, FolderError};
use super::member::{Member, Unresolved};
use super::people::Matcher;
use super::room;
use super::sorting::{Sorted, Sorter};
use crate::config::{self, AudienceSource, PersonIdentifier};
use crate::raptor::{Cdp, CdpError, Change, Step};

/// Where audiences come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Raptor's CDP API.
    Cdp(Arc<Cdp>, Arc<config::Cdp>),
    /// A folder of files.
    Folder(Arc<Folder>),
}

/// An audience that the source has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) name: String,
    /// What changes with its members, where the list says so.
    pub(super) version: Option<String>,
}

/// Who is in an audience.
pub(super) struct Membership {
    pub(super) members: Sorted,
    /// Identifiers that cannot be members, by reason.
    pub(super) unresolved: BTreeMap<String, u64>,
    pub(super) version: String,
}

/// Who came into an audience (`true`) and who left it. Many, and read by many.
pub(super) type Delta = Arc<BTreeMap<Member, bool>>;

/// What changed since a version.
pub(super) struct Changes {
    pub(super) version: String,
    /// By the audience's id.
    pub(super) by_audience: HashMap<String, Delta>,
}

/// Why a source does not say what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Of the CDP API.
    #[error(transparent)]
    Cdp(#[from] CdpError),
    /// Of the folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Of our own disk.
    #[error("cannot sort its members: {0}")]
    Sort(#[from] std::io::Error),
    /// A list without any audience.
    #[error("the source lists no audience at all: that is taken for a fault, not for the end of all audiences")]
    Empty,
}

impl SourceError {
    /// A stable word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cdp(error) => error.kind(),
            Self::Folder(error) => error.kind(),
            Self::Sort(_) => "file",
            Self::Empty => "empty_list",
        }
    }
}

impl Source {
    /// Sets up what the configuration names.
    ///
    /// # Errors
    /// Its key is missing, or TLS cannot be set up.
    pub fn of(settings: &AudienceSource) -> Result<Self, SetupError> {
        match settings {
            AudienceSource::Cdp(cdp) => {
                let key = cdp.api_key.read()?;
                Ok(Self::Cdp(Arc::new(Cdp::new(cdp, &key).map_err(SourceError::from)?), Arc::new(cdp.clone())))
            }
            AudienceSource::Folder(folder) => Ok(Self::Folder(Arc::new(Folder::new(folder)))),
        }
    }

    /// Every audience that there is.
    pub(super) async fn list(&self) -> Result<Vec<Listed>, SourceError> {
        let list = match self {
            Self::Cdp(cdp, _) => {
                let listed = |it: crate::raptor::Audience| Listed { id: it.id, name: it.name, version: None };
                cdp.audiences().await?.into_iter().map(listed).collect()
            }
            Self::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || Ok(folder.list()?)).await?
            }
        };
        if list.is_empty() { Err(SourceError::Empty) } else { Ok(list) }
    }

    /// What is said when members cannot have an identifier of this kind.
    pub(super) async fn lacks(&self, identifier: PersonIdentifier) -> Result<Option<String>, SourceError> {
        let Self::Cdp(cdp, settings) = self else { return Ok(None) };
        let (wanted, found) = (identifier_type(settings, identifier), cdp.identifiers().await?);
        let says = || format!("the CDP has identifiers {}, and none called `{wanted}`", found.join(", "));
        Ok((!found.contains(wanted)).then(says))
    }

    /// Everybody in an audience, sorted, kept in `beside` without a name.
    pub(super) async fn members(
        &self,
        audience: &Listed,
        identifier: PersonIdentifier,
        people: &Arc<Matcher>,
        beside: &Path,
    ) -> Result<Membership, SourceError> {
        let mut taking = Taking::new(people, beside);
        match self {
            Self::Cdp(cdp, settings) => {
                let mut fetched = cdp.membership(&audience.id, beside, room::check).await?;
                let settings = settings.clone();
                blocking(move || {
                    let types =
                        [identifier_type(&settings, identifier), &settings.email_identifier].map(String::as_str);
                    let sequence = fetched.read(types, &mut |[who, address]| taking.take(who, address))?;
                    taking.end(sequence.to_string())
                })
                .await
            }
            Self::Folder(folder) => {
                let (folder, audience) = (folder.clone(), audience.clone());
                blocking(move || {
                    let version = folder.read(&audience, identifier, &mut |who| taking.take(who, None))?;
                    taking.end(version)
                })
                .await
            }
        }
    }

    /// What changed in all audiences since then; none when it is cheaper, or only possible, to read all.
    pub(super) async fn changes(
        &self,
        since: &str,
        identifier: PersonIdentifier,
        people: &Matcher,
    ) -> Result<Option<Changes>, SourceError> {
        let (Self::Cdp(cdp, settings), Ok(since)) = (self, since.parse()) else { return Ok(None) };
        let mut by_audience: HashMap<String, BTreeMap<Member, bool>> = HashMap::new();
        let mut each = |change: Change| {
            // Who cannot be a member never was one.
            if let Ok(member) = people.resolve(&change.identifier_value) {
                by_audience.entry(change.audience_id).or_default().insert(member, change.change == Step::Entered);
            }
        };
        let sequence = cdp.changes(identifier_type(settings, identifier), since, &mut each).await?;
        let by_audience = by_audience.into_iter().map(|(id, delta)| (id, Arc::new(delta))).collect();
        Ok(sequence.map(|sequence| Changes { version: sequence.to_string(), by_audience }))
    }

    /// Calls so far and the bytes that came.
    pub(super) fn spent(&self) -> (u64, u64) {
        match self {
            Self::Cdp(cdp, _) => cdp.spent(),
            Self::Folder(folder) => (0, folder.bytes_read()),
        }
    }
}

/// Whether of two versions the first one is older. Versions of files have no order.
pub(super) fn is_older(version: &str, than: &str) -> bool {
    matches!((version.parse::<u64>(), than.parse::<u64>()), (Ok(one), Ok(other)) if one < other)
}

const fn identifier_type(settings: &config::Cdp, identifier: PersonIdentifier) -> &String {
    match identifier {
        PersonIdentifier::Email => &settings.email_identifier,
        PersonIdentifier::UserId => &settings.user_identifier,
    }
}

/// Takes members as they come.
struct Taking {
    people: Arc<Matcher>,
    sorter: Sorter,
    unresolved: BTreeMap<String, u64>,
}

impl Taking {
    fn new(people: &Arc<Matcher>, beside: &Path) -> Self {
        Self { people: people.clone(), sorter: Sorter::new(beside), unresolved: BTreeMap::new() }
    }

    /// Takes one by its identifier, and by the address beside it, where there is one.
    fn take(&mut self, who: Option<&str>, address: Option<&str>) -> std::io::Result<()> {
        let who = match address {
            Some(address) if self.people.withholds(address) => Err(Unresolved::Erased),
            _ => who.filter(|who| !who.trim().is_empty()).ok_or(Unresolved::Missing),
        };
        match who.and_then(|who| self.people.resolve(who)) {
            Ok(member) => self.sorter.push(&member),
            Err(why) => {
                *self.unresolved.entry(why.reason().to_owned()).or_default() += 1;
                Ok(())
            }
        }
    }

    fn end(self, version: String) -> Result<Membership, SourceError> {
        Ok(Membership { members: self.sorter.finish()?, unresolved: self.unresolved, version })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}

/// Why there is no source to ask.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Its key is missing.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// TLS cannot be set up, or the key is none.
    #[error(transparent)]
    Source(#[from] SourceError),
}
