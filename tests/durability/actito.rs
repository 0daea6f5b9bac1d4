//! Actito is down or set up wrong while the edge serves; and what the logs of it all say.

use std::thread;

use reaid::identity::EmailAddress;
use reaid::sandbox::{AttributeFault, Fault, FaultRule, Service};

use crate::clicks::{click, metric_reaches, taken, terminate};
use crate::support::server::RunningSandbox;
use crate::support::{CAMPAIGN_TOKEN, House, JANE, JANE_ADDRESS, Serving, Settings, house, until};

fn scheduled(actito: &str, raptor: &RunningSandbox) -> Settings {
    let mut settings = Settings::delivering_to(&raptor.base_url()).syncing_with(actito);
    settings.integration += "schedule = { every = \"1s\" }\n";
    settings
}

/// Serves until the sync has failed with `advice`; meanwhile every click lands and is delivered, and
/// afterwards no line of the log names anybody.
async fn fails_with(vendors: &RunningSandbox, house: &House, advice: &str) {
    let mut identities = identities(vendors, house);
    identities.extend([JANE, JANE_ADDRESS, CAMPAIGN_TOKEN].map(str::to_owned));
    let serving = Serving::start(house);
    let clicked = click(serving.edge, "unaffected", 20).await;
    until(advice, async || {
        let logged = serving.logged();
        let failed = logged.lines().find(|line| line.contains("\"sync failed\"") && line.contains(advice));
        failed.map(str::to_owned)
    })
    .await;
    metric_reaches(&serving, "reaid_deliveries_total", 20).await;
    let log = serving.log.clone();
    assert_eq!(terminate(serving).await, 0);
    assert_eq!(taken(&vendors.handle), Vec::from_iter(clicked));
    let logged = std::fs::read_to_string(log).unwrap();
    for line in logged.lines() {
        assert!(!line.contains('@') && !line.contains("%40"), "an address: {line}");
        assert!(!identities.iter().any(|identity| line.contains(identity.as_str())), "an identity: {line}");
    }
}

/// The addresses of all profiles, and their REAIDs.
fn identities(vendors: &RunningSandbox, house: &House) -> Vec<String> {
    // Loading waits for the store, which no thread that runs async code may.
    let (setup, _store) = thread::scope(|scope| scope.spawn(|| house.setup()).join().unwrap());
    let addresses = vendors.handle.profiles().into_iter().map(|it| it.get("emailAddress").unwrap().to_owned());
    let with_reaid = |address: String| {
        let reaid = EmailAddress::parse(&address).is_ok().then(|| house::mint(&setup, &address));
        [Some(address), reaid].into_iter().flatten()
    };
    addresses.flat_map(with_reaid).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn actito_is_down() {
    let vendors = RunningSandbox::start(5).await;
    // Nobody listens where somebody just did.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let house = House::new(&scheduled(&format!("http://{gone}"), &vendors));
    fails_with(&vendors, &house, "check actito.api_endpoint, name resolution and the firewall").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_wrong() {
    let vendors = RunningSandbox::start(5).await;
    let house = House::new(&scheduled(&vendors.base_url(), &vendors));
    house.write_secret("data/actito-key", "a-wrong-key");
    fails_with(&vendors, &house, "check actito.api_key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attribute_is_missing() {
    let vendors = RunningSandbox::start(5).await;
    let fault = Fault::ReaidAttribute { state: AttributeFault::Missing };
    vendors.handle.switch(FaultRule::new(Service::Actito, fault)).unwrap();
    let house = House::new(&scheduled(&vendors.base_url(), &vendors));
    fails_with(&vendors, &house, "create it in Actito, or correct its name in proxy.toml").await;
}
