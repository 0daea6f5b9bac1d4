//! `reaid sandbox`.

use std::net::SocketAddr;

use clap::Args;

use super::{Outcome, UsageError, output, runtime};
use crate::sandbox::{self, Options};
use crate::shutdown;

#[derive(Args)]
pub(super) struct Sandbox {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// How many times faster than ours its time runs.
    #[arg(long, value_name = "N", default_value_t = 1)]
    speed: u32,
    /// How many profiles to begin with.
    #[arg(long, value_name = "N", default_value_t = 60)]
    profiles: usize,
}

impl Sandbox {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let options = Options { listen: self.listen, speed: self.speed, profiles: self.profiles, ..Options::default() };
        let key = options.api_key.clone();
        runtime()?.block_on(async {
            let sandbox = sandbox::Sandbox::bind(options)
                .await
                .map_err(|e| UsageError(format!("cannot start the sandbox on {}: {e}", self.listen)))?;
            let base = format!("http://{}", sandbox.local_addr());
            output::line(format!("Actito, Raptor and the shop: {base}  (API key: {key})"));
            output::line(format!("what it does, what it got, faults: {base}/sandbox"));
            sandbox.run(shutdown::on_signal()).await;
            anyhow::Ok(())
        })?;
        Ok(Outcome::Done)
    }
}
