//! The running server: the edge, the admin listener and the side tasks, from start to drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Request;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::erasure::{Eraser, ErasureError};
use super::exposition::{CampaignCollector, TrackingCollector};
use super::live::Live;
use super::policy::{Trust, policy};
use super::setup::Setup;
use super::side_tasks::{Prepared, SideTasks};
use super::sync_exposition::SyncCollector;
use crate::admin::{Admin, Erase, Readiness};
use crate::authoring::Author;
use crate::campaign;
use crate::edge::{Edge, EdgeMetrics};
use crate::listener;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::tracking::{Counters, Delivers, Recorder, Withheld};

/// Of the drain, how much is left for the outbox after the last connection must be gone.
const LAST_COMMIT: Duration = Duration::from_secs(2);

/// How long answers of the admin listener may go on when everything else is done: most take milliseconds,
/// and who uploads a newsletter now can do it again.
const LAST_ADMIN_ANSWER: Duration = Duration::from_secs(1);

/// A server whose sockets are bound and whose store is open, about to run.
pub struct App {
    parts: Parts,
    side_tasks: Prepared,
    edge_listeners: Vec<TcpListener>,
    admin_listener: TcpListener,
}

/// What the listeners and the side tasks of one server share.
pub(super) struct Parts {
    pub(super) setup: Setup,
    pub(super) store: Store,
    pub(super) edge: Arc<Edge>,
    pub(super) admin: Arc<Admin>,
    pub(super) counters: Arc<Counters>,
    pub(super) campaigns: Arc<campaign::Counters>,
    pub(super) syncs: SyncCollector,
    /// The keys and the suppressions of the moment, written by [`Live::take_up`].
    pub(super) trust: Arc<ArcSwap<Trust>>,
    pub(super) live: Arc<Live>,
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The public listener.
    pub edge: Vec<SocketAddr>,
    /// The admin listener.
    pub admin: SocketAddr,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything was answered and written.
    Drained,
    /// The drain deadline passed first.
    Overdue,
}

impl App {
    /// Binds the sockets that the configuration names.
    ///
    /// # Errors
    /// An address cannot be bound, the configuration is wrong, or a secret is missing.
    pub async fn bind(setup: Setup, store: Store) -> anyhow::Result<Self> {
        let mut edge = Vec::new();
        for address in &setup.config.edge.listen {
            edge.push(bind(*address).await?);
        }
        let admin = bind(setup.config.admin.listen).await?;
        Self::with_listeners(setup, store, edge, admin)
    }

    /// The same with sockets that are bound already.
    ///
    /// # Errors
    /// The configuration is wrong, or a secret is missing.
    pub fn with_listeners(
        setup: Setup,
        store: Store,
        edge_listeners: Vec<TcpListener>,
        admin_listener: TcpListener,
    ) -> anyhow::Result<Self> {
        let token = setup.config.admin.token.read()?;
        let counters = Counters::beside(&store);
        let mut metrics = Metrics::default();
        let delivers = Delivers { kinds: setup.config.raptor.deliver, bots: setup.config.raptor.deliver_bots };
        let policy = Arc::new(policy(&setup.config, &setup.trust, 1)?);
        let author = Author::new(setup.config.clone(), policy.clone())?;
        let author = Arc::new(ArcSwap::from_pointee(author));
        let trust = Arc::new(ArcSwap::from_pointee(setup.trust.clone()));
        let withheld = withheld(trust.clone());
        let edge = Arc::new(Edge {
            policy: ArcSwap::new(policy),
            recorder: Recorder::new(store.clone(), delivers, withheld.clone(), counters.clone()),
            commit_wait: setup.config.edge.commit_wait,
            hooks: super::hooks::hooks(&setup.config, &store, &trust)?,
            metrics: EdgeMetrics::register(&mut metrics),
        });
        metrics.collector(Box::new(TrackingCollector(counters.clone())));
        let campaigns = Arc::new(campaign::Counters::default());
        metrics.collector(Box::new(CampaignCollector(campaigns.clone())));
        let syncs = SyncCollector::of(&setup.config);
        metrics.collector(Box::new(syncs.clone()));
        let keep_links = super::campaign::keep_links(&store, &trust);
        let live = Arc::new(Live::new(&setup, edge.clone(), trust.clone(), author.clone(), withheld));
        let erase = erase(Eraser::new(&setup, store.clone()).live(live.clone()));
        let desks = super::ids::desks(&setup.config, &store, &trust)?;
        let hosts = setup.config.admin.hosts.clone();
        let admin = Admin::new(token, metrics, hosts, author, keep_links, erase, desks);
        let parts = Parts { setup, store, edge, admin: Arc::new(admin), counters, campaigns, syncs, trust, live };
        let side_tasks = Prepared::of(&parts)?;
        Ok(Self { parts, side_tasks, edge_listeners, admin_listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not know.
    pub fn addresses(&self) -> std::io::Result<Addresses> {
        let edge = self.edge_listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        Ok(Addresses { edge, admin: self.admin_listener.local_addr()? })
    }

    /// Serves until `stop`, then drains: no new connections, every request answered, every event
    /// committed, deliveries under way ended, the store closed; all of it before one deadline.
    pub async fn run(self, stop: CancellationToken) -> Stopped {
        let Self { parts, side_tasks, edge_listeners, admin_listener } = self;
        let mut side_tasks = side_tasks.start(&parts, &stop);
        let mut edge = JoinSet::new();
        for listener in edge_listeners {
            let state = parts.edge.clone();
            let answer = move |request: Request<Incoming>| {
                let (request, body) = request.into_parts();
                state.clone().answer(request, body)
            };
            edge.spawn(listener::serve(listener, answer, stop.clone()));
        }
        let state = parts.admin.clone();
        let answer = move |request| state.clone().answer(request);
        let admin_stop = CancellationToken::new();
        let admin = tokio::spawn(listener::serve(admin_listener, answer, admin_stop.clone()));
        parts.admin.readiness.store(Readiness::Ready);
        side_tasks.supervise(&stop).await;
        // Whoever watches readiness learns of the stop; the admin listener answers until the store closes.
        parts.admin.readiness.store(Readiness::Draining);
        drain(parts, edge, side_tasks, end(admin, admin_stop)).await
    }
}

/// Ends the admin listener: requests under way get a moment, what is longer is cut off.
async fn end(mut listener: JoinHandle<()>, stop: CancellationToken) {
    stop.cancel();
    if timeout(LAST_ADMIN_ANSWER, &mut listener).await.is_err() {
        listener.abort();
        // Cancelled is what it must be.
        drop(listener.await);
    }
}

/// Ends everything in the order of what is lost otherwise: answers, events, deliveries, the store.
async fn drain(
    parts: Parts,
    mut edge: JoinSet<()>,
    side_tasks: SideTasks,
    admin_ends: impl Future<Output = ()>,
) -> Stopped {
    let drain = parts.setup.config.edge.drain;
    let deadline = Instant::now() + drain;
    let connections = async { while edge.join_next().await.is_some() {} };
    let answered = timeout_at(deadline - LAST_COMMIT.min(drain / 2), connections).await.is_ok();
    let written = timeout_at(deadline, async {
        parts.edge.recorder.flush().await;
        side_tasks.end().await
    });
    let written = written.await.unwrap_or(false);
    drop(timeout_at(deadline, admin_ends).await);
    // Closing waits for the disk. When requests or tasks are left they hold the store too, and then
    // this drops some handles of several.
    let closing = tokio::task::spawn_blocking(move || drop((parts.edge, parts.admin, parts.store)));
    let closed = timeout_at(deadline, closing).await.is_ok();
    if answered && written && closed { Stopped::Drained } else { Stopped::Overdue }
}

/// Who is withheld at any moment.
fn withheld(trust: Arc<ArcSwap<Trust>>) -> Arc<Withheld> {
    Withheld::new(Arc::new(move |reaid| trust.load().suppressed.has_text(reaid)))
}

/// An erasure that comes to its end though whoever asked for it goes away.
fn erase(eraser: Eraser) -> Erase {
    Box::new(move |digest, lift| {
        let eraser = eraser.clone();
        let erasing = tokio::spawn(async move { eraser.erase(digest, lift).await });
        Box::pin(async move { erasing.await.unwrap_or(Err(ErasureError::Ending)) })
    })
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| anyhow::anyhow!("cannot listen on {address}: {e}"))
}
