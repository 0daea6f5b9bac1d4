//! Certificates by name, the way from plain HTTP, several domains.

use crate::support::house::CLICK_HOST;
use crate::support::secure::{Authority, OTHER_HOST};
use crate::support::{CAMPAIGN_TOKEN, Connection, JANE, Server, client};

#[tokio::test]
async fn every_domain_shows_its_own_certificate_and_has_its_own_fallback() {
    let authority = Authority::new();
    let server = Server::start_in(authority.house("hsts = { max_age = \"365d\" }")).await;
    for (host, fallback) in [(CLICK_HOST, "https://shop.example/lost"), (OTHER_HOST, "https://shop.example/two")] {
        let stream = authority.connect(server.edge, host, &["http/1.1"]).await.unwrap();
        let mut connection = Connection::over(stream);
        let landed = connection.get(host, &format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}"), "").await.unwrap();
        assert_eq!(landed.location(), format!("https://shop.example/p?x=1&y=%C3%A9&reaid={JANE}#top"));
        assert_eq!(landed.header("strict-transport-security"), Some("max-age=31536000"));
        let lost = connection.get(host, "/c/nothing", "").await.unwrap();
        assert_eq!((lost.status, lost.location()), (302, fallback));
        let elsewhere = connection.get("click.three.example", "/c/nothing", "").await.unwrap();
        assert_eq!(elsewhere.status, 421);
    }
    let refused = authority.connect(server.edge, "click.three.example", &[]).await;
    assert!(refused.is_err(), "the first certificate is shown, which does not name it");
    server.stop().await;
}

#[tokio::test]
async fn plain_http_leads_to_the_same_page_by_tls_on_domains_of_ours_alone() {
    let authority = Authority::new();
    let server = Server::start_in(authority.house("hsts = { max_age = \"365d\" }")).await;
    let http = server.http.unwrap();
    let ask = async |host: &str, target: &str| client::ask(http, client::get(host, target, "").as_bytes()).await;
    for host in [CLICK_HOST, "CLICK.example:80", "click.example:8080"] {
        let answer = ask(host, "/c/x?y=%3C&reaid=1").await;
        assert_eq!((answer.status, answer.location()), (301, "https://click.example/c/x?y=%3C&reaid=1"));
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        assert_eq!(answer.header("strict-transport-security"), None, "browsers take it by TLS alone");
    }
    assert_eq!(ask(OTHER_HOST, "//evil.example/").await.location(), "https://click.two.example//evil.example/");
    assert_eq!(ask("evil.example", "/c/x").await.status, 421);
    assert_eq!(ask("10.0.0.7", "/healthz").await.text(), "ok\n");
    assert_eq!(ask("10.0.0.7", "/.well-known/acme-challenge/none").await.status, 421);
    let posted = client::ask(http, &client::post(CLICK_HOST, "/c/x", "", b"")).await;
    assert_eq!(posted.status, 405);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_never_finishes_its_handshake_is_not_waited_for() {
    let authority = Authority::new();
    let server = Server::start_in(authority.house("")).await;
    for begin in [b"".as_slice(), b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n\r\n"] {
        let begun = std::time::Instant::now();
        let mut connection = Connection::open(server.edge).await.unwrap();
        connection.send(begin).await;
        assert!(connection.exchange(b"").await.is_none());
        assert!(begun.elapsed().as_secs() < 8, "{begin:?}");
    }
    server.stop().await;
}
