//! One audience of a run: read, compared, sent or left.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::content::{Fresh, Written};
use super::error::OneError;
use super::planner::{self, Cause, Previous, Step, Verdict};
use super::reference::Reference;
use super::runner::{Case, Runner};
use super::source::{Changes, Listed};
use super::summary::{Action, AudienceRun};

/// What was read of an audience.
struct Read {
    /// None when nothing changed.
    fresh: Option<Fresh>,
    version: Option<String>,
    whole: bool,
    unresolved: BTreeMap<String, u64>,
}

/// The changes of all audiences, none when memberships are read instead; or why there are none.
type Known = Result<Option<Changes>, String>;

impl Runner<'_> {
    /// What becomes of one audience; none when the run is to stop. An error is its own: the others go on.
    pub(super) async fn one(&mut self, case: Case, changes: &Known) -> Option<AudienceRun> {
        let mut row = AudienceRun { audience: case.name.clone(), ..AudienceRun::default() };
        if let Some(reference) = self.sent.get(&case.name) {
            row.matched_before = Some(reference.matched);
        }
        let done = match &case.step {
            Step::ReadAll | Step::ReadChanges | Step::ReadNothing => self.read_and_send(&case, changes, &mut row).await,
            Step::Keep => Err(None),
            Step::Ambiguous => Err(Some(OneError::Ambiguous)),
            Step::NotFound => {
                say(&mut row, Action::NotFound, "not_found", "the source has no audience of this name or id");
                Ok(())
            }
            Step::Absent(times) => self.absent(&case, *times, &mut row).await.map_err(Some),
            Step::Deleted { remove } => self.deleted(&case, *remove, &mut row).await.map_err(Some),
        };
        if let Err(error) = done {
            if matches!(error, Some(OneError::Stopped)) {
                return None;
            }
            let (kind, message) = match &error {
                Some(error) => (error.kind(), error.to_string()),
                None => ("source", "the source cannot be listed: what was sent stays".to_owned()),
            };
            self.keep_valid(&case, &mut row).await;
            say(&mut row, Action::Failed, kind, &message);
        }
        self.describe(&case.name, &mut row);
        Some(row)
    }

    async fn read_and_send(
        &mut self,
        case: &Case,
        changes: &Known,
        row: &mut AudienceRun,
    ) -> Result<(), Option<OneError>> {
        let Some(listed) = &case.listed else { return Err(None) };
        let read = self.read(case, listed, changes).await.map_err(Some)?;
        row.unresolved.clone_from(&read.unresolved);
        let again = case.previous.as_ref().and_then(|previous| planner::again(previous, &self.rules, self.now));
        let is_counted = self.sent.get(&case.name).is_some_and(|reference| reference.counted == self.knowledge);
        if read.fresh.is_none() && again.is_none() && is_counted {
            self.note_unchanged(case, listed, read.version, None).await.map_err(Some)?;
            say(row, Action::Unchanged, "", "");
            return Ok(());
        }
        self.compare_and_send(case, listed, read, row).await.map_err(Some)
    }

    /// Who is in it now.
    async fn read(&mut self, case: &Case, listed: &Listed, changes: &Known) -> Result<Read, OneError> {
        let nothing = |version| Read { fresh: None, version, whole: false, unresolved: BTreeMap::new() };
        if case.step == Step::ReadNothing {
            return Ok(nothing(case.previous.as_ref().and_then(|previous| previous.version.clone())));
        }
        if let (Step::ReadChanges, Ok(Some(changes))) = (&case.step, changes) {
            let Some(delta) = changes.by_audience.get(&listed.id) else {
                return Ok(nothing(Some(changes.version.clone())));
            };
            let base = match self.sent.get(&case.name) {
                Some(reference) => self.base(reference).await?,
                None => None,
            };
            if let Some(base) = base {
                let (fresh, version) = (Some(Fresh::Changed(base, delta.clone())), Some(changes.version.clone()));
                return Ok(Read { fresh, version, whole: false, unresolved: BTreeMap::new() });
            }
        }
        let (people, beside) = (self.people().await?, self.job.store.folder());
        let reading = self.job.source.members(listed, self.job.activation.identifier, &people, &beside);
        let read = self.stop.run_until_cancelled(reading).await.ok_or(OneError::Stopped)??;
        Ok(Read {
            fresh: Some(Fresh::Whole(read.members)),
            version: Some(read.version),
            whole: true,
            unresolved: read.unresolved,
        })
    }

    async fn compare_and_send(
        &mut self,
        case: &Case,
        listed: &Listed,
        read: Read,
        row: &mut AudienceRun,
    ) -> Result<(), OneError> {
        let old = self.sent.get(&case.name).cloned();
        let base = match &old {
            Some(reference) if case.previous.as_ref().is_some_and(|previous| previous.intact) => {
                self.base(reference).await?
            }
            _ => None,
        };
        // Sizes agreed and bytes do not: somebody else wrote there. And without a file there is nothing to compare with.
        let was_sent = old.as_ref().is_some_and(|old| !old.parts.is_empty());
        let previous = case.previous.clone().map(|it| Previous { intact: it.intact && base.is_some(), ..it });
        let previous = previous.filter(|_| was_sent);
        let nothing_new = read.fresh.is_none();
        let fresh = match (read.fresh, &base) {
            (Some(fresh), _) => fresh,
            (None, Some(base)) => Fresh::Changed(base.clone(), Arc::default()),
            // There is nothing to make it from but the source.
            (None, None) => {
                let whole = Case { step: Step::ReadAll, previous: previous.clone(), ..clone_of(case) };
                let read = self.read(&whole, listed, &Ok(None)).await?;
                return Box::pin(self.compare_and_send(&whole, listed, read, row)).await;
            }
        };
        let has_base = base.is_some();
        let (people, form) = (self.people().await?, self.form.clone());
        let parts = old.as_ref().map_or(1, |old| old.files().len());
        let written = self.write(fresh, base, form, people, parts).await?;
        let changed = !old.as_ref().is_some_and(|old| is_same(old, &written));
        (row.erased, row.members, row.matched) = (written.erased, written.members, written.matched);
        if has_base || !was_sent {
            (row.added, row.removed) = (Some(written.added), Some(written.removed));
        }
        let members = written.members + written.erased;
        match planner::decide(previous.as_ref(), members, changed, &self.rules, self.now) {
            Verdict::Unchanged | Verdict::Send(Cause::Erased) => {
                self.note_unchanged(case, listed, read.version, Some(written.matched)).await?;
                say(row, Action::Unchanged, "", "");
            }
            Verdict::Hold => self.hold(case, members, row).await?,
            Verdict::Send(cause) => {
                // What differs although the source says nothing new are those who were left out.
                let cause = if nothing_new && cause == Cause::Changed { Cause::Erased } else { cause };
                let mut reference = self.sent_here(&case.name, old).await?;
                self.note_source(&mut reference, listed, read.version);
                if read.whole {
                    reference.whole = self.now.millis();
                    reference.unresolved = read.unresolved.values().sum();
                }
                let title = if case.name == listed.id { &listed.name } else { &case.name };
                reference.title.clone_from(title);
                (reference.shape, reference.held) = (Some(self.shape.clone()), None);
                self.send(&case.name, reference, &written, cause, row).await?;
            }
        }
        Ok(())
    }

    /// Nothing is sent; where the source is now is remembered.
    async fn note_unchanged(
        &mut self,
        case: &Case,
        listed: &Listed,
        version: Option<String>,
        matched: Option<u64>,
    ) -> Result<(), OneError> {
        let Some(mut reference) = self.sent.get(&case.name).cloned() else { return Ok(()) };
        let version = version.or(reference.version.take());
        self.note_source(&mut reference, listed, version);
        reference.held = None;
        reference.revision.clone_from(&self.revision);
        if let Some(matched) = matched {
            (reference.matched, reference.counted) = (matched, self.knowledge.clone());
        }
        if case.step == Step::ReadAll {
            reference.whole = self.now.millis();
        }
        Ok(self.remember(&case.name, reference).await?)
    }

    fn note_source(&self, reference: &mut Reference, listed: &Listed, version: Option<String>) {
        (reference.id, reference.source) = (listed.id.clone(), self.source.clone());
        reference.version = version;
    }

    /// What was sent stays, and so does the version that it was made from: the next run looks again.
    async fn hold(&mut self, case: &Case, members: u64, row: &mut AudienceRun) -> Result<(), OneError> {
        let Some(mut reference) = self.sent.get(&case.name).cloned() else { return Ok(()) };
        let before = reference.members;
        reference.held = Some(members);
        self.remember(&case.name, reference).await?;
        self.keep_valid(case, row).await;
        let message = format!(
            "it would shrink from {before} members to {members}, more than max_shrink allows: what was sent stays; \
             to send it all the same, run with --accept-shrink"
        );
        say(row, Action::Held, "max_shrink", &message);
        Ok(())
    }

    async fn absent(&mut self, case: &Case, times: u32, row: &mut AudienceRun) -> Result<(), OneError> {
        if let Some(mut reference) = self.sent.get(&case.name).cloned() {
            reference.absent = times;
            self.remember(&case.name, reference).await?;
        }
        self.take_out_erased(case, row).await?;
        say(
            row,
            Action::Absent,
            "absent",
            "the source does not list it: not sent; deleted when the next list lacks it, too",
        );
        Ok(())
    }

    async fn deleted(&mut self, case: &Case, remove: bool, row: &mut AudienceRun) -> Result<(), OneError> {
        if remove {
            if let Some(reference) = self.sent.get(&case.name).cloned() {
                self.take_away(&reference).await?;
                let reference = Reference { deleted: true, ..reference.without_files() };
                self.remember(&case.name, reference).await?;
            }
            say(row, Action::Deleted, "removed", "deleted at the source: not sent, and its file is removed");
            return Ok(());
        }
        if let Some(mut reference) = self.sent.get(&case.name).cloned() {
            reference.deleted = true;
            self.remember(&case.name, reference).await?;
        }
        self.take_out_erased(case, row).await?;
        say(row, Action::Deleted, "kept", "deleted at the source: not sent; its file stays, and expires in Actito");
        Ok(())
    }

    /// People who are not to be known are in no file, not even in one that is not sent any more.
    async fn take_out_erased(&mut self, case: &Case, row: &mut AudienceRun) -> Result<(), OneError> {
        match &case.previous {
            Some(previous) if previous.erased => self.send_again(&case.name, row).await,
            _ => Ok(()),
        }
    }

    /// Sends what was sent once more where its validity asks for it, because nothing newer can be had.
    async fn keep_valid(&mut self, case: &Case, row: &mut AudienceRun) {
        let again = case.previous.as_ref().and_then(|previous| planner::again(previous, &self.rules, self.now));
        if again.is_some()
            && let Err(error) = self.send_again(&case.name, row).await
        {
            tracing::warn!(audience = case.name, kind = error.kind(), %error, "what was sent is not sent again");
        }
    }

    /// What stands there now.
    fn describe(&self, name: &str, row: &mut AudienceRun) {
        if let Some(reference) = self.sent.get(name) {
            (row.members, row.matched) = (reference.members, reference.matched);
            row.files = reference.parts.iter().map(|part| part.file.clone()).collect();
        }
    }
}

/// Whether what would be sent is what was sent.
pub(super) fn is_same(old: &Reference, written: &Written) -> bool {
    let hashes = old.parts.iter().map(|part| &part.hash);
    hashes.eq(written.drafts.iter().map(|draft| &Arc::as_ref(draft).hash))
}

fn clone_of(case: &Case) -> Case {
    Case {
        name: case.name.clone(),
        listed: case.listed.clone(),
        previous: case.previous.clone(),
        step: case.step.clone(),
    }
}

pub(super) fn say(row: &mut AudienceRun, action: Action, reason: &str, message: &str) {
    (row.action, row.reason, row.message) = (action, reason.to_owned(), message.to_owned());
}
