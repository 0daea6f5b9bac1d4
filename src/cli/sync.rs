//! `reaid sync run` and `reaid sync status`.

use std::io::IsTerminal as _;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use super::{Context, Outcome, output};
use crate::app::Setup;
use crate::app::sync::{self, Ended, IntegrationStatus, Phase, Progress, Summary};
use crate::shutdown;

#[derive(Subcommand)]
pub(super) enum Sync {
    /// Write every REAID that Actito lacks or has wrong.
    Run {
        /// Only this integration.
        #[arg(long, value_name = "NAME")]
        integration: Option<String>,
        /// Say what would be written, and write nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show how the sync of each integration stands.
    Status,
}

impl Sync {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            Self::Run { integration, dry_run } => run(context, integration.as_deref(), dry_run),
            Self::Status => status(context),
        }
    }
}

fn run(context: &Context, integration: Option<&str>, dry_run: bool) -> anyhow::Result<Outcome> {
    let (setup, store) = Setup::load_with_store(&context.config)?;
    let chosen = match integration {
        Some(name) => vec![setup.integration(Some(name))?],
        None => setup.config.integrations.iter().filter(|it| it.actito.is_some()).collect(),
    };
    if chosen.is_empty() {
        return Err(super::UsageError("no [[integration]] has actito = { … } to sync with".to_owned()).into());
    }
    let mut all_good = true;
    super::runtime()?.block_on(async {
        let stop = shutdown::on_signal();
        for integration in chosen {
            let (progress, watched) = watch::channel(Progress::default());
            let bar = tokio::spawn(draw(watched));
            let result = sync::run(&setup, &store, integration, dry_run, Some(progress), &stop).await;
            bar.await?;
            let summary = result?;
            all_good &= summary.ended != Ended::Early && summary.failed_in_all() == 0;
            print(context, &summary)?;
        }
        anyhow::Ok(())
    })?;
    Ok(if all_good { Outcome::Done } else { Outcome::Incomplete })
}

/// A bar on a terminal, nothing elsewhere, until the run is over.
async fn draw(mut watched: watch::Receiver<Progress>) {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{msg:<9} [{bar:32}] {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style.progress_chars("=> "));
    }
    while watched.changed().await.is_ok() {
        let Progress { phase, done, total } = *watched.borrow_and_update();
        bar.set_message(match phase {
            Phase::Checking => "checking",
            Phase::Listing => "listing",
            Phase::Writing => "writing",
        });
        bar.set_length(total.unwrap_or(done));
        bar.set_position(done);
    }
    bar.finish_and_clear();
}

fn print(context: &Context, summary: &Summary) -> anyhow::Result<()> {
    if context.json {
        return output::json(summary);
    }
    if summary.ended == Ended::Disabled {
        output::line(format!("{}: enable_email_synchronization = false, nothing is synced", summary.integration));
        return Ok(());
    }
    let verb = if summary.dry_run { "to write" } else { "written" };
    output::line(format!(
        "{}: {} profiles, {} right, {} {verb}, {} cleared, {} skipped, {} failed, {} gone; {} calls",
        summary.integration,
        summary.listed,
        summary.right,
        summary.written,
        summary.cleared,
        summary.skipped_in_all(),
        summary.failed_in_all(),
        summary.gone,
        summary.calls,
    ));
    for row in &summary.rows {
        output::line(format!("  profile {}: {} ({})", row.profile_id, row.action, row.reason));
    }
    if summary.ended == Ended::Early {
        output::line("stopped early: the next run goes on from here");
    }
    Ok(())
}

fn status(context: &Context) -> anyhow::Result<Outcome> {
    let status = super::runtime()?.block_on(sync::status(&context.config))?;
    if context.json {
        output::json(&status)?;
        return Ok(Outcome::Done);
    }
    let row = |status: &IntegrationStatus| {
        let last = status.last.as_ref();
        let running = status.running.as_ref().map(|it| format!("process {} on {} since {}", it.pid, it.host, it.since));
        vec![
            status.integration.clone(),
            status.confirmed.to_string(),
            status.failed.to_string(),
            running.unwrap_or_default(),
            last.map(|last| last.ended.clone()).unwrap_or_default(),
            last.and_then(|last| last.error.clone()).unwrap_or_default(),
        ]
    };
    output::table(&["integration", "confirmed", "failed", "running", "last run", "error"], status.iter().map(row));
    for status in &status {
        for failed in &status.failed_rows {
            output::line(format!(
                "  profile {}: {} ({} tries, last {})",
                failed.profile_id, failed.reason, failed.failures, failed.at
            ));
        }
    }
    Ok(Outcome::Done)
}
