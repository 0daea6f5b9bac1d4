//! What is said of an erasure, and kept of it: no address, no digest, no REAID, nothing to find the person by.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::store::person::Purged;

/// What was done, and what is still to happen. The order of the fields is that of the JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// 32 hexadecimal digits, at random.
    pub id: String,
    /// When, RFC 3339.
    pub at: String,
    /// `erased` or `lifted`.
    pub action: &'static str,
    /// Whether that held already.
    pub already: bool,
    /// What was deleted; nothing for a lift.
    pub deleted: Deleted,
    /// What is still to happen: `log`, `calls`, `imports`, `audiences`, `actito`, `raptor`.
    pub pending: Vec<&'static str>,
    /// The attribute in Actito, by integration.
    pub actito: Vec<AtActito>,
    /// What Raptor was asked, by account.
    pub raptor: Vec<AtRaptor>,
}

/// How many rows were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// Events that waited for Raptor.
    pub waiting: u64,
    /// Events that Raptor took.
    pub delivered: u64,
    /// Events given up.
    pub dead: u64,
    /// Events that were only stored.
    pub kept: u64,
    /// Profiles that syncs remembered.
    pub profiles: u64,
}

/// What becomes of the attribute in Actito.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AtActito {
    /// The integration.
    pub integration: String,
    /// `at the next run`, `disabled` or `not configured`.
    pub state: &'static str,
}

/// What Raptor was asked for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AtRaptor {
    /// The account.
    pub account: String,
    /// `asked`, `failed` or `not configured`.
    pub state: &'static str,
    /// How many ids Raptor took.
    pub ids: usize,
    /// What it answered where it failed, as in `503` or `timeout`, or `no key`.
    pub answer: Option<String>,
}

impl AtRaptor {
    pub(super) fn not_configured(account: &str) -> Self {
        Self { account: account.to_owned(), state: "not configured", ids: 0, answer: None }
    }

    pub(super) fn asked(account: &str) -> Self {
        Self { state: "asked", ..Self::not_configured(account) }
    }

    pub(super) fn failed(self, answer: String) -> Self {
        Self { state: "failed", answer: Some(answer), ..self }
    }
}

impl Receipt {
    pub(super) fn new(at: Timestamp, lift: bool, already: bool) -> Self {
        Self {
            id: format!("{:032x}", fastrand::u128(..)),
            at: at.rfc3339(),
            action: if lift { "lifted" } else { "erased" },
            already,
            deleted: Deleted::default(),
            pending: Vec::new(),
            actito: Vec::new(),
            raptor: Vec::new(),
        }
    }

    pub(super) fn deleted(&mut self, (purged, log_is_empty): (Purged, bool), calls_ended: bool) {
        let Purged { waiting, delivered, dead, kept, profiles, importing } = purged;
        self.deleted = Deleted { waiting, delivered, dead, kept, profiles };
        for (what, is_pending) in [("log", !log_is_empty), ("calls", !calls_ended), ("imports", importing > 0)] {
            self.pending.extend(is_pending.then_some(what));
        }
    }

    /// Files of audiences stand somewhere, and perhaps the person in them until the next run.
    pub(super) fn with_audiences(mut self, are_there: bool) -> Self {
        self.pending.extend(are_there.then_some("audiences"));
        self
    }

    /// What is still to happen, once the vendors' parts are known.
    pub(super) fn with_vendors(mut self, actito: Vec<AtActito>, raptor: Vec<AtRaptor>) -> Self {
        self.pending.extend(actito.iter().any(|it| it.state == "at the next run").then_some("actito"));
        self.pending.extend(raptor.iter().any(|it| it.state == "failed").then_some("raptor"));
        (self.actito, self.raptor) = (actito, raptor);
        self
    }

    /// Whether somebody must do something: a vendor refused.
    pub fn has_failed(&self) -> bool {
        self.raptor.iter().any(|it| it.state == "failed")
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
