//! Faults that can be switched on: per service, until cleared or for some calls, for a kind of call or a
//! path, at once or later, always or at random. What they do to a call is in `verdict.rs`.

mod pattern;
mod rules;
pub(super) mod verdict;

use serde::{Deserialize, Serialize};

use super::actito::Operation;
pub(super) use rules::Faults;

/// Slowest answer: longer than any client of ours waits.
const MAX_SLOW_MILLIS: u64 = 600_000;
/// What the REAID attribute takes while it is [`AttributeFault::TooShort`]: less than 24.
pub(super) const TOO_SHORT: usize = 10;
/// Longest pattern of a path: above any path of Actito's.
const MAX_PATTERN: usize = 300;

/// Who a fault belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Actito's API.
    Actito,
    /// Actito's pushes to whoever subscribed.
    Webhook,
    /// Raptor's tracking endpoint.
    Raptor,
    /// Raptor's CDP API.
    Cdp,
    /// The shop's landing pages.
    Shop,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// This status is answered and nothing takes place.
    Status {
        /// 200 to 599.
        code: u16,
        /// Seconds for a `Retry-After` header.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// This status is answered after the call took effect.
    StatusAfterEffect {
        /// 200 to 599.
        code: u16,
    },
    /// The call waits this much longer before anything takes place, in real milliseconds; a client that
    /// goes away meanwhile has changed nothing. For pushes: they leave so much later.
    Slow {
        /// At most ten minutes.
        ms: u64,
    },
    /// The call takes effect and its answer comes so many real milliseconds later.
    SlowAfterEffect {
        /// At most ten minutes.
        ms: u64,
    },
    /// The connection is closed without an answer, before anything takes place.
    Reset,
    /// The connection is closed without an answer, after the call took effect.
    ResetAfterEffect,
    /// The connection is closed in the middle of the answer, after so many bytes of its body.
    BreakOff {
        /// How many.
        after: u64,
    },
    /// Actito: every token that is out expires as the call comes in, so the call gets a 401.
    ExpiredToken,
    /// Actito: the API key is revoked while this is on; every call gets a 401, `/auth/token` too.
    RevokedKey,
    /// Actito: an import gets 429 as if the day's were used up.
    QuotaSpent {
        /// Seconds for a `Retry-After` header.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// Actito: something is wrong with the REAID attribute; its structure says so and writes of the
    /// attribute are refused.
    ReaidAttribute {
        /// What is wrong with it.
        state: AttributeFault,
    },
    /// Actito: an import does not go as it should.
    Import {
        /// How it goes.
        outcome: ImportFault,
    },
    /// Actito: once the call has its answer, somebody else changes a profile.
    Meanwhile {
        /// What they do.
        change: Meanwhile,
        /// To which profile; when absent to one chosen by the rule's `seed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        profile_id: Option<u64>,
    },
    /// Actito: the list is read as if so many profiles had come in before a page (above zero: profiles
    /// come twice) or had gone (below zero: profiles are missed). The first page is as it is.
    ListShift {
        /// By how many.
        by: i64,
    },
    /// Webhooks: a push does not arrive as it should.
    Push {
        /// What happens to it.
        how: PushFault,
    },
}

/// What can be wrong with the REAID attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeFault {
    /// The table does not have it.
    Missing,
    /// It takes fewer characters than a REAID has.
    TooShort,
    /// It is a number.
    NotAString,
}

/// How an import can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportFault {
    /// Every second row is rejected, the first one among them.
    RejectsRows,
    /// Its status stays that of a running import, and no row is taken.
    NeverEnds,
    /// It ends with an error and every row rejected.
    Fails,
    /// Its id is answered, and then nobody knows it and no row is taken.
    Lost,
    /// Nobody knows its id, but its rows are taken.
    LostAfterEffect,
}

/// What somebody else does to a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meanwhile {
    /// They delete it.
    Delete,
    /// They give it another address.
    ChangeAddress,
    /// They give it the address of another profile.
    DoubleAddress,
    /// They give it something that is no address.
    InvalidAddress,
    /// They empty its address.
    EmptyAddress,
    /// They add another profile.
    Add,
}

/// What can happen to a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushFault {
    /// It is sent twice.
    Twice,
    /// It is sent after the one that follows it.
    OutOfOrder,
    /// It is never sent.
    Lost,
    /// It lacks the address.
    Incomplete,
    /// Its static headers have other values than the subscription says.
    WrongSecret,
}

/// A fault with its place and its length. As JSON:
/// `{"service":"raptor","kind":"status","code":503,"retry_after":2,"calls":3}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRule {
    /// Whose calls.
    pub service: Service,
    /// What happens to them.
    #[serde(flatten)]
    pub fault: Fault,
    /// How many calls it still happens to; `None`: until cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Only to calls of this kind; `None`: to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Operation>,
    /// Only to calls whose path matches; `*` stands for any text: `/mass-imports/v4/*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// So many calls are still spared first; `None`: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spare: Option<u64>,
    /// To so many calls of a hundred, at random; `None`: to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Where the rule's own chance begins; the same seed hits the same calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// Why a fault could not be switched on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// A status outside what can be answered.
    #[error("expected a status from 200 to 599, found {0}")]
    Status(u16),
    /// A delay above the limit.
    #[error("expected at most {MAX_SLOW_MILLIS} ms, found {0}")]
    TooSlow(u64),
    /// Tokens, attributes, imports and lists exist in Actito only.
    #[error("only actito has tokens, attributes, imports and lists")]
    ActitoOnly,
    /// Pushes are a service of their own.
    #[error("push faults belong to the service webhook, which takes them, slow, and no other")]
    PushOnly,
    /// A share that is none.
    #[error("expected percent from 1 to 100, found {0}")]
    Percent(u8),
    /// A pattern that no path of ours could need.
    #[error("expected a path pattern of at most {MAX_PATTERN} bytes, found {0}")]
    Pattern(usize),
    /// Too many rules.
    #[error("at most {} faults at once", rules::MAX_RULES)]
    TooMany,
}

impl FaultError {
    /// A label for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::TooSlow(_) => "too_slow",
            Self::ActitoOnly => "actito_only",
            Self::PushOnly => "push_only",
            Self::Percent(_) => "percent",
            Self::Pattern(_) => "pattern",
            Self::TooMany => "too_many",
        }
    }
}

impl FaultRule {
    /// `fault` for every call of `service` until cleared.
    pub fn new(service: Service, fault: Fault) -> Self {
        Self { service, fault, calls: None, only: None, path: None, spare: None, percent: None, seed: None }
    }

    /// The same for the next `calls` calls only.
    #[must_use]
    pub fn calls(self, calls: u64) -> Self {
        Self { calls: Some(calls), ..self }
    }

    /// The same for calls of one kind only.
    #[must_use]
    pub fn only(self, operation: Operation) -> Self {
        Self { only: Some(operation), ..self }
    }

    /// The same for paths that match only; `*` stands for any text.
    #[must_use]
    pub fn path(self, pattern: &str) -> Self {
        Self { path: Some(pattern.to_owned()), ..self }
    }

    /// The same once so many calls that it concerns have passed.
    #[must_use]
    pub fn spare(self, calls: u64) -> Self {
        Self { spare: Some(calls), ..self }
    }

    /// The same for so many calls of a hundred, at random from `seed`.
    #[must_use]
    pub fn at_random(self, percent: u8, seed: u64) -> Self {
        Self { percent: Some(percent), seed: Some(seed), ..self }
    }

    pub(super) fn check(&self) -> Result<(), FaultError> {
        match self.fault {
            Fault::Status { code, .. } | Fault::StatusAfterEffect { code } if !(200..=599).contains(&code) => {
                return Err(FaultError::Status(code));
            }
            Fault::Slow { ms } | Fault::SlowAfterEffect { ms } if ms > MAX_SLOW_MILLIS => {
                return Err(FaultError::TooSlow(ms));
            }
            _ => {}
        }
        if self.fault.is_actitos() && self.service != Service::Actito {
            return Err(FaultError::ActitoOnly);
        }
        let is_push = matches!(self.fault, Fault::Push { .. });
        let may_push = is_push || matches!(self.fault, Fault::Slow { .. });
        if is_push && self.service != Service::Webhook || self.service == Service::Webhook && !may_push {
            return Err(FaultError::PushOnly);
        }
        if let Some(percent) = self.percent.filter(|percent| !(1..=100).contains(percent)) {
            return Err(FaultError::Percent(percent));
        }
        match self.path.as_ref().map(String::len).filter(|length| *length > MAX_PATTERN) {
            Some(length) => Err(FaultError::Pattern(length)),
            None => Ok(()),
        }
    }

    pub(super) fn concerns(&self, service: Service, operation: Operation, path: &str) -> bool {
        let touches = match self.fault {
            Fault::ExpiredToken => operation != Operation::Token,
            Fault::ReaidAttribute { .. } => {
                use Operation::{Create, Import, Structure, Write};
                matches!(operation, Structure | Write | Create | Import)
            }
            Fault::QuotaSpent { .. } | Fault::Import { .. } => operation == Operation::Import,
            Fault::ListShift { .. } => operation == Operation::List,
            _ => true,
        };
        touches
            && self.service == service
            && self.only.is_none_or(|only| only == operation)
            && self.path.as_deref().is_none_or(|pattern| pattern::matches(pattern, path))
    }

    pub(super) fn replaces(&self, other: &Self) -> bool {
        let same_kind = std::mem::discriminant(&self.fault) == std::mem::discriminant(&other.fault)
            && match (&self.fault, &other.fault) {
                (Fault::Push { how: one }, Fault::Push { how: other }) => one == other,
                (Fault::Meanwhile { change: one, .. }, Fault::Meanwhile { change: other, .. }) => one == other,
                _ => true,
            };
        same_kind && self.service == other.service && self.only == other.only && self.path == other.path
    }
}

impl Fault {
    fn is_actitos(&self) -> bool {
        match self {
            Self::ExpiredToken
            | Self::RevokedKey
            | Self::QuotaSpent { .. }
            | Self::ReaidAttribute { .. }
            | Self::Import { .. }
            | Self::Meanwhile { .. }
            | Self::ListShift { .. } => true,
            Self::Status { .. }
            | Self::StatusAfterEffect { .. }
            | Self::Slow { .. }
            | Self::SlowAfterEffect { .. }
            | Self::Reset
            | Self::ResetAfterEffect
            | Self::BreakOff { .. }
            | Self::Push { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_as_flat_json() {
        for (text, rule) in [
            (
                r#"{"service":"raptor","kind":"status","code":503,"retry_after":2,"calls":3}"#,
                FaultRule::new(Service::Raptor, Fault::Status { code: 503, retry_after: Some(2) }).calls(3),
            ),
            (
                r#"{"service":"actito","kind":"meanwhile","change":"delete","profile_id":801,"only":"list","path":"/v4/*","spare":2,"percent":10,"seed":7}"#,
                FaultRule::new(Service::Actito, Fault::Meanwhile { change: Meanwhile::Delete, profile_id: Some(801) })
                    .only(Operation::List)
                    .path("/v4/*")
                    .spare(2)
                    .at_random(10, 7),
            ),
        ] {
            assert_eq!(serde_json::from_str::<FaultRule>(text).unwrap(), rule);
            assert_eq!(serde_json::to_string(&rule).unwrap(), text);
        }
    }
}
