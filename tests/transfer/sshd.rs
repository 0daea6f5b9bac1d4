//! OpenSSH's server, with keys and a password of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::inetd::{Inetd, find};
use crate::namespace::{Namespace, command, is_root, seen_by};

/// The password of whoever runs the tests, where the tests can say so.
pub(crate) const PASSWORD: &str = "a-password-of-the-tests";

/// What the private key is encrypted with.
pub(crate) const PASSPHRASE: &str = "a-passphrase-of-the-tests";

/// A server, and the folder that it shows.
pub(crate) struct Sshd {
    pub(crate) inetd: Inetd,
    home: tempfile::TempDir,
    namespace: Option<Namespace>,
}

impl Sshd {
    /// None when it is not installed, or cannot be started here.
    pub(crate) fn start() -> Option<Self> {
        Self::with("internal-sftp -u 0027", "true")
    }

    /// With another SFTP server, and with a script that is run before; none when that cannot be done here.
    pub(crate) fn with(subsystem: &str, script: &str) -> Option<Self> {
        let program = find("sshd")?;
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("files")).unwrap();
        for (name, passphrase) in [("host", ""), ("key", ""), ("sealed", PASSPHRASE), ("stranger", "")] {
            keygen(&["-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f"], &at(name));
        }
        let authorized: String = ["key.pub", "sealed.pub"].map(|name| fs::read_to_string(at(name)).unwrap()).concat();
        fs::write(at("authorized"), authorized).unwrap();
        let config = format!(
            "HostKey {0}/host\nAuthorizedKeysFile {0}/authorized\nStrictModes no\nUsePAM no\nPidFile none\nUseDNS no\n\
             PermitRootLogin yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\n\
             Subsystem sftp {subsystem}\n",
            home.path().display()
        );
        fs::write(at("config"), config).unwrap();
        let namespace = match is_root() {
            // Root has a password there, and the server the folder that it asks for.
            true => {
                fs::write(at("shadow"), shadow()).unwrap();
                let own = "mount -t tmpfs none /run && mkdir /run/sshd && mount --bind shadow /etc/shadow";
                Some(Namespace::enter(home.path(), &format!("{own} && {script}"))?)
            }
            false if script == "true" => None,
            false => Some(Namespace::enter(home.path(), script)?),
        };
        let enter = namespace.as_ref().map(Namespace::id);
        let (config, log) = (at("config"), at("log"));
        let start = move || {
            let mut command = command(&program, enter);
            command.args(["-i", "-f"]).arg(&config).arg("-E").arg(&log);
            command
        };
        Some(Self { inetd: Inetd::new(start), home, namespace })
    }

    /// What the activation says of it, but for how one logs in.
    pub(crate) fn destination(&self) -> String {
        let host_key = self.fingerprint("host");
        let (port, user) = (self.inetd.port, user());
        let directory = self.home.path().join("files").display().to_string();
        format!(
            "sftp = \"127.0.0.1:{port}\", user = \"{user}\", directory = \"{directory}\", host_key = \"{host_key}\""
        )
    }

    pub(crate) fn fingerprint(&self, key: &str) -> String {
        let said = keygen(&["-l", "-E", "sha256", "-f"], &self.home.path().join(key));
        said.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// A private key, or what else is beside the folder.
    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).unwrap()
    }

    /// The folder that it shows, as it sees it.
    pub(crate) fn folder(&self) -> PathBuf {
        seen_by(self.namespace.as_ref(), &self.home.path().join("files"))
    }

    /// Whether the password is known: that is for root to say.
    pub(crate) fn has_password(&self) -> bool {
        self.namespace.is_some()
    }
}

/// The password, as root has it.
fn shadow() -> String {
    let hash = Command::new("openssl").args(["passwd", "-6", PASSWORD]).output().unwrap().stdout;
    format!("root:{}:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n", String::from_utf8(hash).unwrap().trim())
}

fn keygen(arguments: &[&str], file: &Path) -> String {
    let output = Command::new("ssh-keygen").args(arguments).arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn user() -> String {
    String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim().to_owned()
}
