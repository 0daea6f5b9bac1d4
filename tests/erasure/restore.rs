//! An erasure survives whatever is brought back from before it: the database, the folder of the keyring, both.

use std::fs;

use crate::support::house::vectors_keyring;
use crate::support::program::reaid;
use crate::support::{House, JANE_ADDRESS, PERSONAL_TOKEN, Server, Settings};
use crate::{click_of_jane, erase_jane, files_with, is_suppressed, reaids_of_jane, show_jane, with_address};

fn house() -> House {
    House::new(&Settings::default())
}

fn beside(house: &House) -> std::path::PathBuf {
    house.path("data/keyring.toml.suppressions")
}

fn lift_jane(house: &House) {
    with_address(house, &["erase", "--lift"], JANE_ADDRESS).good();
}

#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_database_forgets_no_erasure_and_keeps_nothing_of_the_person() {
    let server = Server::start(&Settings::default()).await;
    server.get(&click_of_jane()).await;
    let (_, house) = server.stop().await;
    fs::copy(house.database(), house.path("yesterday.db")).unwrap();
    assert!(!files_with(&house, &reaids_of_jane()).is_empty());
    erase_jane(&house);
    fs::copy(house.path("yesterday.db"), house.database()).unwrap();
    assert!(is_suppressed(&house));
    assert_eq!(files_with(&house, &reaids_of_jane()), Vec::<std::path::PathBuf>::new());
    let server = Server::start_in(house).await;
    assert_eq!(server.get(&click_of_jane()).await.header("location"), Some(crate::support::PAGE));
    server.stop().await;
}

#[test]
fn without_the_copy_beside_the_keyring_the_store_knows_and_writes_it_anew() {
    let house = house();
    erase_jane(&house);
    let copy = fs::read(beside(&house)).unwrap();
    fs::remove_file(beside(&house)).unwrap();
    assert!(is_suppressed(&house));
    assert_eq!(fs::read(beside(&house)).unwrap(), copy);
    fs::remove_file(house.database()).unwrap();
    assert!(is_suppressed(&house), "and without the store the copy knows");
}

#[test]
fn a_backup_of_the_keys_brings_erasures_to_a_new_machine() {
    let (house, new) = (house(), House::without_keyring(&Settings::default()));
    erase_jane(&house);
    let backup = house.path("backup.toml");
    let made = reaid(&house, &["keys", "backup", backup.to_str().unwrap(), "--json"]).json();
    assert_eq!((&made["keys"], &made["suppressions"]), (&2.into(), &1.into()), "{made}");
    assert!(files_with(&house, &reaids_of_jane()).is_empty() && !fs::read_to_string(&backup).unwrap().contains('@'));
    let restored = reaid(&new, &["keys", "restore", backup.to_str().unwrap(), "--json"]).json();
    assert_eq!(restored["suppressions"], 1, "{restored}");
    assert!(is_suppressed(&new));
    assert!(!fs::read_to_string(new.path("data/keyring.toml")).unwrap().contains("records"), "they lie beside it");
}

#[test]
fn a_backup_that_is_put_in_place_by_hand_brings_them_too() {
    let (house, new) = (house(), House::without_keyring(&Settings::default()));
    erase_jane(&house);
    let backup = house.path("backup.toml");
    reaid(&house, &["keys", "backup", backup.to_str().unwrap()]).good();
    fs::copy(&backup, new.path("data/keyring.toml")).unwrap();
    assert!(is_suppressed(&new));
    new.put_keyring(&vectors_keyring());
    assert!(is_suppressed(&new), "it was written beside the keyring");
}

#[test]
fn of_two_words_the_newer_one_holds_whichever_is_restored() {
    let house = house();
    let [erased, lifted] = ["erased.toml", "lifted.toml"].map(|name| house.path(name).display().to_string());
    erase_jane(&house);
    reaid(&house, &["keys", "backup", &erased]).good();
    lift_jane(&house);
    assert!(!is_suppressed(&house));
    reaid(&house, &["keys", "backup", &lifted]).good();
    reaid(&house, &["keys", "restore", &erased]).good();
    assert!(!is_suppressed(&house), "the lift is newer than the backup");
    erase_jane(&house);
    reaid(&house, &["keys", "restore", &lifted]).good();
    assert!(is_suppressed(&house), "the second erasure is newer than the lift");
    assert_eq!(show_jane(&house)["suppression"]["state"], "erased");
}

#[tokio::test(flavor = "multi_thread")]
async fn rotating_the_keys_makes_nobody_known_again() {
    let house = house();
    erase_jane(&house);
    reaid(&house, &["keys", "rotate", "--identities"]).good();
    assert!(is_suppressed(&house));
    let server = Server::start_in(house).await;
    for target in [click_of_jane(), format!("/c/{PERSONAL_TOKEN}")] {
        assert_eq!(server.get(&target).await.header("location"), Some(crate::support::PAGE), "{target}");
    }
    server.stop().await;
}

#[test]
fn a_keyring_that_cannot_read_who_was_erased_is_not_worked_with() {
    let house = house();
    erase_jane(&house);
    let other = reaid::identity::Keyring::init(
        reaid::identity::Secret::from_bytes([1; 32]),
        reaid::identity::Secret::from_bytes([2; 32]),
        reaid::clock::now(),
    );
    let backup = house.path("other.toml");
    fs::write(&backup, other.to_toml().as_bytes()).unwrap();
    house.put_keyring(&other);
    for command in [&["mint", "john@example.org"][..], &["serve"], &["check"]] {
        let says = reaid(&house, command).failed_with(64);
        assert!(says.contains("keyring.toml.suppressions, line 1: expected a suppression"), "{says}");
    }
    house.put_keyring(&vectors_keyring());
    let backup = backup.to_str().unwrap();
    reaid(&house, &["keys", "restore", backup]).failed_with(64);
    assert!(is_suppressed(&house), "nothing was replaced");
    let forced = reaid(&house, &["keys", "restore", backup, "--force"]);
    assert!(forced.code == 0 && forced.stderr.contains("is suppressed no longer"), "{forced:?}");
    assert!(!is_suppressed(&house));
}

#[test]
fn a_keyring_without_a_suppression_secret_gets_one_with_the_first_erasure() {
    let house = house();
    let ring = vectors_keyring();
    let (links, ids, keys) = (ring.active_links(), ring.active_ids(), ring.keys().to_vec());
    house.put_keyring(&reaid::identity::Keyring::new(links, ids, keys, None).unwrap());
    assert!(!is_suppressed(&house));
    erase_jane(&house);
    assert!(is_suppressed(&house));
    assert!(fs::read_to_string(house.path("data/keyring.toml")).unwrap().contains("[suppression]"));
}
