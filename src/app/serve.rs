//! The running server: the edge, the admin listener and the side tasks, from start to drain.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::hand_over;
use super::listeners::{Addresses, Listeners, serve_public};
use super::parts::{Assembled, Parts};
use super::setup::Setup;
use super::side_tasks::{Prepared, SideTasks};
use super::watch::{Stamps, Watch};
use crate::admin::{Admin, Readiness};
use crate::listener::{self, Guard, Passed, Protocol};
use crate::store::Store;
use crate::supervisor;

/// Of the drain, how much is left for the outbox after the last connection must be gone.
const LAST_COMMIT: Duration = Duration::from_secs(2);

/// How long answers of the admin listener may go on when everything else is done: most take milliseconds,
/// and who uploads a newsletter now can do it again.
const LAST_ADMIN_ANSWER: Duration = Duration::from_secs(1);

/// A server whose sockets are bound and whose store is open, about to run.
pub struct App {
    parts: Parts,
    side_tasks: Prepared,
    listeners: Listeners,
    stamps: Stamps,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything was answered and written.
    Drained,
    /// The drain deadline passed first.
    Overdue,
}

/// What an operator may ask of a running server.
pub struct Signals {
    /// Read configuration, keys and certificates again.
    pub reload: Signal,
    /// Start a successor and end.
    pub hand_over: Signal,
}

/// Why a server ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stop,
    HandedOver,
}

impl App {
    /// Binds the sockets that the configuration names.
    ///
    /// # Errors
    /// An address cannot be bound, the configuration is wrong, or a secret is missing.
    pub fn bind(setup: Setup, store: Store) -> anyhow::Result<Self> {
        let listeners = Listeners::open(&setup.config, Passed::default())?;
        Self::with_listeners(setup, store, listeners)
    }

    /// The same with sockets that are bound already.
    ///
    /// # Errors
    /// The configuration is wrong, or a secret is missing.
    pub fn with_listeners(setup: Setup, store: Store, listeners: Listeners) -> anyhow::Result<Self> {
        let Assembled { parts, acme, stamps } = Parts::assemble(setup, store)?;
        let side_tasks = Prepared::of(&parts, acme)?;
        Ok(Self { parts, side_tasks, listeners, stamps })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not know.
    pub fn addresses(&self) -> std::io::Result<Addresses> {
        self.listeners.addresses()
    }

    /// Serves until `stop`, then drains: no new connections, every request answered, every event
    /// committed, deliveries under way ended, the store closed; all of it before one deadline.
    pub async fn run(self, stop: CancellationToken) -> Stopped {
        let open = CancellationToken::new();
        open.cancel();
        self.run_operated(stop, None, open).await
    }

    /// The same for an operator, who may ask for a reload or a hand-over. What must be done once for a
    /// store (delivery, syncs) begins when `open` is cancelled.
    pub async fn run_operated(
        self,
        stop: CancellationToken,
        signals: Option<Signals>,
        open: CancellationToken,
    ) -> Stopped {
        let Self { parts, side_tasks, listeners, stamps } = self;
        let sockets = signals.as_ref().and_then(|_| hand_over::Sockets::spare(&listeners));
        let closing = CancellationToken::new();
        let (reload, hand_over) = signals.map(|Signals { reload, hand_over }| (reload, hand_over)).unzip();
        let watch = Watch::new(parts.store.clone(), parts.live.clone(), stamps).run(reload, closing.clone());
        let mut side_tasks = side_tasks.start(&parts, watch, &open, &closing);
        let edge = serve_public(&parts, listeners.edge, listeners.http, &closing);
        let admin_stop = CancellationToken::new();
        let admin = serve_admin(&parts.admin, listeners.admin, &admin_stop);
        parts.admin.readiness.store(Readiness::Ready);
        if hand_over.is_some() {
            supervisor::ready();
        }
        if hand_over::succeeds() {
            hand_over::answer_predecessor();
        }
        let end = tokio::select! {
            () = stop.cancelled() => End::Stop,
            () = hand_over::handed_over(sockets.as_ref(), hand_over) => End::HandedOver,
            () = side_tasks.supervise(&closing) => End::Stop,
        };
        // A socket that is open once more would take connections that nobody accepts.
        drop(sockets);
        let deadline = Instant::now() + parts.setup.config.edge.drain;
        // Whoever watches readiness learns of the stop; the admin listener answers until the store closes,
        // unless there is another process behind the same socket that should.
        parts.admin.readiness.store(Readiness::Draining);
        match end {
            End::HandedOver => admin_stop.cancel(),
            End::Stop => {
                supervisor::stopping();
                tokio::time::sleep(parts.setup.config.edge.lame_duck).await;
            }
        }
        closing.cancel();
        drain(parts, edge, side_tasks, end_admin(admin, admin_stop), deadline).await
    }
}

fn serve_admin(admin: &Arc<Admin>, listener: TcpListener, stop: &CancellationToken) -> JoinHandle<()> {
    let state = admin.clone();
    let answer = move |request, _| state.clone().answer(request);
    tokio::spawn(listener::serve(listener, Guard::default(), Protocol::default(), answer, stop.clone()))
}

/// Ends the admin listener: requests under way get a moment, what is longer is cut off.
async fn end_admin(mut listener: JoinHandle<()>, stop: CancellationToken) {
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
    deadline: Instant,
) -> Stopped {
    let drain = deadline.saturating_duration_since(Instant::now());
    let connections = async { while edge.join_next().await.is_some() {} };
    let answered = timeout_at(deadline - LAST_COMMIT.min(drain / 2), connections).await.is_ok();
    let written = timeout_at(deadline, async {
        parts.edge.recorder.flush().await;
        side_tasks.end().await
    });
    let written = written.await.unwrap_or(false);
    drop(timeout_at(deadline, admin_ends).await);
    // Closing waits for the disk, so every handle of ours goes there: the last one must not be dropped on
    // this thread. When requests or tasks are left they hold the store too, and then these are some of several.
    let closing = tokio::task::spawn_blocking(move || drop(parts));
    let closed = timeout_at(deadline, closing).await.is_ok();
    if answered && written && closed { Stopped::Drained } else { Stopped::Overdue }
}
