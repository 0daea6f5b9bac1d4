//! A view of the file system of its own: what is mounted there is nobody else's, and gone with it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::inetd::lacks;

/// Ends with its standard input, which is ours.
pub(crate) struct Namespace(Child);

impl Namespace {
    /// Runs `script` in a new one, in this folder; none when nothing can be mounted here, as [`lacks`] says.
    pub(crate) fn enter(folder: &Path, script: &str) -> Option<Self> {
        let script = format!("{script} && echo ready && exec cat");
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let ready = child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).is_ok();
        let namespace = Self(child);
        if !ready {
            lacks("mount");
        }
        ready.then_some(namespace)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// A program, in a namespace if there is one.
pub(crate) fn command(program: &Path, namespace: Option<u32>) -> Command {
    let Some(id) = namespace else { return Command::new(program) };
    let mut command = Command::new("nsenter");
    command.args(["-m", "-t", &id.to_string()]).arg(program);
    command
}

/// A folder, as it is seen there.
pub(crate) fn seen_by(namespace: Option<&Namespace>, folder: &Path) -> PathBuf {
    match namespace {
        None => folder.to_owned(),
        Some(namespace) => {
            Path::new("/proc").join(namespace.id().to_string()).join("root").join(folder.strip_prefix("/").unwrap())
        }
    }
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}
