//! Actito's part of the remote control: profiles, rights, what is gone, imports, pushes, exports.

use std::io;
use std::path::{Path, PathBuf};

use super::Handle;
use crate::sandbox::actito::ActitoReport;
use crate::sandbox::export::{self, Packing};
use crate::sandbox::imports::ImportReport;
use crate::sandbox::options::{Api, Gone, Right};
use crate::sandbox::table::{Changes, Profile, TableError};
use crate::sandbox::webhooks::WebhookReport;

/// Profiles looked at under one lock.
const CHUNK: usize = 10_000;

impl Handle {
    /// All profiles, by id.
    pub fn profiles(&self) -> Vec<Profile> {
        self.profiles_page(0, usize::MAX)
    }

    /// The profiles from the `start`th on, at most `limit`.
    pub fn profiles_page(&self, start: usize, limit: usize) -> Vec<Profile> {
        self.state.actito.read(|table| table.page(start, limit))
    }

    /// One profile.
    pub fn profile(&self, id: u64) -> Option<Profile> {
        self.state.actito.read(|table| table.get(id))
    }

    /// A new profile with these attributes; returns its id.
    ///
    /// # Errors
    /// An attribute is unknown or its value too long, or the address belongs to another profile.
    pub fn add_profile(&self, attributes: &Changes<'_>) -> Result<u64, TableError> {
        self.state.write(|table| table.add(attributes))
    }

    /// Sets the attributes listed, all or none.
    ///
    /// # Errors
    /// As for [`Handle::add_profile`], and when there is no such profile.
    pub fn change_profile(&self, id: u64, attributes: &Changes<'_>) -> Result<(), TableError> {
        self.state.write(|table| table.change(id, attributes))
    }

    /// Removes a profile.
    ///
    /// # Errors
    /// There is no such profile.
    pub fn delete_profile(&self, id: u64) -> Result<(), TableError> {
        self.state.write(|table| table.remove(id))
    }

    /// Waits until `wanted` holds of all profiles, and returns them.
    pub async fn profiles_when(&self, wanted: impl Fn(&[Profile]) -> bool) -> Vec<Profile> {
        let mut changed = self.state.actito.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let profiles = self.profiles();
            // The sender lives in `self`, so waiting for it cannot fail.
            if wanted(&profiles) || changed.changed().await.is_err() {
                return profiles;
            }
        }
    }

    /// What Actito saw.
    pub fn actito(&self) -> ActitoReport {
        self.state.actito.report(&self.state.options)
    }

    /// Ends every token that is out, once.
    pub fn expire_tokens(&self) {
        self.state.actito.expire_tokens();
    }

    /// Shows every profile, by id, as its id and its values in the table's order: for tables too large to
    /// be copied. What changes meanwhile may be seen or not.
    pub fn each_profile(&self, mut look: impl FnMut(u64, &[Option<&str>])) {
        let mut after = Some(0);
        while let Some(last) = after {
            after = self.state.actito.read(|table| table.each_after(last, CHUNK, &mut look));
        }
    }

    /// Sets the attributes listed, though another profile may have the address already.
    ///
    /// # Errors
    /// As for [`Handle::change_profile`], but for the address.
    pub fn force_profile(&self, id: u64, attributes: &Changes<'_>) -> Result<(), TableError> {
        self.state.write(|table| table.force(id, attributes))
    }

    /// Waits until at least `n` profiles have a REAID.
    pub async fn reaids_written(&self, n: usize) {
        let reaid = &self.state.options.reaid_attribute;
        let enough = |_: &u64| self.state.actito.read(|table| table.filled(reaid) >= n);
        // The sender lives in `self`, so waiting for it cannot fail.
        let _ = self.state.actito.changed.subscribe().wait_for(enough).await;
    }

    /// The imports that Actito remembers, oldest first.
    pub fn imports(&self) -> Vec<ImportReport> {
        self.state.actito.imports.reports()
    }

    /// Waits until at least `n` imports are over, and returns all. Those that never end do not count.
    pub async fn imports_over(&self, n: u64) -> Vec<ImportReport> {
        // The sender lives in `self`, so waiting for it cannot fail.
        let _ = self.state.actito.imports.over.subscribe().wait_for(|over| *over >= n).await;
        self.imports()
    }

    /// What became of the events of each webhook subscription.
    pub fn webhooks(&self) -> Vec<WebhookReport> {
        self.state.webhooks.reports()
    }

    /// Waits until `wanted` holds of the reports, and returns them.
    pub async fn webhooks_when(&self, wanted: impl Fn(&[WebhookReport]) -> bool) -> Vec<WebhookReport> {
        let holds = |_: &u64| wanted(&self.webhooks());
        // The sender lives in `self`, so waiting for it cannot fail.
        let _ = self.state.webhooks.settled.subscribe().wait_for(holds).await;
        self.webhooks()
    }

    /// Takes a part of the API away, `gone.after` from now in sandbox time.
    pub fn retire(&self, gone: &Gone) {
        self.state.actito.retire(gone, self.now());
    }

    /// Brings a part of the API back.
    pub fn restore(&self, api: Api) {
        self.state.actito.restore(api);
    }

    /// From now on the API key lacks these rights and no others.
    pub fn lack_rights(&self, rights: &[Right]) {
        self.state.actito.lack(rights);
    }

    /// Writes a full export of the table into `folder`, as Actito delivers one; returns its path.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn export(&self, folder: &Path, packing: Packing) -> io::Result<PathBuf> {
        export::write(&self.state, folder, packing)
    }
}
