//! Targets on OpenSSH's server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::sshd::{PASSPHRASE, PASSWORD, Sshd};
use crate::support::program::command;
use crate::world::{CATS, CROWD, DOGS, World, age, arrived, closed_port, file_of, files, is_replaced_whole, targets};

const BY_KEY: &str = "private_key = { file = \"data/key\" }";
const BY_PASSWORD: &str = "password = { file = \"data/password\" }";

/// A house that logs in by key.
fn world(sshd: &Sshd) -> World {
    let world = World::new(&format!("{}, {BY_KEY}", sshd.destination()));
    world.house.write_secret("data/key", &sshd.text("key"));
    world
}

#[test]
fn audiences_are_sent_whole_and_replaced_when_they_change() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    world.becomes("sent sent");
    let both = |cats: String| [("Cat owners.csv".to_owned(), cats), ("Dog owners.csv".to_owned(), file_of(5..15))];
    assert_eq!(files(&sshd.folder()), both(file_of(0..10)).into());
    let mode = fs::metadata(targets(&sshd.folder()).join("Cat owners.csv")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    world.becomes("unchanged unchanged");
    world.put(CATS, 1..12);
    let summary = world.becomes("sent unchanged");
    assert_eq!((&summary["audiences"][0]["added"], &summary["audiences"][0]["removed"]), (&2.into(), &1.into()));
    assert_eq!(files(&sshd.folder()), both(file_of(1..12)).into());
    fs::write(targets(&sshd.folder()).join("Cat owners.csv"), "x\n").unwrap();
    assert_eq!(world.becomes("sent unchanged")["audiences"][0]["reason"], "repaired");
    assert_eq!(files(&sshd.folder()), both(file_of(1..12)).into());
}

#[test]
fn a_server_without_extensions_gets_the_same_files() {
    let Some(sshd) = Sshd::with("internal-sftp -P posix-rename,fsync,statvfs,limits", "true") else { return };
    let world = world(&sshd);
    world.becomes("sent sent");
    world.put(CATS, 0..CROWD);
    world.becomes("sent unchanged");
    world.put(CATS, 1..CROWD);
    let summary = world.becomes("sent unchanged");
    assert_eq!(summary["audiences"][0]["removed"], 1, "what was sent could be read again");
    assert_eq!(files(&sshd.folder())["Cat owners.csv"], file_of(1..CROWD));
    assert_eq!(files(&sshd.folder()).len(), 2);
    // A run ended while the old file stood aside; the next one cannot finish either.
    let cats = targets(&sshd.folder()).join("Cat owners.csv");
    fs::rename(&cats, cats.with_file_name(".Cat owners.csv.old.unfinished")).unwrap();
    world.put(CATS, 2..CROWD);
    sshd.inetd.cut(u64::MAX, 1_000_000);
    world.becomes("failed unchanged");
    assert_eq!(fs::read_to_string(&cats).unwrap(), file_of(1..CROWD), "it is back in its place");
    sshd.inetd.cut(0, 0);
    world.becomes("sent unchanged");
    assert_eq!((files(&sshd.folder())["Cat owners.csv"] == file_of(2..CROWD), files(&sshd.folder()).len()), (true, 2));
    // One that ended days ago, and there is nothing that could be sent.
    let aside = cats.with_file_name(".Cat owners.csv.old.unfinished");
    fs::rename(&cats, &aside).unwrap();
    age(&aside);
    world.take_away(CATS);
    world.becomes("absent unchanged");
    assert_eq!((files(&sshd.folder())["Cat owners.csv"] == file_of(2..CROWD), files(&sshd.folder()).len()), (true, 2));
    // One that ended when the new file was in its place.
    fs::write(&aside, "emailAddress\n").unwrap();
    world.put(CATS, 2..CROWD);
    world.becomes("unchanged unchanged");
    assert_eq!((files(&sshd.folder())["Cat owners.csv"] == file_of(2..CROWD), files(&sshd.folder()).len()), (true, 2));
}

#[test]
fn a_password_or_a_sealed_key_opens_and_a_wrong_one_is_tried_once() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    world.move_to(&format!("{}, {BY_KEY}, passphrase = {{ file = \"data/passphrase\" }}", sshd.destination()));
    world.house.write_secret("data/key", &sshd.text("sealed"));
    world.house.write_secret("data/passphrase", "wrong");
    assert!(world.fails("destination_setup").contains("private_key: expected"), "no passphrase fits");
    world.house.write_secret("data/passphrase", PASSPHRASE);
    world.becomes("sent sent");
    let before = sshd.inetd.connections();
    world.house.write_secret("data/key", &sshd.text("stranger"));
    assert!(world.fails("destination_login").contains("it refuses this user with this private key"));
    assert_eq!(sshd.inetd.connections() - before, 1);

    world.move_to(&format!("{}, {BY_PASSWORD}", sshd.destination()));
    world.house.write_secret("data/password", "wrong");
    let says = world.fails("destination_login");
    assert!(says.contains("it refuses this user with this password") && !says.contains("wrong"), "{says}");
    assert_eq!(sshd.inetd.connections() - before, 2);
    assert_eq!(world.check(), (false, says.replace("write Cat owners.csv", "list the folder")));
    world.house.write_secret("data/password", PASSWORD);
    if sshd.has_password() {
        world.becomes("unchanged unchanged");
    }
}

#[test]
fn a_server_with_another_key_gets_nothing() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    let (right, wrong) = (sshd.fingerprint("host"), sshd.fingerprint("key"));
    world.move_to(&format!("{}, {BY_KEY}", sshd.destination().replace(&right, &wrong)));
    let says = world.fails("destination_host_key");
    assert!(says.contains(&format!("expected its host key to be {wrong}, found {right}: nothing was sent")), "{says}");
    assert!(!sshd.text("log").contains("Accepted") && files(&sshd.folder()).is_empty());
    assert!(world.check().1.contains(&right));
    // A new key may be written beside the old one before it is changed.
    let both = format!("[\"{wrong}\", \"{right}\"]");
    world.move_to(&format!("{}, {BY_KEY}", sshd.destination().replace(&format!("\"{right}\""), &both)));
    world.becomes("sent sent");
}

#[test]
fn a_full_disk_leaves_the_old_file_and_is_named() {
    let small = "mount -t tmpfs -o size=1m none files";
    for (subsystem, reason) in
        [("internal-sftp", "destination_full"), ("internal-sftp -P statvfs", "destination_refused")]
    {
        let Some(sshd) = Sshd::with(subsystem, small) else { return };
        let world = world(&sshd);
        world.becomes("sent sent");
        let before = files(&sshd.folder());
        world.put(CATS, 0..CROWD);
        world.put(DOGS, 6..16);
        let summary = world.becomes("failed sent");
        let (found, says) = (&summary["audiences"][0]["reason"], summary["audiences"][0]["message"].as_str().unwrap());
        assert_eq!(found, reason, "{says}");
        assert!(reason != "destination_full" || says.contains("its disk is full: 0 bytes are free"), "{says}");
        assert_eq!(files(&sshd.folder())["Cat owners.csv"], before["Cat owners.csv"]);
        assert_eq!(files(&sshd.folder()).len(), 2, "nothing unfinished fills the disk");
        world.put(CATS, 0..20);
        world.becomes("sent unchanged");
        assert_eq!(files(&sshd.folder())["Cat owners.csv"], file_of(0..20));
    }
}

#[test]
fn a_put_that_is_cut_off_is_gone_on_from() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    world.becomes("sent sent");
    // Long beside the window, which is sent again.
    let crowd = 2 * CROWD;
    let (old, whole) = (file_of(0..10), file_of(0..crowd));
    let bytes = whole.len() as u64;

    // By the same run.
    world.put(CATS, 0..crowd);
    let before = sshd.inetd.sent();
    sshd.inetd.cut(1, bytes * 4 / 5);
    world.becomes("sent unchanged");
    assert_eq!(files(&sshd.folder())["Cat owners.csv"], whole);
    let sent = sshd.inetd.sent() - before;
    assert!(sent > bytes && sent < bytes * 8 / 5, "{sent} bytes for {bytes}, not 9/5");

    // By the next run, where this one has no luck.
    world.put(CATS, 0..10);
    world.becomes("sent unchanged");
    world.put(CATS, 0..crowd);
    sshd.inetd.cut(u64::MAX, bytes * 2 / 5);
    let before = sshd.inetd.sent();
    let summary = world.becomes("failed unchanged");
    assert_eq!(summary["audiences"][0]["reason"], "destination_lost", "{summary}");
    let names: Vec<String> = files(&sshd.folder()).into_keys().collect();
    assert!(
        names.len() == 3 && names[0].starts_with(".Cat owners.csv.") && names[0].ends_with(".unfinished"),
        "{names:?}"
    );
    assert_eq!(files(&sshd.folder())["Cat owners.csv"], old);
    sshd.inetd.cut(0, 0);
    world.becomes("sent unchanged");
    let sent = sshd.inetd.sent() - before;
    assert!(sent < bytes * 17 / 10, "{sent} bytes for {bytes}, not 9/5");
    assert_eq!((files(&sshd.folder())["Cat owners.csv"] == whole, files(&sshd.folder()).len()), (true, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_was_killed_is_gone_on_from_by_the_next_run() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    tokio::task::block_in_place(|| world.becomes("sent sent"));
    let (old, whole) = (file_of(0..10), file_of(0..2 * CROWD));
    let bytes = whole.len() as u64;
    world.put(CATS, 0..2 * CROWD);
    let before = sshd.inetd.sent();
    sshd.inetd.silence(bytes * 4 / 5);
    let mut run = command(world.house.folder(), &["audience", "run"]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    arrived(&sshd.folder(), bytes * 3 / 5).await;
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(files(&sshd.folder())["Cat owners.csv"], old);
    tokio::task::block_in_place(|| world.becomes("sent unchanged"));
    assert_eq!((files(&sshd.folder())["Cat owners.csv"] == whole, files(&sshd.folder()).len()), (true, 2));
    let sent = sshd.inetd.sent() - before;
    assert!(sent > bytes && sent < bytes * 8 / 5, "{sent} bytes for {bytes}, not 9/5");
}

#[test]
fn what_was_cut_off_goes_when_nobody_goes_on_from_it() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    world.becomes("sent sent");
    let at = |hash: &str| targets(&sshd.folder()).join(format!(".Cat owners.csv.{hash}.unfinished"));
    let (fresh, old) = (at("0123456789abcdef"), at("fedcba9876543210"));
    let other = targets(&sshd.folder()).join(".Cat owners.csv.of somebody else");
    [&fresh, &old, &other].into_iter().for_each(|path| fs::write(path, "emailAddress\n").unwrap());
    age(&old);
    world.becomes("unchanged unchanged");
    assert!(fresh.exists() && !old.exists());
    // It was to hold something else.
    world.put(CATS, 0..11);
    world.becomes("sent unchanged");
    assert!(!fresh.exists() && other.exists());
    // Whoever is erased may be in it.
    fs::write(&fresh, "emailAddress\n").unwrap();
    world.erase(99);
    world.becomes("unchanged unchanged");
    assert!(!fresh.exists() && other.exists());
    // Its audience goes; the comment takes the brace.
    world.move_to(&format!("{}, {BY_KEY} }}\non_delete = \"remove\" #", sshd.destination()));
    fs::write(&fresh, "emailAddress\n").unwrap();
    world.take_away(CATS);
    world.becomes("absent unchanged");
    assert!(fresh.exists());
    world.becomes("deleted unchanged");
    assert!(!fresh.exists() && !targets(&sshd.folder()).join("Cat owners.csv").exists() && other.exists());
}

#[test]
fn a_server_that_is_gone_fails_at_once_and_costs_nothing_that_was_there() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    world.becomes("sent sent");
    world.put(CATS, 0..CROWD);
    let folder = sshd.folder();
    let before = files(&folder);
    // It dies while it is spoken to.
    sshd.inetd.cut(u64::MAX, 1000);
    world.fails("destination_lost");
    sshd.inetd.cut(0, 0);
    assert_eq!(files(&folder), before);
    world.move_to(&format!("{}, {BY_KEY}", sshd.destination().replace(&sshd.inetd.port.to_string(), &closed_port())));
    let says = world.fails("destination_unreachable");
    assert!(says.contains("cannot connect: Connection refused"), "{says}");
    assert!(world.check().1.contains("cannot connect"));
    assert_eq!(files(&folder), before);
}

#[test]
fn whoever_reads_meanwhile_finds_the_old_file_or_the_new_one() {
    let Some(sshd) = Sshd::start() else { return };
    is_replaced_whole(&world(&sshd), &sshd.folder());
}

#[test]
fn check_looks_and_writes_nothing() {
    let Some(sshd) = Sshd::start() else { return };
    let world = world(&sshd);
    let (ok, says) = world.check();
    assert!(ok && says.starts_with("sftp://127.0.0.1:") && says.ends_with("which has 0 files of targets"), "{says}");
    assert_eq!(fs::read_dir(sshd.folder()).unwrap().count(), 0);
    world.becomes("sent sent");
    assert!(world.check().1.ends_with("which has 2 files of targets"));
    world.move_to(&format!("{}, {BY_KEY}", sshd.destination().replace("/files\"", "/elsewhere\"")));
    let (ok, says) = world.check();
    assert!(!ok && says.contains("there is no folder /") && says.ends_with("/elsewhere"), "{says}");
    world.fails("destination_refused");
}
