//! The sandbox over real sockets: what a client of Actito, of Raptor and of the shop meets.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "sandbox/elsewhere.rs"]
mod elsewhere;
#[path = "sandbox/export.rs"]
mod export;
#[path = "sandbox/faults.rs"]
mod faults;
#[path = "sandbox/imports.rs"]
mod imports;
#[path = "sandbox/licence.rs"]
mod licence;
#[path = "sandbox/profiles.rs"]
mod profiles;
#[path = "sandbox/webhooks.rs"]
mod webhooks;

use std::io::{Cursor, Read, Write};
use std::time::Duration;

use reaid::sandbox::{Handle, ImportReport, Options, Progress, Sandbox};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const COID: &str = "B784D44F-BAB1-EF17-BF97-31B7005ECC59";
const SID: &str = "68439CC2-F9BE-84BC-24E5-A7AB3BA6C14B";
const PROFILES_V5: &str = "/profiles/v5/entities/shop/profile-tables/31/profiles";
const STRUCTURE: &str = "/profile-table-structure/v5/entities/shop/profile-tables/31";
const PROFILE_V4: &str = "/profiles/v4/entity/shop/table/Customers/profile";
const IMPORT_V4: &str = "/mass-imports/v4/entity/shop/table/Customers/import";
const IMPORT_V5: &str = "/mass-imports/v5/entities/shop/etl-executions";
const HOOKS: &str = "/webhooks/v4/entity/shop/webhookSubscription";

/// A sandbox that runs, with a client.
struct World {
    handle: Handle,
    client: Client,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl World {
    async fn start(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::bind(options).await.unwrap();
        let (handle, stop) = (sandbox.handle(), CancellationToken::new());
        let running = tokio::spawn(sandbox.run(stop.clone()));
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self { handle, client, stop, running }
    }

    async fn with_profiles(profiles: usize) -> Self {
        Self::start(Options { profiles, ..Options::default() }).await
    }

    fn url(&self, target: &str) -> String {
        format!("{}{target}", self.handle.base_url())
    }

    async fn get(&self, target: &str) -> Response {
        self.client.get(self.url(target)).send().await.unwrap()
    }

    async fn get_json(&self, target: &str) -> Value {
        self.get(target).await.json().await.unwrap()
    }

    async fn token(&self) -> String {
        let answer = self.client.get(self.url("/auth/token")).header("authorization", "sandbox-key").send().await;
        let body: Value = answer.unwrap().error_for_status().unwrap().json().await.unwrap();
        body["accessToken"].as_str().unwrap().to_owned()
    }

    /// A call of Actito's API with `token`.
    async fn call(&self, token: &str, method: Method, target: &str, body: Option<Value>) -> reqwest::Result<Response> {
        let request = self.client.request(method, self.url(target)).bearer_auth(token);
        match body {
            Some(body) => request.json(&body).send().await,
            None => request.send().await,
        }
    }

    async fn actito(&self, token: &str, target: &str) -> Response {
        self.call(token, Method::GET, target, None).await.unwrap()
    }

    async fn put_reaid(&self, token: &str, id: u64, reaid: &str) -> reqwest::Result<Response> {
        self.call(token, Method::PUT, &format!("{PROFILE_V4}/{id}"), Some(attributes(&[("reaid", reaid)]))).await
    }

    /// A call of Actito's API with a token of its own; its status and its body.
    async fn ask(&self, method: Method, target: &str, body: Option<Value>) -> (StatusCode, Value) {
        let answer = self.call(&self.token().await, method, target, body).await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    /// Posts an import.
    async fn import(&self, target: &str, file: &[u8], parameters: &Value) -> reqwest::Result<Response> {
        let body = multipart(&[("inputFile", file), ("parameters", parameters.to_string().as_bytes())]);
        let request = self.client.post(self.url(target)).bearer_auth(self.token().await);
        request.header("content-type", "multipart/form-data; boundary=X-BOUNDARY").body(body).send().await
    }

    /// Posts a V4 import of this CSV, which is taken; returns its number.
    async fn import_csv(&self, csv: &str, parameters: &Value) -> u64 {
        let answer = self.import(IMPORT_V4, &zip_of(&[("rows.csv", csv.as_bytes())]), parameters).await.unwrap();
        let body: Value = answer.error_for_status().unwrap().json().await.unwrap();
        body["id"].as_u64().unwrap()
    }

    /// The same, moved ahead to its end.
    async fn imported(&self, csv: &str, parameters: &Value) -> ImportReport {
        let over = self.handle.imports().iter().filter(|one| one.progress != Progress::Running).count() as u64;
        let id = self.import_csv(csv, parameters).await;
        self.handle.advance(self.handle.options().imports.takes + Duration::from_secs(1));
        let all = self.handle.imports_over(over + 1).await;
        all.into_iter().find(|import| import.id == id).unwrap()
    }

    /// What there is of an import under `/status`, `/result` or `/errors`.
    async fn look(&self, id: u64, what: &str) -> Response {
        let target = format!("/mass-imports/v4/entity/shop/import/{id}/{what}");
        self.actito(&self.token().await, &target).await
    }

    async fn track(&self, rest: &str) -> reqwest::Result<Response> {
        self.client.get(self.url(&format!("/1234.rsa?p1=newsletterclick&coid={COID}&sid={SID}{rest}"))).send().await
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

fn attributes(pairs: &[(&str, &str)]) -> Value {
    let list: Vec<Value> = pairs.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({ "attributes": list })
}

/// An attribute's value in a profile's body; `None` when the attribute is not there.
fn attribute<'a>(profile: &'a Value, name: &str) -> Option<&'a Value> {
    let list = profile["attributes"].as_array().unwrap();
    list.iter().find(|attribute| attribute["name"] == name).map(|attribute| &attribute["value"])
}

/// Parameters of an import as Actito's public clients send them.
fn parameters(mode: &str, attributes: &[&str]) -> Value {
    let mapping: Vec<Value> =
        attributes.iter().map(|name| json!({ "headerColumn": name, "attributeName": name })).collect();
    json!({
        "mode": mode, "encoding": "UTF-8", "format": { "separator": ";", "endOfLine": "\n" },
        "generateResultFile": true, "attributesMapping": mapping,
    })
}

fn multipart(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in parts {
        let head = format!("--X-BOUNDARY\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--X-BOUNDARY--\r\n");
    body
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The one file in a zip.
fn unzipped(zip: &[u8]) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    assert_eq!(archive.len(), 1);
    let mut text = String::new();
    archive.by_index(0).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// What the process holds in memory, in kB, as the system counts it.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
