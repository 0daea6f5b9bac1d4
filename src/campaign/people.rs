//! About how many people: a HyperLogLog sketch.
//!
//! A sketch takes at most 4 KiB however many people are in it, and the sketches of two machines merge
//! into what one would have. What goes in is a keyed hash of a REAID, so that whoever has the sketch
//! alone cannot try whether a REAID is in it. The bytes are those of Apache DataSketches' HLL, serial
//! version 1, type HLL_8, lgK 12: <https://datasketches.apache.org/docs/HLL/HllSketches.html>.

use datasketches::hll::{HllSketch, HllType, HllUnion};

/// 2^12 registers: 4 KiB a sketch, and the error below.
const LG_K: u8 = 12;

/// How far a number of people is off, as a share of it: less in two of three cases, less than twice
/// this in 19 of 20. 1.04 / √4096, of a merged sketch; others are a little better, and up to some
/// hundred people nearly exact.
pub const STANDARD_ERROR: f64 = 0.016;

/// A set of people that forgets who they are.
#[derive(Clone, Debug)]
pub struct People(HllSketch);

/// The bytes are no sketch of ours.
#[derive(Debug, thiserror::Error)]
#[error("expected a sketch of DataSketches' HLL with lgK {LG_K}: {0}")]
pub struct PeopleError(String);

impl Default for People {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "4 to 21 are allowed")]
        Self(HllSketch::new(LG_K, HllType::Hll8).expect("12 is allowed"))
    }
}

impl People {
    /// Reads what [`People::to_bytes`] wrote.
    ///
    /// # Errors
    /// The bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PeopleError> {
        let sketch = HllSketch::deserialize(bytes).map_err(|error| PeopleError(error.to_string()))?;
        match sketch.lg_config_k() {
            LG_K => Ok(Self(sketch)),
            other => Err(PeopleError(format!("found lgK {other}"))),
        }
    }

    /// The bytes to store.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.serialize()
    }

    /// Adds a person by the keyed hash of the REAID; again changes nothing.
    pub fn add(&mut self, person: u64) {
        self.0.update(person);
    }

    /// The people in either.
    pub fn or(&self, other: &Self) -> Self {
        #[expect(clippy::expect_used, reason = "4 to 21 are allowed")]
        let mut union = HllUnion::new(LG_K).expect("12 is allowed");
        union.update(&self.0);
        union.update(&other.0);
        Self(union.to_sketch(HllType::Hll8))
    }

    /// About how many they are, within [`STANDARD_ERROR`].
    pub fn about(&self) -> u64 {
        // Never negative, and people are few enough for an exact integer.
        self.0.estimate().round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes as an HMAC gives them; always the same ones.
    fn people(seed: u64, count: usize) -> People {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut people = People::default();
        (0..count).for_each(|_| people.add(random.u64(..)));
        people
    }

    fn assert_about(people: &People, expected: usize) {
        let off = (people.about() as f64 - expected as f64).abs() / expected as f64;
        assert!(off < 2.0 * STANDARD_ERROR, "{} for {expected}", people.about());
    }

    #[test]
    fn a_hundred_thousand_people_are_counted_within_the_documented_error() {
        for seed in 0..5 {
            assert_about(&people(seed, 100_000), 100_000);
        }
    }

    #[test]
    fn a_few_people_are_counted_nearly_exactly() {
        assert_eq!(People::default().about(), 0);
        for count in [1, 7, 30, 200] {
            assert_eq!(people(1, count).about(), count as u64);
        }
    }

    #[test]
    fn the_same_person_counts_once() {
        let (mut twice, once) = (people(3, 5000), people(3, 5000));
        let mut again = fastrand::Rng::with_seed(3);
        (0..5000).for_each(|_| twice.add(again.u64(..)));
        assert_eq!(twice.to_bytes(), once.to_bytes());
    }

    #[test]
    fn two_machines_merge_into_what_one_would_have() {
        let both = people(1, 60_000).or(&people(2, 60_000));
        assert_about(&both, 120_000);
        assert_about(&both.or(&people(1, 60_000)), 120_000);
        assert_eq!(People::default().or(&people(1, 3)).about(), 3);
    }

    #[test]
    fn a_sketch_survives_its_bytes() {
        for count in [0, 1, 7, 8, 100, 1000, 50_000] {
            let people = people(9, count);
            let bytes = people.to_bytes();
            assert!(bytes.len() <= 4096 + 40, "{} bytes", bytes.len());
            let mut read = People::from_bytes(&bytes).unwrap();
            assert_eq!(read.about(), people.about());
            let mut random = fastrand::Rng::with_seed(9);
            let before = read.to_bytes();
            (0..count).for_each(|_| read.add(random.u64(..)));
            assert_eq!(read.to_bytes(), before, "everybody is in it already");
        }
        // The header that the format's description says: 10 ints, serial version 1, family 7, lgK 12.
        assert_eq!(people(9, 50_000).to_bytes()[..4], [10, 1, 7, 12]);
    }

    #[test]
    fn what_is_no_sketch_is_refused() {
        let bytes = people(9, 50_000).to_bytes();
        for wrong in [&b""[..], b"my diary", &bytes[..100]] {
            assert!(People::from_bytes(wrong).is_err());
        }
        let coarse = HllSketch::new(10, HllType::Hll8).unwrap().serialize();
        assert!(People::from_bytes(&coarse).unwrap_err().to_string().contains("found lgK 10"));
    }
}
