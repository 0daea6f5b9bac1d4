//! A sandbox with audiences, and a house whose activation keeps them as targets.

use reaid::sandbox::{CdpMember, Fault, FaultRule, Operation, Options, Service, TargetReport};
use serde_json::Value;

use crate::support::program::{reaid, reaid_reading};
use crate::support::server::RunningSandbox;
use crate::support::{House, Settings, logs};

/// Ids and names of the audiences that a sandbox begins with, and every how many profiles are in them.
pub(crate) const AUDIENCES: [(&str, &str, usize); 3] =
    [("5d822e81", "Cat owners", 2), ("8a0f3c12", "Dog owners", 3), ("c44e7b90", "Big spenders", 5)];

/// Profiles of the sandbox.
pub(crate) const PROFILES: usize = 60;

pub(crate) struct World {
    pub(crate) sandbox: RunningSandbox,
    pub(crate) house: House,
    /// Where the sandbox looks for files of targets.
    _drop: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// With more lines for the activation.
    pub(crate) async fn with(more: &str) -> Self {
        Self::identified_by("Email", more).await
    }

    pub(crate) async fn identified_by(identifier: &str, more: &str) -> Self {
        let drop = tempfile::tempdir().unwrap();
        let options = Options { profiles: PROFILES, drop: Some(drop.path().to_owned()), ..Options::default() };
        let sandbox = RunningSandbox::with(options).await;
        let settings = Settings {
            more: activation(&sandbox.base_url(), &drop.path().display().to_string(), identifier, more),
            ..Settings::default()
        };
        let house = House::new(&settings.syncing_with(&sandbox.base_url()));
        house.write_secret("data/cdp-key", "sandbox-cdp-key");
        Self { sandbox, house, _drop: drop }
    }

    /// Runs the activation; its summary.
    pub(crate) async fn run(&self) -> Value {
        self.run_with(&[]).await.1
    }

    /// The same with more arguments, and with its exit code.
    pub(crate) async fn run_with(&self, more: &[&str]) -> (i32, Value) {
        let run = self.program(&[&["--json", "audience", "run"], more].concat()).await;
        let summary = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        (run.code, summary)
    }

    /// `reaid erase` of this address, perhaps with `--lift`; what was done.
    pub(crate) async fn erase(&self, address: &str, more: &[&str]) -> Value {
        let run =
            || reaid_reading(&self.house, &[&["--json", "erase"], more].concat(), format!("{address}\n").as_bytes());
        tokio::task::block_in_place(run).json()
    }

    /// The lines of the file of an audience, without the header.
    pub(crate) fn lines(&self, audience: &str) -> Vec<String> {
        let drop = self.sandbox.handle.options().drop.clone().unwrap();
        let file = drop.join("Raptor CDP/Audiences").join(format!("{audience}.csv"));
        std::fs::read_to_string(file).unwrap().lines().skip(1).map(str::to_owned).collect()
    }

    pub(crate) async fn program(&self, arguments: &[&str]) -> crate::support::Run {
        // The sandbox answers on this runtime meanwhile.
        tokio::task::block_in_place(|| reaid(&self.house, arguments))
    }

    /// *Use reference* in the sandbox.
    pub(crate) fn target(&self, audience: &str, attribute: &str) -> Option<TargetReport> {
        self.sandbox.handle.use_reference(&["Raptor CDP", "Audiences", audience], attribute)
    }

    pub(crate) fn switch(&self, fault: Fault, only: Operation) {
        self.sandbox.handle.switch(FaultRule::new(Service::Cdp, fault).only(only)).unwrap();
    }
}

fn activation(cdp: &str, directory: &str, identifier: &str, more: &str) -> String {
    format!(
        r#"
[[activation]]
name = "Newsletter audiences"
integration = "shop"
person_identifier = "{identifier}"
audiences = ["Cat owners", "Dog owners", "Big spenders"]
source = {{ cdp_api = "{cdp}", api_key = {{ file = "data/cdp-key" }} }}
destination = {{ directory = "{directory}" }}
{more}
"#
    )
}

/// Somebody who is no profile.
pub(crate) fn stranger(number: u32) -> CdpMember {
    let email = format!("stranger-{number}@example.org");
    logs::must_not_hold(&email);
    CdpMember { email: Some(email), user_id: Some((900_000 + number).to_string()) }
}

/// What became of an audience.
pub(crate) fn of<'a>(summary: &'a Value, audience: &str) -> &'a Value {
    summary["audiences"].as_array().unwrap().iter().find(|it| it["audience"] == audience).unwrap()
}

/// What became of all, as in `sent unchanged held`.
pub(crate) fn actions(summary: &Value) -> String {
    let all = summary["audiences"].as_array().unwrap().iter().map(|it| it["action"].as_str().unwrap());
    all.collect::<Vec<_>>().join(" ")
}
