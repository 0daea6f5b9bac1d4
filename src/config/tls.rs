//! What `[edge]` says about click domains and TLS: certificate files, automatic certificates, HSTS.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use url::{Host, Url};

use super::load::Loader;
use super::units::Span;
use super::{ConfigError, Edge, Located};

/// After a first failed order; with it doubling, an hour has fewer failures than Let's Encrypt allows (5).
const ACME_RETRY: Duration = Duration::from_secs(300);

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The chain, the domain's own certificate first.
    pub certificate: Located<PathBuf>,
    /// The key of that certificate.
    pub private_key: Located<PathBuf>,
}

/// `[edge.acme]`: certificates that are ordered and renewed by themselves.
#[derive(Clone, Debug)]
pub struct Acme {
    /// The hosts to order for, one certificate each, in this order.
    pub domains: Vec<Located<String>>,
    /// Where the authority may write to, as in `mailto:ops@shop.example`.
    pub contact: Option<String>,
    /// The authority.
    pub directory: Url,
    /// Roots to trust when calling the authority, as a PEM file; none for the machine's own.
    pub roots: Option<Located<PathBuf>>,
    /// The folder with account and certificates.
    pub path: PathBuf,
    /// How long to wait after a first failure; it doubles with each.
    pub retry: Duration,
    /// Whether the authority's name may resolve to a private address.
    pub allow_private: bool,
}

/// A domain that click links live on.
#[derive(Clone, Debug)]
pub struct ClickDomain {
    /// Scheme, host and port, without a trailing slash.
    pub base_url: Located<String>,
    /// Where a link leads that was asked here and does not open.
    pub fallback_url: Option<Located<String>>,
    /// Its own certificate.
    pub tls: Option<CertificateFiles>,
}

/// Where the certificate of a domain comes from.
#[derive(Clone, Copy, Debug)]
pub enum CertificateOf<'a> {
    /// Its own files, or those of `[edge.tls]`.
    Files(&'a CertificateFiles),
    /// The authority.
    Acme,
}

impl Edge {
    /// Every certificate file that is named.
    pub fn certificate_files(&self) -> impl Iterator<Item = &CertificateFiles> {
        self.tls.iter().chain(self.domains.iter().filter_map(|domain| domain.tls.as_ref()))
    }

    /// Every domain that is answered, `edge.base_url` first.
    pub fn click_domains<'a>(&'a self) -> impl Iterator<Item = (&'a Located<String>, Option<&'a Located<String>>)> {
        let first = (&self.base_url, self.fallback_url.as_ref());
        // A domain without a fallback of its own has that of `[edge]`.
        let fallback = |domain: &'a ClickDomain| domain.fallback_url.as_ref().or(self.fallback_url.as_ref());
        let others = self.domains.iter().map(move |domain| (&domain.base_url, fallback(domain)));
        std::iter::once(first).chain(others)
    }

    /// Whether `edge.listen` speaks TLS.
    pub fn speaks_tls(&self) -> bool {
        self.tls.is_some() || self.acme.is_some() || self.domains.iter().any(|domain| domain.tls.is_some())
    }

    /// The host whose certificate answers for unknown names; empty without TLS.
    pub fn first_host(&self) -> String {
        self.certificates().next().map(|(_, host, _)| host).unwrap_or_default()
    }

    /// The host of every domain, and where its certificate comes from; nothing without TLS.
    pub fn certificates(&self) -> impl Iterator<Item = (&Located<String>, String, CertificateOf<'_>)> {
        let own = std::iter::once((&self.base_url, None))
            .chain(self.domains.iter().map(|domain| (&domain.base_url, domain.tls.as_ref())));
        own.filter_map(|(base_url, files)| {
            let host = host_of(&base_url.value);
            let ordered = self.acme.iter().flat_map(|acme| &acme.domains).any(|domain| domain.value == host);
            let from = match (files, &self.tls) {
                (Some(files), _) => CertificateOf::Files(files),
                (None, _) if ordered => CertificateOf::Acme,
                (None, Some(files)) => CertificateOf::Files(files),
                (None, None) => return None,
            };
            Some((base_url, host, from))
        })
    }
}

/// The host of a base URL, as TLS names it: without brackets.
fn host_of(base_url: &str) -> String {
    match Url::parse(base_url).ok().and_then(|url| url.host().map(|host| host.to_owned())) {
        Some(Host::Domain(name)) => name,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => String::new(),
    }
}

/// What `[edge]` has of all this.
pub(super) struct WrittenFront {
    pub(super) http_listen: Option<Spanned<Vec<SocketAddr>>>,
    pub(super) tls: Option<WrittenFiles>,
    pub(super) acme: Option<WrittenAcme>,
    pub(super) domain: Vec<WrittenDomain>,
    pub(super) hsts: Option<WrittenHsts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFiles {
    certificate: Spanned<PathBuf>,
    private_key: Spanned<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenAcme {
    domains: Spanned<Vec<Spanned<String>>>,
    contact: Option<Spanned<String>>,
    directory: Option<Spanned<String>>,
    roots: Option<Spanned<PathBuf>>,
    path: Option<PathBuf>,
    retry: Option<Span>,
    allow_private: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenDomain {
    base_url: Spanned<String>,
    fallback_url: Option<Spanned<String>>,
    tls: Option<WrittenFiles>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenHsts {
    max_age: Span,
    #[serde(default)]
    include_subdomains: bool,
    #[serde(default)]
    preload: bool,
}

impl Loader<'_> {
    /// Fills in what is about domains and TLS, and checks it as a whole.
    pub(super) fn front(&self, written: WrittenFront, edge: &mut Edge) -> Result<(), ConfigError> {
        edge.tls = written.tls.map(|files| self.files(files));
        edge.acme = written.acme.map(|acme| self.acme(acme)).transpose()?;
        edge.domains = written.domain.into_iter().map(|domain| self.domain(domain)).collect::<Result<_, _>>()?;
        edge.hsts = written.hsts.map(hsts);
        check_domains(edge)?;
        let Some(http_listen) = written.http_listen else {
            let missing = "expected edge.http_listen beside it: the authority asks for its proof over plain HTTP";
            return edge.acme.as_ref().map_or(Ok(()), |acme| Err(acme.domains[0].place.complain(missing)));
        };
        let place = self.source.place(http_listen.span());
        if let Some(plain) = edge.click_domains().map(|(url, _)| url).find(|url| !url.value.starts_with("https://")) {
            return Err(place.complain(format!("redirects to https, but {} is not", plain.value)));
        }
        edge.http_listen = http_listen.into_inner();
        Ok(())
    }

    fn files(&self, written: WrittenFiles) -> CertificateFiles {
        let path = |path: Spanned<PathBuf>| {
            let Located { value, place } = self.source.locate(path);
            Located { value: self.path(&value), place }
        };
        CertificateFiles { certificate: path(written.certificate), private_key: path(written.private_key) }
    }

    fn acme(&self, written: WrittenAcme) -> Result<Acme, ConfigError> {
        let at = self.source.place(written.domains.span());
        let domains: Vec<_> = written.domains.into_inner().into_iter().map(|it| self.source.locate(it)).collect();
        if domains.is_empty() {
            return Err(at.complain("expected at least one domain"));
        }
        if let Some(contact) = &written.contact
            && !contact.get_ref().starts_with("mailto:")
        {
            let place = self.source.place(contact.span());
            return Err(place.complain("expected a contact that starts with mailto:"));
        }
        #[expect(clippy::expect_used, reason = "a literal that parses")]
        let default = || Url::parse("https://acme-v02.api.letsencrypt.org/directory").expect("a URL");
        let directory = written.directory.map(|url| self.http_url(url)).transpose()?;
        if let Some(plain) = directory.as_ref().filter(|url| url.value.scheme() != "https") {
            return Err(plain.place.complain("expected a URL that starts with https://"));
        }
        Ok(Acme {
            domains,
            contact: written.contact.map(Spanned::into_inner),
            directory: directory.map_or_else(default, |url| url.value),
            roots: written.roots.map(|path| {
                let Located { value, place } = self.source.locate(path);
                Located { value: self.path(&value), place }
            }),
            path: self.path(&written.path.unwrap_or_else(|| PathBuf::from("data/acme"))),
            retry: written.retry.map_or(ACME_RETRY, |retry| retry.0),
            allow_private: written.allow_private.unwrap_or(false),
        })
    }

    fn domain(&self, written: WrittenDomain) -> Result<ClickDomain, ConfigError> {
        Ok(ClickDomain {
            base_url: self.base_url(written.base_url)?,
            fallback_url: written.fallback_url.map(|url| self.source.locate(url)),
            tls: written.tls.map(|files| self.files(files)),
        })
    }
}

/// The value of `Strict-Transport-Security`.
fn hsts(written: WrittenHsts) -> String {
    let subdomains = if written.include_subdomains { "; includeSubDomains" } else { "" };
    let preload = if written.preload { "; preload" } else { "" };
    format!("max-age={}{subdomains}{preload}", written.max_age.0.as_secs())
}

/// Every domain once; with TLS each on https, with a certificate to come from somewhere.
fn check_domains(edge: &Edge) -> Result<(), ConfigError> {
    let urls: Vec<_> = edge.click_domains().map(|(url, _)| url).collect();
    for (at, url) in urls.iter().enumerate() {
        if urls[..at].iter().any(|earlier| earlier.value == url.value) {
            return Err(url.place.complain(format!("{} is a click domain already", url.value)));
        }
        if edge.speaks_tls() && !url.value.starts_with("https://") {
            return Err(url.place.complain("expected https://, because edge.listen speaks TLS"));
        }
        if edge.speaks_tls() && !edge.certificates().any(|(with, ..)| with.value == url.value) {
            let message = "expected a certificate for it: tls beside it, its host in edge.acme.domains, or edge.tls";
            return Err(url.place.complain(message));
        }
    }
    for domain in edge.acme.iter().flat_map(|acme| &acme.domains) {
        if !urls.iter().any(|url| host_of(&url.value) == domain.value) {
            let found = format!("expected the host of a click domain, in lower case, found `{}`", domain.value);
            return Err(domain.place.complain(found));
        }
        if domain.value.parse::<std::net::IpAddr>().is_ok() {
            return Err(domain.place.complain("expected a name, found an address"));
        }
    }
    Ok(())
}
