//! `reaid serve` and `reaid check`.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Context, Outcome, output, runtime};
use crate::app::{self, App, Listeners, ServeLock, Setup, Signals, Stopped};
use crate::config::Config;
use crate::listener::Passed;
use crate::{shutdown, telemetry};

pub(super) fn serve(context: &Context) -> anyhow::Result<Outcome> {
    telemetry::start();
    // A successor gets the lock when the process before it ends.
    let (setup, store, lock) = Setup::load_to_serve(&context.config, app::succeeds())?;
    setup.config.check_secret_files()?;
    let runtime = runtime()?;
    let stopped = runtime.block_on(async {
        let stop = shutdown::on_signal();
        let signals = Signals { reload: signal(SignalKind::hangup())?, hand_over: signal(SignalKind::user_defined2())? };
        let config = setup.config.clone();
        let listeners = Listeners::open(&setup.config, Passed::from_environment()?)?;
        app::take_descriptors(&listeners);
        let app = App::with_listeners(setup, store, listeners)?;
        let addresses = app.addresses()?;
        tracing::info!(edge = ?addresses.edge, http = ?addresses.http, admin = %addresses.admin, pid = std::process::id(), "serving");
        let open = CancellationToken::new();
        let holding = tokio::spawn(hold(lock, config, open.clone()));
        let stopped = app.run_operated(stop, Some(signals), open).await;
        holding.abort();
        anyhow::Ok(stopped)
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

/// How long until a lock is asked for again that could not be: nothing is delivered meanwhile.
const LOCK_AGAIN: Duration = Duration::from_secs(10);

/// Holds the lock for as long as the process serves, and says when it has it.
async fn hold(lock: Option<ServeLock>, config: Config, open: CancellationToken) {
    let _lock = match lock {
        Some(lock) => lock,
        None => wait_for_lock(config).await,
    };
    open.cancel();
    std::future::pending().await
}

async fn wait_for_lock(config: Config) -> ServeLock {
    let config = Arc::new(config);
    loop {
        let asked = config.clone();
        match tokio::task::spawn_blocking(move || ServeLock::wait(&asked)).await {
            Ok(Ok(lock)) => return lock,
            Ok(Err(error)) => tracing::error!(%error, "nothing is delivered by this process"),
            Err(error) => tracing::error!(%error, "nothing is delivered by this process"),
        }
        tokio::time::sleep(LOCK_AGAIN).await;
    }
}

pub(super) fn check(context: &Context) -> anyhow::Result<Outcome> {
    // That the store opens is a part of it.
    let (setup, store) = Setup::load_with_store(&context.config)?;
    setup.config.check_secret_files()?;
    let findings = runtime()?.block_on(app::check::check(&setup, &store));
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
