//! A folder of a file server, by SFTP or FTPS.
//!
//! A put is: write a file of another name, which says what it will hold; see that all of it arrived; rename it over
//! the old one. A put that was cut off is gone on from, by the same run or the next one, for as long as the same bytes
//! are to be sent; else it begins again. One connection is kept for all files of a run, and made again when it was
//! lost. A server that refuses us is asked once a run: more often looks like an attack.

mod error;
mod ftps;
mod session;
mod sftp;
mod tls;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

pub(in crate::audience) use self::error::RemoteError;
use self::session::Session;
use super::{Stat, TargetPath, Unfinished};
use crate::audience::content::Draft;
use crate::audience::room;
use crate::clock;
use crate::config::FileServer;

/// How often something is tried whose connection was lost: once more, because servers close idle connections.
const ATTEMPTS: usize = 2;

/// How long a server that could not be reached is not tried again: a run of many audiences must not wait for each.
const HOLD_OFF: Duration = Duration::from_secs(60);

/// Unfinished files that are older go: what is to be sent has changed since, and servers' clocks differ by hours.
/// So do those of which a server does not say how old they are.
const KEEP_UNFINISHED: Duration = Duration::from_secs(24 * 3600);

/// How much of the hash is in the name of an unfinished file: 2⁻⁶⁴ that two contents have the same.
const HASH_IN_NAME: usize = 16;

/// In the name of an old file that steps aside for the new one, where the hash would be.
const ASIDE: &str = "old";

/// A folder of a file server.
#[derive(Debug)]
pub(in crate::audience) struct Remote {
    server: FileServer,
    /// Where files that are fetched are kept, without a name.
    beside: PathBuf,
    /// One operation at a time: whoever has the lock writes.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Session>,
    /// Names of unfinished files that were there when it was looked last.
    unfinished: Option<Vec<Found>>,
    /// Why there is no connection, and until when none is tried; for good without a time.
    failed: Option<(RemoteError, Option<Instant>)>,
}

/// A file of the folder.
#[derive(Clone, Debug)]
struct Found {
    name: String,
    /// Seconds since the Unix epoch by the server's clock, where it says so.
    modified: Option<u64>,
}

/// Does something with the connection that there is, or a new one; again when it was lost meanwhile.
macro_rules! attempts {
    ($remote:expr, $state:ident => $work:expr) => {{
        let (mut held, mut attempt) = ($remote.state.lock().await, 0);
        loop {
            let $state = &mut *held;
            attempt += 1;
            let result = async {
                $state.connect(&$remote.server).await?;
                $work
            };
            let result = result.await;
            if held.is_over(&result, attempt) {
                break result;
            }
        }
    }};
}

impl Remote {
    pub(super) fn new(server: &FileServer, beside: &Path) -> Self {
        Self { server: server.clone(), beside: beside.to_owned(), state: Mutex::default() }
    }

    pub(super) fn server(&self) -> &FileServer {
        &self.server
    }

    pub(super) async fn stat(&self, path: &TargetPath) -> Result<Option<Stat>, RemoteError> {
        let path = self.path(path.name());
        let found = attempts!(self, state => state.session()?.size(&path).await)?;
        Ok(found.map(|bytes| Stat { bytes }))
    }

    pub(super) async fn fetch(&self, path: &TargetPath) -> Result<Option<File>, RemoteError> {
        let path = self.path(path.name());
        let fetched = attempts!(self, state => {
            // No file of a target is so large that it takes what is left alone.
            room::check(&self.beside)?;
            let into = Arc::new(tempfile::tempfile_in(&self.beside)?);
            let is_there = state.session()?.read(&path, &into).await?;
            Ok(is_there.then_some(into))
        })?;
        // Writing did not move where it is read from.
        fetched.map(|file| Ok(file.try_clone()?)).transpose()
    }

    pub(super) async fn put(&self, path: &TargetPath, draft: &Arc<Draft>) -> Result<(), RemoteError> {
        attempts!(self, state => self.put_once(state, path, draft).await)
    }

    pub(super) async fn remove(&self, path: &TargetPath) -> Result<(), RemoteError> {
        attempts!(self, state => {
            self.clear(state, |it| path.is_unfinished(&it.name)).await?;
            state.session()?.remove(&self.path(path.name())).await
        })
    }

    /// What was cut off today stays unless all are to go: the next put goes on from it.
    pub(super) async fn tidy(&self, path: &TargetPath, which: Unfinished) -> Result<(), RemoteError> {
        let now = clock::now().secs();
        let is_old = |it: &Found| it.modified.is_none_or(|at| now.abs_diff(at) > KEEP_UNFINISHED.as_secs());
        attempts!(self, state => {
            self.settle(state, path).await?;
            self.clear(state, |it| path.is_unfinished(&it.name) && (which == Unfinished::All || is_old(it))).await
        })
    }

    /// Connects, logs in, and lists the folder; how many files it has. Writes nothing.
    pub(super) async fn look(&self) -> Result<usize, RemoteError> {
        let directory = if self.server.directory.is_empty() { "." } else { self.server.directory.as_str() };
        attempts!(self, state => {
            if state.session()?.list(directory).await?.is_none() {
                return Err(RemoteError::NoFolder(directory.to_owned()));
            }
            let targets = state.session()?.list(&self.path("")).await?.unwrap_or_default();
            Ok(targets.iter().filter(|it| !it.name.starts_with('.')).count())
        })
    }

    async fn put_once(&self, state: &mut State, path: &TargetPath, draft: &Arc<Draft>) -> Result<(), RemoteError> {
        let mine = path.unfinished(&draft.hash[..HASH_IN_NAME.min(draft.hash.len())]);
        let (to, aside) = (self.path(path.name()), path.unfinished(ASIDE));
        self.make_folders(state.session()?).await?;
        self.settle(state, path).await?;
        self.clear(state, |it| path.is_unfinished(&it.name) && it.name != mine).await?;
        let (unfinished, session) = (self.path(&mine), state.session()?);
        upload(session, &unfinished, draft).await?;
        // The commit point: before it the old file stands there, after it the new one.
        replace(session, &unfinished, &to, &self.path(&aside)).await
    }

    async fn make_folders(&self, session: &mut Session) -> Result<(), RemoteError> {
        if session.has_folders {
            return Ok(());
        }
        let mut folder = self.server.directory.clone();
        for name in TargetPath::folders() {
            folder = join(&folder, name);
            session.make_folder(&folder).await?;
        }
        session.has_folders = true;
        Ok(())
    }

    /// Ends a replacing that was cut off while the old file stood aside: that one may be the only one there is. It
    /// goes back, or away when the new one has its place.
    async fn settle(&self, state: &mut State, path: &TargetPath) -> Result<(), RemoteError> {
        let name = path.unfinished(ASIDE);
        if !self.unfinished(state).await?.iter().any(|it| it.name == name) {
            return Ok(());
        }
        let (aside, to, session) = (self.path(&name), self.path(path.name()), state.session()?);
        match session.size(&to).await? {
            None => session.rename(&aside, &to).await?,
            Some(_) => session.remove(&aside).await?,
        }
        state.unfinished.iter_mut().for_each(|all| all.retain(|it| it.name != name));
        Ok(())
    }

    /// Takes away the unfinished files that are to go.
    async fn clear(&self, state: &mut State, goes: impl Fn(&Found) -> bool) -> Result<(), RemoteError> {
        let going: Vec<Found> = self.unfinished(state).await?.extract_if(.., |it| goes(it)).collect();
        for gone in going {
            state.session()?.remove(&self.path(&gone.name)).await?;
        }
        Ok(())
    }

    /// What is unfinished there; looked up once for each connection.
    async fn unfinished<'a>(&self, state: &'a mut State) -> Result<&'a mut Vec<Found>, RemoteError> {
        let known = match state.unfinished.take() {
            Some(known) => known,
            None => {
                let all = state.session()?.list(&self.path("")).await?.unwrap_or_default();
                all.into_iter().filter(|it| it.name.ends_with(super::UNFINISHED)).collect()
            }
        };
        Ok(state.unfinished.insert(known))
    }

    fn path(&self, name: &str) -> String {
        let folder = TargetPath::folders().iter().fold(self.server.directory.clone(), |path, it| join(&path, it));
        if name.is_empty() { folder } else { join(&folder, name) }
    }
}

impl State {
    /// Whether this was the last attempt. What an error leaves of the connection is not used again.
    fn is_over<T>(&mut self, result: &Result<T, RemoteError>, attempt: usize) -> bool {
        let Err(error) = result else { return true };
        // What was half done is there now, perhaps.
        self.unfinished = None;
        if !error.is_answer() {
            self.session = None;
        }
        !error.is_cut() || attempt >= ATTEMPTS
    }

    async fn connect(&mut self, server: &FileServer) -> Result<(), RemoteError> {
        if self.session.is_some() {
            return Ok(());
        }
        if let Some((error, until)) = &self.failed
            && until.is_none_or(|until| Instant::now() < until)
        {
            return Err(error.clone());
        }
        match Session::connect(server).await {
            Ok(session) => {
                (self.session, self.failed) = (Some(session), None);
                Ok(())
            }
            Err(error) => {
                let passes =
                    matches!(error, RemoteError::Unreachable(_) | RemoteError::Silent { .. } | RemoteError::Lost(_));
                self.failed = Some((error.clone(), passes.then(|| Instant::now() + HOLD_OFF)));
                Err(error)
            }
        }
    }

    fn session(&mut self) -> Result<&mut Session, RemoteError> {
        self.session.as_mut().ok_or_else(|| RemoteError::Lost("it was closed".to_owned()))
    }
}

/// Writes what is missing of a file, and sees that all of it arrived.
async fn upload(session: &mut Session, path: &str, draft: &Arc<Draft>) -> Result<(), RemoteError> {
    let mut there = session.size(path).await?;
    if there.is_some_and(|bytes| bytes > draft.bytes) {
        session.remove(path).await?;
        there = None;
    }
    let written = match session.write(path, there, draft).await {
        Ok(()) => match session.size(path).await?.unwrap_or_default() {
            found if found == draft.bytes => Ok(()),
            found => Err(RemoteError::Size { expected: draft.bytes, found }),
        },
        Err(error) => Err(error),
    };
    if written.as_ref().is_err_and(RemoteError::is_answer) {
        // What cannot be finished must not fill a disk. If that fails, too, the first error says more.
        drop(session.remove(path).await);
    }
    written
}

/// Renames a file over another one. Where a server refuses that, the old one steps aside for the time of one answer.
async fn replace(session: &mut Session, from: &str, to: &str, aside: &str) -> Result<(), RemoteError> {
    match session.rename(from, to).await {
        Err(RemoteError::Refused(why)) => {
            if session.size(to).await?.is_none() {
                return Err(RemoteError::Refused(why));
            }
            session.rename(to, aside).await?;
            if let Err(error) = session.rename(from, to).await {
                drop(session.rename(aside, to).await);
                return Err(error);
            }
            session.remove(aside).await
        }
        done => done,
    }
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        _ if folder.ends_with('/') => format!("{folder}{name}"),
        _ => format!("{folder}/{name}"),
    }
}
