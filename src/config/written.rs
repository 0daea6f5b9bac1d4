//! `proxy.toml` as typed. Every table refuses keys it does not know.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::activation::WrittenActivation;
use super::cookies::WrittenCookies;
use super::sync::WrittenSync;
use super::tls::{WrittenAcme, WrittenDomain, WrittenFiles, WrittenHsts};
use super::units::{Size, Span};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) edge: Edge,
    pub(super) admin: Admin,
    pub(super) keys: Keys,
    pub(super) store: Store,
    #[serde(default)]
    pub(super) links: Links,
    #[serde(default)]
    pub(super) raptor: Raptor,
    #[serde(default)]
    pub(super) site: Vec<Spanned<Site>>,
    #[serde(default)]
    pub(super) integration: Vec<Spanned<Integration>>,
    #[serde(default)]
    pub(super) activation: Vec<Spanned<WrittenActivation>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edge {
    pub(super) listen: Spanned<Vec<SocketAddr>>,
    pub(super) base_url: Spanned<String>,
    pub(super) fallback_url: Option<Spanned<String>>,
    pub(super) commit_wait: Option<Span>,
    pub(super) drain: Option<Span>,
    pub(super) trusted_proxies: Option<Vec<Spanned<String>>>,
    pub(super) client_header: Option<ClientHeader>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) agents: Agents,
    pub(super) lame_duck: Option<Span>,
    pub(super) http_listen: Option<Spanned<Vec<SocketAddr>>>,
    pub(super) tls: Option<WrittenFiles>,
    pub(super) acme: Option<WrittenAcme>,
    #[serde(default)]
    pub(super) domain: Vec<WrittenDomain>,
    pub(super) hsts: Option<WrittenHsts>,
}

#[derive(Deserialize)]
pub(super) enum ClientHeader {
    #[serde(rename = "X-Forwarded-For")]
    XForwardedFor,
    Forwarded,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) connections_per_address: Option<Spanned<u32>>,
    pub(super) events_per_address: Option<Spanned<u32>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Agents {
    #[serde(default)]
    pub(super) human: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) proxy: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) bot: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) listen: Option<SocketAddr>,
    pub(super) token: Spanned<Secret>,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    pub(super) path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) path: PathBuf,
    pub(super) max_size: Option<Size>,
    pub(super) keep_delivered: Option<Span>,
    pub(super) keep_dead: Option<Span>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Links {
    pub(super) pixel: Option<bool>,
    pub(super) respect_gpc: Option<bool>,
    #[serde(default)]
    pub(super) former_hosts: Vec<Spanned<String>>,
    pub(super) unsubscribe_patterns: Option<Vec<String>>,
    pub(super) utm: Option<Utm>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Utm {
    pub(super) source: Option<Spanned<String>>,
    pub(super) medium: Option<Spanned<String>>,
    pub(super) campaign: Option<Spanned<String>>,
    pub(super) term: Option<Spanned<String>>,
    pub(super) content: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raptor {
    pub(super) tracking_url: Option<Spanned<String>>,
    pub(super) deliver: Option<Deliver>,
    pub(super) deliver_bots: Option<bool>,
    pub(super) consent: Option<Consent>,
    pub(super) v: Option<String>,
    pub(super) max_age: Option<Span>,
    pub(super) allow_private: Option<bool>,
    pub(super) erasure_url: Option<Spanned<String>>,
    pub(super) erasure_key: Option<Spanned<Secret>>,
}

#[derive(Deserialize)]
pub(super) enum Deliver {
    #[serde(rename = "clicks+opens")]
    ClicksAndOpens,
    #[serde(rename = "clicks")]
    Clicks,
    #[serde(rename = "off")]
    Off,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Consent {
    None,
    Flag,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Site {
    pub(super) account: Spanned<String>,
    pub(super) hosts: Vec<Spanned<String>>,
    pub(super) integration: Spanned<String>,
    pub(super) fallback_url: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) events: Events,
    pub(super) cookies: Option<Spanned<WrittenCookies>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    pub(super) click: Option<String>,
    pub(super) open: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Integration {
    pub(super) name: Spanned<String>,
    pub(super) id_scope: Option<String>,
    pub(super) accounts: Spanned<Vec<Spanned<String>>>,
    pub(super) enable_email_synchronization: Option<bool>,
    pub(super) merge_field: Option<String>,
    pub(super) consent_field: Option<Spanned<String>>,
    pub(super) actito: Option<Actito>,
    pub(super) schedule: Option<Spanned<Schedule>>,
    #[serde(default)]
    pub(super) sync: WrittenSync,
    pub(super) webhook_secret: Option<Spanned<Secret>>,
    pub(super) get_or_create_key: Option<Spanned<Secret>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Actito {
    pub(super) api_endpoint: Spanned<String>,
    pub(super) entity: String,
    pub(super) email: Option<String>,
    pub(super) api_key: Spanned<Secret>,
    pub(super) profile_table: String,
    pub(super) profile_table_id: String,
    pub(super) email_attribute: Option<String>,
    pub(super) reaid_attribute: Option<String>,
    pub(super) url_style: Option<UrlStyle>,
    pub(super) profiles_api: Option<ApiGeneration>,
    pub(super) import_api: Option<ApiGeneration>,
    pub(super) calls_per_minute: Option<Spanned<u32>>,
    pub(super) concurrency: Option<Spanned<u32>>,
    pub(super) timeout: Option<Spanned<Span>>,
    pub(super) imports_per_day: Option<u32>,
    pub(super) licence: Option<String>,
    pub(super) allow_private: Option<bool>,
    pub(super) assumed: Option<Assumed>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assumed {
    pub(super) list_first_page: Option<u32>,
    pub(super) list_page_size: Option<Spanned<u32>>,
    pub(super) v5_write: Option<V5Write>,
    pub(super) import_max_size: Option<Spanned<Size>>,
    pub(super) import_file_part: Option<Spanned<String>>,
    pub(super) import_parameters_part: Option<Spanned<String>>,
    pub(super) import_report_field: Option<Spanned<String>>,
    pub(super) import_done: Option<Vec<String>>,
    pub(super) import_failed: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum V5Write {
    Patch,
    Put,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum UrlStyle {
    Prefixed,
    Plain,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ApiGeneration {
    Auto,
    V4,
    V5,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schedule {
    pub(super) every: Span,
}

/// `{ file = "…" }` or `{ env = "…" }`.
#[derive(Clone)]
pub(super) enum Secret {
    File(PathBuf),
    Env(String),
}

/// By hand, because serde's own complaint about a secret written inline would repeat it.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = || D::Error::custom("expected { file = \"…\" } or { env = \"…\" }: no secret is written here");
        let toml::Value::Table(table) = toml::Value::deserialize(deserializer)? else {
            return Err(expected());
        };
        let mut entries = table.into_iter();
        match (entries.next(), entries.next()) {
            (Some((key, toml::Value::String(path))), None) if key == "file" => Ok(Self::File(path.into())),
            (Some((key, toml::Value::String(name))), None) if key == "env" => Ok(Self::Env(name)),
            _ => Err(expected()),
        }
    }
}
