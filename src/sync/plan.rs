//! What must be done about a profile. Pure: what was seen, what is wanted and what we remember come in,
//! a verdict comes out.

use std::fmt;
use std::sync::Arc;

use crate::actito::ProfileId;
use crate::clock::Timestamp;

/// The REAID that an address must have.
#[derive(Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    Reaid(String),
    /// None: the person is suppressed, the attribute must be empty.
    None,
    /// The address is none, and why, in words that do not repeat it: the attribute must be empty, too.
    Invalid(String),
}

impl fmt::Debug for Wanted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reaid(_) => out.write_str("Reaid(…)"),
            Self::None => out.write_str("None"),
            Self::Invalid(why) => write!(out, "Invalid({why})"),
        }
    }
}

/// Says which REAID an address must have. Called for each profile of each run: it must not block.
pub type WantedFn = Arc<dyn Fn(&str) -> Wanted + Send + Sync>;

/// Says whether a REAID is that of somebody who is suppressed. Called before each write: it must not block.
pub type IsSuppressed = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The first bytes of a value's SHA-256: enough to tell values apart, too little to be one.
pub use crate::store::sync::Fingerprint;

/// What is remembered of a value of the attribute: never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The key that the REAID was made with; none of an empty attribute.
    pub key_id: Option<u8>,
    /// Which REAID it is.
    pub fingerprint: Fingerprint,
}

impl Stamp {
    /// The stamp of a value; the empty text is a value, too.
    pub fn of(value: &str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, value.as_bytes());
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(&digest.as_ref()[..size_of::<Fingerprint>()]);
        Self { key_id: key_id(value), fingerprint }
    }
}

/// The first byte of a REAID is its key id.
fn key_id(reaid: &str) -> Option<u8> {
    use base64::Engine as _;
    let start = reaid.get(..4)?;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(start).ok()?.first().copied()
}

/// What the store remembers of a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// How often writing it failed in a row.
    pub failures: u64,
    /// What Actito confirmed last, and when.
    pub confirmed: Option<(Stamp, Timestamp)>,
    /// What an import under way is about to write.
    pub pending: Option<Stamp>,
}

/// A profile as a source shows it. Its address went no further than the source.
#[derive(Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The profile.
    pub id: ProfileId,
    /// What the attribute holds; `None` when the source does not say.
    pub held: Option<String>,
    /// What it must hold.
    pub wanted: Wanted,
    /// Whether there is no address at all.
    pub blank: bool,
    /// What we remember of it.
    pub known: Option<Known>,
}

impl fmt::Debug for Sighting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Sighting({}, {:?}, {:?})", self.id, self.wanted, self.known)
    }
}

/// A value to be written, and why.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The profile.
    pub id: ProfileId,
    /// The REAID; empty to empty the attribute.
    pub reaid: String,
    /// Why it is written.
    pub cause: Cause,
    /// How often writing it failed in a row.
    pub failures: u64,
}

impl Change {
    /// Whether the attribute is emptied.
    pub fn clears(&self) -> bool {
        self.reaid.is_empty()
    }

    /// How soon it matters, and how it may be written.
    pub fn lane(&self) -> Lane {
        match self.cause {
            _ if self.clears() => Lane::Clear,
            Cause::New | Cause::Changed => Lane::Fresh,
            Cause::Rotated | Cause::Drifted | Cause::NoAddress => Lane::Known,
            Cause::Retry => Lane::Retry,
        }
    }

    /// What is remembered of it.
    pub fn stamp(&self) -> Stamp {
        Stamp::of(&self.reaid)
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Change({}, {})", self.id, self.cause.name())
    }
}

/// Why a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// We never confirmed a value of this profile.
    New,
    /// Its address became another since.
    Changed,
    /// The active identity key became another since.
    Rotated,
    /// Somebody else changed the attribute.
    Drifted,
    /// The last attempt failed.
    Retry,
    /// It has no valid address any more.
    NoAddress,
}

/// How soon a change matters, and how it may be written. The order is that of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The attribute is to be emptied: one by one, because nobody knows whether an empty field of an import
    /// does that.
    Clear,
    /// Somebody who would get the next newsletter without a REAID, or with a wrong one.
    Fresh,
    /// Somebody whose old value does for now.
    Known,
    /// Rows that failed before: last, so that those that fail for ever hold up no others.
    Retry,
}

impl Lane {
    /// All, in the order of writing.
    pub const ALL: [Self; 4] = [Self::Clear, Self::Fresh, Self::Known, Self::Retry];

    /// Those that an import may carry.
    pub const IMPORTED: [Self; 3] = [Self::Fresh, Self::Known, Self::Retry];
}

impl Cause {
    /// All, so that a byte can stand for one.
    pub const ALL: [Self; 6] = [Self::New, Self::Changed, Self::Rotated, Self::Drifted, Self::Retry, Self::NoAddress];

    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Rotated => "rotated",
            Self::Drifted => "drifted",
            Self::Retry => "retry",
            Self::NoAddress => "no_address",
        }
    }
}

/// Why a profile has no REAID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The address attribute is empty.
    EmptyAddress,
    /// It holds no address, for this reason.
    InvalidAddress(String),
}

impl Skip {
    /// Its name in results.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::EmptyAddress => "empty_address",
            Self::InvalidAddress(_) => "invalid_address",
        }
    }

    /// What exactly is wrong, without the address.
    pub fn detail(&self) -> &str {
        match self {
            Self::EmptyAddress => "no address",
            Self::InvalidAddress(why) => why,
        }
    }
}

/// What to do about one profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Set the attribute.
    Write(Change),
    /// Nothing: it holds what it must. With a stamp where our memory says otherwise and must learn of it.
    Right(Option<Stamp>),
    /// Nothing now: an import under way writes this profile. `overtaken` when it writes an older value,
    /// so that the profile must be looked at again afterwards.
    Pending {
        /// Whether it must be looked at again.
        overtaken: bool,
    },
    /// Nothing: the source is older than our last confirmed write, and says otherwise.
    Outdated,
}

/// An action, and why the profile has no REAID if it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What to do.
    pub action: Action,
    /// Why there is no REAID, unless there is one or the person is suppressed.
    pub skip: Option<Skip>,
}

/// What must be done about a profile that was seen as it was at `as_of`.
pub fn judge(sighting: &Sighting, as_of: Timestamp, now: Timestamp) -> Verdict {
    let skip = match &sighting.wanted {
        Wanted::Invalid(_) if sighting.blank => Some(Skip::EmptyAddress),
        Wanted::Invalid(why) => Some(Skip::InvalidAddress(why.clone())),
        Wanted::Reaid(_) | Wanted::None => None,
    };
    let must = match &sighting.wanted {
        Wanted::Reaid(reaid) => reaid.as_str(),
        Wanted::None | Wanted::Invalid(_) => "",
    };
    Verdict { action: action(sighting, must, skip.is_some(), as_of, now), skip }
}

fn action(sighting: &Sighting, must: &str, skipped: bool, as_of: Timestamp, now: Timestamp) -> Action {
    let stamp = Stamp::of(must);
    let known = sighting.known.unwrap_or_default();
    if let Some(pending) = known.pending {
        return Action::Pending { overtaken: pending.fingerprint != stamp.fingerprint };
    }
    let confirmed = known.confirmed.map(|(confirmed, _)| confirmed.fingerprint == stamp.fingerprint);
    // A confirmation from the future is one by a clock that was wrong: it proves nothing.
    if known.confirmed.is_some_and(|(_, at)| at >= as_of && at <= now) {
        return if confirmed == Some(true) { Action::Right(None) } else { Action::Outdated };
    }
    let right = match &sighting.held {
        Some(held) => held == must,
        // Without a look at the attribute our memory decides; of a profile that we never wrote it says nothing.
        None if must.is_empty() => known.confirmed.is_none() || confirmed == Some(true),
        None => confirmed == Some(true) && known.failures == 0,
    };
    if right {
        // Who is suppressed is remembered, so that what goes by profiles knows it, too.
        let matters = sighting.known.is_some() || sighting.wanted == Wanted::None;
        let learns = matters && (known.failures > 0 || confirmed != Some(true));
        return Action::Right((learns && sighting.held.is_some()).then_some(stamp));
    }
    let cause = match (sighting.known, known.confirmed) {
        (None, _) if skipped => Cause::NoAddress,
        (None, _) => Cause::New,
        (Some(Known { failures: 1.., .. }), _) => Cause::Retry,
        _ if skipped => Cause::NoAddress,
        (_, Some((before, _))) if before.fingerprint == stamp.fingerprint => Cause::Drifted,
        (_, Some((before, _))) if before.key_id != stamp.key_id && before.key_id.and(stamp.key_id).is_some() => {
            Cause::Rotated
        }
        (_, Some(_)) => Cause::Changed,
        (_, None) => Cause::Drifted,
    };
    Action::Write(Change { id: sighting.id, reaid: must.to_owned(), cause, failures: known.failures })
}

#[cfg(test)]
mod tests;
