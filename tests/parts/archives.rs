//! Zips.

use std::io::{Cursor, Read, Write};

use reaid::rewrite::{ArchiveError, Format, RewriteError, Rewritten};
use zip::write::{FullFileOptions, SimpleFileOptions};
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::world::World;

const PAGE: &[u8] = b"<html><body><a href=\"https://shop.example/p\">x</a></body></html>";

fn rewrite(zip: &[u8]) -> Result<Rewritten, RewriteError> {
    World::new().rewrite_as(Format::Archive, zip, true)
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn entries(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(Cursor::new(zip)).unwrap();
    let count = zip.len();
    let entry = |index| {
        let mut entry = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.name().unwrap().into_owned(), bytes)
    };
    (0..count).map(entry).collect()
}

fn refused(zip: &[u8]) -> (String, &'static str) {
    let error = rewrite(zip).unwrap_err();
    assert!(matches!(error, RewriteError::Archive(_)));
    (error.to_string(), error.kind())
}

/// The bytes with `from` replaced everywhere, as a careless or hostile tool would write them.
fn forged(zip: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = zip.to_vec();
    for at in memchr::memmem::find_iter(zip, from) {
        out[at..at + to.len()].copy_from_slice(to);
    }
    out
}

#[test]
fn pages_are_rewritten_and_the_rest_is_copied() {
    let nested = zip(&[("inner.html", PAGE)]);
    let before = [
        ("images/", &b""[..]),
        ("images/logo.png", &[0x89, b'P', 0xff, 0][..]),
        ("a/Index.HTM", PAGE),
        ("text.txt", b"see https://shop.example/t."),
        ("mail.eml", b"Subject: x\n\nhttps://shop.example/e"),
        ("inner.zip", &nested),
        ("__MACOSX/._index.html", PAGE),
        ("._index.html", PAGE),
        ("b.html", PAGE),
    ];
    let input = zip(&before);
    let Rewritten { bytes, report } = rewrite(&input).unwrap();
    let after = entries(&bytes);
    assert_eq!(after.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), before.map(|(name, _)| name));
    let changed = before.iter().zip(&after).filter(|(before, after)| before.1 != after.1).map(|(before, _)| before.0);
    assert_eq!(changed.collect::<Vec<_>>(), ["a/Index.HTM", "b.html"]);
    let parts: Vec<_> = report.links.iter().map(|link| (link.number, link.part.as_str())).collect();
    assert_eq!(parts, [(1, "a/Index.HTM"), (2, "b.html")]);
    assert_eq!(after[2].1.windows(5).filter(|at| at == b"<img ").count(), 1);
    assert_eq!(rewrite(&input).unwrap().bytes, bytes, "the same again");
    assert_eq!(rewrite(&bytes).unwrap().bytes, bytes, "twice equals once");
}

#[test]
fn names_times_comments_and_ways_of_packing_stay() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let time = DateTime::from_date_and_time(2026, 11, 22, 9, 30, 10).unwrap();
    let options = |comment: &str, method| {
        let mut options =
            FullFileOptions::default().last_modified_time(time).unix_permissions(0o640).compression_method(method);
        options.add_extra_field(0x7875, [1, 4, 0, 0, 0, 0, 4, 0, 0, 0, 0], false).unwrap();
        options.with_file_comment(comment)
    };
    zip.start_file("grün.html", options("the page", CompressionMethod::Stored)).unwrap();
    zip.write_all(PAGE).unwrap();
    zip.start_file("b.html", options("", CompressionMethod::Deflated)).unwrap();
    zip.write_all(PAGE).unwrap();
    zip.start_file("c.css", options("style", CompressionMethod::Deflated)).unwrap();
    zip.write_all(b"p {}").unwrap();
    zip.set_comment("all of it").unwrap();
    let before = zip.finish().unwrap().into_inner();
    let after = rewrite(&before).unwrap().bytes;
    let facts = |bytes: &[u8]| {
        let mut zip = ZipArchive::new(Cursor::new(bytes.to_vec())).unwrap();
        let count = zip.len();
        let entry = |index| {
            let entry = zip.by_index_raw(index).unwrap();
            let extra = entry.extra_data_fields().map(|field| format!("{field:?}")).collect::<Vec<_>>();
            let name = entry.name_raw().to_vec();
            (name, entry.last_modified(), entry.comment().to_owned(), entry.compression(), entry.unix_mode(), extra)
        };
        let entries: Vec<_> = (0..count).map(entry).collect();
        (entries, zip.comment().to_vec())
    };
    assert_ne!(before, after);
    assert_eq!(facts(&before), facts(&after));
    assert_eq!(facts(&after).0[0].5.len(), 1);
}

#[test]
fn a_zip_in_which_nothing_changes_comes_back() {
    let plain = zip(&[("index.html", b"<p>x</p>"), ("x.bin", b"x")]);
    assert_eq!(World::new().rewrite_as(Format::Archive, &plain, false).unwrap().bytes, plain);
}

#[test]
fn a_zip_without_a_page_is_refused() {
    let found =
        refused(&zip(&[("a.css", b"x"), ("b.txt", b"y"), ("c.htmlx", b""), ("d", b""), ("e", b""), ("f", b"")]));
    let expected = "no page in the zip: expected an .html or .htm, found a.css, b.txt, c.htmlx, d, e, and 1 more";
    assert_eq!(found, (expected.to_owned(), "zip_no_page"));
    assert_eq!(refused(&zip(&[])).0, "no page in the zip: expected an .html or .htm, found nothing");
}

#[test]
fn what_is_no_zip_is_refused() {
    let good = zip(&[("index.html", PAGE)]);
    for bytes in [&b""[..], b"PK\x03\x04", b"<html>", &good[..good.len() - 30]] {
        assert_eq!(refused(bytes).1, "zip_broken");
    }
    assert_eq!(refused(&[b"prefix", good.as_slice()].concat()).1, "zip_broken");
    // A page that is not what its checksum says.
    let stored = {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("index.html", SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
            .unwrap();
        zip.write_all(PAGE).unwrap();
        zip.finish().unwrap().into_inner()
    };
    assert_eq!(refused(&forged(&stored, b"</body>", b"</bodx>")).1, "zip_broken");
}

#[test]
fn an_encrypted_entry_is_refused() {
    let mut bytes = zip(&[("index.html", PAGE), ("b.css", b"x")]);
    // The first bit of the flags, in the entry and in the directory.
    let entry = memchr::memmem::rfind(&bytes, b"PK\x03\x04").unwrap();
    let directory = memchr::memmem::rfind(&bytes, b"PK\x01\x02").unwrap();
    bytes[entry + 6] |= 1;
    bytes[directory + 8] |= 1;
    let found = refused(&bytes);
    assert_eq!(found, ("b.css in the zip is encrypted, expected a zip without a password".to_owned(), "zip_encrypted"));
}

#[test]
fn names_that_lead_outside_are_refused() {
    for name in ["../a.html", "a/../b.html", "/a.html", "\\a.html", "c:/a.html", "a\\..\\b.html", "a\0.html"] {
        let bytes =
            forged(&zip(&[(&"x".repeat(name.len()), PAGE)]), "x".repeat(name.len()).as_bytes(), name.as_bytes());
        assert_eq!(refused(&bytes).1, "zip_name", "{name}");
    }
    for name in ["a..b.html", "...html", "a/.../b.html", "ü\\b.html"] {
        assert_eq!(rewrite(&zip(&[(name, PAGE)])).unwrap().report.rewritten(), 1, "{name}");
    }
    let twice = forged(&zip(&[("a.html", PAGE), ("b.html", PAGE)]), b"b.html", b"a.html");
    assert_eq!(refused(&twice).1, "zip_name");
}

#[test]
fn names_in_old_code_pages_stay() {
    let bytes = forged(&zip(&[("a-xx.html", PAGE), ("b-xx.png", b"x")]), b"-xx.", b"-\x81\xe1.");
    let after = rewrite(&bytes).unwrap().bytes;
    let zip = ZipArchive::new(Cursor::new(after)).unwrap();
    assert_eq!(zip.file_names_raw().collect::<Vec<_>>(), [&b"a-\x81\xe1.html"[..], b"b-\x81\xe1.png"]);
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 3 << 20];
    assert_eq!(refused(&zip(&[("index.html", PAGE), ("x.bin", &zeros)])).1, "zip_bomb");
    let large = vec![b' '; (10 << 20) + 1];
    let mut stored = ZipWriter::new(Cursor::new(Vec::new()));
    stored
        .start_file("index.html", SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
        .unwrap();
    stored.write_all(&large).unwrap();
    assert_eq!(refused(&stored.finish().unwrap().into_inner()).1, "zip_too_large");
    let names: Vec<String> = (0..2001).map(|index| format!("{index}.html")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(refused(&zip(&many)).1, "zip_too_large");
}

#[test]
fn a_size_that_is_a_lie_is_refused() {
    let bytes = zip(&[("index.html", PAGE)]);
    let size = u32::try_from(PAGE.len()).unwrap().to_le_bytes();
    for lie in [1_u32, 2000] {
        assert_eq!(refused(&forged(&bytes, &size, &lie.to_le_bytes())).1, "zip_broken", "{lie}");
    }
    // All sizes together, as the directory tells them.
    let mut bytes = zip(&[("index.html", PAGE), ("x.bin", b"x")]);
    let directory = memchr::memmem::rfind(&bytes, b"PK\x01\x02").unwrap();
    bytes[directory + 20..directory + 24].copy_from_slice(&(300_u32 << 20).to_le_bytes());
    bytes[directory + 24..directory + 28].copy_from_slice(&(300_u32 << 20).to_le_bytes());
    assert_eq!(refused(&bytes).1, "zip_too_large");
}

#[test]
fn large_file_headers_are_understood() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("index.html", SimpleFileOptions::default().large_file(true)).unwrap();
    zip.write_all(PAGE).unwrap();
    zip.start_file("x.bin", SimpleFileOptions::default().large_file(true)).unwrap();
    zip.write_all(b"x").unwrap();
    let after = rewrite(&zip.finish().unwrap().into_inner()).unwrap().bytes;
    assert_eq!(entries(&after)[1], ("x.bin".to_owned(), b"x".to_vec()));
    assert_eq!(rewrite(&after).unwrap().bytes, after);
}

#[test]
fn a_symbolic_link_is_copied() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("link.html", "https://shop.example/", SimpleFileOptions::default()).unwrap();
    zip.start_file("index.html", SimpleFileOptions::default()).unwrap();
    zip.write_all(PAGE).unwrap();
    let Rewritten { bytes, report } = rewrite(&zip.finish().unwrap().into_inner()).unwrap();
    assert_eq!(report.rewritten(), 1);
    assert_eq!(entries(&bytes)[0].1, b"https://shop.example/");
    assert!(ZipArchive::new(Cursor::new(bytes)).unwrap().by_index(0).unwrap().is_symlink());
}

#[test]
fn every_error_has_its_word() {
    let kinds =
        [ArchiveError::Duplicate, ArchiveError::Overlap, ArchiveError::Entries { found: 1 }].map(|error| error.kind());
    assert_eq!(kinds, ["zip_name", "zip_bomb", "zip_too_large"]);
}
