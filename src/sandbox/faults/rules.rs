//! The rules in force, and which of them a call meets.

use std::sync::Mutex;

use super::verdict::Verdict;
use super::{FaultError, FaultRule, Service};
use crate::sandbox::actito::Operation;
use crate::sandbox::locked;

/// Rules in force at once, over all services: more than any story needs.
pub(super) const MAX_RULES: usize = 64;

/// The rules in force.
#[derive(Default)]
pub(in crate::sandbox) struct Faults {
    rules: Mutex<Vec<Live>>,
}

/// A rule, counting down, with its chance.
struct Live {
    rule: FaultRule,
    chance: fastrand::Rng,
}

impl Faults {
    /// Switches a rule on; one of the same kind at the same place is replaced.
    pub(in crate::sandbox) fn switch(&self, rule: FaultRule) -> Result<(), FaultError> {
        rule.check()?;
        let mut rules = locked(&self.rules);
        rules.retain(|other| !rule.replaces(&other.rule));
        if rules.len() >= MAX_RULES {
            return Err(FaultError::TooMany);
        }
        let chance = fastrand::Rng::with_seed(rule.seed.unwrap_or_default());
        rules.push(Live { rule, chance });
        Ok(())
    }

    /// Switches off what `service` has, or everything.
    pub(in crate::sandbox) fn clear(&self, service: Option<Service>) {
        locked(&self.rules).retain(|live| service.is_some_and(|service| live.rule.service != service));
    }

    pub(in crate::sandbox) fn list(&self) -> Vec<FaultRule> {
        locked(&self.rules).iter().map(|live| live.rule.clone()).collect()
    }

    /// What happens to one call; counts down the rules that concern it.
    pub(in crate::sandbox) fn judge(&self, service: Service, operation: Operation, path: &str) -> Verdict {
        let mut verdict = Verdict::default();
        let mut rules = locked(&self.rules);
        rules.retain_mut(|live| {
            if live.rule.calls != Some(0) && live.rule.concerns(service, operation, path) && live.is_its_turn() {
                verdict.add(&live.rule.fault, live.chance.u64(..));
                live.rule.calls = live.rule.calls.map(|left| left - 1);
            }
            live.rule.calls != Some(0)
        });
        verdict
    }
}

impl Live {
    /// Whether a call that the rule concerns is spared neither by number nor by chance.
    fn is_its_turn(&mut self) -> bool {
        if let Some(spare) = self.rule.spare.filter(|spare| *spare > 0) {
            self.rule.spare = Some(spare - 1);
            return false;
        }
        self.rule.percent.is_none_or(|percent| self.chance.u8(0..100) < percent)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Fault, PushFault};
    use super::*;

    fn status(faults: &Faults, service: Service) -> Option<u16> {
        faults.judge(service, Operation::Tracking, "/1234.rsa").status()
    }

    fn code(code: u16) -> FaultRule {
        FaultRule::new(Service::Raptor, Fault::Status { code, retry_after: None })
    }

    #[test]
    fn a_fault_lasts_for_its_calls_and_for_its_service() {
        let faults = Faults::default();
        faults.switch(code(503).calls(2)).unwrap();
        assert_eq!(status(&faults, Service::Shop), None);
        assert_eq!([(); 3].map(|()| status(&faults, Service::Raptor)), [Some(503), Some(503), None]);
        assert!(faults.list().is_empty());
        faults.switch(code(503)).unwrap();
        assert_eq!([(); 3].map(|()| status(&faults, Service::Raptor)), [Some(503); 3]);
        faults.clear(Some(Service::Raptor));
        assert_eq!(status(&faults, Service::Raptor), None);
    }

    #[test]
    fn a_rule_replaces_its_like_and_stands_beside_others() {
        let faults = Faults::default();
        faults.switch(code(503)).unwrap();
        faults.switch(code(429)).unwrap();
        faults.switch(FaultRule::new(Service::Raptor, Fault::Slow { ms: 5 })).unwrap();
        let verdict = faults.judge(Service::Raptor, Operation::Tracking, "/");
        assert_eq!((verdict.status(), verdict.slow), (Some(429), Duration::from_millis(5)));
    }

    #[test]
    fn a_rule_can_be_for_one_kind_of_call_and_for_one_path() {
        let faults = Faults::default();
        let reset = || FaultRule::new(Service::Actito, Fault::Reset);
        faults.switch(reset().only(Operation::Write)).unwrap();
        faults.switch(reset().path("*/v4/*")).unwrap();
        let is_reset = |operation, path| faults.judge(Service::Actito, operation, path).reset;
        assert!(!is_reset(Operation::Read, "/v5/x"));
        assert!(is_reset(Operation::Write, "/v5/x"));
        assert!(is_reset(Operation::Read, "/profiles/v4/x"));
    }

    #[test]
    fn a_rule_spares_its_first_calls_and_then_lasts() {
        let faults = Faults::default();
        faults.switch(code(503).spare(2).calls(1)).unwrap();
        let seen = [(); 4].map(|()| status(&faults, Service::Raptor));
        assert_eq!(seen, [None, None, Some(503), None]);
    }

    #[test]
    fn chance_hits_about_as_often_as_asked_and_the_same_calls_for_the_same_seed() {
        let hits = |seed| {
            let faults = Faults::default();
            faults.switch(code(503).at_random(30, seed)).unwrap();
            (0..1000).map(|_| status(&faults, Service::Raptor).is_some()).collect::<Vec<_>>()
        };
        let count = hits(1).iter().filter(|hit| **hit).count();
        assert!((250..350).contains(&count), "{count}");
        assert_eq!(hits(1), hits(1));
        assert_ne!(hits(1), hits(2));
    }

    #[test]
    fn nonsense_is_refused() {
        let faults = Faults::default();
        let switch = |service, fault| faults.switch(FaultRule::new(service, fault));
        let impossible = Fault::Status { code: 100, retry_after: None };
        assert_eq!(switch(Service::Shop, impossible), Err(FaultError::Status(100)));
        assert_eq!(switch(Service::Shop, Fault::ExpiredToken), Err(FaultError::ActitoOnly));
        assert_eq!(switch(Service::Shop, Fault::Slow { ms: u64::MAX }), Err(FaultError::TooSlow(u64::MAX)));
        assert_eq!(switch(Service::Shop, Fault::Push { how: PushFault::Lost }), Err(FaultError::PushOnly));
        assert_eq!(switch(Service::Webhook, Fault::Reset), Err(FaultError::PushOnly));
        assert_eq!(faults.switch(code(503).at_random(0, 1)), Err(FaultError::Percent(0)));
    }
}
