//! One member of an audience, as the file of its target names it. Pure.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use crate::actito::ProfileId;

/// Longest identifier in bytes: an address has at most 254, and white space around it goes first.
const LONGEST: usize = 1000;

/// An identifier: an address or a profile id. Ordered by length first, so that ids are in the order of their
/// numbers, and everything else in some order that is always the same. Upper and lower case are one: so are they in
/// addresses.
#[derive(Clone)]
pub(super) struct Member(Box<str>);

/// Why an identifier cannot be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// The source has none for this person.
    Missing,
    /// It is no address.
    Address,
    /// It is no id of a profile.
    Id,
    /// Its address is that of somebody who is not to be known.
    Erased,
}

impl Unresolved {
    /// As it is counted.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "no_identifier",
            Self::Address => "invalid_address",
            Self::Id => "invalid_id",
            Self::Erased => "erased",
        }
    }
}

impl Member {
    /// An address, as the source spells it: whether it is one is for somebody else to judge.
    pub(super) fn address(text: &str) -> Result<Self, Unresolved> {
        let text = text.trim();
        let is_text = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
        if is_text { Ok(Self(text.into())) } else { Err(Unresolved::Address) }
    }

    /// An id of a profile, in its one spelling.
    pub(super) fn id(text: &str) -> Result<Self, Unresolved> {
        let id = ProfileId::parse(text.trim()).ok_or(Unresolved::Id)?;
        Ok(Self(id.to_string().into()))
    }

    /// What stands in a file of ours.
    pub(super) fn kept(text: &str) -> Self {
        Self(text.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of `parts` files it stands in: the same one for as long as there are so many.
    pub(super) fn part(&self, parts: usize) -> usize {
        // FNV-1a: spreads well, and must stay as it is.
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = lower_case(&self.0).bytes().fold(0xcbf2_9ce4_8422_2325, step);
        usize::try_from(hash % parts.max(1) as u64).unwrap_or(0)
    }
}

/// The order of members by their text.
pub(super) fn order(one: &str, other: &str) -> Ordering {
    if one.is_ascii() && other.is_ascii() {
        let letters = one.bytes().zip(other.bytes());
        let mut differ = letters.map(|(one, other)| one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase()));
        return one.len().cmp(&other.len()).then_with(|| differ.find(|it| it.is_ne()).unwrap_or(Ordering::Equal));
    }
    let (one, other) = (lower_case(one), lower_case(other));
    one.len().cmp(&other.len()).then_with(|| one.cmp(&other))
}

fn lower_case(text: &str) -> Cow<'_, str> {
    // Most are.
    match text.chars().any(char::is_uppercase) {
        true => Cow::Owned(text.to_lowercase()),
        false => Cow::Borrowed(text),
    }
}

impl Ord for Member {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&self.0, &other.0)
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Member {}

impl PartialOrd for Member {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// It is a person.
impl fmt::Debug for Member {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Member({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling_and_the_order_of_their_numbers() {
        let mut ids = ["812", "9", " 0013 ", "100"].map(|id| Member::id(id).unwrap());
        ids.sort();
        assert_eq!(ids.map(|id| id.as_str().to_owned()), ["9", "13", "100", "812"]);
        for wrong in ["", "-1", "1e3", "jane", "99999999999999999999"] {
            assert_eq!(Member::id(wrong), Err(Unresolved::Id), "{wrong}");
        }
    }

    #[test]
    fn an_address_keeps_its_spelling_but_for_white_space_around_it() {
        assert_eq!(Member::address(" Jane@Example.org\n").unwrap().as_str(), "Jane@Example.org");
        assert!(Member::address("jane\n@example.org").is_err() && Member::address(" ").is_err());
    }

    #[test]
    fn addresses_that_differ_only_in_case_are_one_member() {
        let spellings = ["Jane@Example.org", "jane@example.org"].map(Member::kept);
        assert_eq!(spellings[0], spellings[1]);
        assert!((2..50).all(|parts| spellings[0].part(parts) == spellings[1].part(parts)));
        assert_eq!(Member::kept("MÜLLER@example.org"), Member::kept("müller@example.org"));
        assert_ne!(Member::kept("müller@example.org"), Member::kept("muller@example.org"));
    }

    #[test]
    fn members_are_spread_over_parts_about_evenly() {
        let mut parts = [0; 4];
        (0..4000).for_each(|number| parts[Member::kept(&format!("p{number}@example.org")).part(4)] += 1);
        assert!(parts.iter().all(|count| (800..1200).contains(count)), "{parts:?}");
    }
}
