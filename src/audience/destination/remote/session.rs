//! A connection to a file server, whatever is spoken there: the few things that both protocols can do.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use url::Host;

use super::Found;
use super::error::{RemoteError, within};
use super::{ftps, sftp};
use crate::audience::content::Draft;
use crate::config::{FileProtocol, FileServer};

/// How long connecting may take: name, TCP, keys, login.
pub(super) const CONNECT: Duration = Duration::from_secs(20);

/// How long one step may take, or one piece of a file: 128 KiB in it are slower than any line that is used for this.
pub(super) const STEP: Duration = Duration::from_secs(60);

/// What is read from a draft, and sent, at once.
pub(super) const PIECE: usize = 128 << 10;

/// A connection that is logged in.
#[derive(Debug)]
pub(super) struct Session {
    kind: Kind,
    /// Whether the folders of targets are known to be there.
    pub(super) has_folders: bool,
}

#[derive(Debug)]
enum Kind {
    Sftp(Box<sftp::Session>),
    Ftps(Box<ftps::Session>),
}

impl Session {
    pub(super) async fn connect(server: &FileServer) -> Result<Self, RemoteError> {
        let connecting = async {
            let stream = reach(server).await?;
            Ok::<_, RemoteError>(match &server.protocol {
                FileProtocol::Sftp(how) => Kind::Sftp(Box::new(sftp::Session::open(stream, &server.user, how).await?)),
                FileProtocol::Ftps(how) => Kind::Ftps(Box::new(ftps::Session::open(stream, server, how).await?)),
            })
        };
        let kind = within(CONNECT, "connecting", connecting).await??;
        Ok(Self { kind, has_folders: false })
    }

    /// What is in a folder; none when it is not there.
    pub(super) async fn list(&mut self, folder: &str) -> Result<Option<Vec<Found>>, RemoteError> {
        match &mut self.kind {
            Kind::Sftp(sftp) => sftp.list(folder).await,
            Kind::Ftps(ftps) => ftps.list(folder).await,
        }
    }

    /// Bytes of a file, if it is there.
    pub(super) async fn size(&mut self, path: &str) -> Result<Option<u64>, RemoteError> {
        match &mut self.kind {
            Kind::Sftp(sftp) => sftp.size(path).await,
            Kind::Ftps(ftps) => ftps.size(path).await,
        }
    }

    /// Reads a file; whether it is there.
    pub(super) async fn read(&mut self, path: &str, into: &Arc<File>) -> Result<bool, RemoteError> {
        match &mut self.kind {
            Kind::Sftp(sftp) => sftp.read(path, into).await,
            Kind::Ftps(ftps) => ftps.read(path, into).await,
        }
    }

    /// Writes a file of which so many bytes are there, if any, from this draft; after `Ok` it survives a power failure
    /// where the server can do that. To begin again it takes the old one away: a server may still be writing there
    /// what it had received when it lost us, and must not leave a hole.
    pub(super) async fn write(
        &mut self,
        path: &str,
        there: Option<u64>,
        draft: &Arc<Draft>,
    ) -> Result<(), RemoteError> {
        match &mut self.kind {
            Kind::Sftp(sftp) => sftp.write(path, there, draft).await,
            Kind::Ftps(ftps) => ftps.write(path, there, draft).await,
        }
    }

    /// Gives a file another name. Where a file has that name, it is gone then, or this is refused.
    pub(super) async fn rename(&mut self, from: &str, to: &str) -> Result<(), RemoteError> {
        match &mut self.kind {
            Kind::Sftp(sftp) => sftp.rename(from, to).await,
            Kind::Ftps(ftps) => ftps.rename(from, to).await,
        }
    }

    /// Takes a file away, if it is there.
    pub(super) async fn remove(&mut self, path: &str) -> Result<(), RemoteError> {
        match &mut self.kind {
            Kind::Sftp(sftp) => sftp.remove(path).await,
            Kind::Ftps(ftps) => ftps.remove(path).await,
        }
    }

    /// Makes a folder, unless it is there.
    pub(super) async fn make_folder(&mut self, path: &str) -> Result<(), RemoteError> {
        match &mut self.kind {
            Kind::Sftp(sftp) => sftp.make_folder(path).await,
            Kind::Ftps(ftps) => ftps.make_folder(path).await,
        }
    }
}

/// The operator wrote the host, and it proves who it is: private addresses are as good as others.
async fn reach(server: &FileServer) -> Result<TcpStream, RemoteError> {
    let port = server.port;
    let stream = match &server.host {
        Host::Domain(name) => TcpStream::connect((name.as_str(), port)).await,
        Host::Ipv4(address) => TcpStream::connect((*address, port)).await,
        Host::Ipv6(address) => TcpStream::connect((*address, port)).await,
    };
    let stream = stream.map_err(|error| RemoteError::Unreachable(error.to_string()))?;
    stream.set_nodelay(true).map_err(|error| RemoteError::Unreachable(error.to_string()))?;
    Ok(stream)
}

/// A piece of a draft; shorter at its end, and empty behind it.
pub(super) async fn piece(draft: &Arc<Draft>, at: u64, length: usize) -> Result<Vec<u8>, RemoteError> {
    let draft = draft.clone();
    let read = move || {
        let left = usize::try_from(draft.bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(left)];
        draft.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    };
    tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)?
}

/// Keeps a piece of a file.
pub(super) async fn keep(into: &Arc<File>, at: u64, bytes: Vec<u8>) -> Result<(), RemoteError> {
    let into = into.clone();
    let write = move || into.write_all_at(&bytes, at).map_err(RemoteError::from);
    tokio::task::spawn_blocking(write).await.map_err(std::io::Error::other)?
}
