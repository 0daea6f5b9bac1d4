//! A file server of others as a destination: where it is, how it proves who it is, and how we log in.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;
use toml::Spanned;
use url::Host;

use super::SecretSource;
use super::written::Secret;

/// A folder of a file server.
#[derive(Clone)]
pub struct FileServer {
    /// Its name or address.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// The folder, without `/` at its end unless it is `/`; empty: where one is after the login.
    pub directory: String,
    /// What is spoken there.
    pub protocol: FileProtocol,
}

/// What is spoken with a file server. A closed set.
#[derive(Clone, Debug)]
pub enum FileProtocol {
    /// SFTP over SSH.
    Sftp(Sftp),
    /// FTP over TLS, asked for by `AUTH TLS`.
    Ftps(Ftps),
}

/// SFTP over SSH.
#[derive(Clone, Debug)]
pub struct Sftp {
    /// Host keys that are taken for the server's.
    pub host_keys: Vec<Fingerprint>,
    /// How one logs in.
    pub login: SftpLogin,
}

/// How one logs in to an SSH server.
#[derive(Clone, Debug)]
pub enum SftpLogin {
    /// By a private key, with what it is encrypted with, if it is.
    Key(SecretSource, Option<SecretSource>),
    /// By a password.
    Password(SecretSource),
}

/// FTP over TLS.
#[derive(Clone, Debug)]
pub struct Ftps {
    /// The password.
    pub password: SecretSource,
    /// Certificates that are taken for the server's; empty: any that the authority issued for its name.
    pub certificates: Vec<CertificatePin>,
    /// Who must have issued it; none where what is pinned says enough. One of both there is.
    pub authority: Option<Authority>,
}

/// Which certificate is the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificatePin {
    /// The one with this fingerprint.
    Certificate(Fingerprint),
    /// Any for the key with this fingerprint: it outlives its certificates.
    PublicKey(Fingerprint),
}

/// Who issues certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Whomever this machine trusts.
    System,
    /// Those of this file, as PEM.
    File(PathBuf),
}

/// How [`Authority::System`] is written.
pub(super) const SYSTEM: &str = "system";

/// What stands before the fingerprint of a public key, as curl's `--pinnedpubkey` takes it.
const PUBLIC_KEY: &str = "sha256//";

impl CertificatePin {
    pub(super) fn read(text: &str) -> Option<Self> {
        match text.strip_prefix(PUBLIC_KEY) {
            Some(digest) => Fingerprint::of_base64(digest).map(Self::PublicKey),
            None => Fingerprint::of_certificate(text).map(Self::Certificate),
        }
    }
}

/// As it is written.
impl fmt::Display for CertificatePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(fingerprint) => f.write_str(&fingerprint.as_certificate()),
            Self::PublicKey(fingerprint) => write!(f, "{PUBLIC_KEY}{}", STANDARD.encode(fingerprint.0)),
        }
    }
}

/// SHA-256 of a host key, of a certificate, or of its public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// From the digest.
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// As OpenSSH writes it: `SHA256:` and base64.
    pub(super) fn of_host_key(text: &str) -> Option<Self> {
        Self::of_base64(text.strip_prefix("SHA256:")?)
    }

    fn of_base64(text: &str) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// As OpenSSL writes it: hex, with or without colons.
    fn of_certificate(text: &str) -> Option<Self> {
        let digits: Vec<u32> = text.chars().filter(|it| *it != ':').map(|it| it.to_digit(16)).collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits.chunks_exact(2).filter_map(|two| u8::try_from(two[0] * 16 + two[1]).ok()).collect();
        (digits.len() == 64).then(|| bytes.try_into().ok().map(Self)).flatten()
    }

    /// As OpenSSH writes it.
    pub fn as_host_key(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(self.0))
    }

    /// As hex.
    pub fn as_certificate(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl FileServer {
    /// Everything that proves who logs in.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        let (one, other) = match &self.protocol {
            FileProtocol::Sftp(Sftp { login: SftpLogin::Key(key, passphrase), .. }) => (key, passphrase.as_ref()),
            FileProtocol::Sftp(Sftp { login: SftpLogin::Password(password), .. }) => (password, None),
            FileProtocol::Ftps(ftps) => (&ftps.password, None),
        };
        std::iter::once(one).chain(other)
    }
}

/// Where it is, without the user, whose name may be an address.
impl fmt::Display for FileServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            FileProtocol::Sftp(_) => "sftp",
            FileProtocol::Ftps(_) => "ftps",
        };
        write!(f, "{scheme}://{}:{}/{}", self.host, self.port, self.directory.trim_start_matches('/'))
    }
}

/// The same: it is remembered with what was sent, and must not change with a line of `proxy.toml`.
impl fmt::Debug for FileServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Whether both are the same place.
impl PartialEq for FileServer {
    fn eq(&self, other: &Self) -> bool {
        self.user == other.user && self.directory == other.directory && self.to_string() == other.to_string()
    }
}

impl Eq for FileServer {}

/// A destination as written: a folder, or a file server with what belongs to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenDestination {
    pub(super) directory: Option<Spanned<String>>,
    pub(super) sftp: Option<Spanned<String>>,
    pub(super) ftps: Option<Spanned<String>>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) private_key: Option<Spanned<Secret>>,
    pub(super) passphrase: Option<Spanned<Secret>>,
    pub(super) password: Option<Spanned<Secret>>,
    pub(super) host_key: Option<Spanned<OneOrMore>>,
    pub(super) certificate: Option<Spanned<OneOrMore>>,
    pub(super) certificate_authority: Option<Spanned<String>>,
}

/// One text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_their_tools_write_them() {
        let key = "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg";
        assert_eq!(Fingerprint::of_host_key(key).unwrap().as_host_key(), key);
        let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let colons: Vec<String> =
            hex.as_bytes().chunks(2).map(|it| String::from_utf8_lossy(it).to_uppercase()).collect();
        for text in [hex, &colons.join(":")] {
            assert_eq!(Fingerprint::of_certificate(text).unwrap().as_certificate(), hex);
        }
        let public_key = key.replace("SHA256:", PUBLIC_KEY) + "=";
        assert_eq!(CertificatePin::read(&public_key).map(|pin| pin.to_string()), Some(public_key));
        assert_eq!(CertificatePin::read(&colons.join(":")).map(|pin| pin.to_string()).as_deref(), Some(hex));
        assert_eq!(CertificatePin::read(key), None);
        // The same digest.
        assert_eq!(Fingerprint::of_host_key(key), Fingerprint::of_certificate(hex));
        for wrong in
            ["", "SHA256:", "MD5:aa:bb", &key[..40], &hex[..62], "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCggA"]
        {
            assert!(
                Fingerprint::of_host_key(wrong).is_none() && Fingerprint::of_certificate(wrong).is_none(),
                "{wrong}"
            );
        }
    }
}
