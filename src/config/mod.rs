//! The configuration as the program uses it: parsed, checked against itself, immutable.
//!
//! `written` is `proxy.toml` as typed; this module is what it means. Secrets stay unread until a
//! command needs them ([`SecretSource::read`]), so that `reaid mint` does not ask for an API key.
//! Every complaint names file, line and key.

mod actito;
mod activation;
mod changes;
mod cookies;
mod file_server;
mod load;
mod place;
mod secret;
mod sync;
mod tls;
mod units;
mod written;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

pub use actito::{Actito, ApiGeneration, Assumed, UrlStyle, V5Write};
pub use activation::{
    Activation, ActivationSchedule, AudienceDestination, AudienceFolder, AudienceSource, Cdp, CdpAuth, OnDelete,
    PersonIdentifier, ReferenceFile, TooLarge,
};
pub use cookies::Cookies;
pub use file_server::{Authority, CertificatePin, FileProtocol, FileServer, Fingerprint, Ftps, Sftp, SftpLogin};
pub use place::{ConfigError, Located, Place};
pub use secret::SecretSource;
pub use sync::{Export, Sync};
pub use tls::{Acme, CertificateFiles, CertificateOf, ClickDomain};

/// Everything `proxy.toml` says, with the defaults filled in and paths made absolute to its folder.
#[derive(Clone, Debug)]
pub struct Config {
    /// The public listener.
    pub edge: Edge,
    /// The admin listener.
    pub admin: Admin,
    /// Where the keyring is.
    pub keyring: PathBuf,
    /// The embedded store.
    pub store: Store,
    /// How links are made and opened.
    pub links: Links,
    /// Raptor's tracking.
    pub raptor: Raptor,
    /// The shops, in the order written; an account has exactly one.
    pub sites: Vec<Site>,
    /// The integrations, in the order written.
    pub integrations: Vec<Integration>,
    /// The activations, in the order written.
    pub activations: Vec<Activation>,
    /// The file that it came from.
    pub file: PathBuf,
    /// What stands there, to tell what another reading changed.
    written: toml::Table,
}

impl Config {
    /// The integration of this name.
    pub fn integration(&self, name: &str) -> Option<&Integration> {
        self.integrations.iter().find(|integration| integration.name == name)
    }

    /// The position in `sites` of an account's own site; of a sister account without one, of the first
    /// site of its integration.
    pub fn site_of_account(&self, account: &str) -> Option<usize> {
        let own = self.sites.iter().position(|site| site.account.value == account);
        own.or_else(|| {
            let owner = self.integrations.iter().find(|it| it.accounts.iter().any(|its| its == account))?;
            self.sites.iter().position(|site| site.integration == owner.name)
        })
    }

    /// Tries every secret that is kept in a file, so that one that is missing or open to others is
    /// found before anything starts. Those in the environment are looked at where they are needed.
    ///
    /// # Errors
    /// As for [`SecretSource::read`].
    pub fn check_secret_files(&self) -> Result<(), ConfigError> {
        let keys = self.integrations.iter().filter_map(|it| it.actito.as_ref()).map(|actito| &actito.api_key);
        let erasure = self.raptor.erasure.as_ref().map(|erasure| &erasure.api_key);
        let guards = self.integrations.iter().flat_map(|it| [&it.webhook_secret, &it.get_or_create_key]).flatten();
        let cdps = self.activations.iter().filter_map(|it| match &it.source {
            AudienceSource::Cdp(cdp) => Some(&cdp.api_key),
            AudienceSource::Folder(_) => None,
        });
        let servers = self.activations.iter().filter_map(|it| match &it.destination {
            AudienceDestination::Server(server) => Some(server),
            AudienceDestination::Folder(_) => None,
        });
        let logins = servers.flat_map(|server| server.secrets());
        let secrets =
            std::iter::once(&self.admin.token).chain(keys).chain(erasure).chain(guards).chain(cdps).chain(logins);
        let in_files = secrets.filter(|secret| secret.is_file());
        in_files.map(SecretSource::read).try_for_each(|secret| secret.map(drop))
    }
}

/// `[edge]`: the public listener.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Addresses to listen on.
    pub listen: Vec<std::net::SocketAddr>,
    /// What the links in a newsletter start with: scheme, host and port, without a trailing slash.
    pub base_url: Located<String>,
    /// Where a link that does not open leads.
    pub fallback_url: Option<Located<String>>,
    /// How long a click waits for its event to be on disk.
    pub commit_wait: Duration,
    /// How long a stop may take.
    pub drain: Duration,
    /// Names of programs beside those that are known.
    pub agents: Agents,
    /// How long a stop shows in readiness before anything else of it happens.
    pub lame_duck: Duration,
    /// Addresses where plain HTTP is redirected to HTTPS.
    pub http_listen: Vec<std::net::SocketAddr>,
    /// The certificate of every domain without its own.
    pub tls: Option<CertificateFiles>,
    /// Certificates that are ordered and renewed by themselves.
    pub acme: Option<Acme>,
    /// Click domains beside `base_url`.
    pub domains: Vec<ClickDomain>,
    /// The value of `Strict-Transport-Security` in answers over TLS.
    pub hsts: Option<String>,
    /// The networks of one's own proxies in front.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they say for whom they ask.
    pub client_header: ClientHeader,
    /// Connections that one address may have at once.
    pub connections_per_address: u32,
    /// Events that one address may record a minute; None for no limit.
    pub events_per_address: Option<NonZeroU32>,
}

/// A header in which proxies say for whom they ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientHeader {
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `Forwarded`
    Forwarded,
}

/// `[edge.agents]`: parts of `User-Agent`s, in any case.
#[derive(Clone, Debug, Default)]
pub struct Agents {
    /// People after all.
    pub human: Vec<String>,
    /// Image proxies of mail services.
    pub proxy: Vec<String>,
    /// Machines.
    pub bot: Vec<String>,
}

/// `[admin]`: the listener for operators.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The address to listen on.
    pub listen: std::net::SocketAddr,
    /// The bearer token.
    pub token: SecretSource,
    /// Names by which the listener may be called, beside addresses and `localhost`.
    pub hosts: Vec<String>,
}

/// `[store]`: the embedded database.
#[derive(Clone, Debug)]
pub struct Store {
    /// The database file.
    pub path: PathBuf,
    /// Bytes the file may grow to; beyond that new events are dropped and counted.
    pub max_size: u64,
    /// How long delivered events stay.
    pub keep_delivered: Duration,
    /// How long dead letters stay.
    pub keep_dead: Duration,
}

/// `[links]`.
#[derive(Clone, Debug)]
pub struct Links {
    /// Whether a rewritten newsletter gets an open pixel.
    pub pixel: bool,
    /// Whether `Sec-GPC: 1` means "no identity".
    pub respect_gpc: bool,
    /// Hosts that may still be landed on, without identity, after they left every site.
    pub former_hosts: Vec<Located<String>>,
    /// Case-insensitive substrings of a URL that mark unsubscribe and preference links.
    pub unsubscribe_patterns: Vec<String>,
    /// Parameters that destinations get: `utm_source` and its value, ….
    pub utm: Vec<(String, String)>,
}

/// `[raptor]`: where events go.
#[derive(Clone, Debug)]
pub struct Raptor {
    /// Scheme and host of the tracking endpoint; `/{account}.rsa` is appended.
    pub tracking_url: Url,
    /// What is delivered.
    pub deliver: Deliver,
    /// Whether events of class `bot` and `prefetch` are delivered too.
    pub deliver_bots: bool,
    /// Whether a click must carry `reaid_consent=1` to keep its identity.
    pub consent_flag: bool,
    /// The `v` parameter of a tracking call.
    pub v: String,
    /// An event older than this is given up.
    pub max_age: Duration,
    /// Whether Raptor's names may resolve to a private address.
    pub allow_private: bool,
    /// Where Raptor is asked to forget people, if anywhere.
    pub erasure: Option<RaptorErasure>,
}

/// `raptor.erasure_url` and `raptor.erasure_key`.
#[derive(Clone, Debug)]
pub struct RaptorErasure {
    /// Scheme and host; `/{account}/DeleteUser` is appended.
    pub url: Url,
    /// What the calls are authorised with.
    pub api_key: SecretSource,
}

/// Which events go to Raptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliver {
    /// Clicks and opens.
    ClicksAndOpens,
    /// Clicks alone.
    Clicks,
    /// None: events are only stored.
    Off,
}

/// `[[site]]`: the hosts of one shop.
#[derive(Clone, Debug)]
pub struct Site {
    /// The Raptor customer id, 4 or 5 digits.
    pub account: Located<String>,
    /// `host[:port]` or `*.host[:port]`.
    pub hosts: Vec<Located<String>>,
    /// The name of the integration whose REAIDs these hosts get.
    pub integration: String,
    /// What a click is called in Raptor.
    pub click_event: String,
    /// What an open is called in Raptor.
    pub open_event: String,
    /// Where a link for this shop leads when its own destination is gone.
    pub fallback_url: Option<Located<String>>,
    /// Which cookies its clicks set.
    pub cookies: Option<Cookies>,
}

/// `[[integration]]`: one Actito entity and profile table, with the accounts it serves.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Its name.
    pub name: String,
    /// The scope of its REAIDs, when written; else its name at first use.
    pub id_scope: Option<String>,
    /// Main account first, then sister accounts.
    pub accounts: Vec<String>,
    /// `false` stops REAIDs altogether: nothing is synced, no click carries one.
    pub enable_email_synchronization: bool,
    /// What Actito replaces by the recipient's REAID, as in `${reaid}`.
    pub merge_field: String,
    /// What Actito replaces by 1 for a recipient who consented, as in `${consent}`.
    pub consent_field: Option<String>,
    /// How Actito is reached.
    pub actito: Option<Actito>,
    /// How often `serve` syncs by itself.
    pub every: Option<Duration>,
    /// How it is synced.
    pub sync: Sync,
    /// What Actito's webhooks must carry; none takes no webhooks.
    pub webhook_secret: Option<SecretSource>,
    /// What whoever asks for REAIDs by address must carry; none answers nobody.
    pub get_or_create_key: Option<SecretSource>,
}
