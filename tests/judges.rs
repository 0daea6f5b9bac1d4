//! What others find wrong with our answers: httplint, of the bytes, and REDbot, which asks by itself. Both are what
//! `tests/judges/fetch.sh` puts into `REAID_JUDGES`, or into `judges` in the folder that cargo builds into; without
//! them the tests say that they did nothing.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{CAMPAIGN_TOKEN, JANE, PIXEL_TOKEN, Server, Settings, client};

/// What they may say: no complaint, or one that has its reason.
const MAY_SAY: [&str; 7] = [
    "The server's clock is correct.",
    "The Content-Length header is correct.",
    "This response's Referrer-Policy ('no-referrer') restricts referrer leakage.",
    "This response can't be stored by caches.",
    // `private` says nothing beside `no-store` to a cache that knows both. Some know only the older one.
    "The no-store cache directive overrides other directives.",
    // What the answer is about.
    "The resource could not be found.",
    "The request was directed at a server that is not able to produce a response.",
];

const FIREFOX: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n";

fn judge(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("judges");
    let judge = std::env::var_os("REAID_JUDGES").map_or(beside, PathBuf::from).join("bin").join(name);
    if !judge.is_file() {
        eprintln!("skipped: no {}: tests/judges/fetch.sh puts it there", judge.display());
        return None;
    }
    Some(judge)
}

/// A server by its address, with everything that an answer can carry, and what to ask it for.
async fn server() -> (Server, Vec<String>) {
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let settings = Settings {
        base_url: format!("http://{listen}"),
        site: "cookies = { mode = \"site\", domain = \"127.0.0.1\" }".to_owned(),
        listen,
        edge: "fallback_url = \"https://shop.example/lost\"".to_owned(),
        ..Settings::default()
    };
    let targets = [
        format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}"),
        format!("/c/{CAMPAIGN_TOKEN}"),
        format!("/o/{PIXEL_TOKEN}.gif?reaid={JANE}"),
        "/o/nonsense.gif".to_owned(),
        "/c/nonsense".to_owned(),
        "/nothing".to_owned(),
        "/robots.txt".to_owned(),
        "/healthz".to_owned(),
    ];
    (Server::start(&settings).await, targets.into())
}

/// Complains about whatever a judge says that it may not.
fn complaints(about: &str, said: &str) -> Vec<String> {
    let notes = said.lines().filter_map(|line| line.trim_start().strip_prefix("* "));
    let notes = notes.map(|note| {
        ["[BAD] ", "[WARN] ", "[INFO] ", "[GOOD] "].iter().fold(note, |it, level| it.trim_start_matches(level))
    });
    let notes = notes.filter(|note| !note.ends_with(':') && !MAY_SAY.contains(note));
    notes.map(|note| format!("{about}: {note}")).collect()
}

// The judges block the thread that asks them; the server must have another.
#[tokio::test(flavor = "multi_thread")]
async fn httplint_finds_nothing_wrong() {
    let Some(httplint) = judge("httplint") else { return };
    let (server, targets) = server().await;
    let own = server.edge.to_string();
    let mut all = Vec::new();
    let asked = targets.iter().map(|target| (own.as_str(), target.as_str())).chain([("other.example", "/robots.txt")]);
    for (host, target) in asked {
        let answer = client::ask(server.edge, client::get(host, target, FIREFOX).as_bytes()).await;
        let mut lint = Command::new(&httplint).arg("-n").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        lint.stdin
            .take()
            .unwrap()
            .write_all(&[answer.head.trim_end().as_bytes(), b"\r\n\r\n", &answer.body].concat())
            .unwrap();
        let said = lint.wait_with_output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains("no-store"), "it judged: {said}");
        all.extend(complaints(&format!("{} {target}", answer.status), &said));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redbot_finds_nothing_wrong() {
    let Some(redbot) = judge("redbot") else { return };
    let (server, targets) = server().await;
    let urls = targets.iter().map(|target| format!("http://{}{target}", server.edge));
    let mut all = Vec::new();
    for url in urls {
        let said = Command::new(&redbot).args(["-o", "text", &url]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.starts_with("HTTP/1.1 "), "it asked {url}: {said}");
        all.extend(complaints(&url, &said));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
    server.stop().await;
}
