//! What to read, send, hold back, leave, and take away. Pure: it is told what was sent before, what the source
//! lists, and what time it is.
//!
//! It promises: an audience is deleted only when two whole lists in a row lack it; nothing but that ever takes a
//! file away; one that shrinks too much is held back; a file that is there is sent again when half of its
//! validity has passed, and sooner only when something about it changed.

use std::time::Duration;

use super::schedule;
use crate::clock::Timestamp;
use crate::config::OnDelete;

/// Whole lists in a row that must lack an audience before it is deleted.
const ABSENT_BEFORE_DELETED: u32 = 2;

/// Changes are trusted for so long; then the whole membership is read once.
const WHOLE_EVERY: Duration = Duration::from_secs(7 * 24 * 3600);

/// What an activation says about all of its audiences.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long Actito takes a file for valid.
    pub validity: Duration,
    /// The share of its members that an audience may lose at once.
    pub max_shrink: f64,
    /// What becomes of the file of an audience that is deleted.
    pub on_delete: OnDelete,
    /// Whether somebody said that it may shrink this time.
    pub accept_shrink: bool,
}

/// What was sent of an audience before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Where the source was then, by its own account.
    pub version: Option<String>,
    /// Who was a member.
    pub members: u64,
    /// When it was sent.
    pub sent: Timestamp,
    /// When the whole membership was read last.
    pub whole: Timestamp,
    /// Whole lists in a row that lacked it; none once a list has it.
    pub absent: u32,
    /// Whether the files are there, as they were sent and as they would be written today.
    pub intact: bool,
    /// Whether people are not to be known since who are perhaps in it.
    pub erased: bool,
}

/// What the source lists under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// It could not be listed, or not as a whole.
    Unknown,
    /// One audience, at this version where the list says so.
    Once(Option<String>),
    /// Several: which one is meant?
    Several,
    /// None.
    Never,
}

/// What is done about an audience first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The whole membership is read.
    ReadAll,
    /// What changed since is read.
    ReadChanges,
    /// Nothing is read: the source says that nothing changed.
    ReadNothing,
    /// Nothing is known of the source; what was sent is looked at by itself.
    Keep,
    /// It is not in the list, so often in a row; it is not sent.
    Absent(u32),
    /// It is deleted: not sent, and its files go when `remove`.
    Deleted {
        /// Whether the files go.
        remove: bool,
    },
    /// The source does not have it and never had.
    NotFound,
    /// Several have the name.
    Ambiguous,
}

/// What is done about what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent.
    Send(Cause),
    /// It is as it was sent.
    Unchanged,
    /// It lost too many members: what was sent stays.
    Hold,
}

/// Why something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It never was.
    New,
    /// Its members changed.
    Changed,
    /// The files were gone, or others than we sent.
    Repaired,
    /// People who are not to be known were taken out.
    Erased,
    /// Half of its validity has passed.
    Due,
}

impl Cause {
    /// As it is said in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Repaired => "repaired",
            Self::Erased => "erased",
            Self::Due => "due",
        }
    }
}

/// What is done about one audience first.
pub fn look(listed: &Listed, previous: Option<&Previous>, rules: &Rules, now: Timestamp) -> Step {
    match (listed, previous) {
        (Listed::Unknown, _) => Step::Keep,
        (Listed::Several, _) => Step::Ambiguous,
        (Listed::Never, None) => Step::NotFound,
        (Listed::Never, Some(previous)) if previous.absent + 1 >= ABSENT_BEFORE_DELETED => {
            Step::Deleted { remove: rules.on_delete == OnDelete::Remove }
        }
        (Listed::Never, Some(previous)) => Step::Absent(previous.absent + 1),
        (Listed::Once(_), None) => Step::ReadAll,
        (Listed::Once(version), Some(previous)) => read(version.as_deref(), previous, now),
    }
}

fn read(listed: Option<&str>, previous: &Previous, now: Timestamp) -> Step {
    let stale = previous.whole > now || now.since(previous.whole) >= WHOLE_EVERY;
    match (listed, previous.version.as_deref()) {
        _ if stale || !previous.intact => Step::ReadAll,
        (_, None) => Step::ReadAll,
        (None, Some(_)) => Step::ReadChanges,
        (Some(now), Some(then)) if now == then => Step::ReadNothing,
        (Some(_), Some(_)) => Step::ReadAll,
    }
}

/// What is done about an audience that now has so many members, and `changed` since it was sent or not.
pub fn decide(previous: Option<&Previous>, members: u64, changed: bool, rules: &Rules, now: Timestamp) -> Verdict {
    let Some(previous) = previous else { return Verdict::Send(Cause::New) };
    let lost = previous.members.saturating_sub(members) as f64;
    if lost > rules.max_shrink * previous.members as f64 && !rules.accept_shrink {
        return Verdict::Hold;
    }
    match again(previous, rules, now) {
        Some(Cause::Due | Cause::Erased) if changed => Verdict::Send(Cause::Changed),
        Some(cause) => Verdict::Send(cause),
        None if changed => Verdict::Send(Cause::Changed),
        None => Verdict::Unchanged,
    }
}

/// Why what was sent must be sent again although the source says nothing new, if it must. What the last list lacked
/// is not kept valid.
pub fn again(previous: &Previous, rules: &Rules, now: Timestamp) -> Option<Cause> {
    if previous.absent > 0 {
        previous.erased.then_some(Cause::Erased)
    } else if !previous.intact {
        Some(Cause::Repaired)
    } else if schedule::refresh(previous.sent, rules.validity, now) <= now {
        Some(Cause::Due)
    } else {
        previous.erased.then_some(Cause::Erased)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_796_000_000);

    fn rules() -> impl Strategy<Value = Rules> {
        (3600u64..500_000, 0.0..=1.0f64, any::<bool>(), any::<bool>()).prop_map(
            |(validity, max_shrink, keep, accept)| {
                let on_delete = if keep { OnDelete::Keep } else { OnDelete::Remove };
                Rules { validity: Duration::from_secs(validity), max_shrink, on_delete, accept_shrink: accept }
            },
        )
    }

    fn previous() -> impl Strategy<Value = Previous> {
        let times = 0u64..1_000_000;
        let version = prop::option::of(Just("7".to_owned()));
        (version, 0u64..1000, times.clone(), times, 0u32..3, any::<bool>(), any::<bool>()).prop_map(
            |(version, members, sent, whole, absent, intact, erased)| Previous {
                version,
                members,
                // Some of it in the future, as after a clock that jumped back.
                sent: Timestamp::from_secs(NOW.secs() + 200_000 - sent),
                whole: Timestamp::from_secs(NOW.secs() + 200_000 - whole),
                absent,
                intact,
                erased,
            },
        )
    }

    fn listed() -> impl Strategy<Value = Listed> {
        let version = prop::option::of(prop_oneof![Just("7".to_owned()), Just("8".to_owned())]);
        prop_oneof![Just(Listed::Unknown), Just(Listed::Several), Just(Listed::Never), version.prop_map(Listed::Once)]
    }

    proptest! {
        #[test]
        fn only_a_second_whole_list_without_it_deletes_an_audience(
            listed in listed(), previous in prop::option::of(previous()), rules in rules()
        ) {
            let step = look(&listed, previous.as_ref(), &rules, NOW);
            if let Step::Deleted { remove } = step {
                prop_assert_eq!(&listed, &Listed::Never);
                prop_assert!(previous.as_ref().is_some_and(|previous| previous.absent >= 1));
                prop_assert_eq!(remove, rules.on_delete == OnDelete::Remove);
            }
            if let (Listed::Never, Some(previous)) = (&listed, &previous) {
                let sends = matches!(step, Step::ReadAll | Step::ReadChanges | Step::ReadNothing | Step::Keep);
                prop_assert!(!sends && (previous.absent > 0 || step == Step::Absent(1)));
            }
        }

        #[test]
        fn an_audience_that_shrinks_too_much_is_never_sent_unless_accepted(
            previous in previous(), members in 0u64..1000, changed: bool, rules in rules()
        ) {
            let verdict = decide(Some(&previous), members, changed, &rules, NOW);
            let allowed = previous.members as f64 * (1.0 - rules.max_shrink);
            let too_much = (members as f64) < allowed - 1e-6;
            if too_much && !rules.accept_shrink {
                prop_assert_eq!(verdict, Verdict::Hold);
            }
            if rules.accept_shrink || members >= previous.members {
                prop_assert_ne!(verdict, Verdict::Hold);
            }
        }

        #[test]
        fn what_is_left_alone_is_valid_for_long_enough_and_right(
            previous in previous(), members in 0u64..1000, rules in rules()
        ) {
            let previous = Previous { absent: 0, ..previous };
            if decide(Some(&previous), members, false, &rules, NOW) == Verdict::Unchanged {
                prop_assert!(previous.intact && !previous.erased && previous.sent <= NOW);
                prop_assert!(NOW.since(previous.sent) < rules.validity / 2);
            }
        }

        #[test]
        fn what_the_last_list_lacked_is_not_sent_again_but_for_who_is_not_to_be_known(
            previous in previous(), rules in rules()
        ) {
            let again = again(&previous, &rules, NOW);
            if previous.absent > 0 {
                prop_assert_eq!(again, previous.erased.then_some(Cause::Erased));
            }
        }

        #[test]
        fn what_changed_is_sent_or_held_back(previous in previous(), members in 0u64..1000, rules in rules()) {
            prop_assert_ne!(decide(Some(&previous), members, true, &rules, NOW), Verdict::Unchanged);
        }

        #[test]
        fn changes_are_asked_for_only_on_top_of_what_is_there(listed in listed(), previous in previous(), rules in rules()) {
            match look(&listed, Some(&previous), &rules, NOW) {
                Step::ReadChanges | Step::ReadNothing => prop_assert!(previous.intact && previous.version.is_some()),
                _ => {}
            }
        }
    }

    #[test]
    fn a_new_audience_is_read_as_a_whole_and_sent() {
        let rules = Rules {
            validity: Duration::from_secs(1),
            max_shrink: 0.5,
            on_delete: OnDelete::Keep,
            accept_shrink: false,
        };
        assert_eq!(look(&Listed::Once(None), None, &rules, NOW), Step::ReadAll);
        assert_eq!(decide(None, 0, true, &rules, NOW), Verdict::Send(Cause::New));
        assert_eq!(look(&Listed::Never, None, &rules, NOW), Step::NotFound);
    }
}
