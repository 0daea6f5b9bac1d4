//! What must be done about a profile. Pure: the list, the wanted REAIDs and the memory come in, steps
//! come out.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::actito::{Profile, ProfileId};

/// The REAID that an address must have.
#[derive(Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    Reaid(String),
    /// None: the person is suppressed, the attribute must be empty.
    None,
    /// The address is none, and why, in words that do not repeat it.
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

/// Three listed profiles are hardly all deleted at once; asking for more would only cost calls.
const WITNESSES: usize = 3;

/// What the store remembers of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// How often writing it failed in a row; 0 when Actito confirmed the last write.
    pub failures: u64,
}

/// What to do about one profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Set the attribute.
    Write(Change),
    /// Nothing: the attribute holds what it must.
    Right,
    /// Nothing: there is no REAID for this profile.
    Skip(Skip),
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
}

impl Change {
    /// Whether the attribute is emptied.
    pub fn clears(&self) -> bool {
        self.reaid.is_empty()
    }

    /// The key id that begins the REAID; none when the attribute is emptied.
    pub fn key_id(&self) -> Option<u8> {
        use base64::Engine as _;
        let start = self.reaid.get(..4)?;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(start).ok()?.first().copied()
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
    /// We confirmed one, and now Actito or the address says otherwise.
    Drifted,
    /// The last attempt failed.
    Retry,
}

impl Cause {
    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Drifted => "drifted",
            Self::Retry => "retry",
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

/// What must be done about one profile, given the REAID it must have and what we know of it.
pub fn action(profile: &Profile, wanted: &Wanted, known: Option<&Known>) -> Action {
    let reaid = match wanted {
        Wanted::Invalid(_) if profile.address.trim().is_empty() => return Action::Skip(Skip::EmptyAddress),
        Wanted::Invalid(why) => return Action::Skip(Skip::InvalidAddress(why.clone())),
        Wanted::Reaid(reaid) => reaid.as_str(),
        Wanted::None => "",
    };
    if profile.reaid == reaid {
        return Action::Right;
    }
    let cause = match known {
        None => Cause::New,
        Some(Known { failures: 1.. }) => Cause::Retry,
        Some(_) => Cause::Drifted,
    };
    Action::Write(Change { id: profile.id, reaid: reaid.to_owned(), cause })
}

/// Everything that a run has to do.
#[derive(Debug, Default)]
pub struct Plan {
    /// How many profiles were listed.
    pub listed: u64,
    /// How many hold what they must.
    pub right: u64,
    /// Values to write. What failed before comes last, and of that what was tried most: rows that fail
    /// for ever hold up no others, nor each other.
    pub changes: Vec<Change>,
    /// Profiles without a REAID, in order of profile id.
    pub skipped: Vec<(ProfileId, Skip)>,
    /// Rows that failed before and are no longer theirs to retry: the value is right by now, or the
    /// profile has no REAID any more.
    pub settled: Vec<ProfileId>,
    /// Rows that we remember of profiles that are no longer listed.
    pub gone: Vec<ProfileId>,
    /// A few listed profiles, by which a 404 to a write is understood: if they are found, that profile is
    /// gone; if not, we ask in the wrong place.
    pub witnesses: Vec<ProfileId>,
}

/// Collects steps while pages arrive, so that no address is kept.
///
/// A list can shift between two pages: a profile that comes twice counts once, as it came last.
#[derive(Debug)]
pub struct Planner<'a> {
    known: &'a HashMap<ProfileId, Known>,
    actions: HashMap<ProfileId, Action>,
}

impl<'a> Planner<'a> {
    /// Nothing is planned yet; `known` is what the store remembers of this integration.
    pub fn new(known: &'a HashMap<ProfileId, Known>) -> Self {
        Self { known, actions: HashMap::new() }
    }

    /// Takes a listed profile in.
    pub fn add(&mut self, profile: &Profile, wanted: &Wanted) {
        self.actions.insert(profile.id, action(profile, wanted, self.known.get(&profile.id)));
    }

    /// Keeps only the profiles of `ids`: what one undisturbed pass over the list saw.
    pub fn retain(&mut self, ids: &HashSet<ProfileId>) {
        self.actions.retain(|id, _| ids.contains(id));
    }

    /// How many profiles came so far, each counted once.
    pub fn listed(&self) -> u64 {
        self.actions.len() as u64
    }

    /// The plan. Only a `complete` list says which profiles are gone.
    pub fn finish(self, complete: bool) -> Plan {
        let witnesses = self.actions.keys().take(WITNESSES).copied().collect();
        let mut plan = Plan { listed: self.listed(), witnesses, ..Plan::default() };
        if complete {
            plan.gone = self.known.keys().filter(|id| !self.actions.contains_key(id)).copied().collect();
        }
        for (id, action) in self.actions {
            let failed_before = self.known.get(&id).is_some_and(|known| known.failures > 0);
            match action {
                Action::Write(change) => {
                    plan.changes.push(change);
                    continue;
                }
                Action::Right => plan.right += 1,
                Action::Skip(skip) => plan.skipped.push((id, skip)),
            }
            if failed_before {
                plan.settled.push(id);
            }
        }
        plan.sort(self.known);
        plan
    }
}

impl Plan {
    fn sort(&mut self, known: &HashMap<ProfileId, Known>) {
        let failures = |id: ProfileId| known.get(&id).map_or(0, |known| known.failures);
        self.changes.sort_unstable_by_key(|change| (failures(change.id), change.id));
        self.skipped.sort_unstable_by_key(|(id, _)| *id);
        self.settled.sort_unstable();
        self.gone.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JANE: &str = "AVCX2Xn3aHNLYEVZLOeLQLnM";
    const CONFIRMED: Known = Known { failures: 0 };
    const FAILED: Known = Known { failures: 2 };

    fn profile(id: u64, address: &str, reaid: &str) -> Profile {
        let id = ProfileId::parse(&id.to_string()).unwrap();
        Profile { id, address: address.into(), reaid: reaid.into() }
    }

    fn wanted(reaid: &str) -> Wanted {
        Wanted::Reaid(reaid.into())
    }

    fn write(id: u64, reaid: &str, cause: Cause) -> Action {
        Action::Write(Change { id: ProfileId::parse(&id.to_string()).unwrap(), reaid: reaid.into(), cause })
    }

    #[test]
    fn a_difference_is_written_with_its_cause() {
        let empty = profile(1, "jane@example.org", "");
        assert_eq!(action(&empty, &wanted(JANE), None), write(1, JANE, Cause::New));
        assert_eq!(action(&empty, &wanted(JANE), Some(&FAILED)), write(1, JANE, Cause::Retry));
        let drifted = profile(1, "jane@example.org", "something else");
        assert_eq!(action(&drifted, &wanted(JANE), Some(&CONFIRMED)), write(1, JANE, Cause::Drifted));
        let padded = profile(1, "jane@example.org", &format!("{JANE} "));
        assert_eq!(action(&padded, &wanted(JANE), None), write(1, JANE, Cause::New));
    }

    #[test]
    fn a_suppressed_person_has_an_empty_attribute() {
        let held = profile(1, "jane@example.org", JANE);
        assert_eq!(action(&held, &Wanted::None, Some(&CONFIRMED)), write(1, "", Cause::Drifted));
        assert_eq!(action(&profile(1, "jane@example.org", ""), &Wanted::None, None), Action::Right);
    }

    #[test]
    fn what_is_no_address_is_skipped_with_its_reason() {
        let invalid = Wanted::Invalid("no @".into());
        assert_eq!(action(&profile(1, " ", ""), &invalid, None), Action::Skip(Skip::EmptyAddress));
        let skip = Action::Skip(Skip::InvalidAddress("no @".into()));
        assert_eq!(action(&profile(1, "jane", ""), &invalid, None), skip);
    }

    #[test]
    fn a_change_knows_the_key_of_its_reaid_and_hides_the_rest() {
        let Action::Write(change) = write(812, JANE, Cause::New) else { unreachable!() };
        assert_eq!(change.key_id(), Some(1));
        assert_eq!(format!("{change:?}"), "Change(812, new)");
        let Action::Write(clear) = write(812, "", Cause::New) else { unreachable!() };
        assert_eq!((clear.clears(), clear.key_id()), (true, None));
    }

    #[test]
    fn two_profiles_with_one_address_get_the_same_reaid() {
        let known = HashMap::new();
        let mut planner = Planner::new(&known);
        planner.add(&profile(2, "jane@example.org", ""), &wanted(JANE));
        planner.add(&profile(1, "jane@example.org", ""), &wanted(JANE));
        let plan = planner.finish(true);
        let values: Vec<_> = plan.changes.iter().map(|change| (change.id.to_i64(), change.reaid.as_str())).collect();
        assert_eq!(values, [(1, JANE), (2, JANE)]);
    }

    #[test]
    fn a_profile_that_comes_twice_counts_once_as_it_came_last() {
        let known = HashMap::new();
        let mut planner = Planner::new(&known);
        planner.add(&profile(1, "jane@example.org", ""), &wanted(JANE));
        planner.add(&profile(1, "jane@example.org", JANE), &wanted(JANE));
        let plan = planner.finish(true);
        assert_eq!((plan.listed, plan.right, plan.changes.len()), (1, 1, 0));
    }

    #[test]
    fn failed_rows_that_became_right_are_settled_and_unlisted_ones_are_gone() {
        let id = |id: i64| ProfileId::from_i64(id).unwrap();
        let known = HashMap::from([(id(1), FAILED), (id(2), CONFIRMED), (id(3), FAILED)]);
        let plan = |complete| {
            let mut planner = Planner::new(&known);
            planner.add(&profile(1, "jane@example.org", JANE), &wanted(JANE));
            planner.add(&profile(2, "jane@example.org", JANE), &wanted(JANE));
            planner.finish(complete)
        };
        assert_eq!((plan(true).settled, plan(true).gone), (vec![id(1)], vec![id(3)]));
        assert_eq!(plan(false).gone, []);
    }

    #[test]
    fn rows_that_failed_come_last_and_the_most_tried_of_them_at_the_end() {
        let id = |id: i64| ProfileId::from_i64(id).unwrap();
        let known = HashMap::from([(id(1), Known { failures: 9 }), (id(2), Known { failures: 1 }), (id(4), CONFIRMED)]);
        let mut planner = Planner::new(&known);
        (1..=4).for_each(|id| planner.add(&profile(id, "jane@example.org", ""), &wanted(JANE)));
        let order: Vec<i64> = planner.finish(true).changes.iter().map(|change| change.id.to_i64()).collect();
        assert_eq!(order, [3, 4, 2, 1]);
    }

    proptest! {
        #[test]
        fn doing_what_is_planned_leaves_nothing_to_do(rows in proptest::collection::vec((0_u64..50, "[ab]?", "[ab]?"), 0..80)) {
            let known = HashMap::new();
            let must = |address: &str| if address == "a" { Wanted::None } else if address.is_empty() { Wanted::Invalid("empty".into()) } else { wanted(JANE) };
            let mut planner = Planner::new(&known);
            let mut table: HashMap<ProfileId, Profile> = HashMap::new();
            for (id, address, reaid) in rows {
                let row = profile(id, &address, &reaid);
                planner.add(&row, &must(&address));
                table.insert(row.id, row);
            }
            for change in planner.finish(true).changes {
                table.get_mut(&change.id).unwrap().reaid = change.reaid;
            }
            let mut again = Planner::new(&known);
            table.values().for_each(|row| again.add(row, &must(&row.address)));
            prop_assert!(again.finish(true).changes.is_empty());
        }
    }
}
