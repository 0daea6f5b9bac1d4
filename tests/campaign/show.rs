//! What `reaid campaign` says, as people and as programs read it.

use std::sync::Arc;

use reaid::app::campaign::{Campaigns, remember_in};
use reaid::campaign::PersonOf;
use reaid::rewrite::{Link, Outcome, Reason, Report};
use reaid::store::{Agent, Event, Kind, Verdict};

use crate::count::{append, count_all, event};
use crate::support::house::{CLICK_HOST, mint};
use crate::support::program::{reaid, reaid_reading};
use crate::support::{CAMPAIGN_TOKEN, House, JANE, PAGE, Server, Settings, until};

const NEWSLETTER: &str =
    "<body><a href=\"https://elsewhere.example/\">x</a><a href=\"https://shop.example/cats?c=1\">cats</a></body>";

/// A house with a campaign of two links, that three people saw.
fn house() -> House {
    let house = House::new(&Settings::default());
    let (setup, store) = house.setup();
    store.set_door(|_| reaid::store::State::Kept);
    let [ann, bob, cid] = ["ann", "bob", "cid"].map(|name| mint(&setup, &format!("{name}@example.org")));
    let click = |at, agent, number, who: Option<&str>| event(at, Kind::Click, agent, number, who);
    append(
        &store,
        [
            click(1, Agent::Bot, 1, Some(&ann)),
            click(2, Agent::Human, 1, Some(&ann)),
            click(3, Agent::Human, 1, Some(&ann)),
            click(4, Agent::Human, 2, Some(&bob)),
            Event { verdict: Some(Verdict::MergeField), ..click(5, Agent::Human, 3, None) },
            event(6, Kind::Open, Agent::Proxy, 0, Some(&cid)),
            Event { account: "1235".into(), ..event(7, Kind::Open, Agent::Human, 0, None) },
            Event { campaign: "spring".into(), verdict: None, ..click(8, Agent::Human, 1, None) },
        ],
    );
    let identities = setup.identities("shop").unwrap().clone();
    let person_of: PersonOf = Arc::new(move |_, reaid| identities.person(reaid));
    count_all(&store, &person_of);
    let link = |token: &str, text: &str| Link {
        number: 1,
        original: format!("{PAGE}?reaid=${{reaid}}"),
        outcome: Outcome::Rewritten { url: format!("http://{CLICK_HOST}/c/{token}?reaid=${{reaid}}") },
        part: String::new(),
        text: text.to_owned(),
    };
    let left = Outcome::Left { reason: Reason::OtherHost };
    let links = vec![link(CAMPAIGN_TOKEN, "All  our\n cats "), Link { outcome: left, ..link("", "elsewhere") }];
    let (campaign, account) = ("demo".to_owned(), "1234".to_owned());
    let report =
        Report { campaign, account, bytes_in: 0, bytes_out: 0, pixel: true, links, errors: vec![], warnings: vec![] };
    remember_in(&store, &setup.trust.links, &report).unwrap();
    house
}

#[test]
fn a_rewritten_newsletter_names_its_links() {
    let house = House::new(&Settings::default());
    drop(house.setup());
    reaid_reading(&house, &["rewrite", "-", "--campaign", "demo"], NEWSLETTER.as_bytes());
    let shown = reaid(&house, &["campaign", "show", "demo", "--json"]).json();
    let links = shown["accounts"][0]["links"].as_array().unwrap();
    assert_eq!((links.len(), &links[0]["number"]), (1, &serde_json::json!(2)));
    assert_eq!(links[0]["url"], "https://shop.example/cats?c=1");
    let shown = reaid(&house, &["campaign", "show", "demo"]).good();
    assert!(
        shown.contains("nobody came yet\nidentity rate unknown of 0 human clicks; about 0 people clicked"),
        "{shown}"
    );
}

#[test]
fn a_campaign_is_shown_to_people() {
    let shown = reaid(&house(), &["campaign", "show", "demo", "--account", "1234"]).good();
    let (shown, as_of) = shown.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(shown.trim_end(), include_str!("show.txt").trim_end());
    assert!(as_of.starts_with("as of 20") && as_of.ends_with("Z, 0 events waiting to be counted"), "{as_of}");
}

#[test]
fn a_campaign_is_shown_to_programs() {
    let house = house();
    let mut shown = reaid(&house, &["campaign", "show", "demo", "--json"]).json();
    assert!(shown["as_of"].take().is_string());
    let expected: serde_json::Value = serde_json::from_str(include_str!("show.json")).unwrap();
    assert_eq!(shown, expected);
    let listed = reaid(&house, &["campaign", "list", "--json"]).json();
    let expected: serde_json::Value = serde_json::from_str(include_str!("list.json")).unwrap();
    assert_eq!(listed, expected);
    let table = reaid(&house, &["campaign", "list"]).good();
    assert!(table.contains("75.0 %") && table.contains("spring"), "{table}");
}

#[test]
fn what_nobody_counted_yet_is_said() {
    let house = house();
    let (_, store) = house.setup();
    store.set_door(|_| reaid::store::State::Kept);
    append(&store, [event(9, Kind::Click, Agent::Human, 1, None)]);
    drop(store);
    let shown = reaid(&house, &["campaign", "show", "demo"]).good();
    assert!(shown.contains("1 events waiting to be counted"), "{shown}");
}

#[test]
fn a_campaign_that_is_not_there_is_said_so() {
    let house = house();
    let stderr = reaid(&house, &["campaign", "show", "dmeo"]).failed_with(1);
    assert_eq!(stderr.trim(), "reaid: nothing is known of a campaign `dmeo` here; there is `demo`");
    let stderr = reaid(&house, &["campaign", "show", "demo", "--account", "9999"]).failed_with(1);
    assert_eq!(stderr.trim(), "reaid: nothing is known of a campaign `demo` in account 9999 here");
    for wrong in [&["show", "a b"][..], &["show", ""], &["show", "demo", "--account", "x"], &["show"], &[]] {
        reaid(&house, &[&["campaign"], wrong].concat()).failed_with(64);
    }
}

#[test]
fn a_newsletter_is_rewritten_also_where_its_links_cannot_be_remembered() {
    let house = House::new(&Settings::default());
    let rewrite = || reaid_reading(&house, &["rewrite", "-", "--campaign", "demo"], NEWSLETTER.as_bytes());
    let good = rewrite();
    assert!(house.database().exists(), "a store is made for it");
    rusqlite::Connection::open(house.database()).unwrap().execute_batch("DROP TABLE campaign_link").unwrap();
    let without = rewrite();
    assert_eq!((without.code, &without.stdout), (0, &good.stdout));
    assert!(without.stderr.contains("will not know what the links say: "), "{}", without.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_is_counted_by_the_running_server_and_every_metric_is_written_down() {
    let server = Server::start(&Settings::default()).await;
    let address = format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}");
    assert_eq!(server.get(&address).await.status, 302);
    until("the click to be counted", async || {
        (server.metrics().await.get("reaid_campaign_events_total") >= 1.0).then_some(())
    })
    .await;
    let metrics = server.metrics().await;
    assert_eq!(metrics.get("reaid_campaign_waiting") + metrics.get("reaid_campaign_errors_total"), 0.0);
    let shown = Campaigns::of(server.store.clone());
    let shown = tokio::task::spawn_blocking(move || shown.show("demo", None).unwrap()).await.unwrap();
    assert_eq!((shown.accounts[0].identity_rate, shown.accounts[0].people.clicked), (Some(1.0), 1));
    let page = include_str!("../../docs/operations.md");
    for line in metrics.0.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let total = if kind == "counter" { "_total" } else { "" };
        let said = [format!("`{name}{total}`"), format!("`{name}{total}{{")];
        assert!(said.iter().any(|said| page.contains(said)), "docs/operations.md does not say {name}{total}");
    }
    server.stop().await;
}
