//! `reaid check`: everything that can be known before clicks come.

use serde::Serialize;

use super::setup::Setup;
use super::sync;
use crate::config::{ApiGeneration, Deliver, Integration};
use crate::store::Store;

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
    for integration in &setup.config.integrations {
        findings.push(scope(setup, integration));
        findings.push(actito(integration, setup, store).await);
    }
    let notices = setup.config.notices.iter();
    findings.extend(notices.map(|notice| good("not in this version", notice.clone())));
    findings
}

fn keyring(setup: &Setup) -> Finding {
    let ring = &setup.keyring;
    let says = format!(
        "{}: {} keys, key {} signs links, key {} mints REAIDs",
        setup.config.keyring.display(),
        ring.keys().len(),
        ring.active_links(),
        ring.active_ids()
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
    match super::policy::policy(&setup.config, &setup.trust, 0) {
        Ok(_) => good("edge", says),
        Err(error) => bad("edge", error.to_string()),
    }
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
        Ok(ids) => good(subject, format!("REAIDs in scope `{}`, merge field {}", ids.scope(), integration.merge_field)),
        Err(error) => bad(subject, error.to_string()),
    }
}

async fn actito(integration: &Integration, setup: &Setup, store: &Store) -> Finding {
    let subject = format!("actito of {}", integration.name);
    let Some(settings) = integration.actito.as_ref().filter(|_| integration.enable_email_synchronization) else {
        return good(subject, "not synced".to_owned());
    };
    let trust = std::sync::Arc::new(arc_swap::ArcSwap::from_pointee(setup.trust.clone()));
    let job = match sync::job(integration, store, trust) {
        Ok(job) => job,
        Err(error) => return bad(subject, error.to_string()),
    };
    let (notes, page) = match job.client.check_structure().await {
        Ok(notes) => (notes, job.client.list_page(0).await),
        Err(error) => (Vec::new(), Err(error)),
    };
    let every = integration
        .every
        .map_or("by hand alone".to_owned(), |every| format!("every {}", humantime::format_duration(every)));
    let writes = match settings.profiles_api {
        ApiGeneration::V4 => "V4",
        ApiGeneration::V5 => "V5 (as we assume it: docs/actito.md)",
        ApiGeneration::Auto => "V4, and where that is gone by V5 (as we assume it: docs/actito.md)",
    };
    let notes: String = notes.iter().map(|note| format!("; note: {note}")).collect();
    match page {
        Ok(_) => good(
            subject,
            format!(
                "{} answers; attribute `{}` can hold a REAID; profiles are listed by V5 and written by {writes}; synced \
                 {every}{notes}",
                settings.api_endpoint, settings.reaid_attribute
            ),
        ),
        Err(error) => bad(subject, error.to_string()),
    }
}

fn good(subject: impl Into<String>, says: String) -> Finding {
    Finding { subject: subject.into(), ok: true, says }
}

fn bad(subject: impl Into<String>, says: String) -> Finding {
    Finding { subject: subject.into(), ok: false, says }
}
