//! Whether Actito answers, the table can hold REAIDs, and the API key may do what a sync does.

use super::{Finding, Setup, bad, good};
use crate::actito::{Client, Error, Generation, Right};
use crate::app::sync;
use crate::config::{ApiGeneration, Integration};

/// One finding when all is well, else one for each thing that is not.
pub(super) async fn look(integration: &Integration, setup: &Setup) -> Vec<Finding> {
    let subject = format!("actito of {}", integration.name);
    let Some(settings) = integration.actito.as_ref().filter(|_| integration.enable_email_synchronization) else {
        return vec![good(subject, "not synced".to_owned())];
    };
    let client = match sync::client(integration, &sync::licences(&setup.config)) {
        Ok(client) => client,
        Err(error) => return vec![bad(subject, error.to_string())],
    };
    let notes = match client.check_structure().await {
        Ok(notes) => notes,
        Err(error) => return vec![bad(subject, error.to_string())],
    };
    let missing = missing_rights(&client).await;
    if !missing.is_empty() {
        return missing.into_iter().map(|missing| bad(subject.clone(), missing)).collect();
    }
    let every = integration
        .every
        .map_or("by hand alone".to_owned(), |every| format!("every {}", humantime::format_duration(every)));
    let settled = client.settled();
    let notes: String = notes.iter().map(|note| format!("; note: {note}")).collect();
    let says = format!(
        "{} answers; attribute `{}` can hold a REAID; profiles are listed by V5, written by {}, imported by {}; synced \
         {every}{notes}",
        settings.api_endpoint,
        settings.reaid_attribute,
        generation(settled.profiles, settings.profiles_api),
        generation(settled.imports, settings.import_api),
    );
    vec![good(subject, says)]
}

/// What the key may not do, each with what to give it; or why that cannot be said.
async fn missing_rights(client: &Client) -> Vec<String> {
    let mut missing: Vec<String> = Vec::new();
    for (right, answer) in client.rights().await {
        let says = match answer {
            // Webhooks are a way to learn sooner, and may be set up by hand.
            Ok(()) | Err(Error::Forbidden { .. }) if right == Right::Webhooks => continue,
            Ok(()) => continue,
            Err(Error::Forbidden { .. }) => {
                format!("the API key may not {} (403): give it that right in Actito", right.purpose())
            }
            Err(error) => error.to_string(),
        };
        // What does not answer does not answer to any question.
        if !missing.contains(&says) {
            missing.push(says);
        }
    }
    missing
}

/// Which generation of the API does it: what answered, else what is configured.
fn generation(settled: Option<Generation>, wanted: ApiGeneration) -> &'static str {
    match (settled, wanted) {
        (Some(Generation::V4), _) | (None, ApiGeneration::V4) => "V4",
        (Some(Generation::V5), _) | (None, ApiGeneration::V5) => "V5 (as we assume it: docs/actito.md)",
        (None, ApiGeneration::Auto) => "V4, or V5 where that is gone",
    }
}
