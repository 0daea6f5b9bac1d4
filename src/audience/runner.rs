//! Does what `planner` says, audience by audience.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::AudienceError;
use super::content::{Base, Form};
use super::destination::{Destination, TargetPath, Unfinished};
use super::error::OneError;
use super::people::{self, Matcher};
use super::planner::{self, Listed as Sight, Previous, Rules, Step};
use super::reference::{self, Reference, Shape, Whose};
use super::run::{Job, Progress};
use super::source::{Changes, Listed, SourceError, is_older};
use super::summary::{AudienceRun, Summary};
use crate::clock::{self, Timestamp};
use crate::config::PersonIdentifier;
use crate::store::{StoreError, audiences as rows};

/// A run under way.
pub(super) struct Runner<'a> {
    pub(super) job: &'a Job,
    pub(super) destination: Destination,
    pub(super) rules: Rules,
    pub(super) form: Form,
    /// Where audiences come from and where files go, as [`Reference`] remembers it.
    pub(super) source: String,
    pub(super) place: String,
    pub(super) shape: Shape,
    pub(super) now: Timestamp,
    /// What was sent, by audience.
    pub(super) sent: BTreeMap<String, Reference>,
    /// What stands there and no activation names any more, by activation and audience.
    pub(super) left: Vec<(String, String, Reference)>,
    /// Files that others write there.
    pub(super) taken: Vec<TargetPath>,
    pub(super) revision: String,
    /// What syncs know of profiles, in a word: [`Reference::counted`].
    pub(super) knowledge: String,
    matchers: Vec<(PersonIdentifier, String, Arc<Matcher>)>,
    pub(super) bytes_sent: u64,
    /// Looked at before anything that takes long; what is being sent is sent.
    pub(super) stop: CancellationToken,
}

/// One audience of the activation, before anything is done.
pub(super) struct Case {
    pub(super) name: String,
    /// What the source has under this name.
    pub(super) listed: Option<Listed>,
    pub(super) previous: Option<Previous>,
    pub(super) step: Step,
}

impl<'a> Runner<'a> {
    /// Looks up what was sent before.
    pub(super) async fn begin(
        job: &'a Job,
        destination: Destination,
        stop: &CancellationToken,
    ) -> Result<Self, AudienceError> {
        let activation = &*job.activation;
        let file = &activation.file;
        let place = reference::place(activation);
        let shape = Shape {
            integration: activation.integration.clone(),
            identifier: activation.identifier,
            separator: file.separator,
            header: job.header.clone(),
        };
        let (mut sent, mut left, mut taken) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (owner, audience, reference) in reference::load(&job.store, None).await? {
            match reference::whose(&owner, &audience, &reference, activation, &job.known) {
                Whose::Own => drop(sent.insert(audience, reference)),
                Whose::Left => left.push((owner, audience, reference)),
                Whose::Others => taken.extend(reference.files()),
                Whose::Elsewhere => {}
            }
        }
        let integration = activation.integration.clone();
        let knowledge = job.store.read(move |db| rows::knowledge(db, &integration)).await?;
        Ok(Self {
            job,
            destination,
            rules: Rules {
                validity: activation.validity,
                max_shrink: activation.max_shrink,
                on_delete: activation.on_delete,
                accept_shrink: job.accept_shrink,
            },
            form: Form {
                header: job.header.clone(),
                separator: file.separator,
                max_size: file.max_size,
                too_large: file.too_large,
            },
            source: activation.source.to_string(),
            place,
            shape,
            now: clock::now(),
            sent,
            left,
            taken,
            revision: people::revision(&job.people, activation.identifier, &activation.integration, &job.store).await?,
            knowledge,
            matchers: Vec::new(),
            bytes_sent: 0,
            stop: stop.clone(),
        })
    }

    /// Everything; with what went wrong as a whole.
    pub(super) async fn all(mut self) -> (Summary, Option<AudienceError>) {
        let mut summary = Summary::default();
        let stop = self.stop.clone();
        let error = match stop.run_until_cancelled(self.job.source.list()).await {
            None => None,
            Some(list) => self.each(list, &mut summary.audiences).await,
        };
        summary.bytes_sent = self.bytes_sent;
        (summary, error)
    }

    async fn each(
        &mut self,
        list: Result<Vec<Listed>, SourceError>,
        done: &mut Vec<AudienceRun>,
    ) -> Option<AudienceError> {
        let names = self.job.activation.audiences.clone();
        let mut cases = Vec::new();
        for name in &names {
            match self.case(name, list.as_deref().ok()).await {
                Ok(case) => cases.push(case),
                Err(error) => return Some(error.into()),
            }
        }
        let changes = match self.changes(&cases).await {
            Ok(changes) => changes,
            Err(error) => return Some(error),
        };
        for (at, case) in cases.into_iter().enumerate() {
            if self.stop.is_cancelled() {
                return None;
            }
            self.show(at, &case.name);
            done.push(self.one(case, &changes).await?);
        }
        done.extend(self.dropped(&names).await);
        done.extend(self.left().await);
        self.show(names.len(), "");
        list.err().map(AudienceError::from)
    }

    /// What there is to do about an audience.
    async fn case(&mut self, name: &str, list: Option<&[Listed]>) -> Result<Case, StoreError> {
        let mut found = list.unwrap_or_default().iter().filter(|it| it.name == name || it.id == name);
        let (first, second) = (found.next().cloned(), found.next());
        let sight = match (&first, second) {
            _ if list.is_none() => Sight::Unknown,
            (None, _) => Sight::Never,
            (Some(one), None) => Sight::Once(one.version.clone()),
            (Some(_), Some(_)) => Sight::Several,
        };
        let mut previous = None;
        if let Some(mut reference) = self.sent.get(name).cloned() {
            // Whatever becomes of it now: the lists that lacked it were not in a row with the next one that does.
            if first.is_some() && reference.absent > 0 || reference.dropped {
                (reference.absent, reference.deleted, reference.dropped) = (0, false, false);
                self.remember(name, reference.clone()).await?;
            }
            let revision = self.revision_of(&reference).await?;
            let mut was = reference.previous(self.is_intact(&reference, &revision).await, &revision);
            // What changed in another one of this name, or at another source, says nothing about this one.
            let is_same = first.as_ref().is_none_or(|it| it.id == reference.id) && self.source == reference.source;
            was.version = was.version.filter(|_| is_same);
            previous = Some(was);
        }
        let step = planner::look(&sight, previous.as_ref(), &self.rules, self.now);
        Ok(Case { name: name.to_owned(), listed: first, previous, step })
    }

    /// Whether the files are there, at their size, and as they would be written today; and nothing half done beside.
    async fn is_intact(&self, reference: &Reference, revision: &str) -> bool {
        if reference.place != self.place {
            return false;
        }
        let which = if reference.revision == revision { Unfinished::Old } else { Unfinished::All };
        for file in reference.files().iter().filter(|_| !self.job.dry_run) {
            // What cannot be tidied cannot be written either, and that will say so.
            let _ = self.destination.tidy(file, which).await;
        }
        let is_whole = reference.begun.is_empty() && !reference.parts.is_empty();
        let mut intact = is_whole && reference.shape.as_ref() == Some(&self.shape);
        for part in &reference.parts {
            let found = self.destination.stat(&part.path()).await;
            intact &= matches!(found, Ok(Some(found)) if found.bytes == part.bytes);
        }
        intact
    }

    /// What changed since the oldest version of those that want changes: one question for all of them.
    async fn changes(&mut self, cases: &[Case]) -> Result<Result<Option<Changes>, String>, AudienceError> {
        let wanting = cases.iter().filter(|case| case.step == Step::ReadChanges);
        let versions = wanting.filter_map(|case| case.previous.as_ref()?.version.as_deref());
        let oldest = versions.reduce(|one, other| if is_older(other, one) { other } else { one });
        let Some(oldest) = oldest else { return Ok(Ok(None)) };
        let people = self.people().await?;
        let changes = self.job.source.changes(oldest, self.job.activation.identifier, &people);
        let Some(changes) = self.stop.run_until_cancelled(changes).await else { return Ok(Ok(None)) };
        // Without changes there are still memberships.
        Ok(changes.map_err(|error| {
            tracing::warn!(kind = error.kind(), %error, "changes cannot be had: memberships are read as a whole");
            error.kind().to_owned()
        }))
    }

    /// What is known of people; loaded once, when it is needed.
    pub(super) async fn people(&mut self) -> Result<Arc<Matcher>, StoreError> {
        self.people_of(&self.shape.clone()).await
    }

    /// The same for those whose identifiers have this shape.
    pub(super) async fn people_of(&mut self, shape: &Shape) -> Result<Arc<Matcher>, StoreError> {
        let (identifier, integration) = (shape.identifier, &shape.integration);
        let known = self.matchers.iter().find(|(its, of, _)| *its == identifier && of == integration);
        if let Some((.., matcher)) = known {
            return Ok(matcher.clone());
        }
        let loaded = Arc::new(Matcher::load(&self.job.people, identifier, integration, &self.job.store).await?);
        self.matchers.push((identifier, integration.clone(), loaded.clone()));
        Ok(loaded)
    }

    /// What is known now of people who are not to be known, as far as these files are concerned.
    pub(super) async fn revision_of(&self, reference: &Reference) -> Result<String, StoreError> {
        match &reference.shape {
            Some(it) if (it.identifier, &it.integration) != (self.shape.identifier, &self.shape.integration) => {
                people::revision(&self.job.people, it.identifier, &it.integration, &self.job.store).await
            }
            _ => Ok(self.revision.clone()),
        }
    }

    /// The files that were sent, if they are still those.
    pub(super) async fn base(&self, reference: &Reference) -> Result<Option<Base>, OneError> {
        let Some(separator) = reference.shape.as_ref().map(|shape| shape.separator) else { return Ok(None) };
        if reference.place != self.place || reference.parts.is_empty() {
            return Ok(None);
        }
        let mut files = Vec::new();
        for part in &reference.parts {
            match self.destination.fetch(&part.path()).await? {
                Some(file) => files.push((file, part.hash.clone())),
                None => return Ok(None),
            }
        }
        let verify = move || {
            Base::verified(
                files
                    .iter()
                    .map(|(file, hash)| Ok((file.try_clone()?, hash.as_str())))
                    .collect::<std::io::Result<_>>()?,
                separator,
            )
        };
        Ok(tokio::task::spawn_blocking(verify).await.map_err(std::io::Error::other)??)
    }

    /// A dry run remembers nothing.
    pub(super) async fn remember(&mut self, name: &str, reference: Reference) -> Result<(), StoreError> {
        if !self.job.dry_run {
            reference::save(&self.job.store, &self.job.activation.name, name, &reference).await?;
        }
        self.sent.insert(name.to_owned(), reference);
        Ok(())
    }

    fn show(&self, done: usize, audience: &str) {
        if let Some(progress) = &self.job.progress {
            let total = self.job.activation.audiences.len() as u64;
            progress.send_replace(Progress { done: done as u64, total, audience: audience.to_owned() });
        }
    }
}
