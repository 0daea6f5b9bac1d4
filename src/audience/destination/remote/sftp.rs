//! SFTP: protocol version 3 with the extensions of OpenSSH where they are offered.
//!
//! `posix-rename@openssh.com` replaces a file in one step, which the protocol's own rename refuses;
//! `fsync@openssh.com` makes it durable; `statvfs@openssh.com` tells a full disk.

use std::borrow::Cow;
use std::fs::File;
use std::sync::Arc;

use futures_util::stream::{FuturesOrdered, FuturesUnordered, StreamExt as _};
use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{ChannelMsg, MethodKind};
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, Status, StatusCode};

use super::Found;
use super::error::{RemoteError, saying};
use super::session::{PIECE, STEP, keep, piece};
use crate::audience::content::Draft;
use crate::config::{Fingerprint, Sftp, SftpLogin};

/// What every server takes in one write, and gives for one read.
const BLOCK: usize = 32 << 10;

/// Writes and reads under way: 1 MiB, what a line of 100 Mbit/s holds in 80 ms.
const WINDOW: usize = 32;

/// As for a folder on this machine: for the owner to write, for the group to read.
const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;

/// Files in a folder that are looked at; beyond these nothing is tidied up.
const MOST_FILES: usize = 20_000;

const POSIX_RENAME: &str = "posix-rename@openssh.com";
const FSYNC: &str = "fsync@openssh.com";
const STATVFS: &str = "statvfs@openssh.com";

/// An SFTP connection that is logged in.
pub(super) struct Session {
    /// The connection ends with it.
    _ssh: Handle<Guard>,
    sftp: RawSftpSession,
    /// Names of the extensions that are offered.
    offered: Vec<String>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("offered", &self.offered).finish_non_exhaustive()
    }
}

/// Judges the server's key, before anything is sent to it.
struct Guard {
    expected: Vec<Fingerprint>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("expected {expected}, found {found}")]
    HostKey { expected: String, found: String },
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl client::Handler for Guard {
    type Error = Refusal;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Refusal> {
        let found = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.fingerprint(HashAlg::Sha256),
            PublicKeyOrCertificate::Certificate(certificate) => certificate.public_key().fingerprint(HashAlg::Sha256),
        };
        if found.sha256().is_some_and(|found| self.expected.contains(&Fingerprint::new(found))) {
            return Ok(true);
        }
        let expected: Vec<String> = self.expected.iter().map(Fingerprint::as_host_key).collect();
        Err(Refusal::HostKey { expected: expected.join(" or "), found: found.to_string() })
    }
}

impl Session {
    pub(super) async fn open(stream: tokio::net::TcpStream, user: &str, how: &Sftp) -> Result<Self, RemoteError> {
        // Secrets are read before anybody is bothered.
        let credentials = Credentials::read(&how.login)?;
        let client_id = russh::SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-reaid_", env!("CARGO_PKG_VERSION"))));
        let config = Arc::new(client::Config { client_id, nodelay: true, ..client::Config::default() });
        let guard = Guard { expected: how.host_keys.clone() };
        let mut ssh = client::connect_stream(config, stream, guard).await.map_err(not_connected)?;
        credentials.log_in(&mut ssh, user).await?;
        let mut channel = ssh.channel_open_session().await.map_err(lost)?;
        channel.request_subsystem(true, "sftp").await.map_err(lost)?;
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::Failure) => return Err(RemoteError::Refused("it does not speak SFTP".to_owned())),
                Some(_) => {}
                None => return Err(RemoteError::Lost("before SFTP began".to_owned())),
            }
        }
        let limits = Config { request_timeout_secs: STEP.as_secs(), ..Config::default() };
        let sftp = RawSftpSession::new_with_config(channel.into_stream(), limits);
        let offered = sftp.init().await.map_err(failed)?.extensions.into_keys().collect();
        Ok(Self { _ssh: ssh, sftp, offered })
    }

    pub(super) async fn list(&mut self, folder: &str) -> Result<Option<Vec<Found>>, RemoteError> {
        let Some(handle) = there(self.sftp.opendir(folder).await)? else { return Ok(None) };
        let mut all = Vec::new();
        while all.len() < MOST_FILES {
            match self.sftp.readdir(&handle.handle).await {
                Ok(page) => all.extend(
                    page.files
                        .into_iter()
                        .map(|file| Found { name: file.filename, modified: file.attrs.mtime.map(u64::from) }),
                ),
                Err(SftpError::Status(status)) if status.status_code == StatusCode::Eof => break,
                Err(error) => return Err(failed(error)),
            }
        }
        done(self.sftp.close(handle.handle).await)?;
        all.retain(|file| file.name != "." && file.name != "..");
        Ok(Some(all))
    }

    pub(super) async fn size(&mut self, path: &str) -> Result<Option<u64>, RemoteError> {
        Ok(there(self.sftp.stat(path).await)?.and_then(|found| found.attrs.size))
    }

    pub(super) async fn read(&mut self, path: &str, into: &Arc<File>) -> Result<bool, RemoteError> {
        let open = self.sftp.open(path, OpenFlags::READ, FileAttributes::empty()).await;
        let Some(handle) = there(open)?.map(|it| it.handle) else { return Ok(false) };
        let size = self.sftp.fstat(&handle).await.map_err(failed)?.attrs.size.unwrap_or_default();
        let (mut starts, mut reading) = ((0..size).step_by(BLOCK), FuturesUnordered::new());
        loop {
            reading.extend(
                starts.by_ref().take(WINDOW - reading.len()).map(|at| self.read_block(&handle, at, size, into)),
            );
            match reading.next().await {
                Some(read) => read?,
                None => break,
            }
        }
        drop(reading);
        done(self.sftp.close(handle).await)?;
        Ok(true)
    }

    pub(super) async fn write(
        &mut self,
        path: &str,
        there: Option<u64>,
        draft: &Arc<Draft>,
    ) -> Result<(), RemoteError> {
        // Writes under way may be done in any order: only before them everything is there for certain.
        let from = there.unwrap_or_default().saturating_sub((WINDOW * BLOCK) as u64);
        if from == 0 && there.is_some() {
            self.remove(path).await?;
        }
        let opened = self.sftp.open(path, OpenFlags::CREATE | OpenFlags::WRITE, mode(FILE_MODE)).await;
        let handle = opened.map_err(failed)?.handle;
        let written = self.write_blocks(&handle, from, draft).await;
        let synced = match &written {
            Ok(()) if self.offers(FSYNC) => done(self.sftp.fsync(handle.as_str()).await),
            _ => Ok(()),
        };
        let closed = done(self.sftp.close(handle.as_str()).await);
        match written.and(synced).and(closed) {
            Err(RemoteError::Refused(why)) => Err(self.why_refused(path, why, draft.bytes).await),
            other => other,
        }
    }

    pub(super) async fn rename(&mut self, from: &str, to: &str) -> Result<(), RemoteError> {
        if !self.offers(POSIX_RENAME) {
            return done(self.sftp.rename(from, to).await);
        }
        match self.sftp.extended(POSIX_RENAME, two_texts(from, to)).await.map_err(failed)? {
            Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
            Packet::Status(status) => Err(failed(SftpError::Status(status))),
            _ => Err(RemoteError::Lost("an answer to something else".to_owned())),
        }
    }

    pub(super) async fn remove(&mut self, path: &str) -> Result<(), RemoteError> {
        there(self.sftp.remove(path).await).map(drop)
    }

    pub(super) async fn make_folder(&mut self, path: &str) -> Result<(), RemoteError> {
        if there(self.sftp.stat(path).await)?.is_some() {
            return Ok(());
        }
        done(self.sftp.mkdir(path, mode(FOLDER_MODE)).await)
    }

    async fn write_blocks(&self, handle: &str, from: u64, draft: &Arc<Draft>) -> Result<(), RemoteError> {
        // In order, so that no write is further ahead of one that is not done than the window.
        let mut writing = FuturesOrdered::new();
        for at in (from..draft.bytes).step_by(PIECE) {
            let bytes = piece(draft, at, PIECE).await?;
            for (number, block) in bytes.chunks(BLOCK).enumerate() {
                if writing.len() == WINDOW
                    && let Some(written) = writing.next().await
                {
                    done(written)?;
                }
                writing.push_back(self.sftp.write(handle, at + (number * BLOCK) as u64, block.to_vec()));
            }
        }
        while let Some(written) = writing.next().await {
            done(written)?;
        }
        Ok(())
    }

    /// Reads one block, however short the answers are.
    async fn read_block(&self, handle: &str, from: u64, size: u64, into: &Arc<File>) -> Result<(), RemoteError> {
        let (mut at, end) = (from, (from + BLOCK as u64).min(size));
        while at < end {
            let left = u32::try_from(end - at).unwrap_or(u32::MAX);
            let read = self.sftp.read(handle, at, left).await.map_err(failed)?.data;
            if read.is_empty() {
                return Err(RemoteError::Lost("a file ended early".to_owned()));
            }
            let length = read.len() as u64;
            keep(into, at, read).await?;
            at += length;
        }
        Ok(())
    }

    /// A server has no word for a full disk; but many say how full it is.
    async fn why_refused(&self, path: &str, why: String, needed: u64) -> RemoteError {
        if self.offers(STATVFS)
            && let Ok(disk) = self.sftp.statvfs(path).await
        {
            let free = disk.blocks_avail.saturating_mul(disk.fragment_size);
            if free < needed {
                return RemoteError::Full(format!("{free} bytes are free, and {needed} are needed"));
            }
        }
        RemoteError::Refused(why)
    }

    fn offers(&self, extension: &str) -> bool {
        self.offered.iter().any(|it| it == extension)
    }
}

/// What one logs in with.
enum Credentials {
    Key(PrivateKeyWithHashAlg),
    Password(zeroize::Zeroizing<String>),
}

impl Credentials {
    fn read(login: &SftpLogin) -> Result<Self, RemoteError> {
        match login {
            SftpLogin::Password(password) => Ok(Self::Password(password.read()?)),
            SftpLogin::Key(key, passphrase) => {
                let (text, passphrase) = (key.read()?, passphrase.as_ref().map(|it| it.read()).transpose()?);
                let key = decode_secret_key(&text, passphrase.as_ref().map(|it| it.as_str()));
                let wrong = |error| {
                    let why = "expected a private key of Ed25519 or ECDSA, with its passphrase if it has one";
                    RemoteError::Setup(format!("private_key: {why}, found: {error}"))
                };
                Ok(Self::Key(PrivateKeyWithHashAlg::new(Arc::new(key.map_err(wrong)?), None)))
            }
        }
    }

    async fn log_in(self, ssh: &mut Handle<Guard>, user: &str) -> Result<(), RemoteError> {
        let (result, what) = match self {
            Self::Key(key) => (ssh.authenticate_publickey(user, key).await.map_err(lost)?, "private key"),
            Self::Password(password) => match ssh.authenticate_password(user, password.as_str()).await.map_err(lost)? {
                // The same by its other name.
                AuthResult::Failure { remaining_methods, .. }
                    if remaining_methods.contains(&MethodKind::KeyboardInteractive)
                        && !remaining_methods.contains(&MethodKind::Password) =>
                {
                    return answer_questions(ssh, user, &password).await;
                }
                result => (result, "password"),
            },
        };
        match result {
            AuthResult::Success => Ok(()),
            // The library says so when the connection ends; a server says what else it takes.
            AuthResult::Failure { remaining_methods, .. } if remaining_methods.is_empty() => {
                Err(RemoteError::Lost("while logging in".to_owned()))
            }
            AuthResult::Failure { .. } => Err(RemoteError::Login(what)),
        }
    }
}

/// Some servers ask for the password in a dialogue; whatever they ask, they get nothing else.
async fn answer_questions(ssh: &mut Handle<Guard>, user: &str, password: &str) -> Result<(), RemoteError> {
    let mut said = ssh.authenticate_keyboard_interactive_start(user, None).await.map_err(lost)?;
    let mut asked = false;
    loop {
        said = match said {
            KeyboardInteractiveAuthResponse::Success => return Ok(()),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } if prompts.len() <= 1 && !asked => {
                asked = !prompts.is_empty();
                let answers = prompts.iter().map(|_| password.to_owned()).collect();
                ssh.authenticate_keyboard_interactive_respond(answers).await.map_err(lost)?
            }
            _ => return Err(RemoteError::Login("password")),
        };
    }
}

/// `None` for what is not there.
fn there<T>(result: Result<T, SftpError>) -> Result<Option<T>, RemoteError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(SftpError::Status(status)) if status.status_code == StatusCode::NoSuchFile => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn done(result: Result<Status, SftpError>) -> Result<(), RemoteError> {
    result.map(drop).map_err(failed)
}

fn failed(error: SftpError) -> RemoteError {
    match error {
        SftpError::Status(status) => RemoteError::Refused(saying(&status.error_message)),
        SftpError::Timeout => RemoteError::Silent { doing: "waiting for an answer", limit: STEP },
        other => RemoteError::Lost(saying(&other.to_string())),
    }
}

fn lost(error: russh::Error) -> RemoteError {
    RemoteError::Lost(saying(&error.to_string()))
}

fn not_connected(refusal: Refusal) -> RemoteError {
    match refusal {
        Refusal::HostKey { expected, found } => RemoteError::HostKey { expected, found },
        Refusal::Ssh(error) => RemoteError::Unreachable(saying(&error.to_string())),
    }
}

fn mode(permissions: u32) -> FileAttributes {
    FileAttributes { permissions: Some(permissions), ..FileAttributes::empty() }
}

/// Two strings as SSH writes them.
fn two_texts(one: &str, other: &str) -> Vec<u8> {
    let of =
        |text: &str| [u32::try_from(text.len()).unwrap_or_default().to_be_bytes().as_slice(), text.as_bytes()].concat();
    [of(one), of(other)].concat()
}
