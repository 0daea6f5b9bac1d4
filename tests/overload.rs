//! More clicks than the machine answers: those that are answered are answered well, memory stays what it was, and a
//! moment after the storm all is calm. And caps: nobody alone takes all connections, or fills the disk.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

#[path = "overload/storm.rs"]
mod storm;
mod support;

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use storm::{Storm, Victim};
use support::house::{ADMIN_TOKEN, CLICK_HOST};
use support::program::program;
use support::{CAMPAIGN_TOKEN, Connection, House, JANE, PIXEL_TOKEN, Server, Serving, Settings, client, until};
use tokio::task::JoinHandle;

fn limits(lines: &str) -> Settings {
    Settings { edge: "trusted_proxies = []".to_owned(), more: format!("[edge.limits]\n{lines}"), ..Settings::default() }
}

#[tokio::test]
async fn an_address_has_its_connections_and_no_more() {
    let server = Server::start(&limits("connections_per_address = 3")).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut connection = Connection::open(server.edge).await.unwrap();
        assert_eq!(connection.get(CLICK_HOST, "/healthz", "").await.unwrap().status, 200);
        open.push(connection);
    }
    let mut fourth = Connection::open(server.edge).await.unwrap();
    assert!(fourth.get(CLICK_HOST, "/healthz", "").await.is_none(), "it is closed");
    assert!(server.metrics().await.get("reaid_connections_refused_total") >= 1.0);
    drop(open.pop());
    until("a place is free", async || {
        let mut next = Connection::open(server.edge).await.unwrap();
        next.get(CLICK_HOST, "/healthz", "").await
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn proxies_of_ones_own_have_no_cap() {
    let mut settings = limits("connections_per_address = 1");
    settings.edge = "trusted_proxies = [\"127.0.0.1\"]".to_owned();
    let server = Server::start(&settings).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        let mut connection = Connection::open(server.edge).await.unwrap();
        assert_eq!(connection.get(CLICK_HOST, "/healthz", "").await.unwrap().status, 200);
        open.push(connection);
    }
    server.stop().await;
}

#[tokio::test]
async fn who_clicks_too_often_lands_and_is_not_recorded() {
    let mut settings = limits("events_per_address = 2");
    settings.edge = "trusted_proxies = [\"127.0.0.1\"]\nclient_header = \"Forwarded\"".to_owned();
    let server = Server::start(&settings).await;
    let ask = async |target: &str, client: &str| {
        let forwarded = format!("Forwarded: for=198.51.100.7, for={client}\r\nX-Forwarded-For: 203.0.113.5\r\n");
        client::ask(server.edge, client::get(CLICK_HOST, target, &forwarded).as_bytes()).await
    };
    for client in ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"] {
        let answer = ask(&format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}"), client).await;
        assert!(answer.status == 302 && answer.location().contains(JANE), "{}", answer.head);
    }
    assert_eq!(ask(&format!("/o/{PIXEL_TOKEN}.gif"), "192.0.2.1").await.status, 200);
    let metrics = server.metrics().await;
    assert_eq!(metrics.get("reaid_events_not_recorded_total{reason=\"address_limit\"}"), 3.0);
    assert_eq!(metrics.get("reaid_events_recorded_total"), 3.0);
    server.stop().await;
}

/// Takes the test's only thread, on which everything runs, for longer than the grade allows, again and again.
fn hog() -> JoinHandle<()> {
    tokio::spawn(async {
        loop {
            std::thread::sleep(Duration::from_millis(230));
            tokio::task::yield_now().await;
        }
    })
}

#[tokio::test]
async fn what_is_not_a_click_is_refused_first_and_the_click_lands() {
    let server = Server::start(&Settings::default()).await;
    let hog = hog();
    let grade = async || server.metrics().await.get("reaid_overload_grade");
    until("the grade", async || (grade().await == 2.0).then_some(())).await;
    let busy = server.get("/robots.txt").await;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("1")));
    assert_eq!(server.get("/healthz").await.status, 200, "it lives");
    assert_eq!(server.get(&format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}")).await.status, 302);
    assert_eq!(server.get("/c/nonsense").await.status, 404, "a click that leads nowhere is one, too");
    let pixel = server.get(&format!("/o/{PIXEL_TOKEN}.gif")).await;
    assert_eq!((pixel.status, pixel.body.len()), (200, 43));
    let token = format!("Authorization: Bearer {ADMIN_TOKEN}\r\n");
    let rewriting = client::post("localhost", "/v1/rewrite?campaign=demo", &token, b"<p>");
    let refused = client::ask(server.admin, &rewriting).await;
    assert!(refused.status == 503 && refused.text().contains("overloaded"), "{}", refused.text());
    let metrics = server.metrics().await;
    assert_eq!(metrics.get("reaid_events_not_recorded_total{reason=\"overload\"}"), 1.0);
    assert_eq!(
        (metrics.get("reaid_events_recorded_total"), metrics.get("reaid_requests_overloaded_total")),
        (1.0, 1.0)
    );
    hog.abort();
    until("calm", async || (grade().await == 0.0).then_some(())).await;
    assert_eq!(server.get("/robots.txt").await.status, 200);
    server.stop().await;
}

#[test]
fn serve_takes_the_descriptors_that_it_may_have_and_says_when_they_are_few() {
    let house = House::new(&Settings::default());
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -Sn 300 && ulimit -Hn 4000 && exec \"$0\" serve"]).arg(program());
    command.current_dir(house.folder()).env("REAID_LOG", "info");
    let serving = Serving::spawn(command);
    let limits = fs::read_to_string(format!("/proc/{}/limits", serving.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(line.split_whitespace().nth(3), Some("4000"), "{line}");
    let warned = serving.logged();
    assert!(warned.contains("fewer file descriptors") && warned.contains("\"allowed\":4000"), "{warned}");
    assert_eq!(serving.terminate(), 0);
}

/// They connect, ask and reset on the thread that the server has, too: it sees them when they have gone.
#[tokio::test]
async fn who_gives_up_in_a_standing_line_is_not_served() {
    let server = Server::start(&Settings::default()).await;
    let hog = hog();
    until("the grade", async || (server.metrics().await.get("reaid_overload_grade") >= 1.0).then_some(())).await;
    let click = format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}");
    for _ in 0..10 {
        let mut stream = std::net::TcpStream::connect(server.edge).unwrap();
        stream.write_all(client::get(CLICK_HOST, &click, "").as_bytes()).unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
    assert_eq!(server.get(&click).await.status, 302, "who comes after them");
    hog.abort();
    assert_eq!(server.metrics().await.get("reaid_events_recorded_total"), 1.0);
    server.stop().await;
}

/// A server with a fifth of a core: a spinner of a higher priority has the rest. Its clicks come each by a connection
/// of their own, as those of a newsletter do.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: takes a minute, a core, and a neighbour that spins on it"]
async fn three_times_what_it_serves_leaves_nine_tenths_of_it_good() {
    let Some(victim) = Victim::start() else { return };
    let (peak, peak_by_cpu) = victim.peak(Duration::from_secs(8)).await;
    let calm = victim.memory();
    let Storm { good, good_by_cpu, admin, memory, grade } = victim.storm(3.0 * peak, Duration::from_secs(20)).await;
    eprintln!("peak {peak:.0}/s, in the storm {good:.0}/s good, admin answered within {admin:?}");
    eprintln!("for each second of a processor: peak {peak_by_cpu:.0}, in the storm {good_by_cpu:.0}");
    eprintln!("memory {calm} KiB, in the storm {memory} KiB, highest grade {grade}");
    assert!(good >= 0.9 * peak, "{good:.0} of {peak:.0} a second");
    assert!(memory < calm + (64 << 10), "{memory} KiB, {calm} KiB before");
    assert!(grade >= 2.0, "it noticed");
    victim.is_calm_within(Duration::from_secs(5)).await;
    victim.end();
}
