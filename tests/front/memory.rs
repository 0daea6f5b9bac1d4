//! What idle connections cost: memory of the server's process, by the connection.
//!
//! An idle connection of HTTP/1.1 lives five seconds, one of HTTP/2 thirty, so as many are opened as
//! come up in that time, up to 9,000.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::house::CLICK_HOST;
use crate::support::program::Serving;
use crate::support::secure::Authority;
use crate::support::{Connection, House, Settings, client};

/// As many as are opened at most.
const CONNECTIONS: usize = 9_000;

/// Clients that open connections at the same time.
const AT_ONCE: usize = 32;

/// What a connection is before it idles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Connected, and nothing more.
    Silent,
    /// Asked once.
    Asked,
    /// HTTP/2, asked once.
    Two,
}

/// Keeps a connection open.
type Held = Box<dyn std::any::Any + Send>;

async fn open(edge: SocketAddr, authority: Option<Arc<Authority>>, kind: Kind) -> Held {
    if kind == Kind::Two {
        let authority = authority.expect("HTTP/2 goes over TLS");
        let client = authority.http2(edge).await;
        let request = http::Request::get(format!("https://{CLICK_HOST}/healthz")).body(()).unwrap();
        let mut ready = client.clone().ready().await.unwrap();
        assert_eq!(ready.send_request(request, true).unwrap().0.await.unwrap().status(), 200);
        return Box::new(client);
    }
    let mut connection = match authority {
        None => Connection::open(edge).await.unwrap(),
        Some(authority) => Connection::over(authority.connect(edge, CLICK_HOST, &["http/1.1"]).await.unwrap()),
    };
    if kind == Kind::Asked {
        assert_eq!(connection.exchange(client::get(CLICK_HOST, "/healthz", "").as_bytes()).await.unwrap().status, 200);
    }
    Box::new(connection)
}

fn resident(serving: &Serving) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Bytes for each of the connections that came up within `time`.
async fn cost(serving: &Serving, authority: Option<&Arc<Authority>>, kind: Kind, time: Duration) -> usize {
    // What is set up once, by the first of them.
    drop(open(serving.edge, authority.cloned(), kind).await);
    let (before, begun) = (resident(serving), Instant::now());
    let mut opening = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (edge, authority) = (serving.edge, authority.cloned());
        opening.spawn(async move {
            let mut held = Vec::new();
            while held.len() < CONNECTIONS / AT_ONCE && begun.elapsed() < time {
                held.push(open(edge, authority.clone(), kind).await);
            }
            held
        });
    }
    let held: Vec<Held> = opening.join_all().await.into_iter().flatten().collect();
    let each = resident(serving).saturating_sub(before) / held.len();
    let over = if authority.is_some() { "TLS" } else { "plain" };
    println!("{kind:?} over {over}: {} connections, {each} bytes each", held.len());
    each
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: opens thousands of connections; needs 20,000 file descriptors"]
async fn idle_connections_cost_little() {
    let house = House::new(&Settings::default());
    let (serving, house) = tokio::task::spawn_blocking(move || (Serving::start(&house), house)).await.unwrap();
    let silent = cost(&serving, None, Kind::Silent, Duration::from_secs(4)).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    let asked = cost(&serving, None, Kind::Asked, Duration::from_secs(4)).await;
    drop((tokio::task::spawn_blocking(|| serving.terminate()).await, house));

    let authority = Arc::new(Authority::new());
    let mut secure = Vec::new();
    for (kind, seconds) in [(Kind::Silent, 4), (Kind::Asked, 4), (Kind::Two, 25)] {
        let house = authority.house("");
        let (serving, house) = tokio::task::spawn_blocking(move || (Serving::start(&house), house)).await.unwrap();
        secure.push(cost(&serving, Some(&authority), kind, Duration::from_secs(seconds)).await);
        drop((tokio::task::spawn_blocking(|| serving.terminate()).await, house));
    }
    // h2 has its buffers, 28 KiB that are partly touched, beside what TLS has.
    assert!(silent <= 6 * 1024 && asked <= 6 * 1024, "plain: {silent}, {asked}");
    let [silent, asked, two] = secure[..] else { panic!("{secure:?}") };
    assert!(silent <= 16 * 1024 && asked <= 16 * 1024 && two <= 32 * 1024, "TLS: {silent}, {asked}, {two}");
}
