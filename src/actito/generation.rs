//! Which generation of Actito's API answers.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::{Deserialize, Serialize};

use crate::config::ApiGeneration;

/// A generation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Generation {
    /// Whose bodies are known from public clients.
    V4,
    /// Whose write bodies are our assumption.
    V5,
}

impl Generation {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "v4" => Some(Self::V4),
            "v5" => Some(Self::V5),
            _ => None,
        }
    }

    /// The one to ask when this does not answer.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V5,
            Self::V5 => Self::V4,
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::V4 => "v4",
            Self::V5 => "v5",
        })
    }
}

/// What is known about which generation answers, to be kept over a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settled {
    /// For profiles, one by one.
    pub profiles: Option<Generation>,
    /// For mass imports.
    pub imports: Option<Generation>,
}

/// Which generation to ask for one kind of call.
#[derive(Debug)]
pub(super) struct Choice {
    /// What for, in a log.
    calls: &'static str,
    wanted: ApiGeneration,
    /// 4 or 5, or 0 while nobody knows. Written by whoever was answered.
    settled: AtomicU8,
}

impl Choice {
    pub(super) const fn new(calls: &'static str, wanted: ApiGeneration) -> Self {
        Self { calls, wanted, settled: AtomicU8::new(0) }
    }

    /// Which to ask first: what the operator wrote, what answered last, else V4, whose bodies are known.
    pub(super) fn first(&self) -> Generation {
        match self.wanted {
            ApiGeneration::V4 => Generation::V4,
            ApiGeneration::V5 => Generation::V5,
            ApiGeneration::Auto => self.settled().unwrap_or(Generation::V4),
        }
    }

    /// Which to ask when `first` found nothing; `None` where the operator decided.
    pub(super) fn second(&self, first: Generation) -> Option<Generation> {
        (self.wanted == ApiGeneration::Auto).then(|| first.other())
    }

    /// What answered last, or what the operator wrote.
    pub(super) fn settled(&self) -> Option<Generation> {
        match (self.wanted, self.settled.load(Ordering::Relaxed)) {
            (ApiGeneration::V4, _) | (ApiGeneration::Auto, 4) => Some(Generation::V4),
            (ApiGeneration::V5, _) | (ApiGeneration::Auto, 5) => Some(Generation::V5),
            (ApiGeneration::Auto, _) => None,
        }
    }

    /// Remembers what answered, and says so when it is another than last time.
    pub(super) fn answered(&self, generation: Generation) {
        let before = self.settled();
        self.recall(Some(generation));
        if before.is_some_and(|before| before != generation) || (before.is_none() && generation == Generation::V5) {
            let (calls, other) = (self.calls, generation.other());
            tracing::warn!(calls, %generation, "Actito's {other} does not answer any more, {generation} does");
        }
    }

    /// Takes what answered an earlier process.
    pub(super) fn recall(&self, generation: Option<Generation>) {
        let number = match generation {
            None => 0,
            Some(Generation::V4) => 4,
            Some(Generation::V5) => 5,
        };
        self.settled.store(number, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_knowledge_v4_is_asked_first_and_v5_second() {
        let choice = Choice::new("profiles", ApiGeneration::Auto);
        assert_eq!((choice.first(), choice.second(Generation::V4)), (Generation::V4, Some(Generation::V5)));
        assert_eq!(choice.settled(), None);
    }

    #[test]
    fn what_answered_is_asked_first_from_then_on() {
        let choice = Choice::new("profiles", ApiGeneration::Auto);
        choice.answered(Generation::V5);
        assert_eq!((choice.first(), choice.second(Generation::V5)), (Generation::V5, Some(Generation::V4)));
    }

    #[test]
    fn the_operators_word_is_not_overruled() {
        let choice = Choice::new("profiles", ApiGeneration::V5);
        choice.recall(Some(Generation::V4));
        assert_eq!((choice.first(), choice.second(Generation::V5)), (Generation::V5, None));
        assert_eq!(choice.settled(), Some(Generation::V5));
    }

    #[test]
    fn what_is_settled_survives_being_written_down() {
        let settled = Settled { profiles: Some(Generation::V5), imports: None };
        let json = serde_json::to_string(&settled).unwrap();
        assert_eq!(json, r#"{"profiles":"v5","imports":null}"#);
        assert_eq!(serde_json::from_str::<Settled>(&json).unwrap(), settled);
        assert_eq!(serde_json::from_str::<Settled>("{}").unwrap(), Settled::default());
    }
}
