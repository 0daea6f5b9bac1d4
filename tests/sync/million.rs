//! A million profiles from an export: what the program takes for it, as a process of its own. Run it by hand,
//! optimised: `cargo test --release --test sync -- --ignored --nocapture a_million`

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use reaid::sandbox::{Options, Packing};

use crate::world::{World, configuration};

/// Profiles, unless `REAID_PROFILES` says otherwise.
const PROFILES: usize = 1_000_000;

/// The most memory that a process used so far, in MB, and its seconds of processor time.
fn usage(pid: u32) -> Option<(u64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = memory.split_whitespace().next()?.parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks = stat.rsplit(") ").next()?.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    Some((kilobytes / 1024, ticks.sum::<u64>() as f64 / 100.0))
}

fn program(folder: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_reaid"));
    command.current_dir(folder).args(arguments).env("ACTITO_API_KEY", "sandbox-key").env("ADMIN_TOKEN", "token");
    command
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and says something only when it is optimised"]
async fn a_million_profiles_from_an_export_take_little_memory_and_time() {
    let profiles = std::env::var("REAID_PROFILES").map_or(PROFILES, |number| number.parse().unwrap());
    let world = World::with(Options { profiles, speed: 100, ..Options::default() }).await;
    let export = world.sandbox.export(world.folder.path(), Packing::Gzip).unwrap();
    std::fs::write(world.folder.path().join("proxy.toml"), configuration(&world.sandbox, "Customers", "")).unwrap();
    assert!(program(world.folder.path(), &["keys", "init"]).status().unwrap().success());
    let began = Instant::now();
    let arguments = ["--json", "sync", "run", "--from", export.to_str().unwrap()];
    let mut child = program(world.folder.path(), &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let (mut memory, mut processor) = (0, 0.0);
    while child.try_wait().unwrap().is_none() {
        (memory, processor) = usage(child.id()).unwrap_or((memory, processor));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let output = child.wait_with_output().unwrap();
    let run: reaid::sync::Summary = serde_json::from_slice(&output.stdout).unwrap();
    println!(
        "{profiles} profiles: {} written, {} cleared, {} skipped, {} imports, {:.0} s, {processor:.1} s of processor, \
         at most {memory} MB",
        run.written,
        run.cleared,
        run.skipped_in_all(),
        run.imports,
        began.elapsed().as_secs_f64()
    );
    assert!(output.status.success() && run.failed_in_all() == 0);
    assert!(memory <= 150, "{memory} MB");
    for import in world.sandbox.imports() {
        assert!(import.rows <= 250_000 && import.bytes <= 100_000_000, "{import:?}");
    }
    if !cfg!(debug_assertions) {
        assert!(processor <= 30.0, "{processor} s of processor");
    }
}
