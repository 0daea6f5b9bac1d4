//! `reaid rewrite`.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::{Context, Outcome, UsageError};
use crate::app::Setup;
use crate::links::{Account, Campaign, LinkMaker};
use crate::rewrite::{self, Linker, MAX_DOCUMENT, Options, Rewritten, Shop};

#[derive(Args)]
pub(super) struct Rewrite {
    /// The newsletter in HTML; `-` is stdin.
    #[arg(value_name = "FILE")]
    newsletter: PathBuf,
    /// The campaign it is for.
    #[arg(long, value_name = "C")]
    campaign: String,
    /// The account that opens are counted for, when several are possible.
    #[arg(long, value_name = "A")]
    account: Option<String>,
    /// Exit with 1 when the e-mail platform would reject something in it.
    #[arg(long)]
    strict: bool,
    /// Where the result goes; stdout without it.
    #[arg(short, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Where the report goes, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Rewrite {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let setup = Setup::load(&context.config)?;
        let newsletter = read(&self.newsletter)?;
        let rewritten = rewrite(&setup, &newsletter, &self.campaign, self.account.as_deref())
            .with_context(|| self.newsletter.display().to_string())?;
        match &self.output {
            Some(file) => std::fs::write(file, &rewritten.html)
                .map_err(|e| UsageError(format!("cannot write {}: {e}", file.display())))?,
            None if context.json => {}
            None => io::stdout().lock().write_all(&rewritten.html)?,
        }
        let report = serde_json::to_string(&rewritten.report)?;
        if let Some(file) = &self.report {
            std::fs::write(file, format!("{report}\n"))
                .map_err(|e| UsageError(format!("cannot write {}: {e}", file.display())))?;
        }
        if context.json {
            super::output::line(report);
        }
        let links = rewritten.report.links.len();
        eprintln!("{} of {links} links rewritten, pixel: {}", rewritten.report.rewritten(), rewritten.report.pixel);
        for finding in &rewritten.report.errors {
            eprintln!("link {}: {}", finding.number, finding.message);
        }
        let rejected = self.strict && !rewritten.report.errors.is_empty();
        Ok(if rejected { Outcome::Incomplete } else { Outcome::Done })
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut newsletter = Vec::new();
    let limit = MAX_DOCUMENT as u64 + 1;
    if file == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut newsletter)?;
    } else {
        let opened =
            std::fs::File::open(file).map_err(|e| UsageError(format!("cannot read {}: {e}", file.display())))?;
        let read = opened.take(limit).read_to_end(&mut newsletter);
        read.map_err(|e| UsageError(format!("cannot read {}: {e}", file.display())))?;
    }
    Ok(newsletter)
}

/// Rewrites with the configuration's shops and keys.
pub(super) fn rewrite(
    setup: &Setup,
    newsletter: &[u8],
    campaign: &str,
    account: Option<&str>,
) -> anyhow::Result<Rewritten> {
    let campaign = Campaign::parse(campaign).map_err(|e| UsageError(format!("--campaign: {e}")))?;
    let account = account.map(Account::parse).transpose().map_err(|e| UsageError(format!("--account: {e}")))?;
    let shops = shops(setup)?;
    let pixel = pixel_shop(setup, &shops, account.as_ref())?;
    let maker =
        LinkMaker { keys: &setup.trust.links, base_url: &setup.config.edge.base_url.value, campaign: &campaign };
    let actito = setup.config.integrations.iter().filter_map(|integration| integration.actito.as_ref());
    let address_attributes: Vec<_> = actito.map(|actito| actito.email_attribute.clone()).collect();
    let options = Options {
        linker: &Linker { sites: &setup.sites, shops: &shops, maker, pixel: &pixel },
        unsubscribe_patterns: &setup.config.links.unsubscribe_patterns,
        address_attributes: &address_attributes,
        pixel: setup.config.links.pixel,
    };
    Ok(rewrite::rewrite(newsletter, options)?)
}

fn shops(setup: &Setup) -> anyhow::Result<Vec<Shop>> {
    let shop = |site: &crate::config::Site| {
        let integration = setup.integration(Some(&site.integration))?;
        let account = Account::parse(&site.account.value)?;
        Ok(Shop { account, merge_field: integration.merge_field.clone() })
    };
    setup.config.sites.iter().map(shop).collect()
}

/// The shop that opens are counted for: the account asked for, or the only one.
fn pixel_shop(setup: &Setup, shops: &[Shop], account: Option<&Account>) -> anyhow::Result<Shop> {
    match (account, shops) {
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(UsageError("the configuration has no [[site]]".to_owned()).into()),
        (None, several) => {
            let accounts: Vec<_> = several.iter().map(|shop| shop.account.as_str()).collect();
            Err(UsageError(format!("say which account the newsletter is for with --account: {}", accounts.join(", ")))
                .into())
        }
        (Some(account), _) => {
            let owns = |it: &&crate::config::Integration| it.accounts.iter().any(|own| own == account.as_str());
            let Some(integration) = setup.config.integrations.iter().find(owns) else {
                return Err(UsageError(format!("--account: no integration has account {}", account.as_str())).into());
            };
            Ok(Shop { account: account.clone(), merge_field: integration.merge_field.clone() })
        }
    }
}
