//! A real browser for a test: found, started on a page, bounded, and ended with everything it started.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// What the program is called, on one system and another.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Quiet, alone, and on plain HTTP: nothing of a browser that would ask anybody but the test.
const FLAGS: [&str; 19] = [
    // Headless, it calls itself what nobody's browser is.
    "--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-default-apps",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-site-isolation-trials",
    "--no-first-run",
    "--no-default-browser-check",
    "--password-store=basic",
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,IsolateOrigins,site-per-process,\
     OptimizationHints,MediaRouter,Translate",
];

/// A browser that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Chromium {
    child: Child,
    _profile: TempDir,
}

/// Where the browser is. Without one the test must say that it did nothing, unless
/// `REAID_REQUIRE_BROWSER` says that there must be one.
pub(crate) fn find() -> Option<PathBuf> {
    let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let found =
        NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|it| it.is_file());
    if found.is_none() {
        assert!(std::env::var_os("REAID_REQUIRE_BROWSER").is_none(), "no {} in PATH", NAMES.join(", "));
        eprintln!("skipped: no {} in PATH", NAMES.join(", "));
    }
    found
}

impl Chromium {
    /// Opens `url`; `hosts` says which address each host name has (`MAP name address`, between commas).
    pub(crate) fn start(program: &PathBuf, hosts: &str, url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--host-resolver-rules={hosts}"))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its children share its group, so that they can be ended with it.
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child, _profile: profile }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It may have ended by itself. Not every shell knows `--` here.
        let _ = Command::new("sh").arg("-c").arg(format!("kill -KILL -{}", self.child.id())).status();
        let _ = self.child.wait();
    }
}
