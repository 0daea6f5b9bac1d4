//! Where targets go: a closed set of places behind one interface.
//!
//! Every kind promises the same: [`Destination::put`] replaces a file in one step, whole or not at all, and what it
//! said `Ok` to survives a power failure; a put that was cut off leaves at most an unfinished file under a name of
//! its own ([`TargetPath::unfinished`]), from which a kind that can may go on, and which [`Destination::tidy`]
//! takes away.

mod folder;
mod remote;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use self::folder::Folder;
use self::remote::{Remote, RemoteError};
use super::content::Draft;
use crate::actito::target;
use crate::config::AudienceDestination;

/// Longest name of an audience as a file has it, in bytes: with a part's number, the ending, and what an unfinished one
/// has around it, it must have at most 255.
const LONGEST_NAME: usize = 200;

/// How the names of unfinished files end.
const UNFINISHED: &str = ".unfinished";

/// A place for targets.
#[derive(Clone, Debug)]
pub(super) enum Destination {
    Folder(Arc<Folder>),
    Remote(Arc<Remote>),
}

/// Which unfinished files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// Those from which nobody will go on.
    Old,
    /// All: there may be somebody in them who is not to be known any more.
    All,
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) bytes: u64,
}

/// Why a destination does not do what it is asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {file} in {place}: {source}")]
pub struct DestinationError {
    /// What was tried, as in `write`.
    doing: &'static str,
    /// Which file.
    file: String,
    /// Where.
    place: String,
    source: Cause,
}

/// What went wrong there.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

impl DestinationError {
    /// A stable word for it.
    pub(super) fn kind(&self) -> &'static str {
        match &self.source {
            Cause::Folder(_) => "destination",
            Cause::Remote(error) => error.kind(),
        }
    }
}

/// Where a target's file stands: the folders in which Actito shows it, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetPath(String);

impl TargetPath {
    /// The file of an audience, or of one of its parts, counted from 0. The same audience has the same file for ever.
    pub(super) fn of(audience: &str, part: usize) -> Self {
        let name = file_name(audience);
        let number = if part == 0 { String::new() } else { format!(" ({})", part + 1) };
        Self(format!("{name}{number}.{}", target::EXTENSION))
    }

    /// Whether files can be named after an audience.
    pub(super) fn can_be_of(audience: &str) -> bool {
        !audience.trim().is_empty() && file_name(audience).len() <= LONGEST_NAME
    }

    /// The file of this name, as it was remembered.
    pub(super) fn kept(name: &str) -> Self {
        Self(name.to_owned())
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// The folders from the top.
    pub(super) fn folders() -> [&'static str; 2] {
        target::FOLDERS
    }

    /// What it is called while it is being written; nobody who looks for targets looks for this. `token` tells one
    /// writing from another: a kind that can go on with what was cut off takes the start of the draft's hash.
    pub(super) fn unfinished(&self, token: &str) -> String {
        format!(".{}.{token}{UNFINISHED}", self.0)
    }

    /// Whether this is a name of [`unfinished`](Self::unfinished).
    pub(super) fn is_unfinished(&self, name: &str) -> bool {
        let token = name.strip_prefix('.').and_then(|name| name.strip_prefix(&self.0)?.strip_suffix(UNFINISHED));
        token.is_some_and(|token| token.strip_prefix('.').is_some_and(|token| !token.contains('.')))
    }

    /// Whether a file system that does not tell upper from lower case takes both for one.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.0.to_lowercase() == other.0.to_lowercase()
    }
}

/// What every file system takes: characters that some do not are written `%2F`.
fn file_name(audience: &str) -> String {
    let last = audience.chars().count().saturating_sub(1);
    let mut name = String::new();
    for (at, character) in audience.chars().enumerate() {
        let at_an_end = at == 0 && matches!(character, '.' | ' ') || at == last && matches!(character, '.' | ' ');
        if at_an_end || character.is_control() || r#"/\:*?"<>|%"#.contains(character) {
            let mut bytes = [0; 4];
            character.encode_utf8(&mut bytes).bytes().for_each(|byte| name.push_str(&format!("%{byte:02X}")));
        } else {
            name.push(character);
        }
    }
    name
}

impl Destination {
    /// What is fetched from another machine is kept in the folder `beside`, without a name.
    pub(super) fn of(settings: &AudienceDestination, beside: &Path) -> Self {
        match settings {
            AudienceDestination::Folder(path) => Self::Folder(Arc::new(Folder::new(path))),
            AudienceDestination::Server(server) => Self::Remote(Arc::new(Remote::new(server, beside))),
        }
    }

    /// What stands there, if anything.
    pub(super) async fn stat(&self, path: &TargetPath) -> Result<Option<Stat>, DestinationError> {
        match self {
            Self::Folder(folder) => blocking(folder, path, "look at", Folder::stat).await,
            Self::Remote(remote) => of(remote, path, "look at", remote.stat(path).await),
        }
    }

    /// What stands there, to be read from its beginning.
    pub(super) async fn fetch(&self, path: &TargetPath) -> Result<Option<File>, DestinationError> {
        match self {
            Self::Folder(folder) => blocking(folder, path, "read", Folder::fetch).await,
            Self::Remote(remote) => of(remote, path, "read", remote.fetch(path).await),
        }
    }

    /// Replaces what stands there. After this returned `Ok`, a power failure loses nothing of it, as far as the place
    /// can promise that.
    pub(super) async fn put(&self, path: &TargetPath, draft: &Arc<Draft>) -> Result<(), DestinationError> {
        let draft = draft.clone();
        match self {
            Self::Folder(folder) => blocking(folder, path, "write", move |folder, path| folder.put(path, &draft)).await,
            Self::Remote(remote) => of(remote, path, "write", remote.put(path, &draft).await),
        }
    }

    /// Takes away what stands there, if anything, and whatever is unfinished of it.
    pub(super) async fn remove(&self, path: &TargetPath) -> Result<(), DestinationError> {
        match self {
            Self::Folder(folder) => blocking(folder, path, "remove", Folder::remove).await,
            Self::Remote(remote) => of(remote, path, "remove", remote.remove(path).await),
        }
    }

    /// Takes away what a put that was cut off left, and puts back what it took away. Nothing else may be putting there.
    pub(super) async fn tidy(&self, path: &TargetPath, which: Unfinished) -> Result<(), DestinationError> {
        match self {
            // Nobody goes on from what is unfinished there.
            Self::Folder(folder) => blocking(folder, path, "tidy", Folder::tidy).await,
            Self::Remote(remote) => of(remote, path, "tidy", remote.tidy(path, which).await),
        }
    }

    /// Whether it can be reached, without writing anything; what is there, in words.
    pub(super) async fn look(&self) -> Result<String, DestinationError> {
        match self {
            Self::Folder(folder) => Ok(folder.root().display().to_string()),
            Self::Remote(remote) => {
                let files = of(remote, &TargetPath::kept("the folder"), "list", remote.look().await)?;
                Ok(format!("{}, which has {files} files of targets", remote.server()))
            }
        }
    }
}

fn of<T>(
    remote: &Remote,
    path: &TargetPath,
    doing: &'static str,
    done: Result<T, RemoteError>,
) -> Result<T, DestinationError> {
    let (file, place) = (path.0.clone(), remote.server().to_string());
    done.map_err(|error| DestinationError { doing, file, place, source: error.into() })
}

async fn blocking<T: Send + 'static>(
    folder: &Arc<Folder>,
    path: &TargetPath,
    doing: &'static str,
    work: impl FnOnce(&Folder, &TargetPath) -> std::io::Result<T> + Send + 'static,
) -> Result<T, DestinationError> {
    let (mine, its) = (folder.clone(), path.clone());
    let done = tokio::task::spawn_blocking(move || work(&mine, &its)).await;
    let done = done.map_err(std::io::Error::other).flatten();
    done.map_err(|source| DestinationError {
        doing,
        file: path.0.clone(),
        place: folder.root().display().to_string(),
        source: source.into(),
    })
}

#[cfg(test)]
pub(super) use folder::Failing;

#[cfg(test)]
impl Destination {
    /// A folder whose operations fail as `failing` says.
    pub(super) fn failing(root: &Path, failing: Failing) -> Self {
        Self::Folder(Arc::new(Folder::failing(root, failing)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_readable_and_never_leaves_its_folder() {
        assert_eq!(TargetPath::of("Cat owners", 0).name(), "Cat owners.csv");
        assert_eq!(TargetPath::of("Cat owners", 2).name(), "Cat owners (3).csv");
        assert_eq!(TargetPath::of("../a/b", 0).name(), "%2E.%2Fa%2Fb.csv");
        assert_eq!(TargetPath::of("50 % off?", 0).name(), "50 %25 off%3F.csv");
        assert_eq!(TargetPath::of(" Katzenfreunde München.", 0).name(), "%20Katzenfreunde München%2E.csv");
        assert!(TargetPath::of("Cats", 0).is_like(&TargetPath::of("cats", 0)));
    }

    #[test]
    fn what_no_file_can_be_named_after_is_told() {
        assert!(TargetPath::can_be_of("Cat owners") && TargetPath::can_be_of(&"x".repeat(200)));
        for wrong in ["", "  ", &"x".repeat(201), &"?".repeat(70)] {
            assert!(!TargetPath::can_be_of(wrong), "{wrong}");
        }
        let longest = TargetPath::of(&"?".repeat(66), 98).unfinished(&"0".repeat(16));
        assert!(longest.len() <= 255 && TargetPath::can_be_of(&"?".repeat(66)));
    }
}
