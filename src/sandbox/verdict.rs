//! What the faults in force do to one call: before its effect, and after.

use std::sync::Mutex;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use super::actito::Operation;
use super::faults::{AttributeFault, Fault, FaultError, FaultRule, MAX_RULES, Service};
use super::locked;
use super::reply::{self, Dropped, Reply};

/// The rules in force.
#[derive(Default)]
pub(super) struct Faults {
    rules: Mutex<Vec<FaultRule>>,
}

/// What the rules say about one call.
#[derive(Default)]
pub(super) struct Verdict {
    slow: Duration,
    reset: bool,
    status: Option<(u16, Option<u64>)>,
    reset_after_effect: bool,
    /// Every token expires before the call is looked at.
    pub(super) expire_tokens: bool,
    /// What is wrong with the REAID attribute for this call.
    pub(super) attribute: Option<AttributeFault>,
}

impl Faults {
    /// Switches a rule on; one of the same kind at the same place is replaced.
    pub(super) fn switch(&self, rule: FaultRule) -> Result<(), FaultError> {
        rule.check()?;
        let mut rules = locked(&self.rules);
        rules.retain(|other| !rule.replaces(other));
        if rules.len() >= MAX_RULES {
            return Err(FaultError::TooMany);
        }
        rules.push(rule);
        Ok(())
    }

    /// Switches off what `service` has, or everything.
    pub(super) fn clear(&self, service: Option<Service>) {
        locked(&self.rules).retain(|rule| service.is_some_and(|service| rule.service != service));
    }

    pub(super) fn list(&self) -> Vec<FaultRule> {
        locked(&self.rules).clone()
    }

    /// What happens to one call; counts down the rules that concern it.
    pub(super) fn judge(&self, service: Service, operation: Operation) -> Verdict {
        let mut verdict = Verdict::default();
        let mut rules = locked(&self.rules);
        rules.retain_mut(|rule| {
            if rule.calls == Some(0) {
                return false;
            }
            if rule.concerns(service, operation) {
                verdict.add(&rule.fault);
                rule.calls = rule.calls.map(|left| left - 1);
            }
            rule.calls != Some(0)
        });
        verdict
    }
}

impl Verdict {
    fn add(&mut self, fault: &Fault) {
        match *fault {
            Fault::Status { code, retry_after } => self.status = Some((code, retry_after)),
            Fault::Slow { ms } => self.slow = self.slow.max(Duration::from_millis(ms)),
            Fault::Reset => self.reset = true,
            Fault::ResetAfterEffect => self.reset_after_effect = true,
            Fault::ExpiredToken => self.expire_tokens = true,
            Fault::ReaidAttribute { state } => self.attribute = Some(state),
        }
    }

    /// Before the effect: waits, then says what is answered instead of the real answer, if anything.
    /// A reset wins over a status.
    pub(super) async fn before(&self, service: Service) -> Result<Option<Reply>, Dropped> {
        if !self.slow.is_zero() {
            tokio::time::sleep(self.slow).await;
        }
        if self.reset {
            return Err(Dropped);
        }
        Ok(self.status.map(|(code, retry_after)| instead(service, code, retry_after)))
    }

    /// After the effect: the answer, or none.
    pub(super) fn after(&self, reply: Reply) -> Result<Reply, Dropped> {
        if self.reset_after_effect { Err(Dropped) } else { Ok(reply) }
    }
}

fn instead(service: Service, code: u16, retry_after: Option<u64>) -> Reply {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reply = match service {
        Service::Actito => reply::actito_error(status, "a fault switched on in the sandbox"),
        Service::Raptor | Service::Shop => reply::text(status, "a fault switched on in the sandbox"),
    };
    match retry_after {
        Some(seconds) => reply::with_header(reply, RETRY_AFTER, HeaderValue::from(seconds)),
        None => reply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(faults: &Faults, service: Service) -> Option<u16> {
        faults.judge(service, Operation::Tracking).status.map(|(code, _)| code)
    }

    #[test]
    fn a_fault_lasts_for_its_calls_and_for_its_service() {
        let faults = Faults::default();
        let rule = FaultRule::new(Service::Raptor, Fault::Status { code: 503, retry_after: None });
        faults.switch(rule.clone().calls(2)).unwrap();
        assert_eq!(status(&faults, Service::Shop), None);
        assert_eq!([(); 3].map(|()| status(&faults, Service::Raptor)), [Some(503), Some(503), None]);
        assert!(faults.list().is_empty());
        faults.switch(rule).unwrap();
        assert_eq!([(); 3].map(|()| status(&faults, Service::Raptor)), [Some(503); 3]);
        faults.clear(Some(Service::Raptor));
        assert_eq!(status(&faults, Service::Raptor), None);
    }

    #[test]
    fn a_rule_replaces_its_like_and_stands_beside_others() {
        let faults = Faults::default();
        let code = |code| FaultRule::new(Service::Raptor, Fault::Status { code, retry_after: None });
        faults.switch(code(503)).unwrap();
        faults.switch(code(429)).unwrap();
        faults.switch(FaultRule::new(Service::Raptor, Fault::Slow { ms: 5 })).unwrap();
        let verdict = faults.judge(Service::Raptor, Operation::Tracking);
        assert_eq!((verdict.status, verdict.slow), (Some((429, None)), Duration::from_millis(5)));
    }

    #[test]
    fn a_rule_can_be_for_one_kind_of_call() {
        let faults = Faults::default();
        faults.switch(FaultRule::new(Service::Actito, Fault::Reset).only(Operation::Write)).unwrap();
        assert!(!faults.judge(Service::Actito, Operation::Read).reset);
        assert!(faults.judge(Service::Actito, Operation::Write).reset);
    }

    #[test]
    fn nonsense_is_refused() {
        let faults = Faults::default();
        let switch = |service, fault| faults.switch(FaultRule::new(service, fault));
        let impossible = Fault::Status { code: 100, retry_after: None };
        assert_eq!(switch(Service::Shop, impossible), Err(FaultError::Status(100)));
        assert_eq!(switch(Service::Shop, Fault::ExpiredToken), Err(FaultError::ActitoOnly));
        assert_eq!(switch(Service::Shop, Fault::Slow { ms: u64::MAX }), Err(FaultError::TooSlow(u64::MAX)));
    }
}
