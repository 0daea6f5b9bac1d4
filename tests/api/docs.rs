//! `docs/api.md` is true: its examples run, and every word that a program may meet is in it.

use std::process::Command;

use serde_json::Value;

use crate::server;
use crate::support::house::ADMIN_TOKEN;

fn source(path: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Whether a value has what the page shows; `…` stands for anything.
fn is_shown(shown: &Value, found: &Value) -> bool {
    match (shown, found) {
        (Value::String(shown), Value::String(found)) => match shown.split_once('…') {
            Some((start, _)) => found.starts_with(start),
            None => shown == found,
        },
        (Value::Array(shown), Value::Array(found)) => {
            shown.len() == found.len() && shown.iter().zip(found).all(|(shown, found)| is_shown(shown, found))
        }
        (Value::Object(shown), Value::Object(found)) => {
            shown.iter().all(|(key, shown)| found.get(key).is_some_and(|found| is_shown(shown, found)))
        }
        _ => shown == found,
    }
}

fn values(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter().map(|value| value.unwrap()).collect()
}

#[tokio::test]
async fn the_examples_of_the_page_run() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: no curl");
        return;
    }
    let server = server().await;
    std::fs::write(server.house.path("newsletter.html"), "<a href=\"https://shop.example/p\">Shop</a>").unwrap();
    let page = source("docs/api.md");
    let mut run = 0;
    for block in page.split("```sh\n").skip(1).filter(|block| block.contains("curl ")) {
        let (script, after) = block.split_once("```").unwrap();
        let mut command = Command::new("sh");
        command.args(["-ec", script]).current_dir(server.house.folder());
        command.env("ADMIN", format!("http://{}", server.admin)).env("TOKEN", ADMIN_TOKEN);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        run += 1;
        let Some(shown) = after.trim_start().strip_prefix("```json\n") else { continue };
        let (shown, found) = (values(shown.split("```").next().unwrap()), String::from_utf8(output.stdout).unwrap());
        let found = values(&found);
        let same = shown.len() == found.len() && shown.iter().zip(&found).all(|(shown, found)| is_shown(shown, found));
        assert!(same, "{script}\nanswers {found:#?}");
    }
    assert_eq!(run, 4);
    let document = std::fs::read_to_string(server.house.path("newsletter.out.html")).unwrap();
    assert!(document.starts_with("<a href=\"http://click.example/c/"), "{document}");
    server.stop().await;
}

#[test]
fn the_page_has_every_word() {
    let page = source("docs/api.md");
    let transcript = source("tests/http/api.txt");
    let codes = transcript.split("\"code\":\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let pasted = source("src/authoring/undone.rs");
    let undone = pasted.split("pub fn as_str").nth(1).unwrap().split("impl Serialize").next().unwrap();
    let errors = source("src/admin/error.rs");
    let errors = errors.split("fn kind").nth(1).unwrap().split("fn status").next().unwrap();
    let words = [undone, errors].map(|code| code.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap()));
    let words: Vec<String> = words.into_iter().flatten().map(str::to_owned).chain(codes).collect();
    assert!(words.len() > 40);
    let missing: Vec<_> =
        words.iter().filter(|word| !page.contains(&format!("`{word}`")) && *word != "internal").collect();
    assert!(missing.is_empty(), "docs/api.md does not say {missing:?}");
}
