//! Five million members in one audience: what a run takes for it, as a process of its own. Run it by hand,
//! optimised: `cargo test --release --test audience -- --ignored --nocapture five_million`

use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::program::command;
use crate::support::{House, Settings};

/// The most memory that a process used so far, in MB.
fn memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}

#[test]
#[ignore = "takes minutes, and says something only when it is optimised"]
fn five_million_members_take_little_memory() {
    let sizes = std::env::var("REAID_MEMBERS").unwrap_or_else(|_| "500000 1000000 5000000".to_owned());
    for members in sizes.split(' ').map(|size| size.parse::<u64>().unwrap()) {
        let more = "[[activation]]\nname = \"All\"\nintegration = \"shop\"\nperson_identifier = \"Email\"\n\
                    audiences = [\"Everybody\"]\nsource = { directory = \"audiences\" }\ntoo_large = \"split\"\n";
        let house = House::new(&Settings { more: more.to_owned(), ..Settings::default() });
        std::fs::create_dir(house.path("audiences")).unwrap();
        for (what, first) in [("all new", 0), ("one in a thousand changed", members / 1000)] {
            let mut file = BufWriter::new(std::fs::File::create(house.path("audiences/Everybody.csv")).unwrap());
            writeln!(file, "email").unwrap();
            // In no order.
            for number in 0..members {
                writeln!(file, "person-{}@example.org", first + number * 7_919 % members).unwrap();
            }
            file.flush().unwrap();
            assert_eq!(run(&house, what)["members"].as_u64(), Some(members));
        }
    }
}

#[test]
#[ignore = "takes minutes, and says something only when it is optimised"]
fn five_million_members_of_the_cdp_beside_as_many_profiles_take_little_memory() {
    let members = std::env::var("REAID_MEMBERS").map_or(5_000_000, |it| it.parse::<u64>().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let cdp = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map(Result::unwrap) {
            std::thread::spawn(move || answer(&client, members));
        }
    });
    let more = format!(
        "[[activation]]\nname = \"All\"\nintegration = \"shop\"\nperson_identifier = \"Email\"\n\
         audiences = [\"Everybody\"]\nsource = {{ cdp_api = \"http://{cdp}\", api_key = {{ file = \"data/cdp-key\" }} }}\n\
         too_large = \"split\"\n"
    );
    let house = House::new(&Settings { more, ..Settings::default() });
    house.write_secret("data/cdp-key", "x");
    drop(house.setup());
    let known = "INSERT INTO sync_rows (integration, profile_id, confirmed_at, key_id, fingerprint)
                 WITH RECURSIVE number(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM number WHERE at < ?1)
                 SELECT 'shop', at, 1, 1, randomblob(8) FROM number";
    rusqlite::Connection::open(house.database()).unwrap().execute(known, [PROFILES]).unwrap();
    let row = run(&house, "all new, of the CDP, five million profiles");
    assert_eq!((&row["members"], &row["reason"]), (&members.into(), &"new".into()));
    let row = run(&house, "as many changes as are read, of the CDP, five million profiles");
    let left = PAGES * CHANGES_A_PAGE;
    assert_eq!((&row["removed"], &row["members"]), (&left.into(), &(members - left).into()));
}

/// Profiles that a sync knows, however many members there are.
const PROFILES: i64 = 5_000_000;

/// Changes that are not too many, in pages that are not too large.
const PAGES: u64 = 4;
const CHANGES_A_PAGE: u64 = 50_000;

/// As the CDP: one audience of so many members, of whom many left since.
fn answer(client: &TcpStream, members: u64) {
    let mut lines = BufReader::new(client).lines().map(Result::unwrap);
    let asked = lines.next().unwrap_or_default();
    assert!(lines.any(|line| line.is_empty()));
    let mut to = BufWriter::new(client);
    write!(to, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n").unwrap();
    let (path, since) = asked.split_once("sequenceNumber=").unwrap_or((&asked, ""));
    if path.contains("/changes/") {
        let page: u64 = since.split(' ').next().unwrap().parse().unwrap();
        let left = |at| json!({"audienceId": "all", "identifierValue": address(at), "change": "left"});
        let changes: Vec<Value> = (page * CHANGES_A_PAGE..(page + 1) * CHANGES_A_PAGE).map(left).collect();
        let told = json!({"sequenceNumber": page + 1, "more": page + 1 < PAGES, "changes": changes});
        write!(to, "{told}").unwrap();
    } else if path.contains("/membership/") {
        write!(to, "{{\"sequenceNumber\":0,\"profiles\":[").unwrap();
        for number in 0..members {
            let (comma, who) = (if number == 0 { "" } else { "," }, address(number * 7_919 % members));
            let email = format!("{{\"identifierType\":\"email\",\"identifierValue\":\"{who}\"}}");
            let id = format!("{{\"identifierType\":\"userId\",\"identifierValue\":\"{number}\"}}");
            write!(to, "{comma}{{\"identifiers\":[{id},{email}]}}").unwrap();
        }
        write!(to, "],\"total\":{members}}}").unwrap();
    } else {
        write!(to, "{}", json!({"audiences": [{"id": "all", "name": "Everybody"}]})).unwrap();
    }
    to.flush().unwrap();
}

fn address(number: u64) -> String {
    format!("person-{number}@example.org")
}

/// Runs the activation; what became of its audience.
fn run(house: &House, what: &str) -> Value {
    let began = Instant::now();
    let mut run = command(house.folder(), &["--json", "audience", "run"]);
    let mut run = run.env("REAID_LOG", "warn").stdout(Stdio::piped()).spawn().unwrap();
    let mut most = 0;
    while run.try_wait().unwrap().is_none() {
        most = memory(run.id()).unwrap_or(most);
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = run.wait_with_output().unwrap();
    let mut summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = summary["audiences"][0].take();
    println!(
        "{} members, {what}: {:.1} s, at most {most} MB, {} files, {} bytes, {} added, {} removed",
        row["members"],
        began.elapsed().as_secs_f64(),
        row["files"].as_array().unwrap().len(),
        row["bytes"],
        row["added"],
        row["removed"],
    );
    // Unoptimised, the program itself takes 20 MB more.
    assert!(most <= if cfg!(debug_assertions) { 120 } else { 100 }, "{most} MB");
    row
}
