//! `reaid check`: everything that can be known before clicks come.

mod actito;
mod audience;

use serde::Serialize;

use super::setup::Setup;
use crate::clock;
use crate::config::{CertificateOf, Deliver, Integration};
use crate::store::Store;
use crate::tls;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What.
    pub subject: String,
    /// Whether it is as it must be.
    pub ok: bool,
    /// How it is, or what to do about it.
    pub says: String,
}

/// Looks at secrets, listeners, integrations and vendors. That configuration, keyring, scopes and
/// store are in order is shown by having a `setup` at all.
pub async fn check(setup: &Setup, store: &Store) -> Vec<Finding> {
    let mut findings = vec![keyring(setup), admin_token(setup), edge(setup), raptor(setup)];
    findings.extend(certificates(setup));
    for integration in &setup.config.integrations {
        findings.push(scope(setup, integration));
        findings.extend(actito::look(integration, setup).await);
        findings.extend(webhooks(integration, setup).await);
    }
    findings.extend(audience::look(setup, store).await);
    findings
}

fn keyring(setup: &Setup) -> Finding {
    let ring = &setup.keyring;
    let says = format!(
        "{}: {} keys, key {} signs links, key {} mints REAIDs; {} people suppressed",
        setup.config.keyring.display(),
        ring.keys().len(),
        ring.active_links(),
        ring.active_ids(),
        setup.trust.suppressed.people()
    );
    good("keyring", says)
}

fn admin_token(setup: &Setup) -> Finding {
    match setup.config.admin.token.read() {
        Ok(_) => good("admin", format!("will listen on {}", setup.config.admin.listen)),
        Err(error) => bad("admin", error.to_string()),
    }
}

fn edge(setup: &Setup) -> Finding {
    let hosts: usize = setup.config.sites.iter().map(|site| site.hosts.len()).sum();
    let says = format!(
        "will listen on {:?}, links begin with {}, {} sites with {hosts} hosts",
        setup.config.edge.listen,
        setup.config.edge.base_url.value,
        setup.config.sites.len()
    );
    match super::policy::policy(&setup.config, &setup.trust) {
        Ok(_) => good("edge", says),
        Err(error) => bad("edge", error.to_string()),
    }
}

/// Each certificate file, and what will be ordered.
fn certificates(setup: &Setup) -> Vec<Finding> {
    let edge = &setup.config.edge;
    let files = match tls::load(edge) {
        Ok(files) => files,
        Err(error) => return vec![bad("certificates", error.to_string())],
    };
    let finding = |(_, host, from): (_, String, CertificateOf<'_>)| {
        let subject = format!("certificate of {host}");
        match (from, files.get(&host)) {
            (CertificateOf::Files(_), Some(own)) if own.not_after() < clock::now() => {
                bad(subject, format!("ended {}", own.not_after().rfc3339()))
            }
            (CertificateOf::Files(_), Some(own)) => good(subject, format!("until {}", own.not_after().rfc3339())),
            _ => good(subject, "will be ordered where it is not kept yet (not now)".to_owned()),
        }
    };
    edge.certificates().map(finding).collect()
}

/// Nothing is sent: Raptor has no call that counts nothing.
fn raptor(setup: &Setup) -> Finding {
    let raptor = &setup.config.raptor;
    let what = match raptor.deliver {
        Deliver::Off => return good("raptor", "nothing will be delivered (raptor.deliver = \"off\")".to_owned()),
        Deliver::Clicks => "clicks",
        Deliver::ClicksAndOpens => "clicks and opens",
    };
    good("raptor", format!("{what} will be delivered to {} (not called now: every call counts)", raptor.tracking_url))
}

fn scope(setup: &Setup, integration: &Integration) -> Finding {
    let subject = format!("integration {}", integration.name);
    match setup.identities(&integration.name) {
        Ok(_) if !integration.enable_email_synchronization => {
            good(subject, "enable_email_synchronization = false: no REAIDs, clicks land without identity".to_owned())
        }
        Ok(ids) => {
            let consent = match &integration.consent_field {
                _ if !setup.config.raptor.consent_flag => String::new(),
                Some(field) => format!(", consent field {field}"),
                None => {
                    ", no consent_field: no rewritten link carries the consent that raptor.consent asks for".to_owned()
                }
            };
            good(
                subject,
                format!("REAIDs in scope `{}`, merge field {}{consent}", ids.scope(), integration.merge_field),
            )
        }
        Err(error) => bad(subject, error.to_string()),
    }
}

/// Nothing where none are taken.
async fn webhooks(integration: &Integration, setup: &Setup) -> Option<Finding> {
    integration.webhook_secret.as_ref().filter(|_| integration.enable_email_synchronization)?;
    let subject = format!("webhooks of {}", integration.name);
    Some(match crate::app::webhooks::is_installed(&setup.config, integration).await {
        Ok(true) => good(subject, "Actito calls for new profiles and changed addresses".to_owned()),
        Ok(false) => good(subject, "not installed: `reaid sync webhooks install`".to_owned()),
        Err(error) => bad(subject, error.to_string()),
    })
}

fn good(subject: impl Into<String>, says: String) -> Finding {
    Finding { subject: subject.into(), ok: true, says }
}

fn bad(subject: impl Into<String>, says: String) -> Finding {
    Finding { subject: subject.into(), ok: false, says }
}
