//! vsftpd, with a certificate and a password of its own. Nobody's account is needed: it takes `anonymous` with that
//! password, and runs as whoever runs the tests. It insists on the session of the control connection
//! (`require_ssl_reuse`), as it does unless it is told otherwise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::inetd::{Inetd, find};
use crate::namespace::{Namespace, command, seen_by};

pub(crate) const PASSWORD: &str = "a-password-of-the-tests";

/// Takes the newest TLS away from every program that reads it.
const OLDER_TLS: &str = "openssl_conf = o\n[o]\nssl_conf = s\n[s]\nsystem_default = d\n[d]\nMaxProtocol = TLSv1.2\n";

/// A server, and the folder that it shows.
pub(crate) struct Vsftpd {
    pub(crate) inetd: Inetd,
    home: tempfile::TempDir,
    namespace: Option<Namespace>,
}

impl Vsftpd {
    /// None when it is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::with("", None)
    }

    /// With more lines of configuration, and with a script that is run before; none when that cannot be done here.
    pub(crate) fn with(more: &str, script: Option<&str>) -> Option<Self> {
        let program = find("vsftpd")?;
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("files")).unwrap();
        certificates(home.path());
        fs::write(at("passwords"), format!("{PASSWORD}\n")).unwrap();
        fs::write(at("older-tls"), OLDER_TLS).unwrap();
        let folder = home.path().display();
        let config = format!(
            "listen=NO\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\nrun_as_launching_user=YES\n\
             secure_email_list_enable=YES\nemail_password_file={folder}/passwords\nanon_root={folder}/files\n\
             write_enable=YES\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\nanon_other_write_enable=YES\n\
             anon_world_readable_only=NO\nanon_umask=027\nconnect_from_port_20=NO\nseccomp_sandbox=NO\n\
             ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=YES\nforce_anon_data_ssl=YES\n\
             ssl_ciphers=HIGH\nrsa_cert_file={folder}/cert.pem\nrsa_private_key_file={folder}/cert.key\n\
             xferlog_enable=YES\nlog_ftp_protocol=YES\nvsftpd_log_file={folder}/log\n{more}\n"
        );
        fs::write(at("config"), config).unwrap();
        let namespace = match script {
            None => None,
            Some(script) => Some(Namespace::enter(home.path(), script)?),
        };
        let (enter, config, openssl) = (namespace.as_ref().map(Namespace::id), at("config"), at("older-tls"));
        let is_older = more.contains("# older TLS");
        let start = move || {
            let mut command = command(&program, enter);
            command.arg(&config);
            if is_older {
                command.env("OPENSSL_CONF", &openssl);
            }
            command
        };
        Some(Self { inetd: Inetd::new(start), home, namespace })
    }

    /// From now on it has these lines, too.
    pub(crate) fn configure(&self, more: &str) {
        let (config, kept) = (self.home.path().join("config"), self.home.path().join("config.kept"));
        if !kept.exists() {
            fs::copy(&config, &kept).unwrap();
        }
        fs::write(config, format!("{}{more}\n", fs::read_to_string(kept).unwrap())).unwrap();
    }

    /// What the activation says of it, but for how it proves who it is.
    pub(crate) fn destination(&self) -> String {
        let port = self.inetd.port;
        format!("ftps = \"127.0.0.1:{port}\", user = \"anonymous\", password = {{ file = \"data/password\" }}")
    }

    /// The same, with its authority.
    pub(crate) fn trusted(&self) -> String {
        format!("{}, certificate_authority = \"{}\"", self.destination(), self.home.path().join("ca.pem").display())
    }

    /// The fingerprint of a certificate, as OpenSSL writes it.
    pub(crate) fn fingerprint(&self, certificate: &str) -> String {
        let arguments = ["x509", "-noout", "-fingerprint", "-sha256", "-in", certificate];
        openssl(self.home.path(), &arguments).trim().rsplit('=').next().unwrap().to_owned()
    }

    /// The fingerprint of the key of its certificate, as curl takes it.
    pub(crate) fn public_key(&self) -> String {
        let key = "openssl x509 -noout -pubkey -in cert.pem | openssl pkey -pubin -outform der";
        let script = format!("{key} | openssl dgst -sha256 -binary | openssl base64");
        let output = Command::new("sh").args(["-c", &script]).current_dir(self.home.path()).output().unwrap();
        format!("sha256//{}", String::from_utf8(output.stdout).unwrap().trim())
    }

    /// It has another certificate for the same key, and by nobody's authority.
    pub(crate) fn renew(&self) {
        let own = ["req", "-x509", "-key", "cert.key", "-days", "30", "-subj", "/CN=Another", "-out", "cert.pem"];
        openssl(self.home.path(), &own);
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// The folder that it shows, as it sees it.
    pub(crate) fn folder(&self) -> PathBuf {
        seen_by(self.namespace.as_ref(), &self.home.path().join("files"))
    }
}

/// An authority, and what it issued for this address.
fn certificates(folder: &Path) {
    let key = |name: &'static str| {
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", name]
    };
    openssl(folder, &[&key("/CN=The tests' authority")[..], &["-keyout", "ca.key", "-out", "ca.pem"]].concat());
    let issued = ["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "cert.key", "-out", "cert.pem"];
    let of_address = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=IP:127.0.0.1"];
    openssl(folder, &[&key("/CN=The tests' server")[..], &issued, &of_address].concat());
}

fn openssl(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
