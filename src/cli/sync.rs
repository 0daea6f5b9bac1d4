//! `reaid sync run` and `reaid sync status`; `reaid sync webhooks` is beside it.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use super::webhooks::Webhooks;
use super::{Context, Outcome, output};
use crate::app::Setup;
use crate::app::sync::{self, Ended, IntegrationStatus, Phase, Progress, Quotas, Summary};
use crate::clock::Timestamp;
use crate::shutdown;

#[derive(Subcommand)]
pub(super) enum Sync {
    /// Write every REAID that Actito lacks or has wrong.
    Run {
        /// Only this integration.
        #[arg(long, value_name = "NAME")]
        integration: Option<String>,
        /// Read the profiles from this export (.csv, .zip or .gz) instead of Actito's list.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// When the export was made, as in 2026-12-01T03:00:00Z [default: when the file was last changed].
        #[arg(long, value_name = "TIME", requires = "from", value_parser = time)]
        exported_at: Option<Timestamp>,
        /// Say what would be written and what it would spend, and write nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show how the sync of each integration stands.
    Status,
    /// Have Actito call us for new profiles and changed addresses.
    #[command(subcommand)]
    Webhooks(Webhooks),
}

impl Sync {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            Self::Run { integration, from, exported_at, dry_run } => {
                let new =
                    move |progress| sync::Run { from: from.clone(), exported_at, dry_run, progress: Some(progress) };
                run(context, integration.as_deref(), &new)
            }
            Self::Status => status(context),
            Self::Webhooks(webhooks) => webhooks.run(context),
        }
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    let parsed = humantime::parse_rfc3339_weak(text).ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    parsed.map(|since| Timestamp::default().after(since)).ok_or("expected a time as in 2026-12-01T03:00:00Z".to_owned())
}

fn run(
    context: &Context,
    integration: Option<&str>,
    new: &dyn Fn(watch::Sender<Progress>) -> sync::Run,
) -> anyhow::Result<Outcome> {
    let (setup, store) = Setup::load_with_store(&context.config)?;
    let from_file = new(watch::channel(Progress::default()).0).from.is_some();
    let chosen = match integration {
        Some(name) => vec![setup.integration(Some(name))?],
        // A file holds the profiles of one table.
        None if from_file => vec![setup.integration(None)?],
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
            let result = sync::run(&setup, &store, integration, new(progress), &stop).await;
            bar.await?;
            let summary = result?;
            all_good &= matches!(summary.ended, Ended::Complete | Ended::Disabled) && summary.failed_in_all() == 0;
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
    if let Ok(style) = ProgressStyle::with_template("{prefix:<9} [{bar:32}] {pos}/{len} {per_sec} {eta} {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    let mut phase = Phase::default();
    while watched.changed().await.is_ok() {
        let progress = *watched.borrow_and_update();
        if progress.phase != phase {
            // Rate and time left are those of the phase.
            phase = progress.phase;
            bar.reset();
        }
        bar.set_prefix(match phase {
            Phase::Checking => "checking",
            Phase::Listing => "listing",
            Phase::Writing => "writing",
            Phase::Importing => "importing",
        });
        bar.set_message(progress.quotas.map(|quotas| left(&quotas)).unwrap_or_default());
        bar.set_length(progress.total.unwrap_or(progress.done));
        bar.set_position(progress.done);
    }
    bar.finish_and_clear();
}

/// What is left of the quotas, beside the bar.
fn left(quotas: &Quotas) -> String {
    format!(
        "{} of {} imports left today, {} calls a minute",
        quotas.imports_left, quotas.imports_per_day, quotas.calls_per_minute
    )
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
        "{}: {} profiles, {} right, {} {verb}, {} cleared, {} skipped, {} failed, {} gone; {} calls, {} imports",
        summary.integration,
        summary.listed,
        summary.right,
        summary.written,
        summary.cleared,
        summary.skipped_in_all(),
        summary.failed_in_all(),
        summary.gone,
        summary.calls,
        summary.imports,
    ));
    for row in &summary.rows {
        output::line(format!("  profile {}: {} ({})", row.profile_id, row.action, row.reason));
    }
    if let Some(spending) = &summary.would_spend {
        let until = spending.waiting_until.as_ref();
        let until = until.map(|until| format!("; what that leaves would wait until {until}")).unwrap_or_default();
        output::line(format!("  would spend {} calls and {} imports on it{until}", spending.calls, spending.imports));
    }
    if summary.outdated > 0 {
        output::line(format!(
            "  {} profiles were written since this export was made, and were left as they are",
            summary.outdated
        ));
    }
    if let Some(page) = summary.resumed_from {
        output::line(format!("  read on from page {page}, where a run was cut off: the next one reads all"));
    }
    match (summary.ended, &summary.waiting_until) {
        (Ended::Waiting, Some(until)) => output::line(format!(
            "  {} profiles wait until {until}: the quotas of today are spent, run again then (serve does by itself)",
            summary.left
        )),
        (Ended::Early, _) => output::line("stopped early: the next run goes on from here"),
        _ => {}
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
        let quotas = status.quotas.as_ref();
        vec![
            status.integration.clone(),
            status.confirmed.to_string(),
            status.failed.to_string(),
            quotas.map(|it| format!("{} of {}", it.imports_today, it.imports_per_day)).unwrap_or_default(),
            quotas.map(|it| format!("{} of {}", it.calls_last_minute, it.calls_per_minute)).unwrap_or_default(),
            running.unwrap_or_default(),
            last.map(|last| last.ended.clone()).unwrap_or_default(),
            last.and_then(|last| last.error.clone()).unwrap_or_default(),
        ]
    };
    let header =
        ["integration", "confirmed", "failed", "imports today", "calls a minute", "running", "last run", "error"];
    output::table(&header, status.iter().map(row));
    status.iter().for_each(details);
    Ok(Outcome::Done)
}

/// What does not fit into a table.
fn details(status: &IntegrationStatus) {
    let name = &status.integration;
    if let Some(until) = &status.waiting_until {
        output::line(format!("{name}: profiles wait until {until}, for the quotas of another day"));
    }
    if status.hints > 0 {
        output::line(format!("{name}: {} profiles are to be looked at soon", status.hints));
    }
    if status.asked > 0 {
        output::line(format!(
            "{name}: {} addresses were asked for, and no profile with them was seen yet",
            status.asked
        ));
    }
    for import in &status.imports {
        let id = import.id.as_deref().unwrap_or("without an id so far");
        let sent = import.sent.as_ref().map_or("not sent yet".to_owned(), |sent| format!("sent {sent}"));
        output::line(format!("{name}: import {id}, {} rows, {sent}", import.rows));
    }
    for failed in &status.failed_rows {
        let detail = failed.detail.as_ref().map(|detail| format!(", {detail}")).unwrap_or_default();
        output::line(format!(
            "  profile {}: {}{detail} ({} tries, last {})",
            failed.profile_id, failed.reason, failed.failures, failed.at
        ));
    }
}
