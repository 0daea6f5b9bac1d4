//! A list that keeps the newest of what it is given, bounded in number and in bytes, and counts all.

use std::collections::VecDeque;

/// Most things kept of one kind: a few runs of the largest test.
const MAX_ITEMS: usize = 100_000;
/// Most text bytes kept of one kind, so that long queries cannot fill the memory.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The newest items, in the order they came.
pub(super) struct Kept<T> {
    items: VecDeque<(usize, T)>,
    bytes: usize,
    seen: u64,
}

impl<T: Clone> Kept<T> {
    pub(super) fn new() -> Self {
        Self { items: VecDeque::new(), bytes: 0, seen: 0 }
    }

    /// Keeps what `make` makes of the item's number (from 1), which weighs `bytes`; returns how many
    /// were ever given.
    pub(super) fn push(&mut self, bytes: usize, make: impl FnOnce(u64) -> T) -> u64 {
        self.seen += 1;
        self.items.push_back((bytes, make(self.seen)));
        self.bytes += bytes;
        while self.items.len() > MAX_ITEMS || (self.bytes > MAX_BYTES && self.items.len() > 1) {
            if let Some((weight, _)) = self.items.pop_front() {
                self.bytes -= weight;
            }
        }
        self.seen
    }

    /// How many were ever given.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// How many are still here.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The newest `limit`, oldest of them first.
    pub(super) fn newest(&self, limit: usize) -> Vec<T> {
        let skip = self.items.len().saturating_sub(limit);
        self.items.iter().skip(skip).map(|(_, item)| item.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_all_are_counted() {
        let mut kept = Kept::new();
        for _ in 0..MAX_ITEMS + 5 {
            kept.push(1, |number| number);
        }
        assert_eq!((kept.seen(), kept.len()), (MAX_ITEMS as u64 + 5, MAX_ITEMS));
        assert_eq!(kept.newest(2), [MAX_ITEMS as u64 + 4, MAX_ITEMS as u64 + 5]);
    }

    #[test]
    fn heavy_items_push_out_older_ones() {
        let mut kept = Kept::new();
        for _ in 0..3 {
            kept.push(MAX_BYTES / 2, |number| number);
        }
        assert_eq!(kept.newest(usize::MAX), [2, 3]);
    }
}
