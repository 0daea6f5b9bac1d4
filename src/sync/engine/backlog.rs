//! Which profiles wait to be written. The values lie in the spool; here is what counts of it.
//!
//! The spool is read from its end, so that of two values for one profile the later is met first, and the
//! earlier finds its id taken. A profile that turned out right is taken without being written.

use roaring::RoaringTreemap;

use crate::sync::plan::{Change, Lane};
use crate::sync::planner::Need;

/// A profile id in a set: ids are never negative.
fn key(change: &Change) -> u64 {
    change.id.to_i64().cast_unsigned()
}

/// The ids that wait, by lane; each in one lane at most.
#[derive(Debug, Default)]
pub(super) struct Backlog([RoaringTreemap; Lane::ALL.len()]);

impl Backlog {
    pub(super) fn add(&mut self, change: &Change) {
        self.remove(key(change));
        self.0[change.lane() as usize].insert(key(change));
    }

    pub(super) fn remove(&mut self, id: u64) {
        for lane in &mut self.0 {
            lane.remove(id);
        }
    }

    /// Whether a change from the spool is still to be written; it is taken by asking.
    pub(super) fn take(&mut self, change: &Change) -> bool {
        self.0[change.lane() as usize].remove(key(change))
    }

    /// Forgets all that is not in `seen`.
    pub(super) fn retain(&mut self, seen: &RoaringTreemap) {
        self.0.iter_mut().for_each(|lane| *lane &= seen);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(RoaringTreemap::len).sum()
    }

    /// The first lane with something in it that an import may carry.
    pub(super) fn first(&self) -> Option<Lane> {
        Lane::IMPORTED.into_iter().find(|lane| !self.0[*lane as usize].is_empty())
    }

    /// The lane of what must be emptied, if there is something in it.
    pub(super) fn to_clear(&self) -> Option<Lane> {
        (!self.0[Lane::Clear as usize].is_empty()).then_some(Lane::Clear)
    }

    pub(super) fn need(&self, singly: u64, more: bool) -> Need {
        let [fresh, clears] = [Lane::Fresh, Lane::Clear].map(|lane| self.0[lane as usize].len());
        Need { fresh, clears, rest: self.len() - fresh - clears, singly, more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actito::ProfileId;
    use crate::sync::plan::Cause;

    fn change(id: i64, cause: Cause) -> Change {
        Change { id: ProfileId::from_i64(id).unwrap(), reaid: "AQ".into(), cause, failures: 0 }
    }

    #[test]
    fn of_two_values_for_one_profile_the_later_counts() {
        let mut backlog = Backlog::default();
        let (first, second) = (change(1, Cause::New), change(1, Cause::Retry));
        backlog.add(&first);
        backlog.add(&second);
        assert_eq!((backlog.len(), backlog.first()), (1, Some(Lane::Retry)));
        assert!(backlog.take(&second) && !backlog.take(&first));
    }

    #[test]
    fn what_is_no_longer_there_is_not_written() {
        let mut backlog = Backlog::default();
        (1..=3).for_each(|id| backlog.add(&change(id, Cause::Drifted)));
        backlog.remove(1);
        backlog.retain(&[1, 2].into_iter().collect());
        assert_eq!(backlog.need(0, false), Need { rest: 1, ..Need::default() });
        assert!(!backlog.take(&change(1, Cause::Drifted)) && backlog.take(&change(2, Cause::Drifted)));
    }
}
