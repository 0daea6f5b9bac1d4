//! Where everything that was logged during the tests is kept, with the identities that must not be
//! found in it.
//!
//! The folder is `test-logs` beside the compiled tests, or `REAID_TEST_LOGS`. Logs end in `.log`; what a
//! command printed as its result ends in `.out` (`reaid mint` prints identities: that is what it is
//! for). `known-identities.txt` has an address, REAID or secret on each line: no `.log` may hold one.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once};

use tracing_subscriber::EnvFilter;

/// The folder, made when it is not there.
pub(crate) fn folder() -> PathBuf {
    let beside_the_tests = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-logs");
    let folder = std::env::var_os("REAID_TEST_LOGS").map_or_else(beside_the_tests, PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A path for one process's output, without its ending; no two are alike.
pub(crate) fn stem(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (test, pid) = (env!("CARGO_CRATE_NAME"), std::process::id());
    folder().join(format!("{test}-{pid}-{:03}-{name}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// What this process wrote down so far.
static WRITTEN: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// Fails when a log holds what it must not.
pub(crate) fn check(log: &Path) {
    let text = std::fs::read_to_string(log).unwrap();
    let known = WRITTEN.lock().unwrap().clone().unwrap_or_default();
    let found = known.iter().find(|identity| text.contains(identity.as_str()));
    assert_eq!(found, None, "in {}", log.display());
}

/// Writes down that no log may hold `text`.
pub(crate) fn must_not_hold(text: &str) {
    let mut written = WRITTEN.lock().unwrap();
    if written.get_or_insert_default().insert(text.to_owned()) {
        let file = folder().join("known-identities.txt");
        // One write of a whole line: other test processes append to the same file.
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        file.write_all(format!("{text}\n").as_bytes()).unwrap();
    }
}

/// From now on whatever this process logs goes to a file, like that of a process of its own.
pub(crate) fn of_this_process() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let file = File::create(stem("in-process").with_extension("log")).unwrap();
        let filter = EnvFilter::new("info,reaid=trace");
        let _ = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(Mutex::new(file)).try_init();
    });
}
