//! `reaid mint` and `reaid verify`.

use std::io::{self, BufRead as _};

use clap::Args;
use serde_json::json;

use super::{Context, Outcome, output};
use crate::app::{Setup, Trust};
use crate::identity::{EmailAddress, Identities};

#[derive(Args)]
pub(super) struct Mint {
    /// Addresses; without any, one on each line of stdin.
    addresses: Vec<String>,
    /// The integration whose REAIDs to mint.
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
}

impl Mint {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let setup = Setup::load(&context.config)?;
        let integration = setup.integration(self.integration.as_deref())?;
        let identities = setup.identities(&integration.name)?;
        let mut all_good = true;
        if self.addresses.is_empty() {
            for (at, line) in io::stdin().lock().split(b'\n').enumerate() {
                let line = line?;
                let Ok(line) = str::from_utf8(&line) else {
                    eprintln!("line {}: expected UTF-8", at + 1);
                    all_good = false;
                    continue;
                };
                let line = line.trim_end_matches('\r');
                all_good &= line.is_empty() || mint_one(context, &setup.trust, identities, line, at + 1)?;
            }
        } else {
            for (at, address) in self.addresses.iter().enumerate() {
                all_good &= mint_one(context, &setup.trust, identities, address, at + 1)?;
            }
        }
        Ok(if all_good { Outcome::Done } else { Outcome::Incomplete })
    }
}

/// Prints one REAID, or says on stderr why there is none; whether there is one.
fn mint_one(
    context: &Context,
    trust: &Trust,
    identities: &Identities,
    written: &str,
    line: usize,
) -> anyhow::Result<bool> {
    let address = match EmailAddress::parse(written) {
        Ok(address) => address,
        Err(error) => {
            eprintln!("line {line}: {error}");
            return Ok(false);
        }
    };
    if trust.is_suppressed(&address.digest()) {
        eprintln!("line {line}: suppressed: this person asked to be forgotten");
        return Ok(false);
    }
    let reaid = identities.mint(&address.digest());
    if context.json {
        output::json(&json!({ "address": written, "reaid": reaid.as_str() }))?;
    } else {
        output::line(format!("{written}\t{}", reaid.as_str()));
    }
    Ok(true)
}

#[derive(Args)]
pub(super) struct Verify {
    /// The REAID.
    reaid: String,
    /// Only for this integration.
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let setup = Setup::load(&context.config)?;
        let one = self.integration.as_deref().map(|name| setup.integration(Some(name))).transpose()?;
        let mut reason = "the configuration has no [[integration]]".to_owned();
        for integration in setup.config.integrations.iter().filter(|it| one.is_none_or(|one| one.name == it.name)) {
            match setup.identities(&integration.name)?.verify(self.reaid.trim().as_bytes()) {
                Ok(_) => {
                    if context.json {
                        output::json(&json!({ "valid": true, "integration": integration.name }))?;
                    } else {
                        output::line(format!("valid: a REAID of integration `{}`", integration.name));
                    }
                    return Ok(Outcome::Done);
                }
                Err(error) => reason = error.to_string(),
            }
        }
        if context.json {
            output::json(&json!({ "valid": false, "reason": reason }))?;
        } else {
            output::line(format!("not valid: {reason}"));
        }
        Ok(Outcome::Incomplete)
    }
}
