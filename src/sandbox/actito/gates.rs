//! Who may do what, and what is still there: the key's rights, the generations of the API.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use http::StatusCode;

use super::route::Route;
use crate::clock::Timestamp;
use crate::sandbox::locked;
use crate::sandbox::options::{Api, Gone, Options, Right};
use crate::sandbox::reply::{Reply, actito_error};

/// Changed by the handle alone.
pub(super) struct Gates {
    missing: Mutex<BTreeSet<Right>>,
    /// Since when a part is gone, and the status of its calls.
    gone: Mutex<BTreeMap<Api, (Timestamp, u16)>>,
}

impl Gates {
    pub(super) fn new(options: &Options, now: Timestamp) -> Self {
        let gates = Self {
            missing: Mutex::new(options.rights_missing.iter().copied().collect()),
            gone: Mutex::new(BTreeMap::new()),
        };
        options.gone.iter().for_each(|gone| gates.retire(gone, now));
        gates
    }

    /// Takes a part of the API away, `gone.after` from now.
    pub(super) fn retire(&self, gone: &Gone, now: Timestamp) {
        locked(&self.gone).insert(gone.api, (now.after(gone.after), gone.status));
    }

    /// Brings a part of the API back.
    pub(super) fn restore(&self, api: Api) {
        locked(&self.gone).remove(&api);
    }

    /// From now on the key lacks these rights and no others.
    pub(super) fn lack(&self, rights: &[Right]) {
        *locked(&self.missing) = rights.iter().copied().collect();
    }

    /// The answer to a call of a part that is gone.
    pub(super) fn gone(&self, route: &Route, now: Timestamp) -> Option<Reply> {
        let gone = locked(&self.gone);
        let status = route.apis().find_map(|api| gone.get(&api).filter(|(since, _)| now >= *since))?.1;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
        Some(actito_error(status, "this part of the API does not exist any more"))
    }

    /// The answer to a call that the key has no right to.
    pub(super) fn forbidden(&self, route: &Route) -> Option<Reply> {
        let right = route.call.right().filter(|right| locked(&self.missing).contains(right))?;
        Some(actito_error(StatusCode::FORBIDDEN, &format!("the API key lacks a right: {right:?}")))
    }
}
