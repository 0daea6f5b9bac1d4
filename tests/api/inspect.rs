//! `POST /v1/links/inspect` and `reaid link inspect` say what the edge does, and do nothing.

use serde_json::Value;

use crate::ask;
use crate::support::house::CLICK_HOST;
use crate::support::program::reaid;
use crate::support::{
    CAMPAIGN_TOKEN, House, JANE, JANE_ELSEWHERE, JANE_KEY_2, PERSONAL_TOKEN, PIXEL_TOKEN, Server, Settings, client,
};

/// Sites and accounts of every kind.
const MORE: &str = r#"
[[integration]]
name = "quiet"
accounts = ["2000"]
enable_email_synchronization = false
[[site]]
account = "2000"
hosts = ["quiet.example", "leaving.example"]
integration = "quiet"
fallback_url = "https://quiet.example/gone"
[[integration]]
name = "family"
accounts = ["3000", "3001", "3002"]
[[site]]
account = "3000"
hosts = ["family.example", "former.example"]
integration = "family"
[[site]]
account = "3001"
hosts = ["sister.example"]
integration = "family"
"#;

fn settings() -> Settings {
    Settings {
        edge: "fallback_url = \"https://shop.example/lost\"".to_owned(),
        more: MORE.to_owned(),
        ..Settings::default()
    }
}

/// Links made when all hosts were still there, and everything that can be done to them.
fn clicks(house: &House) -> Vec<String> {
    let link = |url: &str, more: &[&str]| {
        let created = reaid(house, &[&["link", "create", url, "--campaign", "demo"], more].concat()).good();
        created.trim().split('?').next().unwrap().to_owned()
    };
    let mut bare: Vec<String> = [
        ("https://quiet.example/p?x=1", None),
        ("https://leaving.example/p", None),
        ("https://family.example/p#a", None),
        ("https://former.example/p", None),
        ("https://sister.example/p", None),
        ("https://family.example/p", Some("3002")),
    ]
    .iter()
    .map(|(url, account)| link(url, &account.map_or_else(Vec::new, |account| vec!["--account", account])))
    .collect();
    bare.push(link("https://family.example/p", &["--to", "jane.doe@example.org"]));
    bare.push(link("https://quiet.example/p", &["--to", "jane.doe@example.org"]));
    let base = format!("http://{CLICK_HOST}");
    let flipped = CAMPAIGN_TOKEN.replace("MTIzN", "MTIzM");
    for token in [CAMPAIGN_TOKEN, PERSONAL_TOKEN, PIXEL_TOKEN, flipped.as_str(), "AQ", "", "x/y"] {
        bare.push(format!("{base}/c/{token}"));
    }
    let in_family = reaid(house, &["mint", "jane.doe@example.org", "--integration", "family"]).good();
    let in_family = in_family.trim().split('\t').nth(1).unwrap().to_owned();
    let queries = [
        String::new(),
        format!("?reaid={JANE}"),
        format!("?reaid={in_family}&reaid_consent=1"),
        format!("?a=1&REAID=${{reaid}}&reaid={JANE_KEY_2}&x=%C3%A9&y=z;w&z='q'"),
        format!("?reaid={JANE_ELSEWHERE}&email=x&actId=7%20a"),
        "?reaid=${reaid}".to_owned(),
        format!("?x=9&y=2&reaid_consent=1&reaid=3D{JANE}"),
    ];
    bare.iter().flat_map(|link| queries.iter().map(move |query| format!("{link}{query}"))).collect()
}

/// What inspecting says, and what the edge answers to the same URL.
async fn compare(server: &Server, url: &str) -> Value {
    let answer = ask(server.admin, "/v1/links/inspect", "text/plain", url.as_bytes()).await;
    assert_eq!(answer.status, 200, "{url}: {}", answer.text());
    let found: Value = serde_json::from_slice(&answer.body).unwrap();
    // As a browser asks it.
    let target = url::Url::parse(url).unwrap()[url::Position::BeforePath..].to_owned();
    let before = server.metrics().await;
    let edge = client::ask(server.edge, client::get(CLICK_HOST, &target, "").as_bytes()).await;
    assert_eq!(found["location"].as_str(), edge.header("location"), "{url}: {found}");
    let series = match found["fallback"].as_str() {
        None => {
            let identity = found["identity"].as_str().unwrap();
            format!("reaid_clicks_total{{agent=\"unknown\",identity=\"{identity}\"}}")
        }
        Some(_) => format!("reaid_fallbacks_total{{reason=\"{}\"}}", found["state"].as_str().unwrap()),
    };
    assert_eq!(server.metrics().await.get(&series), before.get(&series) + 1.0, "{url}: {found}");
    found
}

#[tokio::test]
async fn inspecting_says_what_the_edge_does() {
    let house = House::new(&settings());
    let clicks = clicks(&house);
    for (raptor, all_verdicts) in [("deliver = \"off\"", true), ("deliver = \"off\"\nconsent = \"flag\"", false)] {
        // Two hosts left since; one of them may still be landed on.
        let today = Settings {
            raptor: raptor.to_owned(),
            links: "former_hosts = [\"former.example\"]".to_owned(),
            more: MORE.replace(", \"leaving.example\"", "").replace(", \"former.example\"", ""),
            ..settings()
        };
        house.configure(&today);
        let server = Server::start_in(House::new(&today)).await;
        let mut seen = std::collections::BTreeSet::new();
        for url in &clicks {
            let found = compare(&server, url).await;
            seen.insert((found["identity"].clone().to_string(), found["fallback"].clone().to_string()));
            if url.ends_with(&format!("reaid={JANE}")) {
                let by_hand = reaid(&house, &["link", "inspect", url, "--json"]);
                assert_eq!(by_hand.code, i32::from(found["state"] != "opens"), "{url}");
                assert_eq!(serde_json::from_str::<Value>(&by_hand.stdout).unwrap(), found, "{url}");
            }
        }
        let identities = ["valid", "missing", "merge_field", "check_failed", "disabled"];
        let has = |word: &str| seen.iter().any(|(identity, _)| *identity == format!("\"{word}\""));
        assert!(!all_verdicts || identities.iter().all(|word| has(word)), "{seen:?}");
        assert!(seen.iter().any(|(_, fallback)| fallback == "\"site\""), "{seen:?}");
        assert!(seen.iter().any(|(_, fallback)| fallback == "\"edge\""), "{seen:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn inspecting_counts_and_records_nothing() {
    let server = Server::start(&settings()).await;
    let before = server.metrics().await.0;
    for url in [
        format!("http://{CLICK_HOST}/c/{CAMPAIGN_TOKEN}?reaid={JANE}"),
        format!("http://{CLICK_HOST}/o/{PIXEL_TOKEN}.gif?reaid={JANE}"),
        format!("http://{CLICK_HOST}/c/AQEC"),
        "nothing".to_owned(),
    ] {
        ask(server.admin, "/v1/links/inspect", "text/plain", url.as_bytes()).await;
    }
    assert_eq!(server.metrics().await.0, before);
    server.stop().await;
}

#[test]
fn a_mistake_is_told_in_the_same_sentence_everywhere() {
    let house = House::new(&settings());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start(&settings()));
    for (command, target, body) in [
        (vec!["rewrite", "proxy.toml", "--text", "--campaign", "a b"], "/v1/rewrite?campaign=a%20b", "x"),
        (vec!["rewrite", "proxy.toml", "--text", "--campaign", "a"], "/v1/rewrite?campaign=a", "x"),
        (
            vec!["rewrite", "proxy.toml", "--text", "--campaign", "a", "--account", "9999"],
            "/v1/rewrite?campaign=a&account=9999",
            "x",
        ),
        (vec!["link", "inspect", "nothing"], "/v1/links/inspect", "nothing"),
        (
            vec!["link", "inspect", "https://protect-eu.mimecast.com/s/x"],
            "/v1/links/inspect",
            "https://protect-eu.mimecast.com/s/x",
        ),
    ] {
        let says = reaid(&house, &command).failed_with(64);
        let answer = runtime.block_on(ask(server.admin, target, "text/plain", body.as_bytes()));
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        let sentence = error["error"]["message"].as_str().unwrap();
        assert!(says.contains(sentence), "{says}: {sentence}");
    }
    runtime.block_on(server.stop());
}

#[test]
fn what_is_found_is_printed_in_columns() {
    let house = House::new(&Settings::default());
    let url = format!("<http://{CLICK_HOST}/c/{CAMPAIGN_TOKEN}?x=1&amp;reaid=${{reaid}}>");
    let expected = "state        opens\n\
        message      opens, without identity: the e-mail platform did not replace the merge field\n\
        kind         link\n\
        domain       ours\n\
        key          1\n\
        account      1234\n\
        campaign     demo\n\
        number       1\n\
        personal     false\n\
        destination  https://shop.example/p?x=1&y=%C3%A9#top\n\
        identity     merge_field\n\
        location     https://shop.example/p?x=1&y=%C3%A9#top\n\
        undone       html_entities, surroundings\n";
    assert_eq!(reaid(&house, &["link", "inspect", &url]).good(), expected);
}
