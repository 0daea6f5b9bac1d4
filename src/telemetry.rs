//! Logs: JSON lines on stderr, one an event. What is logged names kinds and numbers, never an
//! address, a REAID, a token or a URL.

use tracing_subscriber::EnvFilter;

/// The environment variable that says what is logged, as in `info` or `reaid=debug`.
const FILTER: &str = "REAID_LOG";

/// Starts logging, once for the process.
pub fn start() {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new("info"));
    let started = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    // A second start keeps the first one's settings.
    drop(started);
}
