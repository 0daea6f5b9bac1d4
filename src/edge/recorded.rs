//! What became of an identity, in the store's words.

use crate::links::Verdict;
use crate::tracking;

/// The verdict to record: what the edge found may change its place and shape, what is on disk stays.
pub(super) fn verdict(found: Verdict) -> Option<tracking::Verdict> {
    Some(match found {
        Verdict::Valid => tracking::Verdict::Valid,
        Verdict::Missing => tracking::Verdict::Missing,
        Verdict::MergeField => tracking::Verdict::MergeField,
        Verdict::CheckFailed => tracking::Verdict::CheckFailed,
        Verdict::Disabled => tracking::Verdict::Disabled,
        Verdict::Suppressed => tracking::Verdict::Suppressed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_metrics() {
        for found in Verdict::ALL {
            assert_eq!(verdict(found).map(tracking::Verdict::as_str), Some(found.as_str()));
        }
        assert_eq!(Verdict::ALL.len(), tracking::Verdict::ALL.len());
    }
}
