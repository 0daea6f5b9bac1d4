//! `reaid rewrite`.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::{Context, Outcome, UsageError};
use crate::app::{Setup, campaign};
use crate::rewrite::{Format, MAX_DOCUMENT, Report, Rewritten, archive::MAX_ARCHIVE};

#[derive(Args)]
pub(super) struct Rewrite {
    /// The newsletter: HTML, plain text, a whole e-mail or a zip; `-` is stdin.
    #[arg(value_name = "FILE")]
    newsletter: PathBuf,
    /// The campaign it is for.
    #[arg(long, value_name = "C")]
    campaign: String,
    /// The account that opens are counted for, when several are possible.
    #[arg(long, value_name = "A")]
    account: Option<String>,
    /// Take it for plain text, whatever its name and its first bytes say.
    #[arg(long)]
    text: bool,
    /// Exit with 1 when the e-mail platform would reject something in it.
    #[arg(long)]
    strict: bool,
    /// Where the result goes; stdout without it.
    #[arg(short, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Where the report goes, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Rewrite {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let setup = Setup::load(&context.config)?;
        let newsletter = read(&self.newsletter)?;
        let format = if self.text { Format::Text } else { Format::of(self.newsletter.to_str(), &newsletter) };
        let rewritten = setup
            .author()?
            .rewrite(&newsletter, format, &self.campaign, self.account.as_deref())
            .with_context(|| self.newsletter.display().to_string())?;
        self.deliver(&rewritten, context)?;
        if let Err(error) = campaign::remember_links(&setup, &rewritten.report) {
            eprintln!("`reaid campaign show` will not know what the links say: {error}");
        }
        tell(&rewritten.report);
        let rejected = self.strict && rewritten.report.rejected();
        Ok(if rejected { Outcome::Incomplete } else { Outcome::Done })
    }

    /// Writes the newsletter and the report where they were asked for.
    fn deliver(&self, rewritten: &Rewritten, context: &Context) -> anyhow::Result<()> {
        match &self.output {
            Some(file) => std::fs::write(file, &rewritten.bytes)
                .map_err(|e| UsageError(format!("cannot write {}: {e}", file.display())))?,
            None if context.json => {}
            None => io::stdout().lock().write_all(&rewritten.bytes)?,
        }
        let report = serde_json::to_string(&rewritten.report)?;
        if let Some(file) = &self.report {
            std::fs::write(file, format!("{report}\n"))
                .map_err(|e| UsageError(format!("cannot write {}: {e}", file.display())))?;
        }
        if context.json {
            super::output::line(report);
        }
        Ok(())
    }
}

/// What to know about it, on stderr.
fn tell(report: &Report) {
    eprintln!("{} of {} links rewritten, pixel: {}", report.rewritten(), report.links.len(), report.pixel);
    for finding in &report.errors {
        eprintln!("error: {}{}", of_link(Some(finding.number)), finding.message);
    }
    for warning in &report.warnings {
        eprintln!("warning: {}{}", of_link(warning.number), warning.message);
    }
}

/// Links count from 1; what is about none has number 0 or none.
fn of_link(number: Option<usize>) -> String {
    number.filter(|number| *number > 0).map_or_else(String::new, |number| format!("link {number}: "))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut newsletter = Vec::new();
    // One byte over the largest of any format: rewriting says which is too large.
    let limit = MAX_DOCUMENT.max(MAX_ARCHIVE) as u64 + 1;
    if file == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut newsletter)?;
    } else {
        let opened =
            std::fs::File::open(file).map_err(|e| UsageError(format!("cannot read {}: {e}", file.display())))?;
        let read = opened.take(limit).read_to_end(&mut newsletter);
        read.map_err(|e| UsageError(format!("cannot read {}: {e}", file.display())))?;
    }
    Ok(newsletter)
}
