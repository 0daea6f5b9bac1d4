//! Targets on vsftpd, over TLS.

use std::fs;
use std::process::Stdio;

use crate::support::program::command;
use crate::vsftpd::{PASSWORD, Vsftpd};
use crate::world::{CATS, CROWD, DOGS, World, age, arrived, closed_port, file_of, files, is_replaced_whole, targets};

/// Slow enough to be disturbed: a file of [`CROWD`] takes seconds.
const SLOW: &str = "anon_max_rate=1500000";

fn world(server: &Vsftpd) -> World {
    let world = World::new(&server.trusted());
    world.house.write_secret("data/password", PASSWORD);
    world
}

#[test]
fn audiences_are_sent_whole_and_replaced_when_they_change() {
    for tls in ["# newer TLS", "# older TLS"] {
        let Some(server) = Vsftpd::with(tls, None) else { return };
        let world = world(&server);
        world.becomes("sent sent");
        let both = |cats: String| [("Cat owners.csv".to_owned(), cats), ("Dog owners.csv".to_owned(), file_of(5..15))];
        assert_eq!(files(&server.folder()), both(file_of(0..10)).into());
        world.becomes("unchanged unchanged");
        world.put(CATS, 0..CROWD / 4);
        world.becomes("sent unchanged");
        world.put(CATS, 1..CROWD / 4 + 1);
        let summary = world.becomes("sent unchanged");
        assert_eq!((&summary["audiences"][0]["added"], &summary["audiences"][0]["removed"]), (&1.into(), &1.into()));
        assert_eq!(files(&server.folder()), both(file_of(1..CROWD / 4 + 1)).into());
        fs::write(targets(&server.folder()).join("Cat owners.csv"), "x\n").unwrap();
        assert_eq!(world.becomes("sent unchanged")["audiences"][0]["reason"], "repaired");
    }
}

#[test]
fn many_files_of_one_run_need_one_login() {
    let Some(server) = Vsftpd::start() else { return };
    let world = world(&server);
    world.becomes("sent sent");
    for round in 1..=3 {
        world.put(CATS, round..10);
        world.put(DOGS, round..20);
        world.becomes("sent sent");
    }
    // Each fetches and sends two files: more data connections than a server gives sessions at first.
    assert_eq!(server.inetd.connections(), 4);
}

#[test]
fn a_certificate_is_trusted_by_authority_or_fingerprint_and_no_other_gets_anything() {
    let Some(server) = Vsftpd::start() else { return };
    let world = world(&server);
    let (right, wrong) = (server.fingerprint("cert.pem"), server.fingerprint("ca.pem"));
    let plain = right.replace(':', "").to_lowercase();
    // No authority of the system issued it; what it has is said, for who may know better.
    world.move_to(&format!("{}, certificate_authority = \"system\"", server.destination()));
    let says = world.fails("destination_certificate");
    assert!(says.contains("its certificate is refused: invalid peer certificate") && says.contains(&plain), "{says}");
    let pinned = |fingerprint: &str| format!("{}, certificate = \"{fingerprint}\"", server.destination());
    world.move_to(&pinned(&wrong));
    let says = world.fails("destination_certificate");
    let expected = format!("expected the fingerprint {}", wrong.replace(':', "").to_lowercase());
    assert!(says.contains(&expected) && says.contains(&plain) && says.contains("nothing was sent"), "{says}");
    assert_eq!(world.check(), (false, says.replace("write Cat owners.csv", "list the folder")));
    // Its authority does not help where a fingerprint is expected, nor its name where it is another.
    world.move_to(&format!("{}, certificate = \"{wrong}\"", server.trusted()));
    world.fails("destination_certificate");
    world.move_to(&format!("{}, certificate_authority = \"system\"", pinned(&right)));
    world.fails("destination_certificate");
    world.move_to(&server.trusted().replace("127.0.0.1:", "localhost:"));
    assert!(world.fails("destination_certificate").contains("localhost"));
    assert!(!server.log().contains("USER"), "{}", server.log());
    world.move_to(&pinned(&right));
    world.becomes("sent sent");
    world.move_to(&format!("{}, certificate = \"{plain}\"", server.trusted()));
    world.becomes("unchanged unchanged");
    // A key outlives its certificates.
    let key = server.public_key();
    assert!(says.contains(&key), "{says}");
    server.renew();
    world.move_to(&pinned(&right));
    world.fails("destination_certificate");
    world.move_to(&pinned(&key));
    world.becomes("unchanged unchanged");
    world.move_to(&pinned(&format!("sha256//{}=", "A".repeat(43))));
    world.fails("destination_certificate");
}

#[test]
fn a_wrong_password_is_tried_once() {
    let Some(server) = Vsftpd::start() else { return };
    let world = world(&server);
    world.house.write_secret("data/password", "wrong");
    let says = world.fails("destination_login");
    assert!(says.ends_with("it refuses this user with this password"), "{says}");
    assert_eq!(server.inetd.connections(), 1);
    assert!(files(&server.folder()).is_empty());
}

#[test]
fn a_full_disk_leaves_the_old_file_and_is_named() {
    let Some(server) = Vsftpd::with("", Some("mount -t tmpfs -o size=1m none files")) else { return };
    let world = world(&server);
    world.becomes("sent sent");
    let before = files(&server.folder());
    world.put(CATS, 0..CROWD);
    world.put(DOGS, 6..16);
    let summary = world.becomes("failed sent");
    // It has no number for it, but says it.
    let says = summary["audiences"][0]["message"].as_str().unwrap();
    assert!(says.contains("it refuses: 451 Failure writing to local file"), "{summary}");
    assert_eq!(files(&server.folder())["Cat owners.csv"], before["Cat owners.csv"]);
    assert_eq!(files(&server.folder()).len(), 2, "nothing unfinished fills the disk");
    world.put(CATS, 0..20);
    world.becomes("sent unchanged");
    assert_eq!(files(&server.folder())["Cat owners.csv"], file_of(0..20));
}

#[test]
fn a_server_that_refuses_to_rename_keeps_the_old_file() {
    let Some(server) = Vsftpd::start() else { return };
    let world = world(&server);
    world.becomes("sent sent");
    let before = files(&server.folder());
    server.configure("cmds_denied=RNTO");
    world.put(CATS, 0..11);
    let summary = world.becomes("failed unchanged");
    assert_eq!(summary["audiences"][0]["reason"], "destination_refused", "{summary}");
    assert_eq!(files(&server.folder())["Cat owners.csv"], before["Cat owners.csv"]);
    server.configure("");
    world.becomes("sent unchanged");
    assert_eq!((files(&server.folder())["Cat owners.csv"] == file_of(0..11), files(&server.folder()).len()), (true, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_whose_server_dies_is_gone_on_from_by_the_same_run() {
    let Some(server) = Vsftpd::with(SLOW, None) else { return };
    let world = world(&server);
    tokio::task::block_in_place(|| world.becomes("sent sent"));
    world.put(CATS, 0..CROWD);
    let run = tokio::task::spawn_blocking(move || {
        world.becomes("sent unchanged");
        world
    });
    arrived(&server.folder(), 500_000).await;
    server.inetd.kill();
    run.await.unwrap();
    assert_eq!(files(&server.folder())["Cat owners.csv"], file_of(0..CROWD));
    assert!(last_upload(&server.log()) < file_of(0..CROWD).len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_was_killed_is_gone_on_from_by_the_next_run() {
    for (more, goes_on) in [(SLOW.to_owned(), true), (format!("{SLOW}\ncmds_denied=REST,OPTS,MDTM"), false)] {
        let Some(server) = Vsftpd::with(&more, None) else { return };
        let world = world(&server);
        tokio::task::block_in_place(|| world.becomes("sent sent"));
        let old = file_of(0..10);
        world.put(CATS, 0..CROWD);
        let mut run = command(world.house.folder(), &["audience", "run"]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        arrived(&server.folder(), 500_000).await;
        run.kill().unwrap();
        run.wait().unwrap();
        // What is on its way to it is lost, too.
        server.inetd.kill();
        assert_eq!(files(&server.folder())["Cat owners.csv"], old);
        tokio::task::block_in_place(|| world.becomes("sent unchanged"));
        assert_eq!(files(&server.folder())["Cat owners.csv"], file_of(0..CROWD));
        assert_eq!(files(&server.folder()).len(), 2);
        let uploaded = last_upload(&server.log());
        assert_eq!(uploaded < file_of(0..CROWD).len() as u64, goes_on, "{uploaded} bytes: {}", server.log());
    }
}

#[test]
fn what_was_cut_off_goes_when_nobody_goes_on_from_it() {
    let Some(server) = Vsftpd::start() else { return };
    let world = world(&server);
    world.becomes("sent sent");
    let at = |hash: &str| targets(&server.folder()).join(format!(".Cat owners.csv.{hash}.unfinished"));
    let (fresh, old) = (at("0123456789abcdef"), at("fedcba9876543210"));
    [&fresh, &old].into_iter().for_each(|path| fs::write(path, "emailAddress\n").unwrap());
    age(&old);
    world.becomes("unchanged unchanged");
    assert!(fresh.exists() && !old.exists());
    // Nobody knows how old it is.
    server.configure("cmds_denied=MDTM");
    world.becomes("unchanged unchanged");
    assert!(!fresh.exists());
    fs::write(&fresh, "emailAddress\n").unwrap();
    world.put(CATS, 0..11);
    world.becomes("sent unchanged");
    assert!(!fresh.exists());
}

#[test]
fn a_server_that_is_gone_fails_at_once_and_costs_nothing_that_was_there() {
    let Some(server) = Vsftpd::start() else { return };
    let world = world(&server);
    world.becomes("sent sent");
    world.put(CATS, 0..CROWD);
    let before = files(&server.folder());
    world.move_to(&server.trusted().replace(&server.inetd.port.to_string(), &closed_port()));
    assert!(world.fails("destination_unreachable").contains("cannot connect: Connection refused"));
    assert_eq!(files(&server.folder()), before);
}

#[test]
fn whoever_reads_meanwhile_finds_the_old_file_or_the_new_one() {
    let Some(server) = Vsftpd::start() else { return };
    is_replaced_whole(&world(&server), &server.folder());
}

#[test]
fn check_looks_and_writes_nothing() {
    let Some(server) = Vsftpd::start() else { return };
    let world = world(&server);
    let (ok, says) = world.check();
    assert!(ok && says.starts_with("ftps://127.0.0.1:") && says.ends_with("which has 0 files of targets"), "{says}");
    assert_eq!(fs::read_dir(server.folder()).unwrap().count(), 0);
    world.becomes("sent sent");
    assert!(world.check().1.ends_with("which has 2 files of targets"));
    world.move_to(&format!("{}, directory = \"elsewhere\"", server.trusted()));
    assert!(world.check().1.ends_with("there is no folder elsewhere"));
    world.fails("destination_refused");
}

/// Bytes of the last upload, by the server's log: `OK UPLOAD: Client "…", "/…", 108894 bytes, …`.
fn last_upload(log: &str) -> u64 {
    let line = log.lines().rfind(|line| line.contains("OK UPLOAD")).unwrap();
    line.split(", ").find_map(|field| field.strip_suffix(" bytes")).unwrap().parse().unwrap()
}
