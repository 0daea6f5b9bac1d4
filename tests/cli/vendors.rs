//! Commands that call Actito, against the sandbox's.

use std::time::Duration;

use reaid::sandbox::{Options, Right};

use crate::support::house::CLICK_HOST;
use crate::support::program::{Run, reaid};
use crate::support::server::RunningSandbox;
use crate::support::{CAMPAIGN_TOKEN, House, Serving, Settings, client};

/// A house that syncs with this sandbox.
fn house_with(sandbox: &RunningSandbox, calls_per_minute: u32) -> House {
    let settings = Settings::delivering_to(&sandbox.base_url()).syncing_with(&sandbox.base_url());
    let paced = settings.integration.replace("100000", &calls_per_minute.to_string());
    let house = House::new(&Settings { integration: paced, ..settings });
    house.write_secret("actito-key", "sandbox-key");
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_each_right_that_the_api_key_lacks() {
    let sandbox = RunningSandbox::start(3).await;
    let house = house_with(&sandbox, 90);
    let about_actito = |run: Run| {
        let findings: Vec<serde_json::Value> = serde_json::from_str(&run.stdout).unwrap();
        let about = findings.into_iter().filter(|it| it["subject"] == "actito of shop");
        (run.code, about.map(|it| it["says"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    let (code, all_well) = about_actito(reaid(&house, &["check", "--json"]));
    assert!(
        code == 0 && all_well.len() == 1 && all_well[0].contains("written by V4, imported by V4, or V5"),
        "{all_well:?}"
    );

    sandbox.handle.lack_rights(&[Right::WriteProfiles, Right::Imports]);
    let (code, missing) = about_actito(reaid(&house, &["check", "--json"]));
    let lacks = |may: &str| format!("the API key may not {may} (403): give it that right in Actito");
    assert_eq!((code, missing), (1, vec![lacks("write profiles"), lacks("run mass imports")]));
    assert!(sandbox.handle.profiles().iter().all(|profile| profile.get("reaid").is_none()), "looking changes nothing");
}

/// The REAID of each profile that has one, by the profile's id.
fn reaids(sandbox: &RunningSandbox) -> Vec<(u64, String)> {
    let reaid = |profile: reaid::sandbox::Profile| Some((profile.id, profile.get("reaid")?.to_owned()));
    sandbox.handle.profiles().into_iter().filter_map(reaid).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_identities_are_written_by_import_while_old_reaids_stay_valid() {
    let mut options = Options { profiles: 400, speed: 1000, ..Options::default() };
    // Where time runs fast, a token would expire under every other call.
    options.limits.token_lifetime = Duration::from_secs(1_000_000);
    let sandbox = RunningSandbox::with(options).await;
    let house = house_with(&sandbox, 90);
    assert_eq!(reaid(&house, &["sync", "run", "--json"]).json()["imports"], 1);
    let before = reaids(&sandbox);
    assert!(before.len() > 390, "{}", before.len());

    reaid(&house, &["keys", "rotate", "--identities"]).good();
    let run = reaid(&house, &["sync", "run", "--json"]).json();
    assert_eq!((&run["written"], &run["imports"]), (&before.len().into(), &1.into()), "{run}");
    let after = reaids(&sandbox);
    assert_eq!(after.len(), before.len());
    assert!(before.iter().zip(&after).all(|(old, new)| old.0 == new.0 && old.1 != new.1));
    assert_eq!(reaid(&house, &["sync", "run", "--json"]).json()["written"], 0);

    let serving = Serving::start(&house);
    for reaid in [&before[0].1, &after[0].1] {
        let request = client::get(CLICK_HOST, &format!("/c/{CAMPAIGN_TOKEN}?reaid={reaid}"), "");
        let answer = client::ask(serving.edge, request.as_bytes()).await;
        assert!(answer.location().contains(reaid.as_str()), "old and new ones are known");
    }
    assert_eq!(serving.terminate(), 0);
}
