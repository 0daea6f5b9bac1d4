//! Files that no activation names any more: kept or taken away, and never with people who are not to be known.

use super::error::OneError;
use super::reference::{self, Reference};
use super::runner::Runner;
use super::summary::{Action, AudienceRun};
use crate::config::OnDelete;

impl Runner<'_> {
    /// Audiences that the activation named once, and no longer does.
    pub(super) async fn dropped(&mut self, names: &[String]) -> Vec<AudienceRun> {
        let gone: Vec<String> = self.sent.keys().filter(|name| !names.contains(name)).cloned().collect();
        let mut rows = Vec::new();
        for name in gone {
            let Some(reference) = self.sent.get(&name).cloned() else { continue };
            let is_new = !reference.dropped;
            let (mut row, done) = self.without(&name, reference).await;
            if let Err(error) = done {
                (row.action, row.reason, row.message) = (Action::Failed, error.kind().to_owned(), error.to_string());
            }
            if is_new || row.action != Action::Dropped || !row.reason.is_empty() {
                rows.push(row);
            }
        }
        rows
    }

    async fn without(&mut self, name: &str, reference: Reference) -> (AudienceRun, Result<(), OneError>) {
        let mut row = AudienceRun { audience: name.to_owned(), ..AudienceRun::default() };
        let done = match self.rules.on_delete {
            OnDelete::Remove => self.forget(name, &reference).await,
            OnDelete::Keep => self.keep(name, Reference { dropped: true, ..reference }, &mut row).await,
        };
        row.action = Action::Dropped;
        row.message = "the activation no longer names it".to_owned();
        (row, done)
    }

    async fn forget(&mut self, name: &str, reference: &Reference) -> Result<(), OneError> {
        self.take_away(reference).await?;
        if !self.job.dry_run {
            reference::forget(&self.job.store, &self.job.activation.name, name).await?;
        }
        self.sent.remove(name);
        Ok(())
    }

    async fn keep(&mut self, name: &str, reference: Reference, row: &mut AudienceRun) -> Result<(), OneError> {
        self.remember(name, reference.clone()).await?;
        let reference = self.without_those_of_others(reference);
        if let Some(cleaned) = self.cleaned(reference, row).await? {
            self.remember(name, cleaned).await?;
        }
        Ok(())
    }

    /// What is left there by activations that are gone, or that send elsewhere now.
    pub(super) async fn left(&mut self) -> Vec<AudienceRun> {
        let mut rows = Vec::new();
        for (owner, audience, reference) in std::mem::take(&mut self.left) {
            let mut row =
                AudienceRun { audience: audience.lines().next().unwrap_or_default().into(), ..Default::default() };
            let reference = self.without_those_of_others(reference);
            let done = match self.cleaned(reference, &mut row).await {
                Ok(Some(cleaned)) if !self.job.dry_run => self.note_left(&owner, &audience, &cleaned).await,
                done => done.map(drop),
            };
            let is_sent = row.action == Action::Sent;
            row.message = format!("left behind by activation `{owner}`");
            row.action = Action::Dropped;
            if let Err(error) = &done {
                (row.action, row.reason) = (Action::Failed, error.kind().to_owned());
                row.message = format!("{}: {error}", row.message);
            }
            if is_sent || done.is_err() {
                rows.push(row);
            }
        }
        rows
    }

    async fn note_left(&self, owner: &str, audience: &str, cleaned: &Reference) -> Result<(), OneError> {
        match cleaned.files().is_empty() {
            true => Ok(reference::forget(&self.job.store, owner, audience).await?),
            false => Ok(reference::save(&self.job.store, owner, audience, cleaned).await?),
        }
    }

    /// Files that somebody writes who is named are his, and what they were parts of is no whole any more.
    fn without_those_of_others(&self, mut reference: Reference) -> Reference {
        let named = self.sent.values().filter(|its| !its.dropped && its.place == reference.place);
        let others: Vec<_> = named.flat_map(Reference::files).chain(self.taken.clone()).collect();
        let is_others =
            |file: &str| others.iter().any(|other| other.is_like(&super::destination::TargetPath::kept(file)));
        if reference.files().iter().any(|file| is_others(file.name())) {
            let own = reference.files().into_iter().map(|file| file.name().to_owned());
            reference.begun = own.filter(|file| !is_others(file)).collect();
            reference.parts.clear();
        }
        reference
    }

    /// Takes the files away, and what putting them left.
    pub(super) async fn take_away(&self, reference: &Reference) -> Result<(), OneError> {
        if self.job.dry_run || reference.place != self.place {
            return Ok(());
        }
        for file in reference.files() {
            self.destination.remove(&file).await?;
        }
        Ok(())
    }
}
