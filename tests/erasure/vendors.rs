//! Actito's attribute is emptied by the next run, and Raptor is asked where that is configured.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::program::reaid;
use crate::support::server::RunningSandbox;
use crate::support::{House, JANE, JANE_ADDRESS, JANE_KEY_2, Settings};
use crate::{erase_jane, with_address};

/// What the attribute of a profile holds.
fn attribute(sandbox: &RunningSandbox, address: &str) -> Option<String> {
    let profiles = sandbox.handle.profiles();
    let profile = profiles.iter().find(|profile| profile.get("emailAddress") == Some(address)).unwrap();
    profile.get("reaid").map(str::to_owned).filter(|value| !value.is_empty())
}

fn sync(house: &House) -> serde_json::Value {
    reaid(house, &["sync", "run", "--json"]).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_run_empties_the_attribute_and_a_lift_fills_it_again() {
    let sandbox = RunningSandbox::start(40).await;
    let house = House::new(&Settings::default().syncing_with(&sandbox.base_url()));
    sync(&house);
    let addresses: Vec<String> =
        sandbox.handle.profiles().iter().filter_map(|profile| profile.get("emailAddress").map(str::to_owned)).collect();
    let has_one = |address: &&String| attribute(&sandbox, address).is_some();
    let (person, others) = {
        let known: Vec<&String> = addresses.iter().filter(has_one).collect();
        (known[0].clone(), known[1..].to_vec())
    };
    let before: Vec<_> = others.iter().map(|address| attribute(&sandbox, address)).collect();
    let receipt = with_address(&house, &["erase", "--json"], &person).json();
    assert_eq!(receipt["actito"], serde_json::json!([{ "integration": "shop", "state": "at the next run" }]));
    assert_eq!((&receipt["pending"], &receipt["deleted"]["profiles"]), (&serde_json::json!(["actito"]), &1.into()));
    let run = sync(&house);
    assert_eq!((attribute(&sandbox, &person), &run["cleared"]), (None, &1.into()), "{run}");
    assert_eq!(others.iter().map(|address| attribute(&sandbox, address)).collect::<Vec<_>>(), before);
    let run = sync(&house);
    assert_eq!((&run["cleared"], &run["written"]), (&0.into(), &0.into()), "nothing differs any more: {run}");
    with_address(&house, &["erase", "--lift"], &person).good();
    sync(&house);
    assert!(attribute(&sandbox, &person).is_some());
}

/// Answers with `status`, and remembers what it was asked.
async fn raptor(status: u16) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let remember = asked.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0, "a body ends with its brace");
            }
            remember.lock().unwrap().push(String::from_utf8(request).unwrap());
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (base, asked)
}

fn asking(base: &str) -> House {
    let raptor = format!("deliver = \"off\"\nerasure_url = \"{base}\"\nerasure_key = {{ file = \"data/actito-key\" }}");
    House::new(&Settings { raptor, ..Settings::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn raptor_is_asked_for_each_account_and_each_id_that_it_may_know() {
    let (base, asked) = raptor(202).await;
    let receipt = erase_jane(&asking(&base));
    let took = |account: &str| serde_json::json!({ "account": account, "state": "asked", "ids": 2, "answer": null });
    assert_eq!(receipt["raptor"], serde_json::json!([took("1234"), took("1235")]));
    let asked = asked.lock().unwrap().clone();
    let expected = [("1234", JANE), ("1234", JANE_KEY_2), ("1235", JANE), ("1235", JANE_KEY_2)];
    assert_eq!(asked.len(), expected.len());
    for (request, (account, id)) in asked.iter().zip(expected) {
        assert!(request.starts_with(&format!("POST /{account}/DeleteUser HTTP/1.1\r\n")), "{request}");
        assert!(request.contains("\r\nx-api-key: sandbox-key\r\n"), "{request}");
        assert!(request.contains("\r\ncontent-type: application/json\r\n"), "{request}");
        assert!(request.ends_with(&format!("\r\n\r\n{{\"UserId\":\"{id}\"}}")), "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raptor_that_refuses_is_told_of_and_the_person_is_erased_all_the_same() {
    let (base, _) = raptor(503).await;
    let house = asking(&base);
    let run = with_address(&house, &["erase", "--json"], JANE_ADDRESS);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("Raptor did not take it") && !run.stderr.contains(JANE), "{run:?}");
    let receipt: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&receipt["raptor"][0]["state"], &receipt["raptor"][0]["answer"]), (&"failed".into(), &"503".into()));
    assert_eq!(receipt["pending"], serde_json::json!(["raptor"]));
    assert!(crate::is_suppressed(&house));
}
