//! What the engine asks for, and what it is told. Each [`Ask`] is answered by exactly one [`Input`],
//! unless it is cut off.

use std::time::Duration;

use roaring::RoaringTreemap;

use crate::actito::{Error, ImportId, ImportState, ProfileId};
use crate::clock::Timestamp;
use crate::sync::plan::{Change, Lane, Sighting, Stamp};
use crate::sync::planner::Quotas;

/// An import as the store numbers it.
pub(in crate::sync) type ImportKey = i64;

/// What the engine wants done. All of them may run at once.
#[derive(Debug)]
pub(in crate::sync) enum Ask {
    /// Call: does the table hold REAIDs?
    Structure,
    /// Call, unless the source is a file: the profiles at this place of the source.
    Read(Place),
    /// Call: one profile.
    Profile(Errand),
    /// Call: set the attribute of one profile.
    Put(Change),
    /// Call: send the file of an import.
    Upload(ImportKey),
    /// Call: how an import stands.
    Poll(ImportKey, ImportId),
    /// Call: fetch the rejected rows of an import and remember each with its reason.
    Reject(ImportKey, ImportId),
    /// Wait this long for the sake of an import.
    Later(ImportKey, Duration),
    /// What is left of the quotas?
    Quotas,
    /// Put changes aside.
    Spool(Vec<Change>),
    /// Take at most so many changes of a lane back, the last first.
    Unspool(Lane, usize),
    /// Begin an import: give it a key and an empty file.
    Prepare,
    /// Remember these rows as pending in an import, and put them into its file.
    Pack(ImportKey, Vec<Change>),
    /// Count an import against today's quota, if there is one left.
    Spend(ImportKey),
    /// Actito's quota of the day is gone, whatever our ledger says.
    DayIsSpent,
    /// Remember what became of an import's pending rows, and forget the import.
    Settle(ImportKey, Settlement),
    /// Remember all of this, in one step.
    Remember(Vec<Memo>),
    /// Profiles that somebody wants looked at, after this number.
    Hints(u64),
    /// Rows that failed and are not among these.
    Failed(RoaringTreemap),
    /// Forget all rows of profiles that are not among these.
    Forget(RoaringTreemap),
}

/// What the engine is told.
#[derive(Debug)]
pub(in crate::sync) enum Input {
    /// Begin.
    Begin,
    /// Ask for nothing more.
    Stop,
    Structure(Result<(), Error>),
    Read(Result<Chunk, Error>),
    Profile(Errand, Result<Seen, Error>),
    Put(Change, Written),
    Uploaded(ImportKey, Result<ImportId, Error>),
    Polled(ImportKey, Result<ImportState, Error>),
    /// How many of the rejected rows could be told.
    Rejected(ImportKey, Result<u64, Error>),
    Due(ImportKey),
    Quotas(Quotas),
    Spooled,
    Unspooled(Vec<Change>),
    Prepared(ImportKey),
    /// What the file had no room for.
    Packed(Vec<Change>),
    Spent(ImportKey, bool),
    DayIsSpent,
    Settled(ImportKey, Settled),
    Remembered,
    Hints(Vec<Errand>),
    Failed(Vec<ProfileId>),
    /// How many were forgotten.
    Forgotten(u64),
}

/// Where to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sync) enum Place {
    /// This page of Actito's list.
    Page(u32),
    /// Where the file was left.
    File,
}

/// A profile to be looked at. With the number of the hint that asked for it, if one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sync) struct Errand {
    pub(in crate::sync) id: ProfileId,
    pub(in crate::sync) hint: Option<u64>,
}

/// One profile as it was seen at a time.
#[derive(Debug)]
pub(in crate::sync) struct Seen {
    pub(in crate::sync) sighting: Sighting,
    pub(in crate::sync) as_of: Timestamp,
}

/// A part of the source.
#[derive(Debug, Default)]
pub(in crate::sync) struct Chunk {
    pub(in crate::sync) sightings: Vec<Sighting>,
    /// Items without a usable id.
    pub(in crate::sync) unreadable: u64,
    /// How many profiles there are, when the source says so.
    pub(in crate::sync) total: Option<u64>,
    /// Whether nothing follows.
    pub(in crate::sync) last: bool,
    /// When the source was like this.
    pub(in crate::sync) as_of: Timestamp,
}

/// How a single write ended.
#[derive(Debug)]
pub(in crate::sync) enum Written {
    Confirmed,
    /// There is no such profile any more.
    Gone,
    Failed(Error),
}

/// What became of the pending rows of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sync) enum Settlement {
    /// Actito confirmed them.
    Confirmed,
    /// They are as they were before; nothing was sent.
    Undone,
    /// They failed, for this reason.
    Failed(&'static str),
}

/// How many rows were settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sync) struct Settled {
    /// Confirmed with a REAID.
    pub(in crate::sync) written: u64,
    /// Confirmed as empty.
    pub(in crate::sync) cleared: u64,
    /// Failed, or rejected before.
    pub(in crate::sync) failed: u64,
}

/// A change of what is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) enum Memo {
    /// Actito holds this value.
    Confirm(ProfileId, Stamp),
    /// Writing failed, for this reason.
    Fail(ProfileId, &'static str),
    /// The profile is gone.
    Forget(ProfileId),
    /// The hint of this number was followed.
    Followed(u64),
    /// Somebody should look at this profile again.
    Hint(ProfileId),
    /// All hints up to this number were followed.
    FollowedUpTo(u64),
    /// Everything before this page is as it must be or remembered as failed or pending; the list had
    /// this many profiles.
    Checkpoint { page: u32, total: Option<u64> },
    /// The list was read to its end.
    ListRead,
}

/// An import of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct Leftover {
    pub(in crate::sync) key: ImportKey,
    pub(in crate::sync) rows: u64,
    /// Whether it was sent, as far as we know, and when.
    pub(in crate::sync) sent_at: Option<Timestamp>,
    /// Its id, when Actito told us.
    pub(in crate::sync) remote: Option<ImportId>,
}

/// What a run starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sync) struct Recalled {
    pub(in crate::sync) imports: Vec<Leftover>,
    /// Where the list was left, and how many profiles it had.
    pub(in crate::sync) checkpoint: Option<(u32, Option<u64>)>,
    /// Profiles that somebody wants looked at, and the number of the last.
    pub(in crate::sync) hints: (u64, u64),
}
