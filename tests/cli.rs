//! The real binary: every command's result, its exit code, and what it says when something is wrong.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

mod support;
#[path = "cli/vendors.rs"]
mod vendors;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use support::house::{ADMIN_TOKEN, CLICK_HOST, vectors_keyring};
use support::program::{reaid, reaid_reading};
use support::server::{RunningSandbox, metrics};
use support::{
    CAMPAIGN_TOKEN, House, JANE, JANE_ADDRESS, JANE_ELSEWHERE, JANE_KEY_2, PAGE, PERSONAL_TOKEN, PIXEL_TOKEN, Serving,
    Settings, client, logs, until,
};

fn house() -> House {
    House::new(&Settings::default())
}

/// What a command on this configuration must say, and that it ends with 64.
#[track_caller]
fn refused(house: &House, command: &[&str], says: &[&str]) {
    let stderr = reaid(house, command).failed_with(64);
    for text in says {
        assert!(stderr.contains(text), "should say {text:?}: {stderr}");
    }
}

#[test]
fn usage_ends_with_64_and_help_with_0() {
    let house = house();
    for arguments in [&["nonsense"][..], &[], &["keys"], &["mint", "--integration"], &["keys", "retire", "300"]] {
        reaid(&house, arguments).failed_with(64);
    }
    for arguments in [&["--help"][..], &["--version"], &["serve", "--help"]] {
        reaid(&house, arguments).good();
    }
    let elsewhere = reaid(&house, &["--config", "nowhere.toml", "mint", JANE_ADDRESS]).failed_with(64);
    assert!(elsewhere.contains("nowhere.toml"), "{elsewhere}");
}

#[test]
fn a_newsletter_that_cannot_be_read_is_named() {
    refused(&house(), &["rewrite", "data", "--campaign", "demo"], &["cannot read data: "]);
}

#[test]
fn keys_made_at_once_are_all_kept() {
    let house = House::without_keyring(&Settings::default());
    let at_once = |arguments: &'static [&str]| {
        let runs: Vec<_> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..6).map(|_| scope.spawn(|| reaid(&house, arguments).code)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        runs.into_iter().filter(|code| *code == 0).count()
    };
    assert_eq!(at_once(&["keys", "init"]), 1, "one keyring was made");
    assert_eq!(at_once(&["keys", "rotate"]), 6);
    assert_eq!(reaid(&house, &["keys", "list", "--json"]).json().as_array().unwrap().len(), 7);
}

#[test]
fn a_fallback_that_is_none_is_a_mistake_in_the_configuration() {
    let house = house();
    let text = fs::read_to_string(house.config()).unwrap();
    for wrong in ["javascript:alert(1)", "http://click.example/x"] {
        let fallback = format!("integration = \"shop\"\nfallback_url = \"{wrong}\"");
        fs::write(house.config(), text.replacen("integration = \"shop\"", &fallback, 1)).unwrap();
        for command in ["check", "serve"] {
            refused(&house, &[command], &["proxy.toml:", "site.fallback_url: expected a"]);
        }
    }
}

#[test]
fn a_keyring_is_made_once_listed_rotated_and_retired() {
    let house = House::without_keyring(&Settings::default());
    refused(&house, &["keys", "list"], &["there is no keyring at", "reaid keys init"]);
    assert_eq!(reaid(&house, &["keys", "init", "--json"]).json()["key"], 1);
    let mode = fs::metadata(house.path("data/keyring.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    refused(&house, &["keys", "init"], &["already"]);
    let before = minted(&house);
    assert_eq!(reaid(&house, &["keys", "rotate", "--json"]).json()["key"], 2);
    assert_eq!(minted(&house), before, "links rotate without identities");
    assert_eq!(reaid(&house, &["keys", "rotate", "--identities", "--json"]).json()["identities"], true);
    assert_ne!(minted(&house), before);
    refused(&house, &["keys", "retire", "3"], &["key 3 is active for links"]);
    refused(&house, &["keys", "retire", "9"], &["no key has the id 9"]);
    assert_eq!(reaid(&house, &["verify", &before]).code, 0);
    assert_eq!(reaid(&house, &["keys", "retire", "1", "--json"]).json()["retired"], 1);
    assert_eq!(reaid(&house, &["verify", &before]).code, 1);
    let list = reaid(&house, &["keys", "list", "--json"]).json();
    let active: Vec<_> = list.as_array().unwrap().iter().map(|key| key["active_links"].as_bool().unwrap()).collect();
    assert_eq!(active, [false, false, true]);
    assert!(list[0]["retired"].is_string());
    let table = reaid(&house, &["keys", "list"]).good();
    assert!(table.contains("signs links, mints REAIDs") && table.contains("retired"), "{table}");
}

/// Jane's REAID with the keys of the moment.
fn minted(house: &House) -> String {
    let reaid = reaid(house, &["mint", JANE_ADDRESS]).good().trim().split_once('\t').unwrap().1.to_owned();
    logs::must_not_hold(&reaid);
    reaid
}

#[test]
fn a_backup_brings_a_lost_keyring_back() {
    let house = house();
    reaid(&house, &["keys", "backup", "backup.toml"]).good();
    assert_eq!(fs::metadata(house.path("backup.toml")).unwrap().permissions().mode() & 0o777, 0o600);
    refused(&house, &["keys", "backup", "backup.toml"], &["backup.toml"]);
    reaid(&house, &["keys", "rotate"]).good();
    refused(&house, &["keys", "restore", "backup.toml"], &["lacks key 3", "--force"]);
    fs::remove_file(house.path("data/keyring.toml")).unwrap();
    reaid(&house, &["keys", "restore", "backup.toml"]).good();
    assert_eq!(minted(&house), JANE);
    fs::write(house.path("broken.toml"), "active_links = 1\nactive_ids = 1\n[[key]]\nid = 201\nsecret = \"x\"\n")
        .unwrap();
    refused(&house, &["keys", "restore", "broken.toml"], &["broken.toml", "line 4", "201"]);
    assert_eq!(minted(&house), JANE);
}

#[test]
fn addresses_become_reaids() {
    let house = house();
    let written = " Jane.Doe@Example.ORG ";
    assert_eq!(reaid(&house, &["mint", written]).good(), format!("{written}\t{JANE}\n"));
    let juergen = reaid(&house, &["mint", "jürgen@bücher.example", "--json"]).json();
    assert_eq!(juergen["reaid"], "AWin7WhZveucDx74Dr9bx1XZ");
    assert_eq!(juergen["address"], "jürgen@bücher.example");
    refused(&house, &["mint", JANE_ADDRESS, "--integration", "x"], &["no integration named `x`", "`shop`"]);
}

#[test]
fn a_bad_line_is_named_and_the_rest_is_minted() {
    let house = house();
    let lines = format!("{JANE_ADDRESS}\r\nnot an address\n\na@b@c.example\nJANE.DOE@example.org\n\u{0}\n");
    let run = reaid_reading(&house, &["mint"], lines.as_bytes());
    assert_eq!(run.code, 1);
    assert_eq!(run.stdout, format!("{JANE_ADDRESS}\t{JANE}\nJANE.DOE@example.org\t{JANE}\n"));
    let complaints: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(complaints.len(), 3, "{}", run.stderr);
    assert!(complaints[0].starts_with("line 2: expected no white space"), "{}", run.stderr);
    assert!(complaints[1].starts_with("line 4: expected exactly one `@`, found 2"), "{}", run.stderr);
    assert!(complaints[2].starts_with("line 6: ") && !run.stderr.contains("b@c"), "{}", run.stderr);
    let bytes = reaid_reading(&house, &["mint"], b"\xff\xfe@example.org\n");
    assert_eq!((bytes.code, bytes.stdout.as_str()), (1, ""), "what is not UTF-8 is no address");
    assert_eq!(bytes.stderr, "line 1: expected UTF-8\n");
}

#[test]
fn a_reaid_is_verified() {
    let house = house();
    for good in [JANE, JANE_KEY_2, &format!(" {JANE}\n")] {
        assert!(reaid(&house, &["verify", good]).good().starts_with("valid"), "{good}");
    }
    for bad in [JANE_ELSEWHERE, "AVCX2Xn3aHNLYEVZLOeLQLnN", "x", "", JANE_ADDRESS] {
        let run = reaid(&house, &["verify", bad, "--json"]);
        assert_eq!(run.code, 1, "{bad}");
        assert!(run.stdout.starts_with("{\"reason\"") && run.stdout.contains("\"valid\":false"), "{}", run.stdout);
    }
}

#[test]
fn links_are_the_published_vectors() {
    let house = house();
    let create =
        |more: &[&str]| reaid(&house, &[&["link", "create", PAGE, "--campaign", "demo"], more].concat()).good();
    let base = format!("http://{CLICK_HOST}");
    assert_eq!(create(&[]), format!("{base}/c/{CAMPAIGN_TOKEN}?reaid=${{reaid}}\n"));
    assert_eq!(create(&["--to", "Jane.Doe@example.org"]), format!("{base}/c/{PERSONAL_TOKEN}\n"));
    assert_ne!(create(&["--number", "2"]), create(&[]));
    assert_ne!(create(&["--account", "1235"]), create(&[]));
    for (arguments, says) in [
        (&["https://evil.example/", "--campaign", "demo"][..], "evil.example"),
        (&["https://u@shop.example/", "--campaign", "demo"], "user name"),
        (&["javascript:alert(1)", "--campaign", "demo"], "http"),
        (&["http://click.example/c/x", "--campaign", "demo"], "own click hosts"),
        (&[PAGE, "--campaign", "a b"], "campaign: expected"),
        (&[PAGE, "--campaign", "demo", "--account", "9999"], "account: 9999 is not one of"),
        (&[PAGE, "--campaign", "demo", "--to", "nobody"], "to: expected exactly one `@`"),
    ] {
        refused(&house, &[&["link", "create"], arguments].concat(), &[says]);
    }
}

#[test]
fn a_link_is_inspected() {
    let house = house();
    let inspect = |url: &str| reaid(&house, &["link", "inspect", url, "--json"]);
    let link = inspect(&format!("http://{CLICK_HOST}/c/{CAMPAIGN_TOKEN})?reaid={JANE}")).json();
    for (field, expected) in [
        ("state", "opens"),
        ("kind", "link"),
        ("account", "1234"),
        ("campaign", "demo"),
        ("destination", PAGE),
        ("identity", "valid"),
    ] {
        assert_eq!(link[field], expected, "{field}");
    }
    assert_eq!((&link["key"], &link["number"], &link["personal"]), (&1.into(), &1.into(), &false.into()));
    assert_eq!(inspect(&format!("http://{CLICK_HOST}/c/{PERSONAL_TOKEN}")).json()["personal"], true);
    assert_eq!(inspect(&format!("http://{CLICK_HOST}/o/{PIXEL_TOKEN}.gif")).json()["kind"], "pixel");
    let forged = inspect(&format!("http://{CLICK_HOST}/c/{}", CAMPAIGN_TOKEN.replace("MTIzN", "MTIzM")));
    assert_eq!(forged.code, 1);
    assert!(forged.stdout.contains("\"state\":\"forged\""), "{}", forged.stdout);
    refused(&house, &["link", "inspect", "https://shop.example/p"], &["/c/"]);
}

#[test]
fn a_newsletter_is_rewritten() {
    let house = house();
    let before = "<p>Hi</p><a href=\"https://shop.example/p?x=1&amp;y=%C3%A9#top\">x</a><a href='mailto:a@shop.example'>y</a></body>";
    let link = format!("http://{CLICK_HOST}/c/{CAMPAIGN_TOKEN}?reaid=${{reaid}}");
    let run = reaid_reading(&house, &["rewrite", "-", "--campaign", "demo"], before.as_bytes());
    assert!(run.stderr.contains("1 of 2 links rewritten, pixel: true"), "{}", run.stderr);
    let after = run.good();
    assert!(
        after.starts_with(&format!("<p>Hi</p><a href=\"{link}\">x</a><a href='mailto:a@shop.example'>y</a><img ")),
        "{after}"
    );
    assert!(
        after.contains(&format!("/o/{PIXEL_TOKEN}.gif?reaid=${{reaid}}\"")) && after.ends_with("</body>"),
        "{after}"
    );

    fs::write(house.path("in.html"), before).unwrap();
    let arguments = ["rewrite", "in.html", "--campaign", "demo", "-o", "out.html", "--report", "report.json", "--json"];
    let report = reaid(&house, &arguments).json();
    assert_eq!(fs::read_to_string(house.path("out.html")).unwrap(), after);
    let written: serde_json::Value = serde_json::from_slice(&fs::read(house.path("report.json")).unwrap()).unwrap();
    assert_eq!(written, report);
    assert_eq!(
        (&report["campaign"], &report["account"], &report["pixel"]),
        (&"demo".into(), &"1234".into(), &true.into())
    );
    assert_eq!((&report["bytes_in"], &report["bytes_out"]), (&before.len().into(), &after.len().into()));
    assert_eq!((&report["links"][0]["action"], &report["links"][0]["url"]), (&"rewritten".into(), &link.into()));
    assert_eq!((&report["links"][1]["action"], &report["links"][1]["reason"]), (&"left".into(), &"mailto".into()));
    refused(&house, &["rewrite", "nowhere.html", "--campaign", "demo"], &["nowhere.html"]);
    refused(&house, &["rewrite", "in.html", "--campaign", "demo", "--account", "9999"], &["9999"]);
}

#[test]
fn what_the_platform_would_reject_is_said_and_fails_when_strict() {
    let house = house();
    let newsletter = "<a href='/sale'>x</a><a href='https://shop.example/?m=jane@example.org'>y</a>";
    let run = reaid_reading(&house, &["rewrite", "-", "--campaign", "demo"], newsletter.as_bytes());
    assert!(run.stderr.contains("error: link 1: this link has no host"), "{}", run.stderr);
    assert!(run.stderr.contains("warning: link 2: ") && !run.stderr.contains("jane"), "{}", run.stderr);
    run.good();
    let strict =
        |html: &str| reaid_reading(&house, &["rewrite", "-", "--campaign", "demo", "--strict"], html.as_bytes()).code;
    assert_eq!((strict(newsletter), strict("<a href='https://shop.example/?m=jane@example.org'>y</a>")), (1, 0));
}

#[test]
fn a_wrong_configuration_is_named_by_file_line_and_key() {
    let house = house();
    let text = fs::read_to_string(house.config()).unwrap();
    for (from, to, says) in [
        ("[edge]", "[edge]\ncolour = 1", "proxy.toml:2: edge.colour: unknown field"),
        ("[edge]", "[edge]\ncommit_wait = 20", "proxy.toml:2: edge.commit_wait: invalid type"),
        ("\"1235\"]", "\"1234\"]", ": integration.accounts: account 1234 already belongs to integration `shop`"),
        (
            "[[site]]",
            "[[integration]]\nname = \"b\"\naccounts = [\"1235\"]\n[[site]]",
            "account 1235 already belongs to integration `shop`",
        ),
        ("\"*.shop.example\"]", "\"shop.example\"]", ": site.hosts: host `shop.example` is listed already"),
        ("\"*.shop.example\"]", "\"https://x/\"]", ": site.hosts: expected a host like"),
        ("integration = \"shop\"", "integration = \"x\"", ": site.integration: there is no integration named `x`"),
        ("[admin]", "[admin", "proxy.toml:5: "),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(house.config(), text.replacen(from, to, 1)).unwrap();
        for command in [&["mint", JANE_ADDRESS][..], &["serve"], &["check"]] {
            refused(&house, command, &[says]);
        }
    }
}

#[test]
fn a_secret_that_is_missing_or_open_is_named() {
    for command in [&["serve"][..], &["check"]] {
        let house = house();
        let token = house.path("data/admin-token");
        fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
        let run = reaid(&house, command);
        assert!(run.code == 64 || command == ["check"], "{run:?}");
        let says = format!("{}{}", run.stdout, run.stderr);
        assert!(says.contains("proxy.toml:7: admin.token: ") && says.contains("mode 0644"), "{says}");
        fs::remove_file(&token).unwrap();
        let run = reaid(&house, command);
        assert!(run.code == 64 || command == ["check"], "{run:?}");
        let says = format!("{}{}", run.stdout, run.stderr);
        assert!(says.contains("proxy.toml:7: admin.token: cannot read the secret file"), "{says}");
    }
    let house = house();
    fs::set_permissions(house.path("data/keyring.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    refused(&house, &["serve"], &["keyring.toml is open to others (mode 0640)"]);
}

#[test]
fn serve_refuses_without_a_keyring_and_with_another_scope() {
    let without = House::without_keyring(&Settings::default());
    refused(&without, &["serve"], &["there is no keyring at"]);
    let house = house();
    assert_eq!(Serving::start(&house).terminate(), 0);
    house.configure(&Settings { integration: "id_scope = \"other\"".to_owned(), ..Settings::default() });
    let says = ["id_scope is `other`", "scope `shop`"];
    refused(&house, &["serve"], &says);
    refused(&house, &["check"], &says);
    house.configure(&Settings { integration: "id_scope = \"shop\"".to_owned(), ..Settings::default() });
    assert_eq!(Serving::start(&house).terminate(), 0);
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_untouched() {
    let house = house();
    assert_eq!(Serving::start(&house).terminate(), 0);
    // `user_version` stands at byte 60 of the header, big-endian.
    let mut bytes = fs::read(house.database()).unwrap();
    bytes[60..64].copy_from_slice(&9999_u32.to_be_bytes());
    fs::write(house.database(), &bytes).unwrap();
    for command in [&["serve"][..], &["check"], &["outbox", "status"], &["mint", JANE_ADDRESS]] {
        let run = reaid(&house, command);
        assert!(run.code == 1 && run.stderr.contains("9999"), "{command:?}: {run:?}");
        assert!(fs::read(house.database()).unwrap() == bytes, "{command:?} wrote to it");
    }
    let left: Vec<_> = fs::read_dir(house.path("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with("-wal")), "{left:?}");
}

#[test]
fn only_one_serve_at_a_time() {
    let house = house();
    let first = Serving::start(&house);
    let second = reaid(&house, &["serve"]).failed_with(1);
    assert!(second.contains("another `reaid serve`"), "{second}");
    for file in fs::read_dir(house.path("data")).unwrap().map(Result::unwrap) {
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o077,
            0,
            "{:?} is open to others",
            file.file_name()
        );
    }
    assert_eq!(first.terminate(), 0);
}

#[tokio::test]
async fn a_running_serve_takes_up_new_keys() {
    let house = house();
    let serving = Serving::start(&house);
    reaid(&house, &["keys", "rotate"]).good();
    let link = reaid(&house, &["link", "create", "https://shop.example/new", "--campaign", "demo"]).good();
    let target = link.trim().strip_prefix("http://click.example").unwrap().replace("${reaid}", JANE);
    let click = async || client::ask(serving.edge, client::get(CLICK_HOST, &target, "").as_bytes()).await;
    let begun = std::time::Instant::now();
    let answer = until("the new key", async || Some(click().await).filter(|answer| answer.status == 302)).await;
    assert!(begun.elapsed().as_secs() < 4, "after {:?}", begun.elapsed());
    assert_eq!(answer.location(), format!("https://shop.example/new?reaid={JANE}"));
    let more = format!("Authorization: Bearer {ADMIN_TOKEN}\r\nContent-Type: application/x-ndjson\r\n");
    let order = client::post("localhost", "/v1/links?campaign=demo", &more, b"{\"url\":\"https://shop.example/new\"}");
    let made = async || client::ask(serving.admin, &order).await.text().contains(link.trim()).then_some(());
    until("a link with the new key", made).await;
    house.put_keyring(&vectors_keyring());
    until("the old keys again", async || (click().await.status == 404).then_some(())).await;
    let unreadable = house.path("data/keyring.toml");
    fs::write(&unreadable, "nonsense").unwrap();
    until("a warning", async || serving.logged().contains("the keyring cannot be read").then_some(())).await;
    let old = client::get(CLICK_HOST, &format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}"), "");
    assert_eq!(client::ask(serving.edge, old.as_bytes()).await.status, 302, "the keys in memory stay in use");
    assert_eq!(serving.terminate(), 0);
}

#[tokio::test]
async fn a_running_serve_takes_up_retried_dead_letters() {
    use reaid::sandbox::{Fault, FaultRule, Service};
    let sandbox = RunningSandbox::start(0).await;
    let house = House::new(&Settings::delivering_to(&sandbox.base_url()));
    let serving = Serving::start(&house);
    sandbox.handle.switch(FaultRule::new(Service::Raptor, Fault::Status { code: 400, retry_after: None })).unwrap();
    let target = format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}");
    let request = client::get(CLICK_HOST, &target, "User-Agent: Mozilla/5.0 Firefox/140.0\r\n");
    assert_eq!(client::ask(serving.edge, request.as_bytes()).await.status, 302);
    // The counter moves before the letter is on disk, where another process sees it.
    let dead =
        async || Some(reaid(&house, &["outbox", "dead", "--json"]).json()).filter(|letters| letters[0].is_object());
    let letters = until("a dead letter", dead).await;
    assert_eq!(metrics(serving.admin).await.get("reaid_dead_letters_total{reason=\"rejected\"}"), 1.0);
    assert_eq!((&letters[0]["campaign"], &letters[0]["kind"]), (&"demo".into(), &"click".into()));
    assert!(!letters.to_string().contains(JANE));
    sandbox.handle.clear_faults(None);
    assert_eq!(reaid(&house, &["outbox", "retry", "--json"]).json()["retried"], 1);
    let begun = std::time::Instant::now();
    let calls = sandbox.handle.raptor_received(1).await;
    assert!(begun.elapsed().as_secs() < 4, "after {:?}", begun.elapsed());
    assert_eq!(calls[0].get("reaid").as_deref(), Some(JANE));
    until("it to count as delivered", async || {
        let status = reaid(&house, &["outbox", "status", "--json"]).json();
        (status["counts"][0]["state"] == "delivered").then_some(())
    })
    .await;
    assert_eq!(serving.terminate(), 0);
}
