//! Exports, whole and broken.

use std::io::Write as _;

use super::*;

const CSV: &str =
    "profileId;emailAddress;reaid\n812;jane@example.org;\nx;nobody;\n813;\"a;b\";AVCX2Xn3aHNLYEVZLOeLQLnM\n";

fn settings() -> config::Actito {
    let text = r#"
        edge = { listen = ["127.0.0.1:8080"], base_url = "http://127.0.0.1:8080" }
        admin = { token = { env = "ADMIN_TOKEN" } }
        keys = { path = "keyring.toml" }
        store = { path = "reaid.db" }
        [[integration]]
        name = "shop"
        accounts = ["1234"]
        actito = { api_endpoint = "api3", entity = "shop", api_key = { env = "K" }, profile_table = "C", profile_table_id = "31" }
        [[site]]
        account = "1234"
        hosts = ["shop.example"]
        integration = "shop"
    "#;
    let config = config::Config::parse(Path::new("proxy.toml"), text).unwrap();
    config.integrations[0].actito.clone().unwrap()
}

fn open(bytes: &[u8]) -> Result<ExportFile, ExportError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    ExportFile::open(file.path(), &Export::default(), &settings(), None)
}

fn complaint(bytes: &[u8]) -> String {
    let read = open(bytes).and_then(|mut file| {
        loop {
            match file.next_part(10) {
                Ok(Part { last: true, .. }) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        }
    });
    read.unwrap_err().problem.to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(*name, options.compression_method(zip::CompressionMethod::Stored)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn an_export_is_read_in_parts_whatever_it_is_packed_in() {
    let with_bom = [b"\xef\xbb\xbf", CSV.as_bytes()].concat();
    let zipped = zip(&[("readme.txt", b"hello"), ("Export.CSV", CSV.as_bytes())]);
    for bytes in [CSV.as_bytes().to_vec(), with_bom, gzip(CSV.as_bytes()), zipped] {
        let mut file = open(&bytes).unwrap();
        let first = file.next_part(2).unwrap();
        assert_eq!((first.profiles.len(), first.unreadable, first.last), (1, 1, false));
        assert_eq!((first.profiles[0].address.as_str(), first.holds_reaids), ("jane@example.org", true));
        let second = file.next_part(2).unwrap();
        assert_eq!((second.profiles[0].address.as_str(), second.last), ("a;b", true));
        assert_eq!(second.profiles[0].reaid, "AVCX2Xn3aHNLYEVZLOeLQLnM");
    }
}

#[test]
fn an_export_without_reaids_says_so_and_one_without_addresses_is_refused() {
    let mut file = open(b"profileId;emailAddress\n812;jane@example.org\n").unwrap();
    assert!(!file.next_part(9).unwrap().holds_reaids);
    let says = complaint(b"profileId;mail\n812;jane@example.org\n");
    assert!(says.starts_with("the header has no column `emailAddress`, found `profileId`, `mail`"), "{says}");
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    assert_eq!(
        complaint(b"profileId;emailAddress\n1;a@b.c\n2;a@b.c;d\n"),
        "line 3 has 3 fields, expected 2 as in the header"
    );
    assert!(complaint(b"profileId;emailAddress\n1;\xff@b.c\n").starts_with("line 2 is not UTF-8"));
    assert!(complaint(&zip(&[("a.csv", b""), ("b.csv", b"")])).starts_with("expected a zip with one .csv, found 2"));
    let endless = [b"profileId;emailAddress\n1;\"", vec![b'a'; LONGEST_LINE + 1].as_slice()].concat();
    assert!(complaint(&endless).starts_with("line 2 is longer than"));
}

#[test]
fn an_archive_that_is_a_bomb_or_damaged_is_refused() {
    let line = [b"1;".as_slice(), &vec![b'a'; 100_000], b"\n"].concat();
    let bomb = [b"profileId;emailAddress\n".to_vec(), line.repeat(200)].concat();
    assert!(complaint(&gzip(&bomb)).starts_with("unpacks to more than"));
    let mut damaged = zip(&[("a.csv", CSV.as_bytes())]);
    let jane = damaged.windows(4).position(|bytes| bytes == b"jane").unwrap();
    damaged[jane] = b'k';
    assert!(complaint(&damaged).contains("checksum is wrong"), "{}", complaint(&damaged));
}
