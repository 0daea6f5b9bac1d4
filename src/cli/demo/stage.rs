//! The demo's world: a sandbox, a configuration, keys, and a server of ours, in a temporary folder.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::audience;
use crate::app::campaign::Campaigns;
use crate::app::sync::{self, Summary};
use crate::app::{App, Listeners, Setup, Stopped, keyring};
use crate::clock;
use crate::config::Config;
use crate::identity::Keyring;
use crate::rewrite::{Format, Report};
use crate::sandbox::{self, Options, Sandbox, TrackingCall};

/// The newsletter that ships with the project, and the host that stands in it for the shop.
const NEWSLETTER: &str = include_str!("../../../assets/newsletter.html");
const NEWSLETTER_HOST: &str = "https://shop.example";

/// How much faster than ours the sandbox's time runs: its 100 calls a minute are 10,000 of ours.
const SPEED: u32 = 100;

/// What the summary waits for deliveries; they take a second or two.
const DELIVERY: Duration = Duration::from_secs(60);

/// How often to look whether all is counted; that happens each second.
const LOOK: Duration = Duration::from_millis(100);

/// The newsletter's campaign.
const CAMPAIGN: &str = "demo";

/// Somebody who gets the newsletter.
pub(super) struct Recipient {
    pub(super) profile_id: u64,
    pub(super) reaid: String,
}

/// Audiences that arrived in Actito.
#[derive(Default)]
pub(super) struct Targets {
    /// Where Actito shows them.
    pub(super) names: Vec<String>,
    pub(super) members: u64,
    pub(super) matched: u64,
}

/// Everything, running.
pub(super) struct Stage {
    folder: TempDir,
    setup: Setup,
    store: crate::app::Store,
    sandbox: sandbox::Handle,
    admin_url: String,
    stop: CancellationToken,
    sandbox_task: JoinHandle<()>,
    app_task: JoinHandle<Stopped>,
}

impl Stage {
    /// Starts the sandbox and the server on free ports.
    pub(super) async fn set() -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let folder = tempfile::Builder::new().prefix("reaid-demo-").tempdir()?;
        let targets = folder.path().join("targets");
        let options = Options { speed: SPEED, drop: Some(targets), ..Options::default() };
        let sandbox = Sandbox::bind(options).await?;
        let handle = sandbox.handle();
        let sandbox_task = tokio::spawn(sandbox.run(stop.clone()));
        let (edge, admin) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let admin_url = format!("http://{}", admin.local_addr()?);
        let config_file = folder.path().join("proxy.toml");
        write_private(&config_file, &configuration(&handle, &edge, &admin)?)?;
        write_private(&folder.path().join("admin-token"), &keyring::new_secret()?.to_base64url())?;
        write_private(&folder.path().join("actito-key"), &handle.options().api_key)?;
        write_private(&folder.path().join("cdp-key"), &handle.options().cdp_key)?;
        let ring = Keyring::init(keyring::new_secret()?, keyring::new_secret()?, clock::now());
        keyring::create(&Config::load(&config_file)?.keyring, &ring)?;
        let (setup, store) = tokio::task::block_in_place(|| Setup::load_with_store(&config_file))?;
        let app =
            App::with_listeners(setup.clone(), store.clone(), Listeners { edge: vec![edge], http: vec![], admin })?;
        let app_task = tokio::spawn(app.run(stop.clone()));
        Ok(Self { folder, setup, store, sandbox: handle, admin_url, stop, sandbox_task, app_task })
    }

    /// Brings the REAIDs in the sandbox's Actito up to date.
    pub(super) async fn sync(&self) -> anyhow::Result<Summary> {
        let integration = self.setup.integration(None)?;
        Ok(sync::run(&self.setup, &self.store, integration, sync::Run::default(), &self.stop).await?)
    }

    /// Makes the audiences of the sandbox's CDP targets: their members, and of these those whom *Use reference* in its
    /// Actito finds.
    pub(super) async fn target(&self) -> anyhow::Result<Targets> {
        let mut targets = Targets::default();
        for activation in audience::chosen(&self.setup, &self.store, None).await? {
            let run = audience::Run::default();
            let done = audience::run(&self.setup, &self.store, &activation, run, &self.stop).await?;
            targets.members += done.audiences.iter().map(|audience| audience.members).sum::<u64>();
        }
        let attribute = self.sandbox.options().email_attribute.clone();
        for reference in self.sandbox.references() {
            let path: Vec<&str> = reference.reference.iter().map(String::as_str).collect();
            targets.matched += self.sandbox.use_reference(&path, &attribute).map_or(0, |target| target.matched);
            targets.names.push(path.join(" → "));
        }
        Ok(targets)
    }

    /// Rewrites the newsletter and hands it to the sandbox's Actito.
    pub(super) fn publish_newsletter(&self) -> anyhow::Result<Report> {
        let newsletter = NEWSLETTER.replace(NEWSLETTER_HOST, &self.sandbox_url());
        let rewritten = self.setup.author()?.rewrite(newsletter.as_bytes(), Format::Html, CAMPAIGN, None)?;
        self.sandbox.publish_newsletter(String::from_utf8(rewritten.bytes)?)?;
        Ok(rewritten.report)
    }

    /// The profiles that have a REAID.
    pub(super) fn recipients(&self) -> Vec<Recipient> {
        let profiles = self.sandbox.profiles().into_iter();
        let recipients = profiles.filter_map(|profile| {
            let reaid = profile.get("reaid").filter(|reaid| !reaid.is_empty())?.to_owned();
            Some(Recipient { profile_id: profile.id, reaid })
        });
        recipients.collect()
    }

    /// How many of `expected` events of ours Raptor has, once all are there or time is up.
    pub(super) async fn delivered(&self, expected: u64) -> u64 {
        let all = tokio::time::timeout(DELIVERY, self.sandbox.raptor_received(expected)).await;
        all.map_or_else(|_| self.sandbox.raptor().received, |_| self.sandbox.raptor().received)
    }

    /// Of the clicks of people's browsers, how many carried a valid REAID, and how many there were: once
    /// all of `expected` events are counted, or time is up.
    pub(super) async fn identified(&self, expected: u64) -> (u64, u64) {
        let campaigns = Campaigns::of(self.store.clone());
        let deadline = tokio::time::Instant::now() + DELIVERY;
        loop {
            let accounts = tokio::task::block_in_place(|| campaigns.show(CAMPAIGN, None)).map(|shown| shown.accounts);
            let accounts = accounts.unwrap_or_default();
            let counted: u64 = accounts.iter().map(|one| one.clicks + one.opens).sum();
            if counted >= expected || tokio::time::Instant::now() > deadline {
                let of_people = accounts.iter().flat_map(|one| &one.events);
                let of_people = of_people.filter(|it| it.kind == "click" && it.agent == "human");
                let valid = of_people.filter(|it| it.identity == "valid").map(|it| it.events).sum();
                return (valid, accounts.iter().map(|one| one.human_clicks).sum());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for the `n`th tracking call, and gives those that are kept.
    pub(super) async fn raptor_received(&self, n: u64) -> Vec<TrackingCall> {
        self.sandbox.raptor_received(n).await
    }

    pub(super) fn newsletter_url(&self, profile_id: u64) -> String {
        self.sandbox.newsletter_url(profile_id)
    }

    pub(super) fn sandbox_url(&self) -> String {
        self.sandbox.base_url()
    }

    pub(super) fn edge_url(&self) -> &str {
        &self.setup.config.edge.base_url.value
    }

    pub(super) fn admin_url(&self) -> &str {
        &self.admin_url
    }

    pub(super) fn admin_token_file(&self) -> PathBuf {
        self.folder.path().join("admin-token")
    }

    /// Ends everything and removes the folder.
    pub(super) async fn strike(self) -> anyhow::Result<Stopped> {
        self.stop.cancel();
        let stopped = self.app_task.await?;
        self.sandbox_task.await?;
        drop(self.store);
        self.folder.close()?;
        Ok(stopped)
    }
}

fn configuration(sandbox: &sandbox::Handle, edge: &TcpListener, admin: &TcpListener) -> anyhow::Result<String> {
    let (edge, admin, shop) = (edge.local_addr()?, admin.local_addr()?, sandbox.base_url());
    let host = shop.trim_start_matches("http://");
    let Options { account, entity, profile_table, profile_table_id, email_attribute, .. } = sandbox.options();
    Ok(format!(
        r#"[edge]
listen = ["{edge}"]
base_url = "http://{edge}"
fallback_url = "{shop}/"
drain = "10s"
[admin]
listen = "{admin}"
token = {{ file = "admin-token" }}
[keys]
path = "keyring.toml"
[store]
path = "reaid.db"
[raptor]
tracking_url = "{shop}"
[[site]]
account = "{account}"
hosts = ["{host}"]
integration = "{entity}"
[[integration]]
name = "{entity}"
accounts = ["{account}"]
[integration.actito]
api_endpoint = "{shop}"
api_key = {{ file = "actito-key" }}
entity = "{entity}"
email = "crm@shop.example"
profile_table = "{profile_table}"
profile_table_id = "{profile_table_id}"
calls_per_minute = {calls}
email_attribute = "{email_attribute}"
[[activation]]
name = "Newsletter audiences"
integration = "{entity}"
person_identifier = "Email"
audiences = ["Cat owners", "Dog owners", "Big spenders"]
source = {{ cdp_api = "{shop}", api_key = {{ file = "cdp-key" }} }}
destination = {{ directory = "targets" }}
"#,
        calls = 90 * SPEED
    ))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
