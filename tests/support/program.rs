//! The real binary: one command, or `serve` in the background. What it logs is kept by
//! [`logs`](super::logs).

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use super::{House, PATIENCE, logs};

/// What a command did.
#[derive(Debug)]
pub(crate) struct Run {
    /// Its exit code; -1 for a signal.
    pub(crate) code: i32,
    /// Its stdout.
    pub(crate) stdout: String,
    /// Its stderr.
    pub(crate) stderr: String,
}

impl Run {
    /// Its stdout, of a command that must have ended with 0.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// Its stdout as JSON, of a command that must have ended with 0.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        let text = self.good();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
    }

    /// Its stderr, of a command that must have ended with this code.
    #[track_caller]
    pub(crate) fn failed_with(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.stderr
    }
}

/// The program: that of this build, or `REAID_PROGRAM`, where a figure needs another.
pub(crate) fn program() -> OsString {
    std::env::var_os("REAID_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_reaid").into())
}

/// The program, about to run in `folder`.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.current_dir(folder).args(arguments).env("REAID_LOG", "info,reaid=trace");
    command
}

/// `reaid` with these arguments in the house's folder, so that `proxy.toml` is its own.
pub(crate) fn reaid(house: &House, arguments: &[&str]) -> Run {
    reaid_reading(house, arguments, b"")
}

/// The same with something on stdin.
pub(crate) fn reaid_reading(house: &House, arguments: &[&str], stdin: &[u8]) -> Run {
    let mut command = command(house.folder(), arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut writer = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // A program that reads nothing closes its end: that is its right.
    let writing = thread::spawn(move || drop(writer.write_all(&stdin)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let stem = logs::stem(arguments.first().copied().unwrap_or("nothing"));
    std::fs::write(stem.with_extension("out"), &output.stdout).unwrap();
    std::fs::write(stem.with_extension("log"), &output.stderr).unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `reaid serve` as a process of its own; killed when dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    /// Its public listener.
    pub(crate) edge: SocketAddr,
    /// Its admin listener.
    pub(crate) admin: SocketAddr,
    /// Where its log goes.
    pub(crate) log: PathBuf,
    child: Child,
    logging: Option<thread::JoinHandle<()>>,
}

impl Serving {
    /// Starts it, and waits until it says where it listens.
    pub(crate) fn start(house: &House) -> Self {
        Self::spawn(command(house.folder(), &["serve"]))
    }

    /// Starts a command that becomes `reaid serve` (perhaps by way of `strace`, `sh`, …).
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = logs::stem("serve").with_extension("log");
        let mut copy = File::create(&log).unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (told, addresses) = mpsc::channel();
        let logging = thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|read| read > 0) {
                copy.write_all(line.as_bytes()).unwrap();
                if let Some(found) = addresses_in(&line) {
                    // Nobody listens for a second one.
                    let _ = told.send(found);
                }
                line.clear();
            }
        });
        let Ok((edge, admin)) = addresses.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            panic!("`reaid serve` does not serve: {}", std::fs::read_to_string(&log).unwrap());
        };
        Self { edge, admin, log, child, logging: Some(logging) }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, as a supervisor does, and waits for the end; returns its exit code.
    pub(crate) fn terminate(mut self) -> i32 {
        self.signal("TERM");
        self.end().code().unwrap_or(-1)
    }

    /// Waits until it ends by itself; returns its exit code.
    pub(crate) fn ended(mut self) -> i32 {
        self.end().code().unwrap_or(-1)
    }

    /// Ends it as a power failure would: nothing is flushed by the process.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.end();
    }

    /// Sends it a signal, as in `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.pid())).status().unwrap();
        assert!(sent.success());
    }

    /// Everything it logged so far.
    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn end(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        if let Some(logging) = self.logging.take() {
            logging.join().unwrap();
            logs::check(&self.log);
        }
        status
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The addresses in the log line that says `serving`.
fn addresses_in(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    if fields["message"] != "serving" {
        return None;
    }
    let first = |field: &str| fields[field].as_str()?.trim_matches(['[', ']']).split(',').next()?.trim().parse().ok();
    Some((first("edge")?, first("admin")?))
}
