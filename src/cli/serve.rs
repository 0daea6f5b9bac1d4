//! `reaid serve` and `reaid check`.

use super::{Context, Outcome, output, runtime};
use crate::app::{self, App, ServeLock, Setup, Stopped};
use crate::{shutdown, telemetry};

pub(super) fn serve(context: &Context) -> anyhow::Result<Outcome> {
    telemetry::start();
    let (setup, store) = Setup::load_with_store(&context.config)?;
    setup.config.check_secret_files()?;
    let _lock = ServeLock::take(&setup.config)?;
    for notice in &setup.config.notices {
        tracing::warn!("{notice}");
    }
    let runtime = runtime()?;
    let stopped = runtime.block_on(async {
        let stop = shutdown::on_signal();
        let app = App::bind(setup, store).await?;
        let addresses = app.addresses()?;
        tracing::info!(edge = ?addresses.edge, admin = %addresses.admin, "serving");
        anyhow::Ok(app.run(stop).await)
    });
    // What is still under way after the deadline has had its time: a stalled disk cannot hold the end.
    runtime.shutdown_background();
    let stopped = stopped?;
    match stopped {
        Stopped::Drained => tracing::info!("drained"),
        Stopped::Overdue => tracing::warn!("the drain deadline passed with requests or deliveries under way"),
    }
    Ok(if stopped == Stopped::Drained { Outcome::Done } else { Outcome::Overdue })
}

pub(super) fn check(context: &Context) -> anyhow::Result<Outcome> {
    // That the store opens is a part of it.
    let (setup, _store) = Setup::load_with_store(&context.config)?;
    setup.config.check_secret_files()?;
    let findings = runtime()?.block_on(app::check::check(&setup));
    if context.json {
        output::json(&findings)?;
    } else {
        for finding in &findings {
            let mark = if finding.ok { "ok  " } else { "FAIL" };
            output::line(format!("{mark} {}: {}", finding.subject, finding.says));
        }
    }
    Ok(if findings.iter().all(|finding| finding.ok) { Outcome::Done } else { Outcome::Incomplete })
}
