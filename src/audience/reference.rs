//! What is remembered of what was sent of an audience: where, how many, which bytes, from when. Nobody's name.

use serde::{Deserialize, Serialize};

use super::content::Draft;
use super::destination::TargetPath;
use super::planner::Previous;
use super::saved::Known;
use crate::clock::Timestamp;
use crate::config::{Activation, PersonIdentifier};
use crate::store::{Store, StoreError, audiences as rows};

/// In no name of an audience.
const MOVED: char = '\n';

/// What was sent of one audience.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    /// What the source calls it, and which source that is.
    pub(super) id: String,
    pub(super) source: String,
    /// What its files are named after.
    pub(super) title: String,
    /// Where the files are.
    pub(super) place: String,
    /// What is in them; when that is another than today's, they are written anew.
    pub(super) shape: Option<Shape>,
    pub(super) parts: Vec<Part>,
    /// Files beside these that a sending was about to make: they may be there if it did not end.
    pub(super) begun: Vec<String>,
    pub(super) members: u64,
    pub(super) matched: u64,
    /// What syncs knew when these were counted.
    pub(super) counted: String,
    /// Identifiers of the last whole reading that could not be members.
    pub(super) unresolved: u64,
    pub(super) version: Option<String>,
    /// Milliseconds since the Unix epoch, as the next one.
    pub(super) sent: u64,
    pub(super) whole: u64,
    /// What was known then of people who are not to be known.
    pub(super) revision: String,
    /// Whole lists in a row that lacked it.
    pub(super) absent: u32,
    pub(super) deleted: bool,
    /// How many members it would have, since it is held back.
    pub(super) held: Option<u64>,
    /// Whether the activation no longer names it; its files stay, without those who are not to be known.
    pub(super) dropped: bool,
}

/// What is in files: whose identifiers, and how they are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) integration: String,
    pub(super) identifier: PersonIdentifier,
    pub(super) separator: u8,
    pub(super) header: String,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) hash: String,
}

impl Part {
    pub(super) fn of(path: &TargetPath, draft: &Draft) -> Self {
        Self { file: path.name().to_owned(), bytes: draft.bytes, hash: draft.hash.clone() }
    }

    pub(super) fn path(&self) -> TargetPath {
        TargetPath::kept(&self.file)
    }
}

impl Reference {
    /// For the planner; `intact` and `revision` are those of now.
    pub(super) fn previous(&self, intact: bool, revision: &str) -> Previous {
        Previous {
            version: self.version.clone(),
            members: self.members,
            sent: Timestamp::from_millis(self.sent),
            whole: Timestamp::from_millis(self.whole),
            absent: self.absent,
            intact,
            erased: self.revision != revision,
        }
    }

    /// Every file that may be there.
    pub(super) fn files(&self) -> Vec<TargetPath> {
        let begun = self.begun.iter().map(|file| TargetPath::kept(file));
        self.parts.iter().map(Part::path).chain(begun).collect()
    }

    /// The same without its files, which are gone.
    pub(super) fn without_files(self) -> Self {
        Self { parts: Vec::new(), begun: Vec::new(), members: 0, matched: 0, ..self }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

/// Whose files are remembered, for a run of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Its own: of an audience that it names, or named when it ran last.
    Own,
    /// Nobody's, where it sends to: of an activation that is gone, or that sends elsewhere now.
    Left,
    /// Another activation's, where it sends to, too.
    Others,
    /// They are where it does not send to.
    Elsewhere,
}

/// Where the files of an activation go, in a word.
pub(super) fn place(activation: &Activation) -> String {
    format!("{:?}", activation.destination)
}

/// Whose files these are, for a run of `activation` beside the others that are `known`.
pub(super) fn whose(
    owner: &str,
    audience: &str,
    reference: &Reference,
    activation: &Activation,
    known: &[Known],
) -> Whose {
    let is_moved = audience.contains(MOVED);
    if owner == activation.name && !is_moved {
        return Whose::Own;
    }
    let here = place(activation);
    let is_there = |it: &Known| it.activation.name == owner && place(&it.activation) == here;
    match known.iter().any(is_there) && !is_moved {
        _ if reference.place != here => Whose::Elsewhere,
        true if reference.dropped => Whose::Elsewhere,
        true => Whose::Others,
        false => Whose::Left,
    }
}

/// Under which name it is remembered what stays behind when an audience's files go somewhere else.
pub(super) fn moved(audience: &str, place: &str) -> String {
    format!("{audience}{MOVED}{place}")
}

/// What was sent, by activation and audience; of one activation or of all.
pub(super) async fn load(
    store: &Store,
    activation: Option<String>,
) -> Result<Vec<(String, String, Reference)>, StoreError> {
    let sent = store.read(move |db| rows::sent(db, activation.as_deref())).await?;
    // What cannot be read is as if it had never been sent: it is sent again.
    let read = |row: rows::Sent| Some((row.activation, row.audience, serde_json::from_str(&row.state).ok()?));
    Ok(sent.into_iter().filter_map(read).collect())
}

/// The commit point of a sending: after this a crash forgets nothing of it.
pub(super) async fn save(
    store: &Store,
    activation: &str,
    audience: &str,
    reference: &Reference,
) -> Result<(), StoreError> {
    let state = serde_json::to_string(reference).unwrap_or_default();
    let sent = rows::Sent { activation: activation.to_owned(), audience: audience.to_owned(), state };
    store.write(move |db| rows::put_sent(db, &sent)).await
}

/// Forgets what was sent.
pub(super) async fn forget(store: &Store, activation: &str, audience: &str) -> Result<(), StoreError> {
    let (activation, audience) = (activation.to_owned(), audience.to_owned());
    store.write(move |db| rows::forget_sent(db, &activation, &audience)).await
}
