//! Large tables and full exports.

use std::fs::{self, File};
use std::io::Read;

use reaid::sandbox::{Options, Packing, Sandbox};

use super::{World, resident_kb, unzipped};

/// Documented: CSV with `;` and `"`, a header line, UTF-8 without a byte order mark, zipped or gzipped, with
/// the day in its name.
#[tokio::test]
async fn an_export_holds_every_profile_in_every_packing() {
    let world = World::with_profiles(20).await;
    world.handle.change_profile(801, &[("reaid", Some("a;\"b\""))]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let plain = world.handle.export(folder.path(), Packing::Csv).unwrap();
    let name = plain.file_name().unwrap().to_str().unwrap();
    let digits = name.strip_prefix("Customers_").unwrap().strip_suffix(".csv").unwrap();
    assert!(digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{name}");

    let text = fs::read_to_string(&plain).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(r#""profileId";"lastName";"firstName";"motherLanguage";"emailAddress";"reaid""#));
    assert_eq!(lines.next(), Some(r#"801;"Doe";"Jane";"EN";"jane.doe.1@example.org";"a;""b""""#));
    assert_eq!(lines.count(), 19);
    assert!(text.contains("jürgen@bücher.example") && !text.starts_with('\u{feff}'));

    let zip = world.handle.export(folder.path(), Packing::Zip).unwrap();
    assert_eq!(unzipped(&fs::read(zip).unwrap()), text);
    let gzip = world.handle.export(folder.path(), Packing::Gzip).unwrap();
    assert!(gzip.to_str().unwrap().ends_with(".csv.gz"));
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(File::open(gzip).unwrap()).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, text);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "a temporary file was left");
    world.end().await;
}

#[tokio::test]
async fn twenty_thousand_profiles_are_seen_one_by_one_and_counted() {
    let world = World::with_profiles(20_000).await;
    let mut seen = 0;
    world.handle.each_profile(|id, values| {
        assert_eq!(id, 801 + seen);
        assert_eq!(values.len(), 5);
        seen += 1;
    });
    assert_eq!(seen, 20_000);
    assert_eq!(world.handle.actito().profiles, 20_000);
    world.end().await;
}

/// Promised: a million profiles in about 150 bytes each.
#[tokio::test]
#[ignore = "long: a million profiles, half a minute without optimisation"]
async fn a_million_profiles_fit() {
    let (before, started) = (resident_kb(), std::time::Instant::now());
    let sandbox = Sandbox::bind(Options { profiles: 1_000_000, ..Options::default() }).await.unwrap();
    let (seeded, seeding) = (resident_kb() - before, started.elapsed());
    let folder = tempfile::tempdir().unwrap();
    let export = sandbox.handle().export(folder.path(), Packing::Zip).unwrap();
    let size = fs::metadata(export).unwrap().len();
    println!("seeded in {seeding:?}, {seeded} kB; exported after {:?}, {size} bytes", started.elapsed());
    assert!(seeded < 160_000, "{seeded} kB");
}
