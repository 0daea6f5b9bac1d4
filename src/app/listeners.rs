//! The sockets of a server, and what answers on each of the public ones.

use std::net::SocketAddr;

use http::Request;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use crate::config::Config;
use crate::listener::{self, Passed, Protocol};

/// The sockets of a server.
pub struct Listeners {
    /// Clicks and opens.
    pub edge: Vec<TcpListener>,
    /// Where plain HTTP is redirected.
    pub http: Vec<TcpListener>,
    /// Operators.
    pub admin: TcpListener,
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The public listener.
    pub edge: Vec<SocketAddr>,
    /// The plain listener beside it.
    pub http: Vec<SocketAddr>,
    /// The admin listener.
    pub admin: SocketAddr,
}

impl Listeners {
    /// Takes the sockets that the configuration names from what was passed, and binds the others.
    ///
    /// # Errors
    /// An address cannot be bound, or a socket was passed that the configuration does not name.
    pub fn open(config: &Config, mut passed: Passed) -> anyhow::Result<Self> {
        let mut open = |address: SocketAddr| {
            passed.take_or_bind(address).map_err(|e| anyhow::anyhow!("cannot listen on {address}: {e}"))
        };
        let edge = config.edge.listen.iter().map(|address| open(*address)).collect::<Result<_, _>>()?;
        let http = config.edge.http_listen.iter().map(|address| open(*address)).collect::<Result<_, _>>()?;
        let admin = open(config.admin.listen)?;
        match passed.left().as_slice() {
            [] => Ok(Self { edge, http, admin }),
            left => Err(anyhow::anyhow!(
                "sockets were passed that neither edge.listen, edge.http_listen nor admin.listen names: {left:?}"
            )),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.edge.len() + self.http.len() + 1
    }

    pub(super) fn addresses(&self) -> std::io::Result<Addresses> {
        let of = |all: &[TcpListener]| all.iter().map(TcpListener::local_addr).collect::<Result<_, _>>();
        Ok(Addresses { edge: of(&self.edge)?, http: of(&self.http)?, admin: self.admin.local_addr()? })
    }
}

/// Serves the public: clicks and opens, over TLS where there is any, and the way there.
pub(super) fn serve_public(
    parts: &Parts,
    edge: Vec<TcpListener>,
    http: Vec<TcpListener>,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut serving = JoinSet::new();
    let plain = Protocol { tls: None, refused: parts.edge.metrics.refused() };
    for listener in edge {
        let (state, guard) = (parts.edge.clone(), parts.guard.clone());
        match &parts.tls {
            None => {
                let answer = move |request: Request<Incoming>, peer| {
                    let (request, body) = request.into_parts();
                    state.clone().answer(request, peer, body)
                };
                serving.spawn(listener::serve(listener, guard, plain.clone(), answer, stop.clone()));
            }
            Some(tls) => {
                let answer = move |request: Request<Incoming>, peer| {
                    let (request, body) = request.into_parts();
                    state.clone().answer_over_tls(request, peer, body)
                };
                let protocol = Protocol { tls: Some(tls.clone()), ..plain.clone() };
                serving.spawn(listener::serve(listener, guard, protocol, answer, stop.clone()));
            }
        }
    }
    for listener in http {
        let state = parts.edge.clone();
        let answer = move |request: Request<Incoming>, _| {
            let state = state.clone();
            async move { state.answer_plain(&request.into_parts().0) }
        };
        serving.spawn(listener::serve(listener, parts.guard.clone(), plain.clone(), answer, stop.clone()));
    }
    serving
}
