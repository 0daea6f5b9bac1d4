//! What the listeners and the side tasks of one server share, put together from its configuration.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use rustls::ServerConfig;

use super::audience_exposition::AudienceCollector;
use super::erasure::{Eraser, ErasureError};
use super::exposition::{CampaignCollector, TrackingCollector};
use super::live::Live;
use super::load_exposition::LoadCollector;
use super::policy::{Trust, policy};
use super::setup::Setup;
use super::sync_exposition::SyncCollector;
use super::tls_exposition::TlsCollector;
use super::watch::Stamps;
use crate::admin::{Activations, Admin, Erase, Handles};
use crate::authoring::Author;
use crate::campaign;
use crate::config::{ClientHeader, Config};
use crate::edge::{Agents, AgentsError, Challenge, Edge, EdgeMetrics, EventLimit, OwnAgents};
use crate::listener::{Caps, ForwardedBy, Guard, Proxies};
use crate::metrics::Metrics;
use crate::overload::Load;
use crate::store::Store;
use crate::tls::acme::{Acme, Challenges, Orders};
use crate::tls::{self, Certificates};
use crate::tracking::{Counters, Delivers, Recorder, Withheld};

/// What the listeners and the side tasks of one server share.
pub(super) struct Parts {
    pub(super) setup: Setup,
    pub(super) store: Store,
    pub(super) edge: Arc<Edge>,
    pub(super) admin: Arc<Admin>,
    /// Whom the public listeners let in.
    pub(super) guard: Guard,
    pub(super) counters: Arc<Counters>,
    pub(super) campaigns: Arc<campaign::Counters>,
    pub(super) syncs: SyncCollector,
    pub(super) audiences: Arc<crate::audience::Counters>,
    /// How the public listener speaks TLS, where it does.
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// The keys and the suppressions of the moment, written by [`Live::take_up`].
    pub(super) trust: Arc<ArcSwap<Trust>>,
    pub(super) live: Arc<Live>,
}

/// The parts, and what is begun once and then belongs to nobody else.
pub(super) struct Assembled {
    pub(super) parts: Parts,
    pub(super) acme: Option<Acme>,
    pub(super) stamps: Stamps,
}

impl Parts {
    /// # Errors
    /// The configuration is wrong, or a secret is missing.
    pub(super) fn assemble(setup: Setup, store: Store) -> anyhow::Result<Assembled> {
        let token = setup.config.admin.token.read()?;
        let config = &setup.config.edge;
        let mut metrics = Metrics::default();
        let counters = Counters::beside(&store);
        metrics.collector(Box::new(TrackingCollector(counters.clone())));
        let campaigns = Arc::new(campaign::Counters::default());
        metrics.collector(Box::new(CampaignCollector(campaigns.clone())));
        let syncs = SyncCollector::of(&setup.config);
        metrics.collector(Box::new(syncs.clone()));
        let audiences = Arc::new(crate::audience::Counters::default());
        metrics.collector(Box::new(AudienceCollector(audiences.clone())));

        let policy = Arc::new(policy(&setup.config, &setup.trust)?);
        let author = Arc::new(ArcSwap::from_pointee(Author::new(setup.config.clone(), policy.clone())?));
        let trust = Arc::new(ArcSwap::from_pointee(setup.trust.clone()));
        let withheld = withheld(trust.clone());
        let (load, proxies) = (Arc::new(Load::default()), Arc::new(proxies(&setup.config)));
        let caps = Arc::new(Caps::new(config.connections_per_address as usize, proxies.clone()));
        metrics.collector(Box::new(LoadCollector { load: load.clone(), caps: caps.clone() }));
        let challenges = Challenges::default();
        let delivers = Delivers { kinds: setup.config.raptor.deliver, bots: setup.config.raptor.deliver_bots };
        let edge = Arc::new(Edge {
            policy: ArcSwap::new(policy),
            recorder: Recorder::new(store.clone(), delivers, withheld.clone(), counters.clone()),
            commit_wait: config.commit_wait,
            hooks: super::hooks::hooks(&setup.config, &store, &trust)?,
            agents: agents(&setup.config)?,
            challenge: config.acme.as_ref().map(|_| challenge(&challenges)),
            hsts: config.hsts.as_deref().map(HeaderValue::from_str).transpose()?,
            event_limit: config.events_per_address.map(EventLimit::new),
            proxies,
            load: load.clone(),
            metrics: EdgeMetrics::register(&mut metrics),
        });

        let stamps = Stamps::of(&setup.config);
        let certificates = Arc::new(Certificates::default());
        certificates.put_files(&tls::load(config)?, &config.first_host());
        let orders = Arc::new(Orders::default());
        metrics.collector(Box::new(TlsCollector { certificates: certificates.clone(), orders: orders.clone() }));
        let acme = |acme| Acme::new(acme, challenges, certificates.clone(), orders);
        let acme = config.acme.as_ref().map(acme).transpose()?;
        let tls = config.speaks_tls().then(|| tls::server_config(certificates.clone())).transpose()?;

        let live = Live::new(&setup, edge.clone(), trust.clone(), author.clone(), withheld, certificates);
        let live = Arc::new(live);
        let handles = Handles {
            author,
            keep_links: super::campaign::keep_links(&store, &trust),
            erase: erase(Eraser::new(&setup, store.clone()).live(live.clone())),
            desks: super::ids::desks(&setup.config, &store, &trust)?,
            activations: Activations { config: Arc::new(setup.config.clone()), store: store.clone() },
            load: load.clone(),
        };
        let admin = Arc::new(Admin::new(token, metrics, setup.config.admin.hosts.clone(), handles));
        let guard = Guard { caps: Some(caps), load: Some(load) };
        let parts = Self { setup, store, edge, admin, guard, counters, campaigns, syncs, audiences, tls, trust, live };
        Ok(Assembled { parts, acme, stamps })
    }
}

/// Who is withheld at any moment.
fn withheld(trust: Arc<ArcSwap<Trust>>) -> Arc<Withheld> {
    Withheld::new(Arc::new(move |reaid| trust.load().suppressed.has_text(reaid)))
}

/// An erasure that comes to its end though whoever asked for it goes away.
fn erase(eraser: Eraser) -> Erase {
    Box::new(move |digest, lift| {
        let eraser = eraser.clone();
        let erasing = tokio::spawn(async move { eraser.erase(digest, lift).await });
        Box::pin(async move { erasing.await.unwrap_or(Err(ErasureError::Ending)) })
    })
}

/// How the edge learns what an authority must find.
fn challenge(challenges: &Challenges) -> Challenge {
    let challenges = challenges.clone();
    Arc::new(move |token| challenges.proof(token))
}

fn agents(config: &Config) -> Result<Agents, AgentsError> {
    let own = &config.edge.agents;
    Agents::new(OwnAgents { human: &own.human, proxy: &own.proxy, bot: &own.bot })
}

fn proxies(config: &Config) -> Proxies {
    let header = match config.edge.client_header {
        ClientHeader::XForwardedFor => ForwardedBy::XForwardedFor,
        ClientHeader::Forwarded => ForwardedBy::Forwarded,
    };
    Proxies { networks: config.edge.trusted_proxies.clone(), header }
}
