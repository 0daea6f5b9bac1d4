//! What the faults in force do to one call: before its effect, and after.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use super::{AttributeFault, Fault, ImportFault, Meanwhile, PushFault, Service};
use crate::sandbox::reply::{self, Dropped, Reply};

/// What the rules say about one call.
#[derive(Default)]
pub(in crate::sandbox) struct Verdict {
    /// Before the effect.
    pub(in crate::sandbox) slow: Duration,
    slow_after: Duration,
    pub(super) reset: bool,
    reset_after: bool,
    status: Option<(u16, Option<u64>)>,
    status_after: Option<u16>,
    break_off: Option<u64>,
    /// Every token expires before the call is looked at.
    pub(in crate::sandbox) expire_tokens: bool,
    /// The API key is good for nothing.
    pub(in crate::sandbox) revoked_key: bool,
    /// The day's imports are used up, with the seconds of a `Retry-After`.
    pub(in crate::sandbox) quota_spent: Option<Option<u64>>,
    /// What is wrong with the REAID attribute for this call.
    pub(in crate::sandbox) attribute: Option<AttributeFault>,
    /// How the import that the call starts goes wrong.
    pub(in crate::sandbox) import: Option<ImportFault>,
    /// What others do once the call has its answer, to whom, and the chance that chooses when not said.
    pub(in crate::sandbox) meanwhile: Vec<(Meanwhile, Option<u64>, u64)>,
    /// By how many profiles the list has shifted.
    pub(in crate::sandbox) list_shift: i64,
    /// What happens to a push.
    pub(in crate::sandbox) push: Vec<PushFault>,
}

impl Verdict {
    pub(super) fn add(&mut self, fault: &Fault, chance: u64) {
        match *fault {
            Fault::Status { code, retry_after } => self.status = Some((code, retry_after)),
            Fault::StatusAfterEffect { code } => self.status_after = Some(code),
            Fault::Slow { ms } => self.slow = self.slow.max(Duration::from_millis(ms)),
            Fault::SlowAfterEffect { ms } => self.slow_after = self.slow_after.max(Duration::from_millis(ms)),
            Fault::Reset => self.reset = true,
            Fault::ResetAfterEffect => self.reset_after = true,
            Fault::BreakOff { after } => self.break_off = Some(after),
            Fault::ExpiredToken => self.expire_tokens = true,
            Fault::RevokedKey => self.revoked_key = true,
            Fault::QuotaSpent { retry_after } => self.quota_spent = Some(retry_after),
            Fault::ReaidAttribute { state } => self.attribute = Some(state),
            Fault::Import { outcome } => self.import = Some(outcome),
            Fault::Meanwhile { change, profile_id } => self.meanwhile.push((change, profile_id, chance)),
            Fault::ListShift { by } => self.list_shift = by,
            Fault::Push { how } => self.push.push(how),
        }
    }

    /// Before the effect: waits, then says what is answered instead of the real answer, if anything.
    /// A reset wins over a status.
    pub(in crate::sandbox) async fn before(&self, service: Service) -> Result<Option<Reply>, Dropped> {
        if !self.slow.is_zero() {
            tokio::time::sleep(self.slow).await;
        }
        if self.reset {
            return Err(Dropped);
        }
        Ok(self.status.map(|(code, retry_after)| instead(service, code, retry_after)))
    }

    /// After the effect: waits, then the answer, another one, or none.
    pub(in crate::sandbox) async fn after(&self, service: Service, reply: Reply) -> Result<Reply, Dropped> {
        if !self.slow_after.is_zero() {
            tokio::time::sleep(self.slow_after).await;
        }
        if self.reset_after {
            return Err(Dropped);
        }
        let reply = self.status_after.map_or(reply, |code| instead(service, code, None));
        Ok(match self.break_off {
            Some(after) => reply::broken_off(reply, after),
            None => reply,
        })
    }

    /// Whether this happens to a push.
    pub(in crate::sandbox) fn pushes(&self, how: PushFault) -> bool {
        self.push.contains(&how)
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> Option<u16> {
        self.status.map(|(code, _)| code)
    }
}

fn instead(service: Service, code: u16, retry_after: Option<u64>) -> Reply {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reply = match service {
        Service::Actito => reply::actito_error(status, "a fault switched on in the sandbox"),
        Service::Webhook | Service::Raptor | Service::Cdp | Service::Shop => {
            reply::text(status, "a fault switched on in the sandbox")
        }
    };
    with_retry_after(reply, retry_after)
}

/// `reply` with a `Retry-After`, if there is one.
pub(in crate::sandbox) fn with_retry_after(reply: Reply, seconds: Option<u64>) -> Reply {
    match seconds {
        Some(seconds) => reply::with_header(reply, RETRY_AFTER, HeaderValue::from(seconds)),
        None => reply,
    }
}
