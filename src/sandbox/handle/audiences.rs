//! The CDP's part of the remote control, and Actito's *Use reference*.

use super::Handle;
use crate::sandbox::cdp::{CdpMember, CdpReport};
use crate::sandbox::targets::{ReferenceReport, TargetReport};

impl Handle {
    /// Makes these people an audience, in place of the one with this id; changes tell who came and went.
    pub fn put_audience(&self, id: &str, name: &str, members: impl IntoIterator<Item = CdpMember>) {
        self.state.cdp.put(id, name, members.into_iter().collect());
    }

    /// Somebody enters an audience.
    pub fn enter_audience(&self, id: &str, member: &CdpMember) {
        self.state.cdp.change(id, member, true);
    }

    /// Somebody leaves an audience.
    pub fn leave_audience(&self, id: &str, member: &CdpMember) {
        self.state.cdp.change(id, member, false);
    }

    /// Deletes an audience.
    pub fn delete_audience(&self, id: &str) {
        self.state.cdp.delete(id);
    }

    /// Who is in an audience.
    pub fn audience(&self, id: &str) -> Vec<CdpMember> {
        self.state.cdp.members(id).into_iter().collect()
    }

    /// From now on nobody is told what changed so far: it is gone.
    pub fn forget_changes(&self) {
        self.state.cdp.forget_changes();
    }

    /// What the CDP was asked for.
    pub fn cdp(&self) -> CdpReport {
        self.state.cdp.report()
    }

    /// Picks up what is new in the file drop, and shows the references there are.
    pub fn references(&self) -> Vec<ReferenceReport> {
        self.state.targets.references(&self.state)
    }

    /// *Use reference*: how many profiles match the file by this attribute.
    pub fn use_reference(&self, reference: &[&str], attribute: &str) -> Option<TargetReport> {
        self.state.targets.use_reference(&self.state, reference, attribute)
    }
}
