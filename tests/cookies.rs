//! Who Raptor is told a visitor is, by the shop's cookies; what both kinds of consent mean for it; and what a
//! real browser makes of the cookies that a click sets.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

#[path = "browser/chromium.rs"]
mod chromium;
mod support;

use reaid::sandbox::TrackingCall;
use support::server::RunningSandbox;
use support::{Answer, CAMPAIGN_TOKEN, House, JANE, PIXEL_TOKEN, Server, Settings, client, logs, until};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const HOST: &str = "click.shop.example";
const COID: &str = "11111111-2222-3333-4444-55555555AAAA";
const SID: &str = "66666666-7777-8888-9999-00000000BBBB";
const FIREFOX: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n";

/// A server whose clicks set cookies for `shop.example` and whose events go to the sandbox.
async fn start(raptor: &RunningSandbox, consent: &str) -> Server {
    logs::must_not_hold(COID);
    logs::must_not_hold(SID);
    let mut settings = Settings { base_url: format!("http://{HOST}"), ..Settings::delivering_to(&raptor.base_url()) };
    settings.site = "cookies = { mode = \"site\", domain = \"shop.example\" }".to_owned();
    settings.raptor += consent;
    Server::start_in(House::new(&settings)).await
}

/// Jane clicks; `query` stands behind her REAID, `more` are header fields.
async fn click(server: &Server, query: &str, more: &str) -> Answer {
    let target = format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}{query}");
    let answer = client::ask(server.edge, client::get(HOST, &target, &format!("{FIREFOX}{more}")).as_bytes()).await;
    assert_eq!(answer.status, 302, "{}", answer.head);
    answer
}

fn get(call: &TrackingCall, name: &str) -> String {
    call.params().into_iter().find(|(own, _)| own == name).map_or(String::new(), |(_, value)| value)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_click_domain_of_the_shop_sets_its_cookies() {
    let mut settings = Settings { base_url: format!("http://{HOST}"), ..Settings::default() };
    settings.site = "cookies = { mode = \"site\", domain = \"shop.example\" }".to_owned();
    settings.more = "[[edge.domain]]\nbase_url = \"http://click.other.example\"".to_owned();
    let server = Server::start_in(House::new(&settings)).await;
    for (host, cookies) in [(HOST, 3), ("click.other.example", 0)] {
        let target = format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}");
        let answer = client::ask(server.edge, client::get(host, &target, FIREFOX).as_bytes()).await;
        assert_eq!(answer.status, 302, "{}", answer.head);
        let set = answer.headers.iter().filter(|(name, _)| name == "set-cookie").count();
        assert_eq!(set, cookies, "by {host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_say_who_the_visitor_is_and_without_them_the_reaid_does() {
    let raptor = RunningSandbox::start(0).await;
    let server = start(&raptor, "").await;
    let first = click(&server, "", "").await;
    click(&server, "", &format!("Cookie: rsa={COID}; rsaSession={SID}\r\n")).await;
    click(&server, "", &format!("Cookie: rsa={}\r\n", COID.to_lowercase())).await;
    raptor.handle.raptor_received(3).await;
    let mut calls = raptor.handle.tracking_calls();
    calls.sort_by_key(|call| (get(call, "coid") == COID, get(call, "sid") == SID));
    let set: Vec<&str> =
        first.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, it)| it.as_str()).collect();
    for (cookie, name) in [("rsa=", "coid"), ("rsaSession=", "sid"), ("rsaReaid=", "reaid")] {
        let value = set.iter().find_map(|it| it.strip_prefix(cookie)?.split(';').next()).unwrap();
        assert_eq!(get(&calls[0], name), value, "the first click is told as its cookies were set");
    }
    // The visitor is the cookie's; a session that is not there is derived as without cookies.
    assert_eq!((get(&calls[1], "coid"), get(&calls[1], "sid")), (COID.to_owned(), get(&calls[0], "sid")));
    assert_eq!((get(&calls[2], "coid"), get(&calls[2], "sid")), (COID.to_owned(), SID.to_owned()));
    assert!(calls.iter().all(|call| get(call, "reaid") == JANE));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_flag_nobody_is_told_and_nothing_is_set() {
    let raptor = RunningSandbox::start(0).await;
    let server = start(&raptor, "\nconsent = \"flag\"").await;
    for flag in ["", "&reaid_consent=0", "&reaid_consent=${consent}"] {
        let answer = click(&server, flag, &format!("Cookie: rsa={COID}\r\n")).await;
        assert!(answer.header("set-cookie").is_none() && !answer.location().contains(JANE), "{}", answer.head);
        let pixel = format!("/o/{PIXEL_TOKEN}.gif?reaid={JANE}{flag}");
        client::ask(server.edge, client::get(HOST, &pixel, FIREFOX).as_bytes()).await;
    }
    let answer = click(&server, "&reaid_consent=1", "").await;
    assert!(answer.header("set-cookie").is_some() && answer.location().contains(JANE), "{}", answer.head);
    assert!(!answer.location().contains("consent"), "the flag stays here");
    // What comes last is delivered last: nothing was before it.
    raptor.handle.raptor_received(1).await;
    until("everything on disk", async || {
        (server.metrics().await.get("reaid_events_stored_total") >= 7.0).then_some(())
    })
    .await;
    assert_eq!(raptor.handle.tracking_calls().len(), 1);
    assert_eq!(get(&raptor.handle.tracking_calls()[0], "reaid"), JANE);
    server.stop().await;
    assert_eq!(raptor.handle.tracking_calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_takes_the_cookies_to_the_shop() {
    let Some(browser) = chromium::find() else { return };
    let raptor = RunningSandbox::start(0).await;
    let server = start(&raptor, "").await;
    let shop = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hosts = format!("MAP {HOST} {},MAP * {}", server.edge, shop.local_addr().unwrap());
    let page = server_token(&server);
    let _chromium = chromium::Chromium::start(&browser, &hosts, &format!("http://{HOST}/c/{page}?reaid={JANE}"));
    let (landed, mut landings) = mpsc::unbounded_channel();
    // A browser opens connections that it may not use.
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = shop.accept().await {
            let landed = landed.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap_or(0) > 0 {}
                let head = String::from_utf8_lossy(&head).into_owned();
                if head.starts_with("GET /landing") {
                    landed.send(head).unwrap();
                }
            });
        }
    });
    let head = tokio::time::timeout(4 * support::PATIENCE, landings.recv()).await;
    let head = head.ok().flatten().unwrap_or_else(|| panic!("nobody landed"));
    serving.abort();
    let cookies = head.lines().find_map(|line| line.strip_prefix("Cookie: ")).unwrap_or_else(|| panic!("{head}"));
    for name in [format!("rsaReaid={JANE}"), "rsa=B784D44F-".to_owned(), "rsaSession=".to_owned()] {
        assert!(cookies.split("; ").any(|cookie| cookie.starts_with(&name)), "{name} is not in {cookies}");
    }
    server.stop().await;
}

/// A link to a page on plain HTTP, which the shop of the test can answer.
fn server_token(server: &Server) -> String {
    use reaid::links::{Account, Campaign, Recipient};
    let page = server.setup.sites.accept("http://shop.example/landing").unwrap().destination;
    let (account, campaign) = (Account::parse("1234").unwrap(), Campaign::parse("demo").unwrap());
    server.setup.trust.links.sign_link(&page, 1, &account, &campaign, Recipient::Anyone)
}
