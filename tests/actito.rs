//! The client for Actito against a server that answers by script: what is sent, how often, and what is made
//! of every answer.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "actito/round_trips.rs"]
mod round_trips;
#[path = "actito/vendor.rs"]
mod vendor;

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reaid::actito::{
    ApiKey, Call, Client, Error, Generation, ImportFile, ImportId, ImportState, ImportWriter, Limits, ProfileId, Right,
    Settled, WebhookEvent, WebhookSpec,
};
use reaid::config;
use serde_json::{Value, json};
use vendor::{Reply, Vendor, ok, status};

const V4: &str = "/profiles/v4/entity/shop/table/Customers/profile";
const V5: &str = "/profiles/v5/entities/shop/profile-tables/31/profiles";
const IMPORT_V4: &str = "/mass-imports/v4/entity/shop/table/Customers/import";
const IMPORTS_V4: &str = "/mass-imports/v4/entity/shop/import";
const ETL: &str = "/mass-imports/v5/entities/shop/etl-executions";
const HOOKS: &str = "/webhooks/v4/entity/shop/webhookSubscription";
const ADDRESS: &str = "jane.doe@example.org";
const REAID: &str = "AVCX2Xn3aHNLYEVZLOeLQLnM";

/// As an operator writes it, with `more` keys.
fn settings(vendor: &Vendor, more: &str) -> config::Actito {
    settings_for(&vendor.base_url(), more)
}

fn settings_for(endpoint: &str, more: &str) -> config::Actito {
    let text = format!(
        r#"
        edge = {{ listen = ["127.0.0.1:8080"], base_url = "http://127.0.0.1:8080" }}
        admin = {{ token = {{ env = "ADMIN_TOKEN" }} }}
        keys = {{ path = "keyring.toml" }}
        store = {{ path = "reaid.db" }}
        [[integration]]
        name = "shop"
        accounts = ["1234"]
        [integration.actito]
        api_endpoint = "{endpoint}"
        entity = "shop"
        api_key = {{ env = "ACTITO_API_KEY" }}
        profile_table = "Customers"
        profile_table_id = "31"
        calls_per_minute = 600000
        {more}
        [[site]]
        account = "1234"
        hosts = ["shop.example"]
        integration = "shop"
        "#
    );
    let config = config::Config::parse(Path::new("proxy.toml"), &text).unwrap();
    config.integrations[0].actito.clone().unwrap()
}

fn client(vendor: &Vendor, more: &str) -> Client {
    Client::new(&settings(vendor, more), ApiKey::new("raw-key")).unwrap()
}

fn id(number: i64) -> ProfileId {
    ProfileId::from_i64(number).unwrap()
}

fn profile(number: i64) -> Value {
    json!({"attributes": [{"name": "profileId", "value": number.to_string()},
        {"name": "emailAddress", "value": ADDRESS}, {"name": "reaid", "value": REAID}]})
}

fn import(vendor: &Vendor, rows: i64) -> ImportFile {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ImportWriter::create(folder.path(), &settings(vendor, "")).unwrap();
    for number in 1..=rows {
        assert!(writer.push(id(number), REAID).unwrap());
    }
    writer.finish().unwrap()
}

/// A zip of one CSV.
fn zip(csv: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("errors.csv", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(csv.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

/// The content of the part of a form that is named so, with the part's own head.
fn part<'a>(body: &'a [u8], name: &str) -> (String, &'a [u8]) {
    let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|window| window == what).unwrap();
    let boundary = &body[..find(body, b"\r\n")];
    let from = &body[find(body, format!("name=\"{name}\"").as_bytes())..];
    let (start, end) = (find(from, b"\r\n\r\n") + 4, find(from, boundary) - 2);
    (String::from_utf8_lossy(&from[..start]).into_owned(), &from[start..end])
}

#[tokio::test]
async fn an_import_is_sent_polled_and_its_rejected_rows_are_read() {
    let vendor = Vendor::start().await;
    vendor
        .on("POST", IMPORT_V4, [ok(&json!({"id": 1_000_123}))])
        .on(
            "GET",
            &format!("{IMPORTS_V4}/1000123/status"),
            [
                ok(&json!({"status": "RUNNING"})),
                ok(&json!({"status": "Digesting"})),
                ok(&json!({"status": "FINISHED"})),
            ],
        )
        .on(
            "GET",
            &format!("{IMPORTS_V4}/1000123/result"),
            [status(404), ok(&json!({"withErrors": true, "rowsInError": 1}))],
        )
        .on(
            "GET",
            &format!("{IMPORTS_V4}/1000123/errors"),
            [Reply::Say(200, "", zip("profileId;reaid;errorCode;errorColumn\n2;x;UNKNOWN;profileId\n"))],
        );
    let client = client(&vendor, "");
    let import = client.start_import(&import(&vendor, 2)).await.unwrap();
    assert_eq!(import.to_string(), "v4:1000123");

    let sent = vendor.asked().remove(0);
    let (head, file) = part(&sent.body, "inputFile");
    assert!(head.contains("filename=\"profiles.zip\"") && head.contains("application/zip"), "{head}");
    let mut csv = String::new();
    zip::ZipArchive::new(Cursor::new(file)).unwrap().by_index(0).unwrap().read_to_string(&mut csv).unwrap();
    assert_eq!(csv, format!("profileId;reaid\n1;{REAID}\n2;{REAID}\n"));
    let parameters: Value = serde_json::from_slice(part(&sent.body, "parameters").1).unwrap();
    assert_eq!(parameters["mode"], "UPDATE_ONLY");
    assert!(sent.head.to_ascii_lowercase().contains("authorization: bearer token-1"), "{}", sent.head);

    let mut states = Vec::new();
    for _ in 0..3 {
        states.push(client.import_state(&import).await.unwrap());
    }
    assert_eq!(states, [ImportState::Running, ImportState::Running, ImportState::Done { rejected: 1 }]);
    let mut rejected = Vec::new();
    client.import_errors(&import, |row| rejected.push((row.profile, row.code))).await.unwrap();
    assert_eq!(rejected, [(Some(id(2)), "UNKNOWN".to_owned())]);
}

#[tokio::test]
async fn an_import_whose_answer_is_lost_is_not_sent_again() {
    let vendor = Vendor::start().await;
    for (reply, kind) in [(Reply::Lose, "broken"), (status(500), "server"), (status(200), "unreadable")] {
        let before = vendor.asked().len();
        vendor.on("POST", IMPORT_V4, [reply]);
        let error = client(&vendor, "").start_import(&import(&vendor, 1)).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_arrived()), (kind, true));
        assert_eq!(vendor.asked().len() - before, 1, "{kind}");
    }
}

#[tokio::test]
async fn an_import_that_was_refused_surely_did_not_arrive() {
    let vendor = Vendor::start().await;
    let file = import(&vendor, 1);
    let too_large = Reply::Say(400, "", br#"{"status":400,"message":"zip of jane@example.org over 100 MB"}"#.to_vec());
    for (reply, kind) in [(too_large, "refused"), (status(403), "forbidden"), (status(429), "throttled")] {
        vendor.on("POST", IMPORT_V4, [reply]);
        let error = client(&vendor, "").start_import(&file).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_arrived()), (kind, false));
        assert!(!error.to_string().contains('@'), "{error}");
    }
    assert_eq!(vendor.lines(), vec![format!("POST {IMPORT_V4}"); 3]);
    let client = client(&vendor, "");
    drop(vendor);
    tokio::task::yield_now().await;
    let error = client.start_import(&file).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_arrived()), ("connection", false));
}

#[tokio::test]
async fn a_429_on_an_import_says_how_long_to_wait_and_holds_nobody_else() {
    let vendor = Vendor::start().await;
    vendor.on("POST", IMPORT_V4, [Reply::Say(429, "Retry-After: 3600\r\n", Vec::new())]);
    vendor.on("GET", &format!("{V4}/1"), [ok(&profile(1))]);
    let client = client(&vendor, "");
    let error = client.start_import(&import(&vendor, 1)).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    tokio::time::timeout(Duration::from_secs(20), client.profile(id(1))).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_token_that_expires_on_the_way_costs_one_refresh_and_one_replay_of_the_whole_file() {
    let vendor = Vendor::start().await;
    vendor.on("POST", IMPORT_V4, [status(401), ok(&json!({"id": 7}))]);
    let file = import(&vendor, 20_000);
    client(&vendor, "").start_import(&file).await.unwrap();
    let bodies: Vec<_> = vendor.asked().iter().map(|asked| part(&asked.body, "inputFile").1.to_vec()).collect();
    assert_eq!((bodies.len(), vendor.tokens()), (2, 2));
    assert!(bodies[0] == bodies[1] && bodies[0].len() as u64 == file.bytes());
}

#[tokio::test]
async fn where_v4_imports_are_gone_v5_is_used_and_asked_first_from_then_on() {
    let vendor = Vendor::start().await;
    vendor.on("POST", IMPORT_V4, [status(410)]).on("POST", ETL, [ok(&json!({"id": "x-1"}))]).on(
        "GET",
        &format!("{ETL}/x-1"),
        [ok(&json!({"status": "PENDING"})), ok(&json!({"status": "SUCCESS"}))],
    );
    let client = client(&vendor, "");
    let file = import(&vendor, 1);
    let import = client.start_import(&file).await.unwrap();
    assert_eq!((import.to_string(), client.settled().imports), ("v5:x-1".to_owned(), Some(Generation::V5)));
    let parameters = vendor.asked().last().map(|sent| part(&sent.body, "parameters").1.to_vec()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&parameters).unwrap()["profileTableId"], "31");
    assert_eq!(client.import_state(&import).await.unwrap(), ImportState::Running);
    assert_eq!(client.import_state(&import).await.unwrap(), ImportState::Done { rejected: 0 });

    let next = self::client(&vendor, "");
    next.settle(client.settled());
    let before = vendor.lines().len();
    next.start_import(&file).await.unwrap();
    assert_eq!(vendor.lines()[before..], [format!("POST {ETL}")]);
}

#[tokio::test]
async fn where_neither_generation_takes_imports_the_first_answer_counts() {
    let vendor = Vendor::start().await;
    let error = client(&vendor, "").start_import(&import(&vendor, 1)).await.unwrap_err();
    assert_eq!(error, Error::NotFound { call: Call::Import, status: 404 });
    assert_eq!(vendor.lines(), [format!("POST {IMPORT_V4}"), format!("POST {ETL}")]);
}

#[tokio::test]
async fn where_v4_profiles_are_gone_v5_shows_the_profile_before_it_writes() {
    let vendor = Vendor::start().await;
    vendor.on("GET", &format!("{V5}/1"), [ok(&profile(1))]).on(
        "PATCH",
        &format!("{V5}/1"),
        [Reply::Say(204, "", Vec::new())],
    );
    let client = client(&vendor, "");
    client.put_reaid(id(1), REAID).await.unwrap();
    assert_eq!(
        vendor.lines(),
        [format!("PUT {V4}/1"), format!("GET {V5}/1?includeNulls=true"), format!("PATCH {V5}/1")]
    );
    assert_eq!(client.settled(), Settled { profiles: Some(Generation::V5), imports: None });
    client.put_reaid(id(1), REAID).await.unwrap();
    assert_eq!(vendor.lines().len(), 4, "one more write, by V5 at once");
    let body: Value = serde_json::from_slice(&vendor.asked()[3].body).unwrap();
    assert_eq!(body, json!({"attributes": [{"name": "reaid", "value": REAID}]}));
}

#[tokio::test]
async fn a_profile_that_is_gone_is_gone_by_either_generation_and_changes_nothing() {
    let vendor = Vendor::start().await;
    vendor.on("GET", &format!("{V4}/1"), [ok(&profile(1))]);
    let client = client(&vendor, "");
    client.profile(id(1)).await.unwrap();
    for status in [client.put_reaid(id(2), REAID).await, client.profile(id(2)).await.map(drop)] {
        assert_eq!(status.unwrap_err().kind(), "not_found");
    }
    assert!(!vendor.lines().iter().any(|line| line.starts_with("PATCH")), "{:?}", vendor.lines());
    assert_eq!(client.settled().profiles, Some(Generation::V4));
}

#[tokio::test]
async fn a_generation_that_the_operator_wrote_is_the_only_one_asked() {
    let vendor = Vendor::start().await;
    vendor.on("GET", &format!("{V5}/1"), [ok(&profile(1))]);
    let v4 = client(&vendor, "profiles_api = \"v4\"\nimport_api = \"v4\"");
    assert_eq!(v4.profile(id(1)).await.unwrap_err().kind(), "not_found");
    assert_eq!(v4.start_import(&import(&vendor, 1)).await.unwrap_err().kind(), "not_found");
    assert_eq!(vendor.lines(), [format!("GET {V4}/1"), format!("POST {IMPORT_V4}")]);
    let v5 = client(&vendor, "profiles_api = \"v5\"\nurl_style = \"plain\"");
    assert_eq!(v5.profile(id(1)).await.unwrap_err().kind(), "not_found");
    assert_eq!(vendor.lines()[2], "GET /v5/entities/shop/profile-tables/31/profiles/1?includeNulls=true");
}

#[tokio::test]
async fn a_profile_is_found_by_its_address_which_is_told_to_nobody_else() {
    let vendor = Vendor::start().await;
    let by_address = format!("{V4}/emailAddress={ADDRESS}");
    vendor.on("GET", &by_address, [ok(&profile(812))]);
    let client = client(&vendor, "");
    let found = client.profile_by_address(ADDRESS).await.unwrap().unwrap();
    assert_eq!((found.id, found.address.as_str(), found.reaid.as_str()), (id(812), ADDRESS, REAID));
    assert_eq!(client.profile_by_address("nobody@example.org").await.unwrap(), None);
    let says = json!({"status": 400, "message": format!("attribute of {ADDRESS} is not unique")});
    vendor.on("GET", &by_address, [Reply::Say(400, "", says.to_string().into_bytes())]);
    let error = client.profile_by_address(ADDRESS).await.unwrap_err();
    assert!(error.to_string().contains("“attribute of … is not unique”"), "{error}");
    assert!(!format!("{error:?}").contains('@'), "{error:?}");
}

fn hook() -> WebhookSpec {
    WebhookSpec {
        event: WebhookEvent::Create,
        target: "https://click.shop.example/hooks/actito/shop".parse().unwrap(),
        secret: "very-secret".to_owned().into(),
        block: 1,
    }
}

#[tokio::test]
async fn webhooks_are_created_seen_changed_and_deleted() {
    let vendor = Vendor::start().await;
    let client = client(&vendor, "");
    vendor.on("POST", HOOKS, [ok(&json!({"id": 18}))]);
    let id = client.create_webhook(&hook()).await.unwrap();
    let mut shown: Value = serde_json::from_slice(&vendor.asked()[0].body).unwrap();
    shown["id"] = json!(18);
    vendor.on("GET", HOOKS, [ok(&json!([shown]))]);
    let all = client.webhooks().await.unwrap();
    assert!(all.len() == 1 && all[0].id == id && client.is_as_wanted(&all[0], &hook()));
    assert!(!client.is_as_wanted(&all[0], &WebhookSpec { event: WebhookEvent::Update, ..hook() }));
    vendor.on("PUT", &format!("{HOOKS}/18"), [status(200)]);
    client.update_webhook(&id, &hook()).await.unwrap();
    client.delete_webhook(&id).await.unwrap();
    assert_eq!(vendor.lines().last().unwrap(), &format!("DELETE {HOOKS}/18"), "404: it is gone already");
}

#[tokio::test]
async fn a_webhook_is_not_created_twice_when_an_answer_is_lost() {
    let vendor = Vendor::start().await;
    vendor.on("POST", HOOKS, [Reply::Lose]);
    let error = client(&vendor, "").create_webhook(&hook()).await.unwrap_err();
    assert_eq!((error.may_have_arrived(), vendor.lines().len()), (true, 1));
    vendor.on("POST", HOOKS, [Reply::Say(429, "Retry-After: 0\r\n", Vec::new()), ok(&json!({"id": 18}))]);
    client(&vendor, "").create_webhook(&hook()).await.unwrap();
    assert_eq!(vendor.lines().len(), 3, "a 429 surely created nothing");
}

#[tokio::test]
async fn missing_rights_are_named_and_nothing_is_changed() {
    let vendor = Vendor::start().await;
    let structure = json!({"attributes": [{"name": "emailAddress"}, {"name": "reaid", "valueType": "INTEGER"}]});
    vendor
        .on("GET", "/profile-table-structure/v5/entities/shop/profile-tables/31", [ok(&structure)])
        .on("GET", V5, [ok(&json!({"profiles": [profile(1)], "page": {"totalPages": 1}}))])
        .on("GET", &format!("{V4}/1"), [ok(&profile(1))])
        .on("PUT", &format!("{V4}/0"), [status(403)])
        .on("GET", HOOKS, [status(403)]);
    let rights = client(&vendor, "").rights().await;
    let missing: Vec<_> = rights.iter().filter(|(_, has)| has.is_err()).map(|(right, _)| *right).collect();
    assert_eq!((rights.len(), missing), (Right::ALL.len(), vec![Right::WriteProfiles, Right::Webhooks]));
    let changing: Vec<_> = vendor.asked().into_iter().filter(|asked| asked.method != "GET").collect();
    assert_eq!((changing.len(), changing[0].body.as_slice()), (1, br#"{"attributes":[]}"#.as_slice()));
}

#[tokio::test]
async fn clients_of_one_licence_are_never_more_at_once_than_it_allows() {
    let vendor = Vendor::start().await;
    vendor.on("GET", &format!("{V4}/1"), [ok(&profile(1))]);
    let (settings, limits) = (settings(&vendor, ""), Arc::new(Limits::new(600_000, 2)));
    let clients = [(); 3].map(|()| Client::with_limits(&settings, ApiKey::new("k"), Arc::clone(&limits)).unwrap());
    let calls = (0..30).map(|number| clients[number % 3].profile(id(1)));
    for result in futures_util::future::join_all(calls).await {
        result.unwrap();
    }
    assert_eq!((vendor.peak(), vendor.asked().len()), (2, 30));
    assert_eq!(limits.spent(), 33, "and a token each");
}

#[tokio::test]
async fn an_import_that_nobody_knows_is_not_found() {
    let vendor = Vendor::start().await;
    let error = client(&vendor, "").import_state(&ImportId::parse("v4:9").unwrap()).await.unwrap_err();
    assert_eq!(error, Error::NotFound { call: Call::ImportState, status: 404 });
}

#[tokio::test]
async fn rejected_rows_that_are_no_zip_are_an_error() {
    let vendor = Vendor::start().await;
    vendor.on("GET", &format!("{IMPORTS_V4}/9/errors"), [ok(&json!({}))]);
    let id = ImportId::parse("v4:9").unwrap();
    let error = client(&vendor, "").import_errors(&id, |_| {}).await.unwrap_err();
    assert_eq!(error, Error::Unreadable { call: Call::ImportErrors, expected: "a zip of at most 16 files" });
}

/// Figures, not for every run: `cargo test --release --test actito -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "writes and sends a million rows"]
async fn a_million_rows_take_no_more_memory_than_a_few() {
    let vendor = Vendor::start().await;
    let (folder, settings) = (tempfile::tempdir().unwrap(), settings(&vendor, ""));
    let (before, start) = (peak_memory(), std::time::Instant::now());
    let mut writer = ImportWriter::create(folder.path(), &settings).unwrap();
    for number in 0..1_000_000 {
        let reaid: String = (0..24).map(|_| fastrand::alphanumeric()).collect();
        assert!(writer.push(id(number), &reaid).unwrap());
    }
    let file = writer.finish().unwrap();
    let (grown, took) = (peak_memory() - before, start.elapsed());
    eprintln!("1,000,000 rows: {took:?}, zip of {} bytes, {grown} kB more memory at its peak", file.bytes());
    assert!(grown < 4096, "{grown} kB");
}

/// The most memory that this process had, in kB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
