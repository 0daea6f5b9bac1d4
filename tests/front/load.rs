//! Clicks at a constant rate, over HTTP/1.1 and HTTP/2, on kept and on fresh connections; none may fail.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::clicks::{page, target};
use crate::support::house::CLICK_HOST;
use crate::support::secure::Authority;
use crate::support::{Connection, PATIENCE};

/// Visitors of each protocol: few enough that each asks again before a kept connection is forgotten.
const VISITORS: u32 = 8;

/// How many clicks of HTTP/1.1 go over a connection before a fresh one is made.
const PER_CONNECTION: usize = 25;

/// Clicks under way until they are stopped.
pub(crate) struct Load {
    visitors: JoinSet<Clicked>,
    stop: CancellationToken,
}

/// What came of them.
#[derive(Debug, Default)]
pub(crate) struct Clicked {
    /// Those that landed.
    pub(crate) landed: BTreeSet<String>,
    /// Whatever else became of one.
    pub(crate) failed: Vec<String>,
    /// Those that HTTP/2 told to be asked again elsewhere, before they were looked at.
    pub(crate) repeated: usize,
    /// The longest that one took.
    pub(crate) longest: Duration,
}

impl Load {
    /// Starts `rate` clicks a second, half of each protocol.
    pub(crate) fn start(authority: Arc<Authority>, edge: SocketAddr, rate: u32) -> Self {
        let (mut visitors, stop) = (JoinSet::new(), CancellationToken::new());
        for visitor in 0..VISITORS {
            let every = Duration::from_secs(2 * u64::from(VISITORS)) / rate;
            for (speaks, line) in [("one", Line::One(None)), ("two", Line::Two(None))] {
                let name = format!("{speaks}-{visitor}");
                visitors.spawn(click(authority.clone(), edge, name, line, every, stop.clone()));
            }
        }
        Self { visitors, stop }
    }

    /// Stops, and says what happened.
    pub(crate) async fn stop(self) -> Clicked {
        self.stop.cancel();
        let mut all = Clicked::default();
        for clicked in self.visitors.join_all().await {
            all.landed.extend(clicked.landed);
            all.failed.extend(clicked.failed);
            all.repeated += clicked.repeated;
            all.longest = all.longest.max(clicked.longest);
        }
        all
    }
}

impl Clicked {
    fn count(&mut self, n: String, begun: Instant, answer: Result<(u16, String), String>) {
        self.longest = self.longest.max(begun.elapsed());
        match answer {
            Ok((302, location)) if location == page(&n) => drop(self.landed.insert(n)),
            Ok((status, location)) => self.failed.push(format!("{n}: {status} {location}")),
            Err(error) => self.failed.push(format!("{n}: {error}")),
        }
    }
}

/// What a visitor speaks, and the connection that is kept for the next click.
enum Line {
    One(Option<Connection>),
    Two(Option<SendRequest<Bytes>>),
}

async fn click(
    authority: Arc<Authority>,
    edge: SocketAddr,
    name: String,
    mut line: Line,
    every: Duration,
    stop: CancellationToken,
) -> Clicked {
    let (mut clicked, mut ticks) = (Clicked::default(), interval(every));
    for at in 0.. {
        if stop.run_until_cancelled(ticks.tick()).await.is_none() {
            break;
        }
        let (n, begun) = (format!("{name}-{at}"), Instant::now());
        let answer = match &mut line {
            Line::One(kept) => ask_by_one(&authority, edge, kept, &n, at % PER_CONNECTION != 0).await,
            Line::Two(kept) => ask_by_two(&authority, edge, kept, &n, &mut clicked.repeated).await,
        };
        clicked.count(n, begun, answer);
    }
    clicked
}

async fn ask_by_one(
    authority: &Authority,
    edge: SocketAddr,
    kept: &mut Option<Connection>,
    n: &str,
    keeps: bool,
) -> Result<(u16, String), String> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => {
            let stream = authority.connect(edge, CLICK_HOST, &["http/1.1"]).await;
            Connection::over(stream.map_err(|e| format!("cannot connect: {e}"))?)
        }
    };
    let answer = connection.get(CLICK_HOST, &target(n), "").await.ok_or("closed without an answer")?;
    if answer.header("connection") != Some("close") && keeps {
        *kept = Some(connection);
    }
    Ok((answer.status, answer.header("location").unwrap_or_default().to_owned()))
}

/// A GOAWAY says which streams were not looked at: whoever sent one asks again elsewhere.
async fn ask_by_two(
    authority: &Authority,
    edge: SocketAddr,
    kept: &mut Option<SendRequest<Bytes>>,
    n: &str,
    repeated: &mut usize,
) -> Result<(u16, String), String> {
    loop {
        let client = match kept.take() {
            Some(client) => client,
            None => connect(authority, edge).await?,
        };
        match timeout(PATIENCE, ask(&client, n)).await.expect("an answer in time") {
            Ok(answer) => {
                *kept = Some(client);
                return Ok(answer);
            }
            Err(error) if error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM) => *repeated += 1,
            Err(error) => return Err(format!("{error:?}")),
        }
    }
}

async fn connect(authority: &Authority, edge: SocketAddr) -> Result<SendRequest<Bytes>, String> {
    let stream = authority.connect(edge, CLICK_HOST, &["h2"]).await.map_err(|e| format!("cannot connect: {e}"))?;
    let (client, connection) = h2::client::handshake(stream).await.map_err(|e| format!("no HTTP/2: {e}"))?;
    tokio::spawn(connection);
    Ok(client)
}

async fn ask(client: &SendRequest<Bytes>, n: &str) -> Result<(u16, String), h2::Error> {
    let request = Request::get(format!("https://{CLICK_HOST}{}", target(n))).body(()).unwrap();
    let mut client = client.clone().ready().await?;
    let answer = client.send_request(request, true)?.0.await?;
    let location = answer.headers().get("location").map(|it| it.to_str().unwrap().to_owned());
    Ok((answer.status().as_u16(), location.unwrap_or_default()))
}
