//! `reaid audience run`, `reaid audience list` and `reaid audience show`.

use std::io::IsTerminal as _;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use super::{Context, Outcome, output};
use crate::app::Setup;
use crate::app::audience::{self, Action, ActivationStatus, AudienceRun, Ended, Progress, Summary};
use crate::shutdown;

#[derive(Subcommand)]
pub(super) enum Audience {
    /// Bring the targets of an activation up to date, or those of all.
    Run {
        /// Only this activation.
        #[arg(value_name = "ACTIVATION")]
        activation: Option<String>,
        /// Say what would be sent, and send nothing.
        #[arg(long)]
        dry_run: bool,
        /// Send audiences that lost more members than max_shrink allows.
        #[arg(long)]
        accept_shrink: bool,
    },
    /// Show all activations.
    List,
    /// Show an activation: its audiences, and its last runs.
    Show {
        /// Only this activation.
        #[arg(value_name = "ACTIVATION")]
        activation: Option<String>,
    },
}

impl Audience {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            Self::Run { activation, dry_run, accept_shrink } => {
                let new = move |progress| audience::Run { dry_run, accept_shrink, progress: Some(progress) };
                run(context, activation.as_deref(), &new)
            }
            Self::List => list(context),
            Self::Show { activation } => show(context, activation.as_deref()),
        }
    }
}

fn run(
    context: &Context,
    name: Option<&str>,
    new: &dyn Fn(watch::Sender<Progress>) -> audience::Run,
) -> anyhow::Result<Outcome> {
    let (setup, store) = Setup::load_with_store(&context.config)?;
    let mut all_good = true;
    super::runtime()?.block_on(async {
        let stop = shutdown::on_signal();
        let mut failure = None;
        for activation in audience::chosen(&setup, &store, name).await? {
            let (progress, watched) = watch::channel(Progress::default());
            let bar = tokio::spawn(draw(watched));
            let result = audience::run(&setup, &store, &activation, new(progress), &stop).await;
            bar.await?;
            match result {
                Ok(summary) => {
                    all_good &= summary.ended == Ended::Complete;
                    print(context, &summary)?;
                }
                // The others do not wait for it.
                Err(error) => {
                    if let Some(earlier) = failure.replace(error) {
                        eprintln!("reaid: {earlier}");
                    }
                }
            }
        }
        failure.map_or(Ok(()), |error| Err(anyhow::Error::from(error)))
    })?;
    Ok(if all_good { Outcome::Done } else { Outcome::Incomplete })
}

/// A bar on a terminal, nothing elsewhere.
async fn draw(mut progress: watch::Receiver<Progress>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} audiences, {elapsed} {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    while progress.changed().await.is_ok() {
        let progress = progress.borrow_and_update().clone();
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.set_message(progress.audience);
    }
    bar.finish_and_clear();
}

fn print(context: &Context, summary: &Summary) -> anyhow::Result<()> {
    if context.json {
        return output::json(summary);
    }
    let would = if summary.dry_run { " (dry run: nothing was sent)" } else { "" };
    output::line(format!("{}{would}", summary.activation));
    let header = ["audience", "what", "why", "members", "added", "removed", "unresolved", "profiles", "bytes"];
    output::table(&header, summary.audiences.iter().map(row));
    for audience in summary.audiences.iter().filter(|audience| !audience.message.is_empty()) {
        output::line(format!("  {}: {}", audience.audience, audience.message));
    }
    for audience in summary.audiences.iter().filter(|audience| !audience.unresolved.is_empty()) {
        let reasons: Vec<String> = audience.unresolved.iter().map(|(why, count)| format!("{count} {why}")).collect();
        output::line(format!("  {}: {} cannot be members", audience.audience, reasons.join(", ")));
    }
    output::line(format!(
        "{} calls, {} bytes read, {} bytes sent, {} ms",
        summary.calls, summary.bytes_read, summary.bytes_sent, summary.took_ms
    ));
    if summary.ended == Ended::Early {
        output::line("stopped early: the next run goes on from here");
    }
    Ok(())
}

fn row(audience: &AudienceRun) -> Vec<String> {
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let profiles = match audience.matched_before {
        Some(before) if before != audience.matched => format!("{before} → {}", audience.matched),
        _ => audience.matched.to_string(),
    };
    let unresolved: u64 = audience.unresolved.values().sum();
    vec![
        audience.audience.clone(),
        audience.action.as_str().to_owned(),
        audience.reason.clone(),
        audience.members.to_string(),
        number(audience.added),
        number(audience.removed),
        unresolved.to_string(),
        profiles,
        audience.bytes.to_string(),
    ]
}

fn list(context: &Context) -> anyhow::Result<Outcome> {
    let all = super::runtime()?.block_on(audience::status(&context.config))?;
    if context.json {
        output::json(&all)?;
        return Ok(Outcome::Done);
    }
    let row = |it: &ActivationStatus| {
        let last = it.runs.first();
        let how = last.map(|run| match (&run.error, &run.summary) {
            (Some(error), _) => error.clone(),
            (None, Some(summary)) => how(summary),
            (None, None) => String::new(),
        });
        vec![
            it.name.clone(),
            if it.saved { "saved" } else { "proxy.toml" }.to_owned(),
            it.person_identifier.to_owned(),
            it.audiences.len().to_string(),
            it.every.clone().unwrap_or_default(),
            it.next.clone().unwrap_or_default(),
            last.map(|run| run.started.clone()).unwrap_or_default(),
            how.unwrap_or_default(),
        ]
    };
    output::table(&["activation", "from", "by", "audiences", "every", "next", "last run", "how"], all.iter().map(row));
    Ok(Outcome::Done)
}

/// A run in a few words.
fn how(summary: &Summary) -> String {
    let actions = [
        Action::Sent,
        Action::Unchanged,
        Action::Held,
        Action::Absent,
        Action::Deleted,
        Action::Dropped,
        Action::NotFound,
        Action::Failed,
    ];
    let counts = actions.iter().map(|action| (summary.count(*action), action.as_str()));
    let counts = counts.filter(|(count, _)| *count > 0).map(|(count, action)| format!("{count} {action}"));
    counts.collect::<Vec<_>>().join(", ")
}

fn show(context: &Context, name: Option<&str>) -> anyhow::Result<Outcome> {
    let all = super::runtime()?.block_on(audience::status(&context.config))?;
    let chosen: Vec<_> = all.into_iter().filter(|it| name.is_none_or(|name| it.name == name)).collect();
    if let (true, Some(name)) = (chosen.is_empty(), name) {
        return Err(super::UsageError(format!("there is no activation named `{name}`")).into());
    }
    if context.json {
        output::json(&chosen)?;
        return Ok(Outcome::Done);
    }
    chosen.iter().for_each(details);
    Ok(Outcome::Done)
}

fn details(it: &ActivationStatus) {
    let schedule = it.every.as_ref().map_or("by hand alone".to_owned(), |every| format!("every {every}"));
    output::line(format!("{}: {} → {}, by {}, {schedule}", it.name, it.source, it.destination, it.person_identifier));
    if let Some(running) = &it.running {
        output::line(format!("  run by process {} on {} since {}", running.pid, running.host, running.since));
    }
    let header = ["audience", "in Actito", "members", "profiles", "sent", "valid until", "state"];
    let rows = it.audiences.iter().map(|audience| {
        let state = match (audience.held, audience.deleted, audience.absent) {
            (Some(members), _, _) => format!("held back: would have {members} members"),
            (None, true, _) => "deleted at the source".to_owned(),
            (None, false, true) => "not listed by the source".to_owned(),
            _ => String::new(),
        };
        vec![
            audience.audience.clone(),
            audience.references.join(", "),
            audience.members.to_string(),
            audience.matched.to_string(),
            audience.sent.clone().unwrap_or_default(),
            audience.valid_until.clone().unwrap_or_default(),
            state,
        ]
    });
    output::table(&header, rows);
    let rows = it.runs.iter().map(|run| {
        let how = run.error.clone().or_else(|| run.summary.as_ref().map(how)).unwrap_or_default();
        let took = run.summary.as_ref().map(|summary| format!("{} ms", summary.took_ms)).unwrap_or_default();
        vec![run.started.clone(), took, how]
    });
    output::table(&["run", "took", "how"], rows);
}
