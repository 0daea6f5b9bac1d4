//! `reaid demo`: the whole story on this machine, for real and in small.
//!
//! [`stage`] sets everything up in a temporary folder, [`visit`] does what recipients do.

mod stage;
mod visit;

use clap::Args;

use super::output;
use super::{Context, Outcome, runtime};
use crate::app::Stopped;
use crate::app::sync::Summary;
use crate::clock;
use crate::rewrite::Report;
use crate::shutdown;

use stage::{Stage, Targets};

#[derive(Args)]
pub(super) struct Demo {
    /// Click through all of it, print a summary and exit.
    #[arg(long)]
    once: bool,
}

impl Demo {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        runtime()?.block_on(async {
            let stage = Stage::set().await?;
            let synced = stage.sync().await?;
            let targets = stage.target().await?;
            let report = stage.publish_newsletter()?;
            let outcome = match self.once {
                true => once(context, &stage, &synced, &targets, &report).await?,
                false => live(&stage, &synced, &targets, &report).await?,
            };
            let stopped = stage.strike().await?;
            Ok(if stopped == Stopped::Overdue { Outcome::Overdue } else { outcome })
        })
    }
}

/// Does what all recipients could do, and counts what came of it.
async fn once(
    context: &Context,
    stage: &Stage,
    synced: &Summary,
    targets: &Targets,
    report: &Report,
) -> anyhow::Result<Outcome> {
    let recipients = stage.recipients();
    let visits = visit::all(stage, &recipients).await?;
    let delivered = stage.delivered(visits.events()).await;
    let (identified, counted) = stage.identified(visits.events()).await;
    let rows = [
        ("profiles synced", synced.written, synced.listed - synced.skipped_in_all()),
        ("members targeted", targets.matched, targets.members),
        ("links rewritten", report.rewritten() as u64, visits.links_of_ours),
        ("clicks answered", visits.landed, visits.clicks),
        ("opens answered", visits.opened, recipients.len() as u64),
        ("events delivered", delivered, visits.events()),
        ("clicks identified", identified, counted),
    ];
    let good = rows.iter().all(|(_, done, of)| done == of && *done > 0);
    if context.json {
        let rows: serde_json::Map<_, _> = rows
            .iter()
            .map(|(what, done, of)| (what.replace(' ', "_"), serde_json::json!({ "done": done, "of": of })))
            .collect();
        output::json(&rows)?;
    } else {
        let row = |(what, done, of): &(&str, u64, u64)| vec![(*what).to_owned(), done.to_string(), of.to_string()];
        output::table(&["", "done", "of"], rows.iter().map(row));
        for fault in &visits.faults {
            output::line(format!("  {fault}"));
        }
        output::line(if good { "all of it works" } else { "something did not work" });
    }
    Ok(if good { Outcome::Done } else { Outcome::Incomplete })
}

/// Tells the story, then shows events as they are delivered, until somebody stops it.
async fn live(stage: &Stage, synced: &Summary, targets: &Targets, report: &Report) -> anyhow::Result<Outcome> {
    let first = stage.recipients().first().map_or(0, |recipient| recipient.profile_id);
    let links = report.links.len();
    for line in [
        format!("1. Actito has {} profiles; {} got their REAID just now.", synced.listed, synced.written),
        format!("2. {} audiences of the CDP are targets there now:", targets.names.len()),
        format!("     {}; {} of {} members match.", targets.names.join(", "), targets.matched, targets.members),
        format!("3. The newsletter has {links} links; {} lead through reaid now.", report.rewritten()),
        "4. Open it as one of its recipients sees it, and click:".to_owned(),
        format!("     {}?wrapped=1", stage.newsletter_url(first)),
        "5. You land in the shop, with your REAID in the address; the shop's page keeps it.".to_owned(),
        "6. Raptor's tracking gets every click and open; they are shown here as they arrive.".to_owned(),
        String::new(),
        format!("   the shop          {}/", stage.sandbox_url()),
        format!("   what all got      {}/sandbox", stage.sandbox_url()),
        format!("   metrics           {}/metrics", stage.admin_url()),
        format!("     its token is in {}", stage.admin_token_file().display()),
        String::new(),
        "   Ctrl-C ends it, and nothing is left behind.".to_owned(),
        String::new(),
    ] {
        output::line(line);
    }
    let stop = shutdown::on_signal();
    let mut shown = 0;
    while let Some(calls) = stop.run_until_cancelled(stage.raptor_received(shown + 1)).await {
        for call in calls.iter().filter(|call| call.number > shown) {
            output::line(story_of(call));
        }
        shown = calls.last().map_or(shown, |call| call.number);
    }
    Ok(Outcome::Done)
}

/// A tracking call in a line, at our time and not the sandbox's; of the REAID only as much as tells two people apart.
fn story_of(call: &crate::sandbox::TrackingCall) -> String {
    let value = |name| call.get(name).unwrap_or_default();
    let reaid: String = value("reaid").chars().take(6).collect();
    let page = value("url");
    let what = if page.is_empty() { call.campaign().unwrap_or_default() } else { page };
    let who = if reaid.is_empty() { "nobody known".to_owned() } else { format!("{reaid}…") };
    format!("{} {:<16} {who:<13} {what}", clock::now().rfc3339(), call.event())
}
