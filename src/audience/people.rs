//! Who of an audience exists as a profile, and who is not to be known.
//!
//! Nothing is kept for this: syncs remember of each profile its id and the start of the SHA-256 of its REAID
//! (`store/sync/`). An address is matched by minting its REAID, which only this process, with the keyring, can do;
//! a stored digest of the address would be personal data once more, and would know nothing that this does not.

use std::sync::Arc;

use roaring::RoaringTreemap;

use super::member::{Member, Unresolved};
use crate::config::PersonIdentifier;
use crate::store::{Store, StoreError, audiences as rows};

/// Profiles that are read of the store at once.
const ROWS_A_READ: u32 = 20_000;

/// What is known of people elsewhere; wired by whoever has the keys and the suppressions.
#[derive(Clone)]
pub struct People {
    /// What there is to say about an address.
    pub of_address: Arc<dyn Fn(&str) -> Person + Send + Sync>,
    /// Another one whenever others are not to be known, so that files are looked through again.
    pub revision: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// What there is to say about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Somebody: the start of the SHA-256 of the REAID that a sync would write.
    Known([u8; 8]),
    /// Somebody who is not to be known.
    Erased,
    /// It is no address.
    Invalid,
}

/// What is done about a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Matched,
    Unmatched,
    Erased,
}

/// Judges members of audiences that have one kind of identifier.
pub(super) struct Matcher {
    kind: Kind,
    /// What was known of people who are not to be known.
    pub(super) revision: String,
}

enum Kind {
    Address {
        of_address: Arc<dyn Fn(&str) -> Person + Send + Sync>,
        /// Sorted.
        marks: Vec<u64>,
    },
    Id {
        known: RoaringTreemap,
        emptied: RoaringTreemap,
        of_address: Arc<dyn Fn(&str) -> Person + Send + Sync>,
    },
}

impl Matcher {
    /// What is known now of the profiles of an integration. Takes 8 bytes of memory a profile for addresses, hardly
    /// any for ids.
    pub(super) async fn load(
        people: &People,
        identifier: PersonIdentifier,
        integration: &str,
        store: &Store,
    ) -> Result<Self, StoreError> {
        // First: who is erased while the rest is read is in the next revision.
        let revision = revision(people, identifier, integration, store).await?;
        let (mut marks, mut known, mut emptied) = (Vec::new(), RoaringTreemap::new(), RoaringTreemap::new());
        let mut after = -1;
        loop {
            let name = integration.to_owned();
            let some = store.read(move |db| rows::profiles_after(db, &name, after, ROWS_A_READ)).await?;
            let Some(last) = some.last() else { break };
            after = last.id;
            match identifier {
                PersonIdentifier::Email => marks.extend(some.iter().filter_map(|row| row.mark).map(u64::from_le_bytes)),
                PersonIdentifier::UserId => {
                    known.extend(some.iter().map(|row| row.id.cast_unsigned()));
                    emptied.extend(some.iter().filter(|row| row.emptied).map(|row| row.id.cast_unsigned()));
                }
            }
        }
        if identifier == PersonIdentifier::UserId {
            let name = integration.to_owned();
            let alone = store.read(move |db| rows::withheld_alone(db, &name)).await?;
            emptied.extend(alone.into_iter().map(i64::cast_unsigned));
        }
        marks.sort_unstable();
        let kind = match identifier {
            PersonIdentifier::Email => Kind::Address { of_address: people.of_address.clone(), marks },
            PersonIdentifier::UserId => Kind::Id { known, emptied, of_address: people.of_address.clone() },
        };
        Ok(Self { kind, revision })
    }

    /// A member, as the source spells it.
    pub(super) fn resolve(&self, text: &str) -> Result<Member, Unresolved> {
        match &self.kind {
            Kind::Id { .. } => Member::id(text),
            Kind::Address { of_address, .. } => {
                let member = Member::address(text)?;
                match of_address(member.as_str()) {
                    Person::Invalid => Err(Unresolved::Address),
                    Person::Known(_) | Person::Erased => Ok(member),
                }
            }
        }
    }

    /// Whether an id's owner is not to be known, by the address that the source has beside it: so whoever was erased
    /// before any sync knew whose id it is.
    pub(super) fn withholds(&self, address: &str) -> bool {
        match &self.kind {
            Kind::Id { of_address, .. } => of_address(address.trim()) == Person::Erased,
            // Judged by itself, and counted.
            Kind::Address { .. } => false,
        }
    }

    pub(super) fn judge(&self, member: &Member) -> Judgement {
        match &self.kind {
            Kind::Address { of_address, marks } => match of_address(member.as_str()) {
                Person::Erased => Judgement::Erased,
                Person::Known(mark) => matched(marks.binary_search(&u64::from_le_bytes(mark)).is_ok()),
                Person::Invalid => Judgement::Unmatched,
            },
            Kind::Id { known, emptied, .. } => match member.as_str().parse() {
                Ok(id) if emptied.contains(id) => Judgement::Erased,
                Ok(id) => matched(known.contains(id)),
                Err(_) => Judgement::Unmatched,
            },
        }
    }
}

/// What is known of people who are not to be known: when it is another than it was, files are looked through.
pub(super) async fn revision(
    people: &People,
    identifier: PersonIdentifier,
    integration: &str,
    store: &Store,
) -> Result<String, StoreError> {
    let urgent = urgent((people.revision)(), identifier, integration, store).await?;
    match identifier {
        PersonIdentifier::Email => Ok(urgent),
        // Who is erased has an empty REAID once a sync came by.
        PersonIdentifier::UserId => {
            let name = integration.to_owned();
            let emptied = store.read(move |db| rows::emptied(db, &name)).await?;
            Ok(format!("{urgent}/{emptied}"))
        }
    }
}

/// The part of it for which no run is waited for: an erasure. Costs little, however many profiles there are.
pub(super) async fn urgent(
    erased: u64,
    identifier: PersonIdentifier,
    integration: &str,
    store: &Store,
) -> Result<String, StoreError> {
    match identifier {
        PersonIdentifier::Email => Ok(format!("{erased:x}")),
        PersonIdentifier::UserId => {
            let name = integration.to_owned();
            let withheld = store.read(move |db| rows::withheld(db, &name)).await?;
            Ok(format!("{erased:x}.{withheld}"))
        }
    }
}

/// Whether what was known at `revision` lacks an erasure that this one has.
pub(super) fn is_overdue(revision: &str, urgent: &str) -> bool {
    revision.split('/').next() != Some(urgent)
}

const fn matched(is: bool) -> Judgement {
    if is { Judgement::Matched } else { Judgement::Unmatched }
}

/// Judges by these names.
#[cfg(test)]
pub(super) fn matcher_of(matched: &[&str], erased: &[&str]) -> Matcher {
    let mark = |text: &str| {
        let mut mark = [0; 8];
        text.bytes().take(8).enumerate().for_each(|(at, byte)| mark[at] = byte);
        mark
    };
    let erased: Vec<String> = erased.iter().map(|&name| name.to_owned()).collect();
    let mut marks: Vec<u64> = matched.iter().map(|name| u64::from_le_bytes(mark(name))).collect();
    marks.sort_unstable();
    let of_address = move |text: &str| match erased.iter().any(|name| name == text) {
        true => Person::Erased,
        false => Person::Known(mark(text)),
    };
    Matcher { kind: Kind::Address { of_address: Arc::new(of_address), marks }, revision: "0".into() }
}
