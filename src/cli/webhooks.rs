//! `reaid sync webhooks list`, `install` and `remove`.

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Outcome, output};
use crate::app::webhooks::{self, Done, Install, Listed};

#[derive(Subcommand)]
pub(super) enum Webhooks {
    /// Show the webhooks of the profile tables, ours and others'.
    List {
        /// Only this integration.
        #[arg(long, value_name = "NAME")]
        integration: Option<String>,
    },
    /// Have Actito call us for new profiles and changed addresses. What is as it should be is left alone.
    Install {
        /// Only this integration [default: all that have a webhook_secret].
        #[arg(long, value_name = "NAME")]
        integration: Option<String>,
        /// How many profiles one call may name.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=50))]
        block: u32,
        /// Write webhooks that look right, too: after the secret changed, which Actito may not show.
        #[arg(long)]
        force: bool,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Have Actito call us no more.
    Remove {
        /// Only this integration.
        #[arg(long, value_name = "NAME")]
        integration: Option<String>,
        /// Say what would be deleted, and delete nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

impl Webhooks {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let (runtime, file) = (super::runtime()?, &context.config);
        match self {
            Self::List { integration } => {
                print(context, &runtime.block_on(webhooks::list(file, integration.as_deref()))?, listed)?;
            }
            Self::Install { integration, block, force, dry_run } => {
                let how = Install { block, force, dry_run };
                print(context, &runtime.block_on(webhooks::install(file, integration.as_deref(), how))?, done)?;
            }
            Self::Remove { integration, dry_run } => {
                print(context, &runtime.block_on(webhooks::remove(file, integration.as_deref(), dry_run))?, done)?;
            }
        }
        Ok(Outcome::Done)
    }
}

fn print<T: Serialize>(context: &Context, all: &[T], line: impl Fn(&T) -> String) -> anyhow::Result<()> {
    if context.json {
        return output::json(&all);
    }
    if all.is_empty() {
        output::line("no webhooks");
    }
    all.iter().for_each(|one| output::line(line(one)));
    Ok(())
}

fn listed(webhook: &Listed) -> String {
    let Listed { integration, id, event, target, active, ours } = webhook;
    let owner = if *ours { "ours" } else { "another's" };
    let state = if *active { "" } else { ", switched off" };
    format!("{integration}: webhook {id} ({owner}{state}) for {event}, to {target}")
}

fn done(done: &Done) -> String {
    let Done { integration, id, event, action, dry_run } = done;
    let id = id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let would = if *dry_run && *action != "kept" { "would be " } else { "" };
    format!("{integration}: webhook{id} for {event} {would}{action}")
}
