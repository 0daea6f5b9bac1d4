//! Replaces the files of an audience, and remembers that: from what was read, or from what stands there.

use std::sync::Arc;

use super::content::{Base, Form, Fresh, Written};
use super::destination::{TargetPath, Unfinished};
use super::error::OneError;
use super::one::{is_same, say};
use super::people::Matcher;
use super::planner::Cause;
use super::reference::{self, Part, Reference};
use super::runner::Runner;
use super::schedule;
use super::summary::{Action, AudienceRun};
use crate::clock::Timestamp;
use crate::config::TooLarge;

impl Runner<'_> {
    pub(super) async fn write(
        &self,
        fresh: Fresh,
        base: Option<Base>,
        form: Form,
        people: Arc<Matcher>,
        parts: usize,
    ) -> Result<Written, OneError> {
        let beside = self.job.store.folder();
        let write = move || fresh.write(base.as_ref(), &form, &people, &beside, parts);
        Ok(tokio::task::spawn_blocking(write).await.map_err(std::io::Error::other)??)
    }

    /// What was sent to where this run sends; what was sent elsewhere stays remembered by itself.
    pub(super) async fn sent_here(&self, name: &str, old: Option<Reference>) -> Result<Reference, OneError> {
        match old {
            Some(old) if old.place == self.place => Ok(old),
            Some(old) if !old.files().is_empty() && !self.job.dry_run => {
                let left = reference::moved(name, &old.place);
                reference::save(&self.job.store, &self.job.activation.name, &left, &old).await?;
                Ok(Reference::default())
            }
            _ => Ok(Reference::default()),
        }
    }

    /// Replaces the files, then remembers that.
    pub(super) async fn send(
        &mut self,
        name: &str,
        mut reference: Reference,
        written: &Written,
        cause: Cause,
        row: &mut AudienceRun,
    ) -> Result<(), OneError> {
        let (paths, kept) = (self.paths(name, &reference, written.drafts.len()), reference.parts.len());
        let paths = paths.map_err(|error| *error)?;
        reference.place.clone_from(&self.place);
        reference.begun.retain(|file| !paths.iter().any(|path| path.name() == file));
        reference.begun.extend(paths.iter().skip(kept).map(|path| path.name().to_owned()));
        if !reference.begun.is_empty() {
            // If this run ends before it is done, the next one must know what it finds.
            self.remember(name, reference.clone()).await?;
        }
        let all = self.is_due(&reference) || matches!(cause, Cause::New | Cause::Repaired);
        let is_there =
            |at: usize| !all && reference.parts.get(at).is_some_and(|part| part.hash == written.drafts[at].hash);
        // New files first: who moves into one of them is in two files for a while, never in none.
        for at in (kept..paths.len()).chain(0..kept.min(paths.len())).filter(|at| !is_there(*at)) {
            if !self.job.dry_run {
                self.destination.put(&paths[at], &written.drafts[at]).await?;
            }
            row.bytes += written.drafts[at].bytes;
        }
        // Of several parts the oldest one counts.
        if (0..paths.len()).all(|at| !is_there(at)) {
            reference.sent = self.now.millis();
        }
        let parts = paths.iter().zip(&written.drafts).map(|(path, draft)| Part::of(path, draft));
        (reference.parts, reference.begun) = (parts.collect(), Vec::new());
        (reference.members, reference.matched) = (written.members, written.matched);
        if let Some(shape) = reference.shape.clone() {
            reference.revision.clone_from(&self.people_of(&shape).await?.revision);
        }
        reference.counted.clone_from(&self.knowledge);
        self.remember(name, reference).await?;
        self.bytes_sent += if self.job.dry_run { 0 } else { row.bytes };
        say(row, Action::Sent, cause.as_str(), "");
        Ok(())
    }

    /// Where so many files of an audience go. A file keeps its name for as long as it is written there.
    fn paths(&self, name: &str, reference: &Reference, count: usize) -> Result<Vec<TargetPath>, Box<OneError>> {
        let kept = reference.parts.iter().map(Part::path);
        let title = &reference.title;
        if count > reference.parts.len() && !TargetPath::can_be_of(title) {
            return Err(Box::new(OneError::Name(title.clone())));
        }
        let more = (reference.parts.len()..count).map(|at| TargetPath::of(title, at));
        let paths: Vec<TargetPath> = kept.chain(more).take(count).collect();
        let others = self.sent.iter().filter(|(other, its)| *other != name && its.place == self.place);
        let taken: Vec<TargetPath> =
            others.filter(|(_, its)| !its.dropped).flat_map(|(_, its)| its.files()).chain(self.taken.clone()).collect();
        match paths.iter().find(|path| taken.iter().any(|other| other.is_like(path))) {
            Some(path) => Err(Box::new(OneError::FileTaken(path.name().to_owned()))),
            None => Ok(paths),
        }
    }

    /// Sends what was sent once more, if it is due, or else only without those who are not to be known. In the shape
    /// that it has.
    pub(super) async fn send_again(&mut self, name: &str, row: &mut AudienceRun) -> Result<(), OneError> {
        let Some(old) = self.sent.get(name).cloned() else { return Ok(()) };
        if self.is_due(&old)
            && old.begun.is_empty()
            && let Some(base) = self.base(&old).await?
        {
            let written = self.write_again(&old, base).await?;
            row.erased = written.erased;
            return self.send(name, old, &written, Cause::Due, row).await;
        }
        match self.cleaned(old, row).await? {
            Some(cleaned) => Ok(self.remember(name, cleaned).await?),
            None => Ok(()),
        }
    }

    /// Takes out of files who is not to be known; what is to be remembered of them then, if that is something new.
    pub(super) async fn cleaned(
        &mut self,
        mut reference: Reference,
        row: &mut AudienceRun,
    ) -> Result<Option<Reference>, OneError> {
        let Some(shape) = reference.shape.clone().filter(|_| reference.place == self.place) else { return Ok(None) };
        let revision = self.people_of(&shape).await?.revision.clone();
        if reference.revision == revision {
            return Ok(None);
        }
        for file in reference.files().iter().filter(|_| !self.job.dry_run) {
            self.destination.tidy(file, Unfinished::All).await?;
        }
        match self.base(&reference).await? {
            Some(base) if reference.begun.is_empty() => {
                let written = self.write_again(&reference, base).await?;
                row.erased = written.erased;
                if !is_same(&reference, &written) {
                    self.send_parts(&mut reference, &written, row).await?;
                }
            }
            // Others changed them, or they are of a later run than the database: who is in them, nobody knows.
            _ => {
                self.take_away(&reference).await?;
                reference = reference.without_files();
            }
        }
        Ok(Some(Reference { revision, ..reference }))
    }

    async fn send_parts(
        &mut self,
        reference: &mut Reference,
        written: &Written,
        row: &mut AudienceRun,
    ) -> Result<(), OneError> {
        for (part, draft) in reference.parts.iter_mut().zip(&written.drafts).filter(|(part, it)| part.hash != it.hash) {
            if !self.job.dry_run {
                self.destination.put(&part.path(), draft).await?;
                self.bytes_sent += draft.bytes;
            }
            row.bytes += draft.bytes;
            *part = Part::of(&part.path(), draft);
        }
        (reference.members, reference.matched) = (written.members, written.matched);
        say(row, Action::Sent, Cause::Erased.as_str(), "");
        Ok(())
    }

    /// Who stands there, and may.
    async fn write_again(&mut self, reference: &Reference, base: Base) -> Result<Written, OneError> {
        let shape = reference.shape.clone().unwrap_or_else(|| self.shape.clone());
        let people = self.people_of(&shape).await?;
        // They fitted, whatever is allowed today.
        let form =
            Form { header: shape.header, separator: shape.separator, max_size: u64::MAX, too_large: TooLarge::Refuse };
        self.write(Fresh::Changed(base.clone(), Arc::default()), Some(base), form, people, reference.parts.len()).await
    }

    /// Whether half of its validity has passed. What the list lacks need not be valid.
    fn is_due(&self, reference: &Reference) -> bool {
        let sent = Timestamp::from_millis(reference.sent);
        reference.absent == 0 && schedule::refresh(sent, self.rules.validity, self.now) <= self.now
    }
}
