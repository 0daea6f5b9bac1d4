//! HTTP/2: the same answers, and a limit on everything.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Response};
use tokio::io::AsyncReadExt as _;

use crate::support::house::CLICK_HOST;
use crate::support::secure::Authority;
use crate::support::{CAMPAIGN_TOKEN, JANE, PATIENCE, PIXEL_TOKEN, Server};

/// Asks, and reads the whole answer.
async fn ask(client: &SendRequest<Bytes>, request: Request<()>) -> Result<Response<Vec<u8>>, h2::Error> {
    let asking = async {
        let mut client = client.clone().ready().await?;
        let (parts, mut body) = client.send_request(request, true)?.0.await?.into_parts();
        let mut all = Vec::new();
        while let Some(data) = body.data().await {
            let data = data?;
            let _ = body.flow_control().release_capacity(data.len());
            all.extend(data);
        }
        Ok(Response::from_parts(parts, all))
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("an answer in time")
}

fn get(host: &str, target: &str) -> Request<()> {
    Request::get(format!("https://{host}{target}")).body(()).unwrap()
}

async fn server() -> (Authority, Server) {
    let authority = Authority::new();
    let server = Server::start_in(authority.house("")).await;
    (authority, server)
}

#[tokio::test]
async fn clicks_land_and_pixels_are_whole() {
    let (authority, server) = server().await;
    let client = authority.http2(server.edge).await;
    let landed = ask(&client, get(CLICK_HOST, &format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}"))).await.unwrap();
    assert_eq!(landed.status(), 302);
    assert_eq!(landed.headers()["location"], format!("https://shop.example/p?x=1&y=%C3%A9&reaid={JANE}#top"));
    let pixel = ask(&client, get(CLICK_HOST, &format!("/o/{PIXEL_TOKEN}.gif"))).await.unwrap();
    assert_eq!((pixel.headers()["content-length"].to_str().unwrap(), pixel.body().len()), ("43", 43));
    assert_eq!(ask(&client, get("evil.example", "/c/x")).await.unwrap().status(), 421);
    assert_eq!(server.metrics().await.get("reaid_events_recorded_total"), 2.0);
    server.stop().await;
}

#[tokio::test]
async fn admission_is_the_same() {
    let (authority, server) = server().await;
    let client = authority.http2(server.edge).await;
    let long = |length: usize| get(CLICK_HOST, &format!("/c/{}", "a".repeat(length)));
    for (request, status) in [
        (Request::post("https://click.example/c/x").body(()).unwrap(), 405),
        (Request::builder().method("TRACE").uri("https://click.example/").body(()).unwrap(), 405),
        (Request::builder().method("CONNECT").uri("click.example:443").body(()).unwrap(), 405),
        (long(8 * 1024), 414),
        (long(17 * 1024), 414),
    ] {
        let shown =
            format!("{} {}", request.method(), &request.uri().to_string()[..25.min(request.uri().to_string().len())]);
        let answer = ask(&client, request).await.unwrap();
        assert_eq!(answer.status(), status, "{shown}");
        assert!(!answer.headers().contains_key("connection"));
    }
    for malformed in [
        Request::builder().uri("https://click.example/c/x").header("host", "evil.example").body(()).unwrap(),
        Request::builder().uri("https://u@click.example/c/x").body(()).unwrap(),
        Request::builder().uri("https://click.example/c/x").header("a", " b").body(()).unwrap(),
    ] {
        let shown = format!("{malformed:?}");
        let reset = ask(&client, malformed).await.expect_err(&shown);
        assert_eq!(reset.reason(), Some(h2::Reason::PROTOCOL_ERROR), "{shown}");
    }
    assert_eq!(ask(&client, get(CLICK_HOST, "/healthz")).await.unwrap().status(), 200, "the connection goes on");
    server.stop().await;
}

#[tokio::test]
async fn a_connection_ends_after_a_thousand_requests_and_loses_none() {
    let (authority, server) = server().await;
    let client = authority.http2(server.edge).await;
    let mut answered = 0;
    while let Ok(answer) = ask(&client, get(CLICK_HOST, "/healthz")).await {
        assert_eq!(answer.status(), 200);
        answered += 1;
    }
    assert!((1000..1100).contains(&answered), "{answered}");
    server.stop().await;
}

#[tokio::test]
async fn a_stop_lets_every_stream_finish_and_opens_no_other() {
    let (authority, server) = server().await;
    let client = authority.http2(server.edge).await;
    assert_eq!(ask(&client, get(CLICK_HOST, "/healthz")).await.unwrap().status(), 200);
    let begun = Instant::now();
    assert_eq!(server.stop().await.0, reaid::app::Stopped::Drained);
    assert!(begun.elapsed() < Duration::from_secs(3), "an idle connection holds nothing up: {:?}", begun.elapsed());
    assert!(ask(&client, get(CLICK_HOST, "/healthz")).await.is_err());
}

/// A client that takes no byte of an answer, or all but a few.
async fn stalls(authority: &Authority, edge: SocketAddr, window: u32) {
    let stream = authority.connect(edge, CLICK_HOST, &["h2"]).await.unwrap();
    let (client, connection) =
        h2::client::Builder::new().initial_window_size(window).handshake::<_, Bytes>(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let begun = Instant::now();
    let (answer, _) = client.send_request(get(CLICK_HOST, &format!("/o/{PIXEL_TOKEN}.gif")), true).unwrap();
    let answer = answer.await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, connection).await;
    let waited = begun.elapsed().as_secs();
    assert!(ended.is_ok() && (9..12).contains(&waited), "window {window}: closed after {waited} s");
    drop(answer);
}

#[tokio::test]
async fn an_answer_that_is_not_taken_closes_the_connection_within_the_write_stall() {
    let (authority, server) = server().await;
    tokio::join!(stalls(&authority, server.edge, 0), stalls(&authority, server.edge, 42));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_never_asks_is_not_waited_for() {
    let (authority, server) = server().await;
    let stream = authority.connect(server.edge, CLICK_HOST, &["h2"]).await.unwrap();
    let begun = Instant::now();
    let (_client, connection) = h2::client::Builder::new().handshake::<_, Bytes>(stream).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, connection).await;
    let waited = begun.elapsed().as_secs();
    assert!(ended.is_ok() && (4..8).contains(&waited), "closed after {waited} s");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_never_begins_is_not_waited_for() {
    let (authority, server) = server().await;
    let begun = Instant::now();
    let mut silent = authority.connect(server.edge, CLICK_HOST, &["h2"]).await.unwrap();
    let mut nothing = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut nothing)).await;
    let waited = begun.elapsed().as_secs();
    assert!(ended.is_ok() && (4..8).contains(&waited), "closed after {waited} s");
    server.stop().await;
}
