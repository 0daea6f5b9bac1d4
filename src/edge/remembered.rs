//! What a thread remembers of one value, and forgets with it.

use std::borrow::Borrow;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};

use lru::LruCache;

/// The answers that one `T` gave, as many as there is room for.
pub(super) struct Remembered<T, K: Hash + Eq, V> {
    of: Weak<T>,
    answers: LruCache<K, V>,
}

impl<T, K: Hash + Eq, V: Clone> Remembered<T, K, V> {
    pub(super) fn new(most: NonZeroUsize) -> Self {
        Self { of: Weak::new(), answers: LruCache::new(most) }
    }

    /// What `whose` answered, and nobody before it.
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&mut self, whose: &Arc<T>, question: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        // The one before may be gone, but as long as it is named here nobody has its place in memory.
        if self.of.as_ptr() != Arc::as_ptr(whose) {
            self.answers.clear();
            self.of = Arc::downgrade(whose);
        }
        self.answers.get(question).cloned()
    }

    /// Remembers an answer of whom `get` was asked about last.
    pub(super) fn put(&mut self, question: K, answer: V) {
        self.answers.put(question, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_one_is_not_taken_for_the_one_before() {
        let mut known = Remembered::<u8, String, u8>::new(NonZeroUsize::MIN);
        let (one, same) = (Arc::new(1), Arc::new(1));
        assert_eq!(known.get(&one, "a"), None);
        known.put("a".into(), 7);
        assert_eq!((known.get(&one, "a"), known.get(&one.clone(), "a")), (Some(7), Some(7)));
        assert_eq!((known.get(&same, "a"), known.get(&one, "a")), (None, None));
    }
}
