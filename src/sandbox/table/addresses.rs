//! Which profiles have an address: an index of ids by the hash of the address, which stays in its row.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use hashbrown::HashTable;

use super::{Row, index_of};

/// Ids by address; several when two profiles have one address. Every id in it is in the table.
#[derive(Default)]
pub(super) struct Addresses {
    ids: HashTable<u32>,
}

/// The column of the addresses, and the rows they are in.
#[derive(Clone, Copy)]
pub(super) struct In<'a> {
    pub(super) rows: &'a [Row],
    pub(super) column: usize,
}

impl In<'_> {
    fn address(&self, id: u32) -> &str {
        index_of(self.rows, id).ok().and_then(|index| self.rows[index].values.get(self.column)).unwrap_or_default()
    }
}

impl Addresses {
    /// Remembers the address that the row has now; an empty one belongs to nobody.
    pub(super) fn remember(&mut self, place: In<'_>, id: u32) {
        let address = place.address(id);
        if !address.is_empty() {
            self.ids.insert_unique(hash(address), id, |id| hash(place.address(*id)));
        }
    }

    /// Forgets the address that the row still has.
    pub(super) fn forget(&mut self, place: In<'_>, id: u32) {
        if let Ok(entry) = self.ids.find_entry(hash(place.address(id)), |other| *other == id) {
            entry.remove();
        }
    }

    /// The lowest id that has the address.
    pub(super) fn find(&self, place: In<'_>, address: &str) -> Option<u32> {
        self.ids.iter_hash(hash(address)).copied().filter(|id| place.address(*id) == address).min()
    }

    pub(super) fn reserve(&mut self, place: In<'_>, additional: usize) {
        self.ids.reserve(additional, |id| hash(place.address(*id)));
    }
}

fn hash(address: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(address)
}
