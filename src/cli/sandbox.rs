//! `reaid sandbox`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::{Outcome, UsageError, output, runtime};
use crate::sandbox::{self, Options};
use crate::shutdown;

/// Where it listens unless told otherwise.
const PORT: u16 = 8090;

#[derive(Args)]
pub(super) struct Sandbox {
    /// Where to listen [default: 127.0.0.1:8090].
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// How many times faster than ours its time runs [default: 1].
    #[arg(long, value_name = "N")]
    speed: Option<u32>,
    /// How many profiles to begin with, at most 1100000 [default: 60].
    #[arg(long, value_name = "N")]
    profiles: Option<usize>,
    /// A TOML file with everything that it can be told, and what is assumed of Actito: limits, rights, parts of the
    /// API that are gone, imports, webhooks, shapes. See docs/wire-format.md.
    #[arg(long, value_name = "FILE")]
    options: Option<PathBuf>,
}

impl Sandbox {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let options = self.options()?;
        let (key, listen) = (options.api_key.clone(), options.listen);
        runtime()?.block_on(async {
            let sandbox = sandbox::Sandbox::bind(options)
                .await
                .map_err(|e| UsageError(format!("cannot start the sandbox on {listen}: {e}")))?;
            let base = format!("http://{}", sandbox.local_addr());
            output::line(format!("Actito, Raptor and the shop: {base}  (API key: {key})"));
            output::line(format!("what it does, what it got, faults: {base}/sandbox"));
            sandbox.run(shutdown::on_signal()).await;
            anyhow::Ok(())
        })?;
        Ok(Outcome::Done)
    }

    /// The file, and over it what the command line says.
    fn options(&self) -> anyhow::Result<Options> {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        let mut options = match &self.options {
            None => Options { listen, ..Options::default() },
            Some(path) => {
                let found = |why: String| UsageError(format!("{}: {why}", path.display()));
                let text = fs::read_to_string(path).map_err(|e| found(e.to_string()))?;
                let read = Options::from_toml(&text).map_err(|e| found(e.to_string()))?;
                Options { listen: if read.listen.port() == 0 { listen } else { read.listen }, ..read }
            }
        };
        options.listen = self.listen.unwrap_or(options.listen);
        options.speed = self.speed.unwrap_or(options.speed);
        options.profiles = self.profiles.unwrap_or(options.profiles);
        Ok(options)
    }
}
