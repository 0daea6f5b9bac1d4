//! Who is not to be known: one immutable set, swapped whole. Asked by digest before anything is minted, and by
//! REAID where only that is known.

use std::collections::HashSet;

use super::suppression::{Suppression, SuppressionKey, Tag, Word};
use super::{Digest, Reaid};

/// The people who asked to be forgotten, and did not take it back.
#[derive(Clone, Debug, Default)]
pub struct Suppressed {
    /// Makes tags; a keyring without a suppression secret has suppressed nobody.
    key: Option<SuppressionKey>,
    people: HashSet<Tag>,
    revision: u64,
    reaids: HashSet<Reaid>,
}

impl Suppressed {
    /// The set that these records make.
    pub fn of<'a>(key: Option<SuppressionKey>, records: impl IntoIterator<Item = &'a Suppression>) -> Self {
        let mut set = Self { key, ..Self::default() };
        for record in records.into_iter().filter(|record| record.word == Word::Erased) {
            if set.people.insert(record.tag) {
                set.revision = set.revision.wrapping_add(number(&record.tag));
            }
            set.reaids.extend(&record.reaids);
        }
        set
    }

    /// Whether the person with this digest is not to be known. Costs nothing while nobody is.
    pub fn has(&self, digest: &Digest) -> bool {
        !self.people.is_empty() && self.key.as_ref().is_some_and(|key| self.people.contains(&key.tag(digest)))
    }

    /// Whether this REAID was one of somebody's who is not to be known.
    pub fn has_reaid(&self, reaid: &Reaid) -> bool {
        !self.reaids.is_empty() && self.reaids.contains(reaid)
    }

    /// The same of a REAID that was stored.
    pub fn has_text(&self, reaid: &str) -> bool {
        Reaid::sealed(reaid.as_bytes()).is_some_and(|reaid| self.has_reaid(&reaid))
    }

    /// Another number for other people, the same in every process: what was made while it was another one is looked
    /// through again.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many people there are.
    pub fn people(&self) -> usize {
        self.people.len()
    }
}

/// The start of a tag, which is as good as random.
fn number(tag: &Tag) -> u64 {
    let mut start = [0; 8];
    start.copy_from_slice(&tag.as_bytes()[..8]);
    u64::from_le_bytes(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::{EmailAddress, Identities, Secret, tests::ring_of};

    #[test]
    fn who_is_erased_is_known_by_digest_and_by_every_reaid_and_who_is_lifted_is_not() {
        let digest = |address: &str| EmailAddress::parse(address).unwrap().digest();
        let (jane, john) = (digest("jane.doe@example.org"), digest("john@example.org"));
        let reaid = |key, digest| Identities::derive(&ring_of(key), "shop").mint(digest);
        let key = SuppressionKey::derive(&Secret::from_bytes([9; 32]));
        let record = |digest, word| Suppression {
            tag: key.tag(digest),
            word,
            at: Timestamp::from_millis(1),
            reaids: vec![reaid(1, digest), reaid(2, digest)],
        };
        let set = Suppressed::of(Some(key.clone()), &[record(&jane, Word::Erased), record(&john, Word::Lifted)]);
        assert!(set.has(&jane) && set.has_reaid(&reaid(1, &jane)) && set.has_text(reaid(2, &jane).as_str()));
        assert!(!set.has(&john) && !set.has_reaid(&reaid(1, &john)) && !set.has_text("no REAID"));
        assert_eq!(set.people(), 1);
        let both = [record(&john, Word::Erased), record(&jane, Word::Erased)];
        let of = |records: &[Suppression]| Suppressed::of(Some(key.clone()), records).revision();
        assert_eq!(of(&both), of(&[both[1].clone(), both[0].clone(), both[0].clone()]), "in any order");
        let all = [of(&both), set.revision(), of(&both[..1]), 0];
        assert!((0..4).all(|at| !all[..at].contains(&all[at])), "others, another number");
        assert!(!Suppressed::default().has(&jane));
    }
}
