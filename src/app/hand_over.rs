//! From one process to the next without a pause: the running one starts its successor with its own
//! listening sockets, and ends only when that one answers. When the successor does not come up, the
//! running one goes on as if nothing had happened.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;

use super::listeners::Listeners;

/// How long a successor may take to answer. It opens a store and reads a few files.
const START: Duration = Duration::from_secs(30);

/// The first descriptor that is passed, as systemd has it.
const FIRST_FD: i32 = 3;

/// Set for a process that is started as a successor.
const SUCCEEDS: &str = "REAID_SUCCEEDS";

/// What a successor prints when it answers.
const READY: &str = "ready";

/// Why the running process goes on.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandOverError {
    #[error("cannot start a successor: {0}")]
    Start(#[from] std::io::Error),
    #[error("the successor ended before it answered: its log says why")]
    Ended,
    #[error("the successor did not answer within {START:?}")]
    Late,
}

/// Whether this process was started as the successor of another.
pub fn succeeds() -> bool {
    std::env::var_os(SUCCEEDS).is_some()
}

/// Tells the process before this one that it may end.
pub(super) fn answer_predecessor() {
    // When it is gone already there is nobody to tell.
    drop(writeln!(std::io::stdout(), "{READY}").and_then(|()| std::io::stdout().flush()));
}

/// A process that has not answered yet. Whoever no longer waits for it ends it: two would serve, and nobody know.
struct Successor(Option<Child>);

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            drop(child.kill().and_then(|()| child.wait()));
        }
    }
}

/// The listening sockets once more, to be given away.
pub(super) struct Sockets(Vec<OwnedFd>);

/// Completes when a successor answers; never where there are no sockets to give, or nobody who asks.
pub(super) async fn handed_over(sockets: Option<&Sockets>, asked: Option<Signal>) {
    let (Some(sockets), Some(mut asked)) = (sockets, asked) else { return std::future::pending().await };
    while asked.recv().await.is_some() {
        match sockets.hand_over().await {
            Ok(()) => return tracing::info!("a successor answers: this process ends"),
            Err(error) => tracing::error!(%error, "no hand-over: this process goes on"),
        }
    }
    std::future::pending().await
}

impl Sockets {
    /// None, said to the log, when there are no descriptors left.
    pub(super) fn spare(listeners: &Listeners) -> Option<Self> {
        let all = listeners.edge.iter().chain(&listeners.http).chain([&listeners.admin]);
        let all: std::io::Result<_> = all.map(|listener| listener.as_fd().try_clone_to_owned()).collect();
        match all {
            Ok(all) => Some(Self(all)),
            Err(error) => {
                tracing::warn!(%error, "no descriptors left: this process can hand over to no other");
                None
            }
        }
    }

    /// Starts a successor as this process was started, and waits until it answers.
    ///
    /// # Errors
    /// It does not: nothing has changed.
    pub(super) async fn hand_over(&self) -> Result<(), HandOverError> {
        let mut successor = Successor(Some(self.spawn()?));
        let stdout = successor.0.as_mut().and_then(|child| child.stdout.take());
        let answers = spawn_blocking(move || {
            let mut line = String::new();
            let read = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line));
            read.is_some_and(|read| read.is_ok()) && line.trim_end() == READY
        });
        match tokio::time::timeout(START, answers).await {
            Ok(Ok(true)) => {
                successor.0.take();
                Ok(())
            }
            Ok(_) => Err(HandOverError::Ended),
            Err(_) => Err(HandOverError::Late),
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let mappings = self
            .0
            .iter()
            .zip(FIRST_FD..)
            .map(|(socket, child_fd)| Ok(FdMapping { parent_fd: socket.try_clone()?, child_fd }));
        let mappings = mappings.collect::<std::io::Result<Vec<_>>>()?;
        let mut arguments = std::env::args_os();
        // By its name, not by /proc: the file there may be another by now, and that is the point.
        let program = arguments.next().unwrap_or_else(|| OsStr::new("reaid").to_owned());
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        command.env("LISTEN_FDS", self.0.len().to_string()).env_remove("LISTEN_PID").env_remove("LISTEN_FDNAMES");
        command.env(SUCCEEDS, "1");
        command.fd_mappings(mappings).map_err(std::io::Error::other)?;
        command.spawn()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_that_nobody_waits_for_ends() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It has its input for as long as this is held, and so ends by nothing but a kill.
        let _input = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        drop(Successor(Some(child)));
        assert_eq!(std::io::Read::read(&mut output, &mut [0]).unwrap(), 0);
    }
}
