//! The server and the sandbox in the test's own process.

use std::net::SocketAddr;

use reaid::app::{App, Listeners, Setup, Stopped};
use reaid::sandbox::{self, Sandbox};
use reaid::store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::house::{ADMIN_TOKEN, CLICK_HOST, House, Settings, mint};
use super::{Answer, client, logs};

/// A server that runs until it is stopped or dropped.
pub(crate) struct Server {
    /// Its folder.
    pub(crate) house: House,
    /// What it started from.
    pub(crate) setup: Setup,
    /// Its store.
    pub(crate) store: Store,
    /// Its public listener.
    pub(crate) edge: SocketAddr,
    /// Where it redirects plain HTTP, if it does.
    pub(crate) http: Option<SocketAddr>,
    /// Its admin listener.
    pub(crate) admin: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<Stopped>,
}

impl Server {
    /// Starts in a house of its own.
    pub(crate) async fn start(settings: &Settings) -> Self {
        Self::start_in(House::new(settings)).await
    }

    /// Starts in this house.
    pub(crate) async fn start_in(house: House) -> Self {
        let (app, server) = Self::bind_in(house).await;
        server.run(app)
    }

    /// Binds in this house and does not run yet.
    pub(crate) async fn bind_in(house: House) -> (App, Bound) {
        let bound = Bound::open(house).await;
        (App::bind(bound.setup.clone(), bound.store.clone()).unwrap(), bound)
    }

    /// Starts in this house, where clicks and webhooks come to `edge`: who calls must know it before.
    pub(crate) async fn start_at(house: House, edge: TcpListener) -> Self {
        let (bound, admin) = (Bound::open(house).await, TcpListener::bind("127.0.0.1:0").await.unwrap());
        let listeners = Listeners { edge: vec![edge], http: Vec::new(), admin };
        let app = App::with_listeners(bound.setup.clone(), bound.store.clone(), listeners).unwrap();
        bound.run(app)
    }

    /// `GET target` on the public listener, as a browser asks it.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        let request = client::get(CLICK_HOST, target, "User-Agent: Mozilla/5.0 (X11) Firefox/140.0\r\n");
        client::ask(self.edge, request.as_bytes()).await
    }

    /// `/metrics`, with the token.
    pub(crate) async fn metrics(&self) -> Metrics {
        metrics(self.admin).await
    }

    /// Mints in the integration `shop`.
    pub(crate) fn mint(&self, address: &str) -> String {
        mint(&self.setup, address)
    }

    /// Stops and drains; gives the house back.
    pub(crate) async fn stop(self) -> (Stopped, House) {
        self.stop.cancel();
        let stopped = self.running.await.unwrap();
        (stopped, self.house)
    }
}

/// What [`Server::bind_in`] leaves to do.
pub(crate) struct Bound {
    pub(crate) house: House,
    pub(crate) setup: Setup,
    pub(crate) store: Store,
}

impl Bound {
    async fn open(house: House) -> Self {
        logs::of_this_process();
        // Opening the store blocks, which a runtime's own thread must not.
        let opened = tokio::task::spawn_blocking(move || (house.setup(), house)).await;
        let ((setup, store), house) = opened.unwrap();
        Self { house, setup, store }
    }

    /// Runs it.
    pub(crate) fn run(self, app: App) -> Server {
        let Self { house, setup, store } = self;
        let (addresses, stop) = (app.addresses().unwrap(), CancellationToken::new());
        let running = tokio::spawn(app.run(stop.clone()));
        Server {
            house,
            setup,
            store,
            edge: addresses.edge[0],
            http: addresses.http.first().copied(),
            admin: addresses.admin,
            stop,
            running,
        }
    }
}

/// The text of `/metrics`.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(pub(crate) String);

impl Metrics {
    /// The value of one series, as in `reaid_clicks_total{agent="human",identity="valid"}`.
    pub(crate) fn get(&self, series: &str) -> f64 {
        let values = self.0.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        let values: Vec<f64> = values.collect();
        assert_eq!(values.len(), 1, "{series} stands {} times in\n{}", values.len(), self.0);
        values[0]
    }
}

/// `/metrics` of an admin listener, with the token.
pub(crate) async fn metrics(admin: SocketAddr) -> Metrics {
    let token = format!("Authorization: Bearer {ADMIN_TOKEN}\r\n");
    let answer = client::ask(admin, client::get("localhost", "/metrics", &token).as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    Metrics(answer.text().to_owned())
}

/// A sandbox that runs until it is dropped. The addresses of its profiles may not be logged.
pub(crate) struct RunningSandbox {
    /// Its remote control.
    pub(crate) handle: sandbox::Handle,
    stop: CancellationToken,
}

impl RunningSandbox {
    /// Starts one with this many profiles.
    pub(crate) async fn start(profiles: usize) -> Self {
        Self::with(sandbox::Options { profiles, ..sandbox::Options::default() }).await
    }

    /// Starts one.
    pub(crate) async fn with(options: sandbox::Options) -> Self {
        let attribute = options.email_attribute.clone();
        let sandbox = Sandbox::bind(options).await.unwrap();
        let (handle, stop) = (sandbox.handle(), CancellationToken::new());
        tokio::spawn(sandbox.run(stop.clone()));
        for profile in handle.profiles() {
            // Some hold none, or something that is no address.
            if let Some(address) = profile.get(&attribute).filter(|value| value.contains('@')) {
                logs::must_not_hold(address);
            }
        }
        Self { handle, stop }
    }

    /// `http://address:port` of Actito, Raptor and the shop.
    pub(crate) fn base_url(&self) -> String {
        self.handle.base_url()
    }
}

impl Drop for RunningSandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
