//! The listeners over real sockets: transcripts to read in `tests/http/`, and what takes more than one
//! exchange to see.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, and says where")]

mod support;
#[path = "http/transcript.rs"]
mod transcript;

use reaid::app::Stopped;
use support::house::CLICK_HOST;
use support::{CAMPAIGN_TOKEN, Connection, House, JANE, Server, Serving, Settings, client, until};
use transcript::play;

#[tokio::test]
async fn clicks_land() {
    play("click").await;
}

#[tokio::test]
async fn links_that_do_not_open_lead_to_the_fallback() {
    play("fallback").await;
}

#[tokio::test]
async fn without_a_fallback_there_is_a_small_page() {
    play("no_fallback").await;
}

#[tokio::test]
async fn the_pixel_is_always_the_same_image() {
    play("pixel").await;
}

#[tokio::test]
async fn identity_waits_for_consent_where_it_must() {
    play("consent").await;
}

#[tokio::test]
async fn people_who_consented_get_the_shops_cookies() {
    play("cookies").await;
}

#[tokio::test]
async fn without_a_need_for_consent_everybody_gets_them() {
    play("cookies_for_all").await;
}

#[tokio::test]
async fn a_disabled_integration_gives_no_identity() {
    play("disabled").await;
}

#[tokio::test]
async fn what_must_not_be_looked_at_is_refused() {
    play("admission").await;
}

#[tokio::test]
async fn the_admin_listener_knows_whom_to_tell() {
    play("admin").await;
}

#[tokio::test]
async fn newsletters_and_links_are_made_over_http() {
    play("api").await;
}

#[tokio::test]
async fn people_are_forgotten_over_http() {
    play("erasures").await;
}

#[tokio::test]
async fn webhooks_are_taken_from_whoever_has_the_secret() {
    play("hooks").await;
}

#[tokio::test]
async fn a_disabled_integration_takes_webhooks_and_drops_them_and_gives_no_reaids() {
    play("hooks_disabled").await;
    play("get_or_create_disabled").await;
}

#[tokio::test]
async fn addresses_are_given_their_reaids() {
    play("get_or_create").await;
}

#[tokio::test]
async fn a_connection_serves_many_clicks_and_closes_after_the_thousandth() {
    let server = Server::start(&Settings::default()).await;
    let mut connection = Connection::open(server.edge).await.unwrap();
    for number in 1..=1000 {
        let answer = connection.get(CLICK_HOST, "/healthz", "").await.unwrap();
        assert_eq!(answer.header("connection"), (number == 1000).then_some("close"), "request {number}");
    }
    assert!(connection.is_closed().await);
    server.stop().await;
}

#[tokio::test]
async fn a_header_that_never_ends_is_not_waited_for() {
    let server = Server::start(&Settings::default()).await;
    let mut connection = Connection::open(server.edge).await.unwrap();
    let begun = std::time::Instant::now();
    assert!(connection.exchange(b"GET /healthz HTTP/1.1\r\nHost: cl").await.is_none_or(|answer| answer.status == 408));
    let waited = begun.elapsed().as_secs();
    assert!((4..15).contains(&waited), "closed after {waited} s");
    server.stop().await;
}

#[tokio::test]
async fn a_stop_shows_in_readiness_and_answers_what_was_asked() {
    let (app, bound) = Server::bind_in(House::new(&Settings::default())).await;
    let addresses = app.addresses().unwrap();
    let (edge, admin) = (addresses.edge[0], addresses.admin);
    let server = bound.run(app);
    let readiness = async || client::ask(admin, client::get("localhost", "/readyz", "").as_bytes()).await.status;
    assert_eq!(readiness().await, 200);
    let request = client::get(CLICK_HOST, &format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}"), "");
    let (first_half, second_half) = request.split_at(40);
    let mut slow = Connection::open(edge).await.unwrap();
    slow.send(first_half.as_bytes()).await;
    // Connections are accepted in order: when this one is answered, the slow one is in.
    assert_eq!(server.get("/healthz").await.status, 200);
    let stopping = tokio::spawn(server.stop());
    until("readiness to show the stop", async || (readiness().await == 503).then_some(())).await;
    assert_eq!(slow.exchange(second_half.as_bytes()).await.unwrap().status, 302);
    assert_eq!(stopping.await.unwrap().0, Stopped::Drained);
    assert!(Connection::open(edge).await.is_err(), "nobody listens any more");
}

#[test]
fn serve_stops_in_order_as_soon_as_it_says_that_it_serves() {
    let house = House::new(&Settings::default());
    let serving = Serving::start(&house);
    assert!(serving.edge.port() != 0 && serving.admin.port() != 0);
    assert_eq!(serving.terminate(), 0);
}
