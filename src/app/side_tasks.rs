//! What runs beside the edge: the watch over its load, delivery, counting for campaigns, the sweep of old events, the
//! watch over what other processes change, syncs, audiences,
//! certificates that are ordered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use super::{audience, sync};
use crate::campaign::{self, PersonOf};
use crate::clock;
use crate::identity::{Guid, VisitorIds};
use crate::overload;
use crate::raptor::{self, EventNames, Visitor};
use crate::store::{self, Event, Store};
use crate::sync::Job;
use crate::tls::acme::Acme;
use crate::tracking::{Delivery, Settings, VisitorOf};

/// How often old events are swept out. Retention is counted in hours.
const SWEEP: Duration = Duration::from_secs(60);

/// Everything about the side tasks that can fail at a start.
pub(super) struct Prepared {
    delivery: Delivery,
    syncs: Vec<(Job, Option<Duration>)>,
    acme: Option<Acme>,
    audiences: crate::audience::Work,
}

impl Prepared {
    pub(super) fn of(parts: &Parts, acme: Option<Acme>) -> anyhow::Result<Self> {
        let (mut syncs, licences) = (Vec::new(), sync::licences(&parts.setup.config));
        for integration in &parts.setup.config.integrations {
            // Without a schedule it follows what it is told of, where somebody may tell it.
            let is_told = integration.webhook_secret.is_some() || integration.get_or_create_key.is_some();
            if integration.actito.is_none() || !(integration.every.is_some() || is_told) {
                continue;
            }
            let mut job = sync::job(integration, &parts.store, parts.trust.clone(), &licences)?;
            job.counters = parts.syncs.of_integration(&integration.name);
            syncs.push((job, integration.every));
        }
        Ok(Self { delivery: delivery(parts)?, syncs, audiences: audience::work(parts), acme })
    }

    /// The watch begins at once, the others when `open` is cancelled: no two processes do them on one store.
    pub(super) fn start(
        self,
        parts: &Parts,
        watch: impl Future<Output = ()> + Send + 'static,
        open: &CancellationToken,
        stop: &CancellationToken,
    ) -> SideTasks {
        let mut tasks = JoinSet::new();
        tasks.spawn(whole(watch));
        let load = &parts.edge.load;
        let (watched, store, token) = (load.clone(), parts.store.clone(), stop.clone());
        tasks.spawn(whole(async move { overload::watch(&watched, || store.queue_fill(), token).await }));
        let mut spawn = |task| drop(tasks.spawn(begin(open.clone(), stop.clone(), task)));
        spawn(self.delivery.run(stop.clone()).boxed());
        let (store, load) = (parts.store.clone(), load.clone());
        let counting = campaign::side_task(store, person_of(parts), parts.campaigns.clone(), load, stop.clone());
        spawn(whole(counting).boxed());
        spawn(whole(sweep(parts.store.clone(), kept(parts), stop.clone())).boxed());
        if let Some(acme) = self.acme {
            spawn(whole(acme.run(stop.clone())).boxed());
        }
        for (job, every) in self.syncs {
            spawn(whole(crate::sync::side_task(job, every, stop.clone())).boxed());
        }
        spawn(whole(crate::audience::side_task(self.audiences, stop.clone())).boxed());
        SideTasks(tasks)
    }
}

/// The tasks; each says at its end whether it left nothing half done.
pub(super) struct SideTasks(JoinSet<bool>);

impl SideTasks {
    /// Waits for `stop`. A task that breaks before is said to: the edge goes on without it.
    pub(super) async fn supervise(&mut self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = self.0.join_next() => note_broken(&ended),
            }
        }
    }

    /// Waits for all of them; whether each came to its end by itself.
    pub(super) async fn end(mut self) -> bool {
        let mut whole = true;
        while let Some(ended) = self.0.join_next().await {
            note_broken(&ended);
            whole &= ended.unwrap_or(false);
        }
        whole
    }
}

fn note_broken(ended: &Result<bool, JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a side task broke: its work is not done until a restart");
    }
}

fn delivery(parts: &Parts) -> anyhow::Result<Delivery> {
    let raptor = &parts.setup.config.raptor;
    let config = &parts.setup.config;
    let accounts = config.integrations.iter().flat_map(|integration| &integration.accounts);
    let names = accounts.filter_map(|account| {
        let site = &config.sites[config.site_of_account(account)?];
        let names = EventNames { click: site.click_event.clone(), open: site.open_event.clone() };
        Some((account.clone(), names))
    });
    let names: HashMap<_, _> = names.collect();
    let client = raptor::Client::new(&raptor.tracking_url, &raptor.v, names, raptor.allow_private)?;
    let settings = Settings::new(raptor.max_age, parts.setup.config.edge.drain / 2);
    let (withheld, counters) = (parts.live.withheld.clone(), parts.counters.clone());
    let delivery = Delivery::new(parts.store.clone(), client, visitor_of(parts), withheld, settings, counters);
    Ok(delivery.giving_way_to(parts.edge.load.clone()))
}

/// Who Raptor is told an event's visitor is, by the keys of the moment.
fn visitor_of(parts: &Parts) -> VisitorOf {
    let (trust, integration_of) = (parts.trust.clone(), integration_of(parts));
    Arc::new(move |event: &Event| {
        let trust = trust.load();
        let identities = integration_of.get(&event.account).and_then(|name| trust.identities.get(name));
        let known = event.reaid.as_deref().zip(identities);
        let ids = known.and_then(|(reaid, ids)| ids.visitor(&event.account, reaid, event.at.secs()));
        let ids = ids.unwrap_or_else(|| VisitorIds::of_event(event.id.0));
        let coid = event.cookies.coid.map_or(ids.coid, Guid::from_bytes);
        let sid = event.cookies.sid.map_or(ids.sid, Guid::from_bytes);
        Visitor { coid: coid.to_string(), sid: sid.to_string() }
    })
}

/// Whom an event is counted as, by the keys of the moment.
fn person_of(parts: &Parts) -> PersonOf {
    let (trust, integration_of) = (parts.trust.clone(), integration_of(parts));
    Arc::new(move |account, reaid| {
        let trust = trust.load();
        integration_of.get(account).and_then(|name| trust.identities.get(name))?.person(reaid)
    })
}

/// The integration of each account.
fn integration_of(parts: &Parts) -> HashMap<String, String> {
    let owners =
        parts.setup.config.integrations.iter().flat_map(|integration| {
            integration.accounts.iter().map(|account| (account.clone(), integration.name.clone()))
        });
    owners.collect()
}

fn kept(parts: &Parts) -> store::Kept {
    store::Kept { delivered: parts.setup.config.store.keep_delivered, dead: parts.setup.config.store.keep_dead }
}

/// A task that begins when `open` is cancelled, unless the server stops before.
async fn begin(open: CancellationToken, stop: CancellationToken, task: BoxFuture<'static, bool>) -> bool {
    tokio::select! {
        () = open.cancelled() => task.await,
        () = stop.cancelled() => true,
    }
}

/// A task that leaves nothing half done.
async fn whole(task: impl Future<Output = ()>) -> bool {
    task.await;
    true
}

/// Deletes old events until `stop`.
async fn sweep(store: Store, kept: store::Kept, stop: CancellationToken) {
    loop {
        let swept = stop.run_until_cancelled(store::sweep(&store, kept, clock::now())).await;
        if let Some(Err(error)) = swept {
            tracing::warn!(%error, "cannot sweep old events out of the store");
        }
        let expired = stop.run_until_cancelled(store.expire_asked(clock::now())).await;
        if let Some(Err(error)) = expired {
            tracing::warn!(%error, "cannot sweep out who was asked for");
        }
        if stop.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_none() {
            return;
        }
    }
}
