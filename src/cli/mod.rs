//! The command line: what can be typed, and how it ends.
//!
//! Exit codes: 0 done, 1 failed, 64 bad usage or configuration, 75 the drain deadline passed.

mod audience;
mod campaign;
mod demo;
mod erase;
mod keys;
mod link;
mod mint;
mod outbox;
mod output;
mod rewrite;
mod sandbox;
mod serve;
mod sync;
mod webhooks;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::erasure::ErasureError;
use crate::app::suppressions::SuppressionsError;
use crate::app::{SetupError, audience::AudienceFailure, keyring::KeyringError, sync::SyncFailure};
use crate::authoring::AuthorError;
use crate::config::ConfigError;

/// The edge between a newsletter and a shop.
#[derive(Parser)]
#[command(name = "reaid", version, about, max_term_width = 100)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "proxy.toml")]
    config: PathBuf,
    /// Print results as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole story on this machine: sandbox, sync, newsletter, clicks, delivery.
    Demo(demo::Demo),
    /// Run the edge, the admin listener and the side tasks.
    Serve,
    /// Check configuration, keyring, store and vendors, and say what would be done.
    Check,
    /// Make, list, rotate, retire, back up and restore the keys.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Print the REAID of each address.
    Mint(mint::Mint),
    /// Say whether a REAID is one of ours.
    Verify(mint::Verify),
    /// Make a click link, or say what is in one.
    #[command(subcommand)]
    Link(link::Link),
    /// Rewrite a newsletter's links.
    Rewrite(rewrite::Rewrite),
    /// Bring the REAIDs in Actito up to date.
    #[command(subcommand)]
    Sync(sync::Sync),
    /// Keep the CDP's audiences as targets in Actito.
    #[command(subcommand)]
    Audience(audience::Audience),
    /// Look at the events that wait for Raptor.
    #[command(subcommand)]
    Outbox(outbox::Outbox),
    /// Forget the person whose address is on stdin, for good.
    Erase(erase::Erase),
    /// Show what is held of the person whose address is on stdin, REAIDs included.
    Show(erase::Show),
    /// Look at what became of campaigns.
    #[command(subcommand)]
    Campaign(campaign::Campaign),
    /// Run a local stand-in for Actito, Raptor and a shop.
    Sandbox(sandbox::Sandbox),
}

/// How a command that did not fail ended.
pub(crate) enum Outcome {
    Done,
    /// It did what it could; what it could not is on stderr.
    Incomplete,
    /// The drain deadline passed.
    Overdue,
}

/// What is the same for every command.
struct Context {
    config: PathBuf,
    json: bool,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing to be done when the terminal is gone.
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    match run(cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Incomplete) => ExitCode::FAILURE,
        Ok(Outcome::Overdue) => ExitCode::from(75),
        Err(error) => {
            eprintln!("reaid: {error:#}");
            ExitCode::from(if is_usage(&error) { 64 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let context = Context { config: cli.config, json: cli.json };
    match cli.command {
        Command::Demo(demo) => demo.run(&context),
        Command::Serve => serve::serve(&context),
        Command::Check => serve::check(&context),
        Command::Keys(keys) => keys.run(&context),
        Command::Mint(mint) => mint.run(&context),
        Command::Verify(verify) => verify.run(&context),
        Command::Link(link) => link.run(&context),
        Command::Rewrite(rewrite) => rewrite.run(&context),
        Command::Sync(sync) => sync.run(&context),
        Command::Audience(audience) => audience.run(&context),
        Command::Outbox(outbox) => outbox.run(&context),
        Command::Erase(erase) => erase.run(&context),
        Command::Show(show) => show.run(&context),
        Command::Campaign(campaign) => campaign.run(&context),
        Command::Sandbox(sandbox) => sandbox.run(),
    }
}

/// An argument that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<UsageError>()
            || cause.is::<ConfigError>()
            || cause.downcast_ref::<AuthorError>().is_some_and(AuthorError::is_usage)
            || cause.downcast_ref::<SetupError>().is_some_and(SetupError::is_usage)
            || cause.downcast_ref::<KeyringError>().is_some_and(KeyringError::is_usage)
            || cause.downcast_ref::<SuppressionsError>().is_some_and(SuppressionsError::is_usage)
            || cause.downcast_ref::<ErasureError>().is_some_and(ErasureError::is_usage)
            || cause.downcast_ref::<AudienceFailure>().is_some_and(AudienceFailure::is_usage)
            || cause.downcast_ref::<SyncFailure>().is_some_and(SyncFailure::is_usage)
    })
}

/// A runtime for commands that talk to the network.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sync_lacks_in_the_configuration_is_bad_usage() {
        let missing = crate::config::Place::of_file(std::path::Path::new("proxy.toml")).complain("no secret");
        for failure in [SyncFailure::Setup(SetupError::Config(missing)), SyncFailure::NoActito("shop".to_owned())] {
            assert!(is_usage(&failure.into()));
        }
        assert!(!is_usage(&SyncFailure::Actito(crate::actito::Error::BadKey).into()));
    }
}
