//! Syncs from a file that Actito exported.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reaid::clock::Timestamp;
use reaid::sandbox::{Operation, Options, Packing};
use reaid::sync::{Ended, ExportFile, Source};

use crate::world::{WITH_ADDRESS, World};

fn read_from(world: &mut World, path: &Path, exported_at: Option<Timestamp>) {
    let format = &world.job.integration.sync.export;
    let export = ExportFile::open(path, format, &world.job.settings, exported_at).unwrap();
    world.job.source = Source::Export(Arc::new(Mutex::new(export)));
}

#[tokio::test]
async fn an_export_is_synced_without_reading_the_list_whatever_it_is_packed_in() {
    for packing in [Packing::Csv, Packing::Zip, Packing::Gzip] {
        let mut world = World::new().await;
        let path = world.sandbox.export(world.folder.path(), packing).unwrap();
        read_from(&mut world, &path, None);
        let run = world.sync().await.unwrap();
        assert_eq!((run.ended, run.listed, run.written), (Ended::Complete, 60, WITH_ADDRESS), "{packing:?}");
        assert_eq!(world.calls(Operation::List), 0);
        world.assert_all_right();
    }
}

#[tokio::test]
async fn an_export_older_than_what_was_written_since_repeats_nothing() {
    let mut world = World::new().await;
    let exported_at = reaid::clock::now();
    let path = world.sandbox.export(world.folder.path(), Packing::Csv).unwrap();
    world.sync().await.unwrap();
    let writes = world.calls(Operation::Write);
    read_from(&mut world, &path, Some(exported_at));
    let run = world.sync().await.unwrap();
    assert_eq!((run.written, run.outdated, run.right), (0, 0, WITH_ADDRESS));
    assert_eq!(world.calls(Operation::Write), writes);
}

#[tokio::test]
async fn an_export_newer_than_what_was_written_shows_what_drifted() {
    let mut world = World::new().await;
    world.sync().await.unwrap();
    let drifted = world.sandbox.profiles()[6].id;
    world.sandbox.change_profile(drifted, &[("reaid", Some("scribble"))]).unwrap();
    let path = world.sandbox.export(world.folder.path(), Packing::Csv).unwrap();
    // A file's own time is only as fine as the file system's clock.
    read_from(&mut world, &path, Some(reaid::clock::now().after(Duration::from_millis(1))));
    let run = world.sync().await.unwrap();
    assert_eq!((run.written, run.right), (1, WITH_ADDRESS - 1));
    world.assert_all_right();
}

#[tokio::test]
async fn rows_that_failed_and_are_not_in_the_export_are_looked_at_too() {
    let mut world = World::new().await;
    let failed = world.sandbox.profiles()[7].id;
    let row = i64::try_from(failed).unwrap();
    let write = world.job.store.write(move |db| reaid::store::sync::fail(db, "shop", row, "timeout", 1000));
    write.await.unwrap();
    let path = world.folder.path().join("empty.csv");
    std::fs::write(&path, "profileId;emailAddress;reaid\n").unwrap();
    read_from(&mut world, &path, None);
    let run = world.sync().await.unwrap();
    assert_eq!((run.listed, run.written), (0, 1));
    assert!(world.sandbox.profile(failed).unwrap().get("reaid").is_some());
}

#[tokio::test]
async fn of_two_lines_for_one_profile_the_later_counts() {
    let mut world = World::with(Options { profiles: 3, speed: 100, ..Options::default() }).await;
    let id = world.sandbox.profiles()[0].id;
    let path = world.folder.path().join("twice.csv");
    let lines = format!("profileId;emailAddress;reaid\n{id};first@example.org;\n{id};second@example.org;\n");
    std::fs::write(&path, lines).unwrap();
    read_from(&mut world, &path, None);
    assert_eq!(world.sync().await.unwrap().written, 1);
    let reaid = world.sandbox.profile(id).unwrap().get("reaid").unwrap().to_owned();
    let reaid::sync::Wanted::Reaid(second) = crate::world::wanted("second@example.org") else { unreachable!() };
    assert_eq!(reaid, second);
}
