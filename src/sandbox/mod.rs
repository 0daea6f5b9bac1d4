//! The local stand-in for Actito, Raptor and a small shop, speaking their wire formats over real
//! HTTP, so that the whole story runs on one machine and in tests.
//!
//! It promises: every behaviour says whether it is documented or assumed (`GET /sandbox/behaviours`);
//! the same options give the same profiles; its time runs `speed` times faster than ours; faults are
//! switched by [`Handle`] or over HTTP; whatever it keeps has a bound. It knows nothing of the rest of
//! the crate but the clock: what it tests must not be able to agree with it by sharing code.
//! It guards nothing and belongs on loopback.

mod actito;
mod actito_route;
mod actito_wire;
mod behaviours;
mod clock;
mod control;
mod faults;
mod handle;
mod kept;
mod limits;
mod newsletter;
mod options;
mod profiles;
mod query;
mod raptor;
mod reply;
mod seed;
mod server;
mod shop;
mod tokens;
mod verdict;
mod wrapper;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use actito::{ActitoReport, Operation};
pub use behaviours::{BEHAVIOURS, Behaviour, Certainty};
pub use faults::{AttributeFault, Fault, FaultError, FaultRule, Service};
pub use handle::Handle;
pub use newsletter::NewsletterTooLarge;
pub use options::Options;
pub use profiles::{Profile, TableError};
pub use raptor::{RaptorReport, Rejection, TrackingCall};
pub use shop::Landing;

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
    faults: verdict::Faults,
    actito: actito::Actito,
    raptor: raptor::Raptor,
    shop: shop::Shop,
    newsletter: newsletter::Newsletter,
}

impl Sandbox {
    /// Takes the address of `options` (port 0: any free one) and seeds the profiles.
    ///
    /// # Errors
    /// The address is taken, or an option is out of its range.
    pub async fn bind(options: Options) -> io::Result<Self> {
        options.check().map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
        let listener = TcpListener::bind(options.listen).await?;
        let state = Arc::new(State {
            address: listener.local_addr()?,
            clock: clock::Clock::starting(crate::clock::now(), options.speed),
            faults: verdict::Faults::default(),
            actito: actito::Actito::seeded(&options),
            raptor: raptor::Raptor::new(),
            shop: shop::Shop::new(),
            newsletter: newsletter::Newsletter::default(),
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

/// The lock's content, also when a holder panicked: every critical section here leaves it usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
