//! `reaid link create` and `reaid link inspect`.

use clap::Subcommand;
use serde_json::json;

use super::{Context, Outcome, output};
use crate::app::Setup;
use crate::authoring::{Author, LinkOrder};

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
        /// The URL, as it was pasted from a mail program; or the token alone.
        url: String,
    },
}

impl Link {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let author = Setup::load(&context.config)?.author()?;
        match self {
            Self::Create { url, campaign, account, number, to } => {
                let (account, to) = (account.as_deref(), to.as_deref());
                let order = LinkOrder { url: &url, campaign: &campaign, account, number, to, digest: None };
                let url = author.link(order)?;
                if context.json {
                    output::json(&json!({ "url": url }))?
                } else {
                    output::line(url)
                }
                Ok(Outcome::Done)
            }
            Self::Inspect { url } => inspect(context, &author, &url),
        }
    }
}

fn inspect(context: &Context, author: &Author, url: &str) -> anyhow::Result<Outcome> {
    let found = author.inspect(url)?;
    if context.json {
        output::json(&found)?;
    } else {
        found.lines().for_each(|(name, value)| output::line(format!("{name:<12} {value}")));
    }
    Ok(if found.opens() { Outcome::Done } else { Outcome::Incomplete })
}
