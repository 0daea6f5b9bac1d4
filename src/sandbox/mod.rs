//! The local stand-in for Actito, Raptor and a small shop, speaking their wire formats over real
//! HTTP, so that the whole story runs on one machine and in tests.
//!
//! It promises: every behaviour says whether it is documented or assumed (`GET /sandbox/behaviours`);
//! the same options give the same profiles; its time runs `speed` times faster than ours; faults are
//! switched by [`Handle`] or over HTTP; whatever it keeps has a bound. It knows nothing of the rest of
//! the crate but the clock: what it tests must not be able to agree with it by sharing code.
//! It guards nothing and belongs on loopback.

mod actito;
mod behaviours;
mod cdp;
mod clock;
mod control;
mod export;
mod faults;
mod handle;
mod imports;
mod kept;
mod newsletter;
mod options;
mod query;
mod raptor;
mod reply;
mod server;
mod shop;
mod table;
mod targets;
mod webhooks;
mod wrapper;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use actito::{ActitoReport, Operation};
pub use behaviours::{BEHAVIOURS, Behaviour, Certainty};
pub use cdp::{CdpMember, CdpReport};
pub use export::Packing;
pub use faults::{AttributeFault, Fault, FaultError, FaultRule, ImportFault, Meanwhile, PushFault, Service};
pub use handle::Handle;
pub use imports::{Generation, ImportDay, ImportReport, Mode, Progress};
pub use newsletter::NewsletterTooLarge;
pub use options::{
    Api, EmptyField, FileCheck, Gone, ImportOptions, ItemShape, Limits, Options, PayloadVersion, Right, V5Write,
    WebhookOptions, WireOptions,
};
pub use raptor::{RaptorReport, Rejection, TrackingCall};
pub use shop::Landing;
pub use table::{Profile, TableError};
pub use targets::{ReferenceReport, TargetReport};
pub use webhooks::WebhookReport;

/// A sandbox that has its address and does not answer yet.
pub struct Sandbox {
    listener: TcpListener,
    state: Arc<State>,
}

/// Everything the sandbox remembers. Each part guards itself; none calls into another while it holds
/// its lock.
struct State {
    options: Options,
    address: SocketAddr,
    clock: clock::Clock,
    faults: faults::Faults,
    actito: actito::Actito,
    webhooks: webhooks::Webhooks,
    raptor: raptor::Raptor,
    cdp: cdp::Cdp,
    targets: targets::Targets,
    shop: shop::Shop,
    newsletter: newsletter::Newsletter,
    /// Imports and pushes, which outlive the calls that started them and end with the sandbox.
    background: TaskTracker,
    stopping: CancellationToken,
}

impl Sandbox {
    /// Takes the address of `options` (port 0: any free one) and seeds the profiles.
    ///
    /// # Errors
    /// The address is taken, or an option is out of its range.
    pub async fn bind(options: Options) -> io::Result<Self> {
        options.check().map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
        let listener = TcpListener::bind(options.listen).await?;
        let now = crate::clock::now();
        let actito = actito::Actito::seeded(&options, now);
        let state = Arc::new(State {
            address: listener.local_addr()?,
            clock: clock::Clock::starting(now, options.speed),
            faults: faults::Faults::default(),
            cdp: cdp::Cdp::seeded(&actito, &options),
            targets: targets::Targets::default(),
            actito,
            webhooks: webhooks::Webhooks::new(),
            raptor: raptor::Raptor::new(),
            shop: shop::Shop::new(),
            newsletter: newsletter::Newsletter::default(),
            background: TaskTracker::new(),
            stopping: CancellationToken::new(),
            options,
        });
        Ok(Self { listener, state })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.state.address
    }

    /// The remote control, which stays valid while and after the sandbox runs.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.state))
    }

    /// Answers until `stop` is cancelled and the requests under way have ended or used up their time.
    pub async fn run(self, stop: CancellationToken) {
        server::run(self.listener, self.state, stop).await;
    }
}

impl State {
    /// Changes the table and tells whoever waits or subscribed.
    fn write<T>(&self, change: impl FnOnce(&mut table::Table) -> Result<T, TableError>) -> Result<T, TableError> {
        let (done, changes) = self.actito.write(change);
        self.webhooks.tell(changes);
        done
    }

    /// The same for rows of an import, which are pushed when the options say so.
    fn import(&self, change: impl FnOnce(&mut table::Table)) {
        let (_, changes) = self.actito.write(|table| {
            change(table);
            Ok(())
        });
        if self.options.webhooks.on_imports {
            self.webhooks.tell(changes);
        }
    }
}

/// The lock's content, also when a holder panicked: every critical section here leaves it usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
