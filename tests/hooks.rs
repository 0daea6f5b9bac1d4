//! Who learns of profiles: webhooks from the sandbox's Actito to the written REAID, bodies that are no good,
//! what `reaid sync webhooks` tells Actito, and addresses that are asked for.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed, and says where")]

mod support;

#[path = "hooks/bodies.rs"]
mod bodies;
#[path = "hooks/cli.rs"]
mod cli;
#[path = "hooks/ids.rs"]
mod ids;
#[path = "hooks/pushes.rs"]
mod pushes;

use std::time::Duration;

use reaid::sandbox::Options;
use reaid::store::sync as rows;
use support::client::post;
use support::house::{CLICK_HOST, HOOK_SECRET};
use support::server::RunningSandbox;
use support::{Answer, Connection, House, Server, Settings, client, logs};
use tokio::net::TcpListener;

/// Somebody whom the sandbox does not know yet.
const NEWCOMER: &str = "newcomer@example.org";

/// Where the tests' integration takes webhooks.
const PATH: &str = "/hooks/actito/shop";

/// The bytes of a webhook with the secret.
fn push(body: &[u8]) -> Vec<u8> {
    post(CLICK_HOST, PATH, &format!("X-Hook-Secret: {HOOK_SECRET}\r\n"), body)
}

async fn send(server: &Server, body: &[u8]) -> Answer {
    client::ask(server.edge, &push(body)).await
}

/// A server whose integration takes webhooks, and whose Actito nobody runs.
async fn alone() -> Server {
    Server::start(&Settings::default().syncing_with("http://127.0.0.1:9").asked()).await
}

/// The profiles that are to be looked at.
async fn hinted(server: &Server) -> Vec<i64> {
    let hints = server.store.read(|db| rows::hints(db, "shop", 0, 9999)).await.unwrap();
    hints.into_iter().map(|hint| hint.profile_id).collect()
}

/// How many people wait for their profile to be seen.
async fn asked(server: &Server) -> u64 {
    server.store.read(|db| rows::count_asked(db, "shop")).await.unwrap()
}

/// A sandbox and a house that points to it; `edge` is where its webhooks come.
struct Stage {
    vendors: RunningSandbox,
    edge: TcpListener,
    house: House,
}

impl Stage {
    async fn new(mut options: Options) -> Self {
        // Where time runs fast, a token would expire under every other call.
        options.limits.token_lifetime = Duration::from_secs(1_000_000);
        options.speed = 100;
        let vendors = RunningSandbox::with(options).await;
        logs::must_not_hold(NEWCOMER);
        let edge = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", edge.local_addr().unwrap());
        let mut settings = Settings { base_url, ..Settings::default() }.syncing_with(&vendors.base_url()).asked();
        settings.integration += "schedule = { every = \"1h\" }\n";
        let house = House::new(&settings);
        Self { vendors, edge, house }
    }
}

/// Runs `reaid` in a house, off the threads that run async code.
async fn reaid(house: &House, arguments: &[&str]) -> support::Run {
    let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
    std::thread::scope(|scope| {
        let run = || support::program::reaid(house, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        scope.spawn(run).join().unwrap()
    })
}

async fn connect(server: &Server) -> Connection {
    Connection::open(server.edge).await.unwrap()
}
