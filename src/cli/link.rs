//! `reaid link create` and `reaid link inspect`.

use clap::Subcommand;
use serde_json::json;

use super::{Context, Outcome, UsageError, output};
use crate::app::Setup;
use crate::identity::EmailAddress;
use crate::links::{Account, Campaign, Candidates, Claim, ClickUrl, LinkMaker, Opened, Recipient, Target};

#[derive(Subcommand)]
pub(super) enum Link {
    /// Print the click URL of a page.
    Create {
        /// The page.
        url: String,
        /// The campaign it is for.
        #[arg(long, value_name = "C")]
        campaign: String,
        /// The account, when it is not that of the page's host.
        #[arg(long, value_name = "A")]
        account: Option<String>,
        /// Its number in the newsletter.
        #[arg(long, value_name = "N", default_value_t = 1)]
        number: u16,
        /// Seal this recipient inside: a link for one person.
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
    },
    /// Say what is in a click or pixel URL. Counts nothing.
    Inspect {
        /// The URL, as it came.
        url: String,
    },
}

impl Link {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let setup = Setup::load(&context.config)?;
        match self {
            Self::Create { url, campaign, account, number, to } => {
                let url = create(&setup, &url, &campaign, account.as_deref(), number, to.as_deref())?;
                if context.json {
                    output::json(&json!({ "url": url }))?
                } else {
                    output::line(url)
                }
                Ok(Outcome::Done)
            }
            Self::Inspect { url } => inspect(context, &setup, &url),
        }
    }
}

fn create(
    setup: &Setup,
    url: &str,
    campaign: &str,
    account: Option<&str>,
    number: u16,
    to: Option<&str>,
) -> anyhow::Result<String> {
    let usage = |message: String| UsageError(message);
    let accepted = setup.sites.accept(url).map_err(|e| usage(format!("URL: {e}")))?;
    let campaign = Campaign::parse(campaign).map_err(|e| usage(format!("--campaign: {e}")))?;
    let site = accepted.site.and_then(|site| setup.config.sites.get(site.0));
    let site = site.ok_or_else(|| usage("URL: its host is on no site's list".to_owned()))?;
    let account = account.unwrap_or(&site.account.value);
    let account = Account::parse(account).map_err(|e| usage(format!("--account: {e}")))?;
    let integration = setup.integration(Some(&site.integration))?;
    if !integration.accounts.iter().any(|own| own == account.as_str()) {
        let message = format!("--account: {} is not one of integration `{}`", account.as_str(), integration.name);
        return Err(usage(message).into());
    }
    let maker =
        LinkMaker { keys: &setup.trust.links, base_url: &setup.config.edge.base_url.value, campaign: &campaign };
    match to {
        Some(to) => {
            let digest = EmailAddress::parse(to).map_err(|e| usage(format!("--to: {e}")))?.digest();
            Ok(maker.personal_link(&accepted.destination, number, &account, digest))
        }
        None => {
            let link = maker.campaign_link(&accepted.destination, number, &account);
            Ok(format!("{link}?reaid={}", integration.merge_field))
        }
    }
}

fn inspect(context: &Context, setup: &Setup, url: &str) -> anyhow::Result<Outcome> {
    let Some(parts) = ClickUrl::split(url) else {
        return Err(UsageError("URL: expected a click URL (…/c/…) or a pixel URL (…/o/…)".to_owned()).into());
    };
    let opened = match setup.trust.links.open(parts.token.as_bytes()) {
        Ok(opened) => opened,
        Err(error) => {
            if context.json {
                output::json(&json!({ "state": error.kind(), "message": error.to_string() }))?;
            } else {
                output::line(format!("opens to nothing ({}): {error}", error.kind()));
            }
            return Ok(Outcome::Incomplete);
        }
    };
    let report = report(setup, parts.query, &opened);
    if context.json {
        output::json(&report)?;
    } else if let serde_json::Value::Object(fields) = report {
        for (name, value) in &fields {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            output::line(format!("{name:<12} {value}"));
        }
    }
    Ok(Outcome::Done)
}

fn report(setup: &Setup, query: &str, opened: &Opened) -> serde_json::Value {
    let (kind, destination) = match &opened.target {
        Target::Pixel => ("pixel", None),
        Target::Link(url) => ("link", Some(url)),
    };
    let landing = destination.map(|url| setup.sites.readmit(url));
    let (state, site) = match &landing {
        None => ("opens", None),
        Some(Ok(accepted)) => ("opens", accepted.site),
        Some(Err(error)) => (error.kind(), None),
    };
    let site = site.map(|site| site.0).or_else(|| setup.config.site_of_account(opened.account.as_str()));
    let integration = site.and_then(|at| setup.config.sites.get(at)).map(|site| site.integration.as_str());
    let identities = integration.and_then(|name| setup.trust.identities.get(name));
    let identity = match (opened.recipient, identities) {
        (_, None) => "disabled",
        (Recipient::Person(_), _) => "valid",
        (Recipient::Anyone, Some(identities)) => {
            match Candidates::of_query(query.as_bytes()).resolve(|text| identities.verify(text).ok()) {
                Claim::Valid(_) => "valid",
                Claim::Missing => "missing",
                Claim::MergeField => "merge_field",
                Claim::CheckFailed => "check_failed",
            }
        }
    };
    json!({
        "state": state, "kind": kind, "key": opened.key.get(), "account": opened.account.as_str(),
        "campaign": opened.campaign.as_str(), "number": opened.number,
        "personal": matches!(opened.recipient, Recipient::Person(_)), "destination": destination, "identity": identity,
    })
}
