//! FTP over TLS, asked for by `AUTH TLS`; both connections are encrypted (`PROT P`), and the server waits for ours.
//!
//! `STOR` after `REST` goes on with a file, `RNTO` gives it its name; most servers replace a file by that in one step.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use suppaftp::tokio::{ImplAsyncFtpStream, TransferStream};
use suppaftp::types::FileType;
use suppaftp::{FtpError, Mode, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Found;
use super::error::{RemoteError, saying, within};
use super::session::{PIECE, STEP, keep, piece};
use super::tls::{Connector, Stream};
use crate::audience::content::Draft;
use crate::config::{FileServer, Ftps};

/// What every step waits for.
const ANSWER: &str = "waiting for an answer";

/// An FTPS connection that is logged in.
pub(super) struct Session {
    ftp: ImplAsyncFtpStream<Stream>,
    /// Where one is after the login.
    home: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    pub(super) async fn open(stream: TcpStream, server: &FileServer, how: &Ftps) -> Result<Self, RemoteError> {
        // Secrets are read before anybody is bothered.
        let password = how.password.read()?;
        let name = match &server.host {
            url::Host::Domain(name) => ServerName::try_from(name.clone()),
            url::Host::Ipv4(address) => Ok(ServerName::from(std::net::IpAddr::from(*address))),
            url::Host::Ipv6(address) => Ok(ServerName::from(std::net::IpAddr::from(*address))),
        };
        let name = name.map_err(|error| RemoteError::Setup(format!("ftps: {error}")))?;
        let connector = Connector::new(how, name)?;
        let is_v4 = stream.peer_addr().is_ok_and(|peer| matches!(peer, SocketAddr::V4(_)));
        let plain = ImplAsyncFtpStream::connect_with_stream(stream).await.map_err(unreachable)?;
        let secure = plain.into_secure(connector.clone(), "").await;
        let mut ftp = secure.map_err(|error| connector.refusal().unwrap_or_else(|| unreachable(error)))?;
        // Where the data connection goes is known: what else a server says of addresses is not listened to.
        ftp.set_mode(if is_v4 { Mode::Passive } else { Mode::ExtendedPassive });
        ftp.set_passive_nat_workaround(true);
        ftp.login(server.user.as_str(), password.as_str()).await.map_err(|error| match error {
            // What is said there may name the user.
            FtpError::UnexpectedResponse(_) => RemoteError::Login("password"),
            other => failed(other),
        })?;
        // Names are UTF-8 where nothing is said, too.
        there(ftp.opts("UTF8", Some("ON")).await, |_| true)?;
        ftp.transfer_type(FileType::Binary).await.map_err(failed)?;
        let home = ftp.pwd().await.map_err(failed)?;
        Ok(Self { ftp, home })
    }

    pub(super) async fn list(&mut self, folder: &str) -> Result<Option<Vec<Found>>, RemoteError> {
        if !self.enter(folder).await? {
            return Ok(None);
        }
        match self.list_here().await {
            Err(error) if !error.is_answer() => Err(error),
            listed => self.go_home().await.and(listed.map(Some)),
        }
    }

    async fn list_here(&mut self) -> Result<Vec<Found>, RemoteError> {
        // Names that begin with a dot are shown by this, where it is understood.
        let names = match there(answer(self.ftp.nlst(Some("-a"))).await?, |_| true)? {
            Some(names) => names,
            // An empty folder is an error to some.
            None => there(answer(self.ftp.nlst(None)).await?, is_missing)?.unwrap_or_default(),
        };
        let mut all = Vec::new();
        for name in names {
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            let mut modified = None;
            if name.ends_with(super::super::UNFINISHED) {
                let at = there(answer(self.ftp.mdtm(&name)).await?, |_| true)?;
                modified = at.and_then(|at| u64::try_from(at.and_utc().timestamp()).ok());
            }
            all.push(Found { name, modified });
        }
        all.retain(|file| !matches!(file.name.as_str(), "" | "." | ".."));
        Ok(all)
    }

    pub(super) async fn size(&mut self, path: &str) -> Result<Option<u64>, RemoteError> {
        let size = there(answer(self.ftp.size(path)).await?, is_missing)?;
        Ok(size.and_then(|size| u64::try_from(size).ok()))
    }

    pub(super) async fn read(&mut self, path: &str, into: &Arc<File>) -> Result<bool, RemoteError> {
        let Some(size) = self.size(path).await? else { return Ok(false) };
        let mut stream = answer(self.ftp.retr_as_stream(path)).await?.map_err(failed)?;
        let (mut at, mut buffer) = (0, vec![0; PIECE]);
        loop {
            match within(STEP, "sending a file", stream.read(&mut buffer)).await? {
                Ok(0) => break,
                Ok(read) => {
                    keep(into, at, buffer[..read].to_vec()).await?;
                    at += read as u64;
                }
                // Some servers just hang up; how much came says whether that was the end.
                Err(_) if at == size => break,
                Err(error) => return Err(RemoteError::Lost(error.to_string())),
            }
        }
        answer(stream.finish()).await?.map_err(failed)?;
        Ok(true)
    }

    pub(super) async fn write(
        &mut self,
        path: &str,
        there: Option<u64>,
        draft: &Arc<Draft>,
    ) -> Result<(), RemoteError> {
        if there == Some(draft.bytes) {
            return Ok(());
        }
        let resumed = match there {
            Some(from @ 1..) => self.begin(path, from).await.map(|stream| Some((from, stream))),
            _ => Ok(None),
        };
        let (mut at, mut stream) = match resumed {
            Ok(Some(begun)) => begun,
            Err(error) if !error.is_answer() => return Err(error),
            // There is nothing to go on from, or the server cannot.
            Ok(None) | Err(_) => {
                if there.is_some() {
                    self.remove(path).await?;
                }
                (0, self.begin(path, 0).await?)
            }
        };
        while at < draft.bytes {
            let bytes = piece(draft, at, PIECE).await?;
            if within(STEP, "taking a file", stream.write_all(&bytes)).await?.is_err() {
                // Why, it says on the other connection, if that is still there.
                answer(stream.finish()).await?.map_err(failed)?;
                return Err(RemoteError::Lost("it took no more of a file".to_owned()));
            }
            at += bytes.len() as u64;
        }
        answer(stream.finish()).await?.map_err(failed)
    }

    pub(super) async fn rename(&mut self, from: &str, to: &str) -> Result<(), RemoteError> {
        answer(self.ftp.rename(from, to)).await?.map_err(failed)
    }

    pub(super) async fn remove(&mut self, path: &str) -> Result<(), RemoteError> {
        match answer(self.ftp.rm(path)).await?.map_err(failed) {
            Err(RemoteError::Refused(why)) if self.size(path).await?.is_some() => Err(RemoteError::Refused(why)),
            Err(RemoteError::Refused(_)) => Ok(()),
            other => other,
        }
    }

    pub(super) async fn make_folder(&mut self, path: &str) -> Result<(), RemoteError> {
        if self.enter(path).await? {
            return self.go_home().await;
        }
        answer(self.ftp.mkdir(path)).await?.map_err(failed)
    }

    /// Names are looked up from there.
    async fn go_home(&mut self) -> Result<(), RemoteError> {
        let home = self.home.clone();
        match self.enter(&home).await? {
            true => Ok(()),
            false => Err(RemoteError::Lost("there is no way back to the first folder".to_owned())),
        }
    }

    /// Whether there is such a folder; then it is the one that names are looked up in.
    async fn enter(&mut self, folder: &str) -> Result<bool, RemoteError> {
        Ok(there(answer(self.ftp.cwd(folder)).await?, is_missing)?.is_some())
    }

    async fn begin(&mut self, path: &str, from: u64) -> Result<TransferStream<Stream>, RemoteError> {
        let from = usize::try_from(from).map_err(std::io::Error::other)?;
        self.ftp.resume_transfer(from).await.map_err(failed)?;
        answer(self.ftp.put_with_stream(path)).await?.map_err(failed)
    }
}

async fn answer<T>(what: impl Future<Output = T>) -> Result<T, RemoteError> {
    within(STEP, ANSWER, what).await
}

/// `None` for an answer that says so.
fn there<T>(result: Result<T, FtpError>, says_no: impl Fn(Status) -> bool) -> Result<Option<T>, RemoteError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(FtpError::UnexpectedResponse(said)) if says_no(said.status) && !is_gone(said.status) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// There is one word for what is not there and what is not allowed.
fn is_missing(status: Status) -> bool {
    matches!(status, Status::FileUnavailable | Status::RequestFileActionIgnored)
}

/// The server has ended something that it would do in another connection.
fn is_gone(status: Status) -> bool {
    matches!(status, Status::NotAvailable | Status::CannotOpenDataConnection | Status::TransferAborted)
}

fn failed(error: FtpError) -> RemoteError {
    match error {
        FtpError::UnexpectedResponse(said) => {
            let words = saying(&String::from_utf8_lossy(&said.body));
            match said.status {
                status if is_gone(status) => RemoteError::Lost(words),
                Status::RequestedActionNotTaken | Status::ExceededStorage => RemoteError::Full(words),
                _ => RemoteError::Refused(words),
            }
        }
        other => RemoteError::Lost(saying(&other.to_string())),
    }
}

/// Before there is a connection.
fn unreachable(error: FtpError) -> RemoteError {
    match error {
        FtpError::UnexpectedResponse(said) => RemoteError::Refused(saying(&String::from_utf8_lossy(&said.body))),
        other => RemoteError::Unreachable(saying(&other.to_string())),
    }
}
