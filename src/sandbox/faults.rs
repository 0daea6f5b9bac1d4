//! Faults that can be switched on: per service, until cleared or for the next calls. What they do to
//! a call is in `verdict.rs`.

use serde::{Deserialize, Serialize};

use super::actito::Operation;

/// Rules in force at once, over all services: more than any story needs.
pub(super) const MAX_RULES: usize = 64;
/// Slowest answer: longer than any client of ours waits.
const MAX_SLOW_MILLIS: u64 = 600_000;

/// Who a fault belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Actito's API.
    Actito,
    /// Raptor's tracking endpoint.
    Raptor,
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
    /// The answer takes this much longer, in real milliseconds.
    Slow {
        /// At most ten minutes.
        ms: u64,
    },
    /// The connection is closed without an answer, before anything takes place.
    Reset,
    /// The connection is closed without an answer, after the call took effect.
    ResetAfterEffect,
    /// Actito: every token that is out expires as the call comes in, so the call gets a 401.
    ExpiredToken,
    /// Actito: something is wrong with the REAID attribute; its structure says so and writes of the
    /// attribute are refused.
    ReaidAttribute {
        /// What is wrong with it.
        state: AttributeFault,
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
    /// Tokens and attributes exist in Actito only.
    #[error("only actito has tokens and attributes")]
    ActitoOnly,
    /// Too many rules.
    #[error("at most {MAX_RULES} faults at once")]
    TooMany,
}

impl FaultError {
    /// A label for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::TooSlow(_) => "too_slow",
            Self::ActitoOnly => "actito_only",
            Self::TooMany => "too_many",
        }
    }
}

impl FaultRule {
    /// `fault` for every call of `service` until cleared.
    pub fn new(service: Service, fault: Fault) -> Self {
        Self { service, fault, calls: None, only: None }
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

    pub(super) fn check(&self) -> Result<(), FaultError> {
        match self.fault {
            Fault::Status { code, .. } if !(200..=599).contains(&code) => Err(FaultError::Status(code)),
            Fault::Slow { ms } if ms > MAX_SLOW_MILLIS => Err(FaultError::TooSlow(ms)),
            Fault::ExpiredToken | Fault::ReaidAttribute { .. } if self.service != Service::Actito => {
                Err(FaultError::ActitoOnly)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn concerns(&self, service: Service, operation: Operation) -> bool {
        let touches = match self.fault {
            Fault::ExpiredToken => operation != Operation::Token,
            Fault::ReaidAttribute { .. } => {
                matches!(operation, Operation::Structure | Operation::Write | Operation::Create)
            }
            _ => true,
        };
        touches && self.service == service && self.only.is_none_or(|only| only == operation)
    }

    pub(super) fn replaces(&self, other: &Self) -> bool {
        let same_kind = std::mem::discriminant(&self.fault) == std::mem::discriminant(&other.fault);
        same_kind && self.service == other.service && self.only == other.only
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_as_flat_json() {
        let text = r#"{"service":"raptor","kind":"status","code":503,"retry_after":2,"calls":3}"#;
        let rule: FaultRule = serde_json::from_str(text).unwrap();
        assert_eq!(rule, FaultRule::new(Service::Raptor, Fault::Status { code: 503, retry_after: Some(2) }).calls(3));
        assert_eq!(serde_json::to_string(&rule).unwrap(), text);
    }
}
