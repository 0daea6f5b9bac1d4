//! Listening sockets: those that were passed to this process (systemd's `LISTEN_FDS`, or the process
//! before this one), and those that it binds itself.
//!
//! A passed socket is known by its address, so that the order of units and of the configuration does
//! not matter. It stays open in whoever passed it: between two processes nobody is refused.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};

use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket};

use super::limits;

/// Sockets that were passed and are not taken yet.
#[derive(Debug, Default)]
pub struct Passed(Vec<(SocketAddr, StdListener)>);

impl Passed {
    /// Takes over what the environment says was passed.
    ///
    /// # Errors
    /// Something was passed that is no listening TCP socket.
    pub fn from_environment() -> io::Result<Self> {
        let mut passed = ListenFd::from_env();
        let mut all = Vec::with_capacity(passed.len());
        for at in 0..passed.len() {
            if let Some(listener) = passed.take_tcp_listener(at)? {
                all.push((listener.local_addr()?, listener));
            }
        }
        Ok(Self(all))
    }

    /// The socket of this address, else a new one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn take_or_bind(&mut self, address: SocketAddr) -> io::Result<TcpListener> {
        let Some(at) = self.0.iter().position(|(own, _)| *own == address) else { return bind(address) };
        let (_, listener) = self.0.swap_remove(at);
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }

    /// The addresses of what was passed and not taken.
    pub fn left(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|(address, _)| *address).collect()
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(limits::BACKLOG)
}
