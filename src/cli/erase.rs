//! `reaid erase` and `reaid show`. The address comes from stdin: arguments are seen by everybody on the machine.

use std::io::{self, Read as _};

use clap::Args;

use super::{Context, Outcome, UsageError, output, runtime};
use crate::app::Setup;
use crate::app::erasure::{Eraser, Receipt, Shown};
use crate::identity::{Digest, EmailAddress};

/// The longest stdin that is read, in bytes: one address, with room.
const MAX_STDIN: u64 = 4 << 10;

#[derive(Args)]
pub(super) struct Erase {
    /// The person may be known again: there is new consent.
    #[arg(long)]
    lift: bool,
    /// Show the receipt of an earlier erasure instead; nothing is read from stdin.
    #[arg(long, value_name = "ID", conflicts_with = "lift")]
    receipt: Option<String>,
    #[command(flatten)]
    misplaced: Misplaced,
}

/// An address where none belongs. Taken, because the parser's own complaint would repeat it.
#[derive(Args)]
struct Misplaced {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

impl Erase {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let (setup, store) = Setup::load_with_store(&context.config)?;
        let eraser = Eraser::new(&setup, store);
        if let Some(id) = &self.receipt {
            let kept = eraser.receipt(id)?;
            output::line(kept.ok_or_else(|| UsageError(format!("there is no receipt `{id}`")))?);
            return Ok(Outcome::Done);
        }
        let digest = digest_from_stdin(&self.misplaced)?;
        let receipt = runtime()?.block_on(eraser.erase(digest, self.lift))?;
        if context.json {
            output::json(&receipt)?;
        } else {
            print(&receipt);
        }
        if receipt.has_failed() {
            eprintln!("reaid: Raptor did not take it: see the receipt, and erase again later");
            return Ok(Outcome::Incomplete);
        }
        Ok(Outcome::Done)
    }
}

fn print(receipt: &Receipt) {
    let again = if receipt.already { ", as it was already" } else { "" };
    output::line(format!("receipt {} of {}: {}{again}", receipt.id, receipt.at, receipt.action));
    if receipt.action == "lifted" {
        return output::line("the next sync writes a REAID again; a running `reaid serve` notices within 2 s");
    }
    let deleted = &receipt.deleted;
    output::line(format!(
        "deleted: {} waiting, {} delivered, {} dead, {} kept events; {} profiles that syncs remembered",
        deleted.waiting, deleted.delivered, deleted.dead, deleted.kept, deleted.profiles
    ));
    for it in &receipt.actito {
        output::line(format!("attribute in Actito, integration {}: emptied: {}", it.integration, it.state));
    }
    for it in &receipt.raptor {
        let answer = it.answer.as_ref().map(|answer| format!(" ({answer})")).unwrap_or_default();
        output::line(format!("Raptor, account {}: {}{answer}", it.account, it.state));
    }
    if !receipt.pending.is_empty() {
        output::line(format!("still to happen: {}", receipt.pending.join(", ")));
    }
    output::line("a running `reaid serve` goes by it within 2 s; back it up with `reaid keys backup FILE`");
}

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    misplaced: Misplaced,
}

impl Show {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let (setup, store) = Setup::load_with_store(&context.config)?;
        let shown = Eraser::new(&setup, store).show(&digest_from_stdin(&self.misplaced)?)?;
        if context.json {
            output::json(&shown)?;
        } else {
            print_shown(&shown);
        }
        Ok(Outcome::Done)
    }
}

fn print_shown(shown: &Shown) {
    let since = shown.suppression.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
    output::line(format!("suppression: {}{since}", shown.suppression.state));
    let reaids = shown.reaids.iter().map(|it| vec![it.key.to_string(), it.scope.clone(), it.reaid.clone()]);
    output::table(&["key", "scope", "REAID"], reaids);
    let events = shown.events.iter();
    let events = events.map(|it| {
        vec![it.account.clone(), it.state.to_owned(), it.events.to_string(), it.oldest.clone(), it.newest.clone()]
    });
    output::table(&["account", "state", "events", "oldest", "newest"], events);
    let profiles = shown.profiles.iter().map(|it| {
        let failed = it.failed.as_ref().map(|why| format!("{why} ({})", it.failures));
        let confirmed = it.confirmed.clone().unwrap_or_default();
        vec![it.integration.clone(), it.profile_id.to_string(), confirmed, failed.unwrap_or_default()]
    });
    output::table(&["integration", "profile", "confirmed", "failed"], profiles);
}

/// The one address on stdin. No complaint repeats it.
fn digest_from_stdin(misplaced: &Misplaced) -> anyhow::Result<Digest> {
    if !misplaced.arguments.is_empty() {
        return Err(
            UsageError("expected the address on stdin, found an argument, which everybody sees".to_owned()).into()
        );
    }
    let mut text = String::new();
    io::stdin().lock().take(MAX_STDIN).read_to_string(&mut text)?;
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let (Some(address), None) = (lines.next(), lines.next()) else {
        return Err(UsageError("expected one address on stdin".to_owned()).into());
    };
    let address = EmailAddress::parse(address).map_err(|error| UsageError(format!("stdin: {error}")))?;
    Ok(address.digest())
}
