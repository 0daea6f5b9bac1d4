//! Mass imports: V4 and one-shot ETL. Each rule stands above the test that holds the sandbox to it.

use std::time::Duration;

use reaid::sandbox::{FileCheck, Generation, ImportOptions, Options, PayloadVersion, Progress, WireOptions};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{IMPORT_V4, IMPORT_V5, World, multipart, parameters, resident_kb, unzipped, zip_of};

const KEYS: [&str; 2] = ["profileId", "reaid"];

fn status_word(body: &Value) -> &str {
    body["status"].as_str().unwrap()
}

/// Documented: an import has an id; its status, result and rejected rows are asked for under it.
/// Not known: the words. The result comes when the import is over.
#[tokio::test]
async fn an_import_runs_in_sandbox_time_and_tells_how_it_went() {
    let world = World::with_profiles(3).await;
    let csv = "profileId;reaid\n801;aaa\n999;bbb\n802;ccc\n";
    let id = world.import_csv(csv, &parameters("UPDATE_ONLY", &KEYS)).await;
    assert_eq!(status_word(&world.look(id, "status").await.json().await.unwrap()), "RUNNING");
    assert_eq!(world.look(id, "result").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(world.handle.actito().profiles_with_reaid, 0);

    world.handle.advance(Duration::from_secs(31));
    let report = world.handle.imports_over(1).await.remove(0);
    assert_eq!((report.progress, report.rows, report.updated, report.rejected), (Progress::Done, 3, 2, 1));
    assert_eq!(status_word(&world.look(id, "status").await.json().await.unwrap()), "WITH_ERROR");
    let result: Value = world.look(id, "result").await.json().await.unwrap();
    assert_eq!((&result["withErrors"], &result["rowsInError"]), (&json!(true), &json!(1)));
    assert_eq!(world.handle.profile(802).unwrap().get("reaid"), Some("ccc"));
    world.end().await;
}

/// Documented: the rejected rows come as a zip with a CSV, with errorCode and errorColumn behind each row.
#[tokio::test]
async fn rejected_rows_come_back_in_a_zip_with_their_reasons() {
    let world = World::start(Options { profiles: 3, reaid_max_length: 5, ..Options::default() }).await;
    let csv = "profileId;reaid\n801;too long\n999;b\n802;\"c;\"\n803\n";
    let report = world.imported(csv, &parameters("UPDATE_ONLY", &KEYS)).await;
    let zip = world.look(report.id, "errors").await.bytes().await.unwrap();
    let expected = "profileId;reaid;errorCode;errorColumn\n801;too long;VALUE_TOO_LONG;reaid\n\
                    999;b;UNKNOWN_PROFILE;profileId\n803;WRONG_NUMBER_OF_FIELDS;\n";
    assert_eq!(unzipped(&zip), expected);
    assert_eq!(world.handle.profile(802).unwrap().get("reaid"), Some("c;"));
    let clean = world.imported("profileId;reaid\n801;a\n", &parameters("UPDATE_ONLY", &KEYS)).await;
    assert_eq!(world.look(clean.id, "errors").await.status(), StatusCode::NOT_FOUND);
    world.end().await;
}

/// Documented: CREATE_ONLY, UPDATE_ONLY, CREATE_UPDATE, by a unique attribute or the profileId.
#[tokio::test]
async fn the_mode_says_what_becomes_of_known_and_unknown_profiles() {
    for (mode, created, updated, rejected) in
        [("CREATE_ONLY", 1, 0, 1), ("UPDATE_ONLY", 0, 1, 1), ("CREATE_UPDATE", 1, 1, 0)]
    {
        let world = World::with_profiles(1).await;
        let csv = "emailAddress;reaid\njane.doe.1@example.org;a\nnew@example.org;b\n";
        let report = world.imported(csv, &parameters(mode, &["emailAddress", "reaid"])).await;
        assert_eq!((report.created, report.updated, report.rejected), (created, updated, rejected), "{mode}");
        world.end().await;
    }
}

/// Documented: rows are applied in order.
#[tokio::test]
async fn of_two_rows_for_one_profile_the_last_counts() {
    let world = World::with_profiles(1).await;
    world.imported("profileId;reaid\n801;first\n801;last\n", &parameters("UPDATE_ONLY", &KEYS)).await;
    assert_eq!(world.handle.profile(801).unwrap().get("reaid"), Some("last"));
    world.end().await;
}

/// Documented: a header line, RFC 4180, UTF-8 without a byte order mark, one CSV in the zip.
#[tokio::test]
async fn a_file_that_breaks_a_rule_gets_400_with_a_reason() {
    let world = World::with_profiles(1).await;
    let csv = |bytes: &[u8]| zip_of(&[("rows.csv", bytes)]);
    let good = b"profileId;reaid\n801;a\n".as_slice();
    for (file, reason) in [
        (csv(b"\xef\xbb\xbfprofileId;reaid\n801;a\n"), "byte order mark"),
        (csv(b"profileId;reaid\n801;\xff\n"), "line 2: not UTF-8"),
        (csv(b"profileId;reaid\r\n801;a\r\n"), "line end"),
        (csv(b"profileId;reaid\n801;a\"b\n"), "quote"),
        (csv(b"profileId;reaid\n801;\"a\n"), "ends inside"),
        (csv(b"id;reaid\n801;a\n"), "no column \"profileId\""),
        (csv(b"profileId,reaid\n801,a\n"), "no column"),
        (zip_of(&[("a.csv", good), ("b.csv", good)]), "exactly one"),
        (zip_of(&[]), "exactly one"),
        (zip_of(&[("rows.txt", good)]), ".csv"),
        (good.to_vec(), "no zip"),
    ] {
        let answer = world.import(IMPORT_V4, &file, &parameters("UPDATE_ONLY", &KEYS)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{reason}");
        let body: Value = answer.json().await.unwrap();
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(reason), "{message:?} does not say {reason:?}");
    }
    assert!(world.handle.imports().is_empty());
    // Assumed: what was refused with 400 is not among the day's imports.
    assert!(world.handle.actito().imports_by_day.values().all(|day| day.taken == 0));
    world.end().await;
}

/// Documented: a zip over 100 MB gets 400.
#[tokio::test]
async fn a_zip_that_is_too_large_gets_400() {
    let imports = ImportOptions { max_zip_bytes: 100_000, ..ImportOptions::default() };
    let world = World::start(Options { profiles: 1, imports, ..Options::default() }).await;
    let answer = world.import(IMPORT_V4, &vec![b'P'; 3_000_000], &parameters("UPDATE_ONLY", &KEYS)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.text().await.unwrap().contains("larger than 100000 bytes"));
    assert_eq!(ImportOptions::default().max_zip_bytes, 100_000_000);
    world.end().await;
}

/// Seen in public clients: the parts are `inputFile` and `parameters`.
#[tokio::test]
async fn the_body_is_a_form_with_two_parts() {
    let world = World::with_profiles(1).await;
    let zip = zip_of(&[("rows.csv", b"profileId;reaid\n801;a\n")]);
    let json = parameters("UPDATE_ONLY", &KEYS).to_string();
    let (file, parameters) = (("inputFile", zip.as_slice()), ("parameters", json.as_bytes()));
    for (parts, expected) in [
        (vec![file, parameters], StatusCode::OK),
        (vec![parameters, file], StatusCode::OK),
        (vec![file], StatusCode::BAD_REQUEST),
        (vec![parameters], StatusCode::BAD_REQUEST),
        (vec![file, parameters, ("other", b"x")], StatusCode::BAD_REQUEST),
        (vec![file, ("parameters", b"{}")], StatusCode::BAD_REQUEST),
    ] {
        let request = world.client.post(world.url(IMPORT_V4)).bearer_auth(world.token().await);
        let request = request.header("content-type", "multipart/form-data; boundary=X-BOUNDARY");
        let answer = request.body(multipart(&parts)).send().await.unwrap();
        assert_eq!(answer.status(), expected);
    }
    let no_form = world.client.post(world.url(IMPORT_V4)).bearer_auth(world.token().await).body("x").send().await;
    assert_eq!(no_form.unwrap().status(), StatusCode::BAD_REQUEST);
    world.end().await;
}

/// Not known: when a file is looked at. The other side: an id is given, and the import fails.
#[tokio::test]
async fn a_bad_file_can_also_fail_after_the_answer() {
    let imports = ImportOptions { check: FileCheck::AfterAnswer, ..ImportOptions::default() };
    let world = World::start(Options { profiles: 1, imports, ..Options::default() }).await;
    let report = world.imported("profileId;reaid\n801;a\n801;\"b\n", &parameters("UPDATE_ONLY", &KEYS)).await;
    assert_eq!((report.progress, report.updated), (Progress::Failed, 0));
    assert_eq!(world.handle.profile(801).unwrap().get("reaid"), None);
    let result: Value = world.look(report.id, "result").await.json().await.unwrap();
    assert_eq!(result["withErrors"], true);
    world.end().await;
}

/// Documented: one-shot ETL, its URL, SUCCESS and WITH_ERROR. Not known: everything in its bodies.
#[tokio::test]
async fn a_one_shot_etl_does_what_an_import_does() {
    let world = World::with_profiles(2).await;
    let zip = zip_of(&[("rows.csv", b"profileId;reaid\n801;a\n")]);
    let bare = b"profileId;reaid\n802;b\n999;c\n";
    let mut ids = Vec::new();
    for (target, file) in [(IMPORT_V5, zip.as_slice()), ("/v5/entities/shop/etl-executions", bare)] {
        let answer = world.import(target, file, &parameters("UPDATE_ONLY", &KEYS)).await.unwrap();
        let body: Value = answer.error_for_status().unwrap().json().await.unwrap();
        ids.push(body["id"].as_str().unwrap().to_owned());
    }
    let look = async |id: &str| -> Value {
        world.actito(&world.token().await, &format!("{IMPORT_V5}/{id}")).await.json().await.unwrap()
    };
    assert_eq!(status_word(&look(&ids[0]).await), "RUNNING");
    world.handle.advance(Duration::from_secs(31));
    assert_eq!(world.handle.imports_over(2).await[0].generation, Generation::V5);
    assert_eq!(status_word(&look(&ids[0]).await), "SUCCESS");
    assert_eq!(status_word(&look(&ids[1]).await), "WITH_ERROR");
    assert_eq!(world.handle.actito().profiles_with_reaid, 2);
    world.end().await;
}

/// Documented: the definition of an import names who gets the report. Not known: under which name.
#[tokio::test]
async fn the_recipient_of_the_report_is_seen() {
    let world = World::with_profiles(1).await;
    let mut with_recipient = parameters("UPDATE_ONLY", &KEYS);
    with_recipient["reportRecipients"] = json!("ops@example.org");
    let report = world.imported("profileId;reaid\n801;a\n", &with_recipient).await;
    assert_eq!(report.recipients, ["ops@example.org"]);
    assert_eq!(report.attributes, KEYS);
    world.end().await;
}

/// What is not known is an option: words, names of parts, how long an import takes.
#[tokio::test]
async fn words_and_names_are_as_told() {
    let imports = ImportOptions {
        takes: Duration::from_secs(3600),
        word_running: "EN_COURS".into(),
        word_finished: "SUCCESS".into(),
        ..ImportOptions::default()
    };
    let wire = WireOptions { file_part: "file".into(), parameters_part: "definition".into(), ..WireOptions::default() };
    let world = World::start(Options { profiles: 1, imports, wire, ..Options::default() }).await;
    let json = parameters("UPDATE_ONLY", &KEYS).to_string();
    let zip = zip_of(&[("rows.csv", b"profileId;reaid\n801;a\n")]);
    let body = multipart(&[("file", &zip), ("definition", json.as_bytes())]);
    let request = world.client.post(world.url(IMPORT_V4)).bearer_auth(world.token().await).body(body);
    let answer = request.header("content-type", "multipart/form-data; boundary=X-BOUNDARY").send().await.unwrap();
    let id = answer.json::<Value>().await.unwrap()["id"].as_u64().unwrap();
    world.handle.advance(Duration::from_secs(3500));
    assert_eq!(status_word(&world.look(id, "status").await.json().await.unwrap()), "EN_COURS");
    world.handle.advance(Duration::from_secs(200));
    world.handle.imports_over(1).await;
    assert_eq!(status_word(&world.look(id, "status").await.json().await.unwrap()), "SUCCESS");
    assert_eq!(world.handle.options().webhooks.payload, PayloadVersion::V1);
    world.end().await;
}

/// A million rows through the whole door, in bounded memory.
#[tokio::test]
#[ignore = "long: a million profiles, a minute without optimisation"]
async fn a_million_profiles_are_imported() {
    let world = World::with_profiles(1_000_000).await;
    let started = std::time::Instant::now();
    let mut csv = String::from("profileId;reaid\n");
    for id in 801..1_000_801 {
        csv.push_str(&format!("{id};AVCX2Xn3_-{id:014}\n"));
    }
    println!("{} bytes of CSV written after {:?}", csv.len(), started.elapsed());
    let report = world.imported(&csv, &parameters("UPDATE_ONLY", &KEYS)).await;
    println!("imported after {:?}, {} kB resident", started.elapsed(), resident_kb());
    assert_eq!((report.updated, report.rejected), (1_000_000, 0));
    assert_eq!(world.handle.actito().profiles_with_reaid, 1_000_000);
    world.end().await;
}
