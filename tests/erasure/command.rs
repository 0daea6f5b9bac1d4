//! `reaid erase` and `reaid show`, as typed.

use crate::support::program::{reaid, reaid_reading};
use crate::support::{House, JANE, JANE_ADDRESS, JANE_KEY_2, PAGE, Server, Settings};
use crate::{click_of_jane, erase_jane, show_jane, with_address};

#[test]
fn one_address_is_read_from_stdin_and_no_complaint_repeats_it() {
    let house = House::new(&Settings::default());
    for command in ["erase", "show"] {
        for stdin in ["", "\n\n", "jane.doe@example.org\njohn@example.org\n", "jane.doe@@example.org\n"] {
            let says = reaid_reading(&house, &[command], stdin.as_bytes()).failed_with(64);
            assert!(says.contains("stdin") && !says.contains("jane"), "{command}: {says}");
        }
        let says = reaid(&house, &[command, JANE_ADDRESS]).failed_with(64);
        assert!(says.contains("expected the address on stdin") && !says.contains("jane"), "{says}");
    }
}

#[test]
fn a_receipt_names_nobody_and_is_kept() {
    let house = House::new(&Settings::default());
    let receipt = erase_jane(&house);
    assert_eq!((&receipt["action"], &receipt["already"]), (&"erased".into(), &false.into()));
    let text = receipt.to_string();
    for named in ["@", JANE, JANE_KEY_2, "7f73355b"] {
        assert!(!text.contains(named), "{text}");
    }
    assert_eq!(receipt["raptor"][0]["state"], "not configured");
    assert_eq!(receipt["actito"][0]["state"], "not configured");
    let id = receipt["id"].as_str().unwrap();
    assert_eq!(reaid(&house, &["erase", "--receipt", id]).json(), receipt);
    reaid(&house, &["erase", "--receipt", "1234"]).failed_with(64);
    let again = erase_jane(&house);
    assert!(again["already"] == true && again["id"] != receipt["id"], "{again}");
    let lifted = with_address(&house, &["erase", "--lift", "--json"], JANE_ADDRESS).json();
    assert_eq!((&lifted["action"], &lifted["already"]), (&"lifted".into(), &false.into()));
    let again = with_address(&house, &["erase", "--lift", "--json"], JANE_ADDRESS).json();
    assert_eq!(again["already"], true);
    let of_nobody = with_address(&house, &["erase", "--lift", "--json"], crate::JOHN_ADDRESS).json();
    assert_eq!(of_nobody["already"], true);
}

#[test]
fn people_can_read_it_too() {
    let house = House::new(&Settings::default());
    let erased = with_address(&house, &["erase"], JANE_ADDRESS).good();
    assert!(erased.starts_with("receipt ") && erased.contains("Raptor, account 1234: not configured"), "{erased}");
    let shown = with_address(&house, &["show"], JANE_ADDRESS).good();
    assert!(shown.starts_with("suppression: erased since 20") && shown.contains(JANE), "{shown}");
    let lifted = with_address(&house, &["erase", "--lift"], JANE_ADDRESS).good();
    assert!(lifted.contains("lifted"), "{lifted}");
}

#[test]
fn no_link_is_made_for_a_person_who_is_erased() {
    let house = House::new(&Settings::default());
    erase_jane(&house);
    let link = |to: &str| reaid(&house, &["link", "create", PAGE, "--campaign", "demo", "--to", to]);
    let says = link(JANE_ADDRESS).failed_with(1);
    assert!(says.contains("asked to be forgotten") && !says.contains('@'), "{says}");
    link(crate::JOHN_ADDRESS).good();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_of_a_person_is_shown() {
    let server = Server::start(&Settings::default()).await;
    server.get(&click_of_jane()).await;
    server.get(&click_of_jane()).await;
    let mark = reaid::sync::Stamp::of(JANE);
    let confirm = move |db: &rusqlite::Transaction<'_>| {
        reaid::store::sync::confirm(db, "shop", 812, (mark.key_id, mark.fingerprint), 1_796_000_000_000)
    };
    server.store.write(confirm).await.unwrap();
    let (_, house) = server.stop().await;
    let shown = show_jane(&house);
    assert_eq!(shown["suppression"], serde_json::json!({ "state": "none", "since": null }));
    let reaids: Vec<_> = shown["reaids"].as_array().unwrap().iter().map(|it| it["reaid"].as_str().unwrap()).collect();
    assert_eq!(reaids, [JANE, JANE_KEY_2]);
    let events = &shown["events"];
    assert_eq!(
        (&events[0]["account"], &events[0]["state"], &events[0]["events"]),
        (&"1234".into(), &"kept".into(), &2.into())
    );
    let profile = &shown["profiles"][0];
    assert_eq!((&profile["profile_id"], &profile["confirmed"]), (&812.into(), &"2026-11-30T00:53:20Z".into()));
    erase_jane(&house);
    let shown = show_jane(&house);
    assert!(shown["suppression"]["state"] == "erased" && shown["suppression"]["since"].is_string(), "{shown}");
    assert_eq!(shown["events"], serde_json::json!([]));
}
