//! From a profile in Actito to its REAID there, by webhook alone.

use std::time::Instant;

use reaid::sandbox::{Fault, FaultRule, Options, PayloadVersion, Profile, PushFault, Service, WebhookOptions};

use crate::support::{PATIENCE, Server, until};
use crate::{NEWCOMER, Stage, reaid};

/// The server runs, Actito calls it, and the first sync is over.
async fn serving(options: Options, block: &str) -> (crate::support::server::RunningSandbox, Server) {
    let Stage { vendors, edge, house } = Stage::new(options).await;
    reaid(&house, &["sync", "webhooks", "install", "--block", block]).await.good();
    let server = Server::start_at(house, edge).await;
    until("the first sync", async || {
        let metrics = server.metrics().await;
        (metrics.get("reaid_sync_complete_timestamp_seconds{integration=\"shop\"}") > 0.0).then_some(())
    })
    .await;
    (vendors, server)
}

/// Nothing that is waited for may never come.
async fn in_time<T>(waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes in time")
}

fn holds(profiles: &[Profile], id: u64, reaid: &str) -> bool {
    profiles.iter().any(|profile| profile.id == id && profile.get("reaid") == Some(reaid))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_profile_has_its_reaid_soon() {
    for payload in [PayloadVersion::V1, PayloadVersion::V2] {
        let webhooks = WebhookOptions { payload, ..WebhookOptions::default() };
        let (vendors, server) = serving(Options { webhooks, profiles: 5, ..Options::default() }, "50").await;
        let (reaid, began) = (server.mint(NEWCOMER), Instant::now());
        let id = vendors.handle.add_profile(&[("emailAddress", Some(NEWCOMER))]).unwrap();
        in_time(vendors.handle.profiles_when(|all| holds(all, id, &reaid))).await;
        let new = began.elapsed();
        // Somebody who gets another address gets another REAID.
        let (moved, began) = (server.mint("moved@example.org"), Instant::now());
        vendors.handle.change_profile(id, &[("emailAddress", Some("moved@example.org"))]).unwrap();
        in_time(vendors.handle.profiles_when(|all| holds(all, id, &moved))).await;
        let moved = began.elapsed();
        println!("{payload:?}: a new profile has its REAID after {new:?}, one that moved after {moved:?}");
        let metrics = server.metrics().await;
        assert_eq!(metrics.get("reaid_sync_runs_total{integration=\"shop\",ended=\"failed\"}"), 0.0);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_that_come_twice_in_disorder_or_incomplete_leave_every_profile_right() {
    // One each, so that two can change places.
    let (vendors, server) = serving(Options { profiles: 5, ..Options::default() }, "1").await;
    let mut added = Vec::new();
    for (number, how) in
        [PushFault::Twice, PushFault::OutOfOrder, PushFault::Incomplete, PushFault::WrongSecret].into_iter().enumerate()
    {
        vendors.handle.switch(FaultRule::new(Service::Webhook, Fault::Push { how }).calls(1)).unwrap();
        for half in 0..2 {
            let address = format!("new-{number}-{half}@example.org");
            let reaid = server.mint(&address);
            let id = vendors.handle.add_profile(&[("emailAddress", Some(&address))]).unwrap();
            added.push((id, reaid));
        }
        in_time(vendors.handle.webhooks_when(|all| all.iter().all(|one| one.waiting == 0))).await;
        let right = |profiles: &[Profile]| added.iter().all(|(id, reaid)| holds(profiles, *id, reaid));
        match how {
            // What a stranger says is not followed: the next whole run finds the profile.
            PushFault::WrongSecret => {
                let refused = server.metrics().await.get("reaid_webhooks_total{outcome=\"unauthorised\"}");
                assert!(refused >= 1.0);
            }
            _ => drop(in_time(vendors.handle.profiles_when(right)).await),
        }
    }
    server.stop().await;
}
