//! A sandbox, a store, and a job between them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use reaid::actito::{ApiKey, Client};
use reaid::clock::{self, Timestamp};
use reaid::config;
use reaid::identity::{EmailAddress, Identities, Keyring, Secret};
use reaid::sandbox::{Fault, FaultRule, Handle, Operation, Options, Sandbox, Service};
use reaid::store::{Limits, Store};
use reaid::sync::{IntegrationStatus, Job, Progress, Scope, Source, Summary, SyncError, Wanted};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Of the sandbox's 60 profiles one has no address and one an invalid one.
pub(crate) const WITH_ADDRESS: u64 = 58;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Calls that may be under way at once.
pub(crate) const AT_ONCE: u64 = 4;

/// A sandbox, a store and a job between them.
pub(crate) struct World {
    pub(crate) sandbox: Handle,
    pub(crate) job: Job,
    /// When the day ends by which the job counts imports; the sandbox's ends sooner, as its time runs faster.
    pub(crate) day_ends: Timestamp,
    pub(crate) folder: tempfile::TempDir,
    _stop: DropGuard,
}

impl World {
    /// Sixty profiles; time runs fast enough that the sandbox's own limit slows nothing.
    pub(crate) async fn new() -> Self {
        Self::with(Options { speed: 100, ..Options::default() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        // Where time runs fast, a token would expire under every other call.
        let mut options = options;
        options.limits.token_lifetime = Duration::from_secs(1_000_000);
        // The day of imports is six hours old at any time of ours: a midnight of ours would come within seconds where
        // time runs fast, and early in a day the first imports are dearer.
        let begun = clock::now().before(Duration::from_secs(6 * 3600)).secs();
        let day_starts = Duration::from_secs(begun % DAY.as_secs());
        options.limits.day_starts = day_starts;
        let sandbox = Sandbox::bind(options).await.unwrap();
        let (handle, stop) = (sandbox.handle(), CancellationToken::new());
        tokio::spawn(sandbox.run(stop.clone()));
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("reaid.db"), Limits::of_size(1 << 30)).unwrap();
        let mut integration = integration(&handle, "Customers");
        integration.sync.quota_day_starts = day_starts;
        let job = job(integration, store);
        let day_ends = Timestamp::from_secs(begun).after(DAY);
        Self { sandbox: handle, job, day_ends, folder, _stop: stop.drop_guard() }
    }

    pub(crate) async fn sync(&self) -> Result<Summary, SyncError> {
        reaid::sync::run(&self.job, &CancellationToken::new()).await
    }

    pub(crate) fn calls(&self, operation: Operation) -> u64 {
        self.sandbox.actito().calls.get(&operation).copied().unwrap_or(0)
    }

    pub(crate) fn switch(&self, fault: Fault, only: Operation, calls: u64) {
        self.sandbox.switch(FaultRule::new(Service::Actito, fault).only(only).calls(calls)).unwrap();
    }

    /// Changes how the integration is configured.
    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut config::Integration)) {
        let mut integration = (*self.job.integration).clone();
        change(&mut integration);
        self.job = job(integration, self.job.store.clone());
    }

    /// From now on this profile goes as soon as the first address is looked at: what was read has it still.
    pub(crate) fn delete_when_read(&mut self, victim: u64) {
        let (sandbox, deleted) = (self.sandbox.clone(), AtomicBool::new(false));
        self.job.wanted = Arc::new(move |address: &str| {
            if !deleted.swap(true, Ordering::SeqCst) {
                sandbox.delete_profile(victim).unwrap();
            }
            wanted(address)
        });
    }

    /// What the store says of the integration.
    pub(crate) async fn status(&self) -> IntegrationStatus {
        let configured = [(*self.job.integration).clone()];
        reaid::sync::status(&self.job.store, &configured).await.unwrap().swap_remove(0)
    }

    /// Every profile holds what it must.
    pub(crate) fn assert_all_right(&self) {
        for profile in self.sandbox.profiles() {
            let must = match wanted(profile.get("emailAddress").unwrap_or_default()) {
                Wanted::Reaid(reaid) => reaid,
                Wanted::None | Wanted::Invalid(_) => String::new(),
            };
            assert_eq!(profile.get("reaid").unwrap_or_default(), must, "profile {}", profile.id);
        }
    }
}

/// `proxy.toml` as an operator writes it, with these lines more about Actito.
pub(crate) fn configuration(sandbox: &Handle, profile_table: &str, more: &str) -> String {
    format!(
        r#"
        edge = {{ listen = ["127.0.0.1:0"], base_url = "http://127.0.0.1:8080" }}
        admin = {{ token = {{ env = "ADMIN_TOKEN" }} }}
        keys = {{ path = "keyring.toml" }}
        store = {{ path = "reaid.db" }}
        [[integration]]
        name = "shop"
        accounts = ["1234"]
        [integration.actito]
        api_endpoint = "{endpoint}"
        entity = "shop"
        email = "crm@shop.example"
        api_key = {{ env = "ACTITO_API_KEY" }}
        profile_table = "{profile_table}"
        profile_table_id = "31"
        email_attribute = "emailAddress"
        reaid_attribute = "reaid"
        concurrency = 4
        {more}
        [[site]]
        account = "1234"
        hosts = ["shop.example"]
        integration = "shop"
        "#,
        endpoint = sandbox.base_url()
    )
}

/// The same as read, without waiting for the pace of calls.
pub(crate) fn integration(sandbox: &Handle, profile_table: &str) -> config::Integration {
    let text = configuration(sandbox, profile_table, "calls_per_minute = 600000");
    let mut config = config::Config::parse(Path::new("proxy.toml"), &text).unwrap();
    config.integrations.swap_remove(0)
}

fn job(integration: config::Integration, store: Store) -> Job {
    Job {
        client: client(&integration, "sandbox-key"),
        settings: Arc::new(integration.actito.clone().unwrap()),
        integration: Arc::new(integration),
        store,
        wanted: Arc::new(wanted),
        is_suppressed: Arc::new(|_| false),
        source: Source::List,
        scope: Scope::Full,
        dry_run: false,
        progress: None,
        counters: Arc::default(),
    }
}

pub(crate) fn client(integration: &config::Integration, key: &str) -> Arc<Client> {
    Arc::new(Client::new(integration.actito.as_ref().unwrap(), ApiKey::new(key)).unwrap())
}

static IDENTITIES: LazyLock<Identities> = LazyLock::new(|| {
    let (key, suppression) = (Secret::from_bytes([1; 32]), Secret::from_bytes([2; 32]));
    Identities::derive(&Keyring::init(key, suppression, reaid::clock::now()), "shop")
});

/// What app gives a sync: what the integration's identities say.
pub(crate) fn wanted(address: &str) -> Wanted {
    match EmailAddress::parse(address) {
        Ok(address) => Wanted::Reaid(IDENTITIES.mint(&address.digest()).as_str().to_owned()),
        Err(error) => Wanted::Invalid(error.to_string()),
    }
}

/// Cancels when `when` holds of the progress.
pub(crate) fn stop_when(job: &mut Job, when: impl Fn(&Progress) -> bool + Send + 'static) -> CancellationToken {
    let (sender, mut progress) = watch::channel(Progress::default());
    job.progress = Some(sender);
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        if progress.wait_for(when).await.is_ok() {
            cancel.cancel();
        }
    });
    stop
}
