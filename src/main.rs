//! `souk`: the whole suite in one process, or one role of it.

mod cli;
mod databases;
mod healthcheck;
mod import;
mod sample;
mod secrets;
mod suite;
mod welcome;

use std::process::ExitCode;

use souk_kit::{options, telemetry};

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("souk: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> anyhow::Result<()> {
    let cli: Cli = options::parse()?;
    telemetry::init(cli.log.log_format, &cli.log.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match cli.command {
            None => suite::run_all(cli.suite).await,
            Some(Command::Serve(options)) => suite::run_role(options).await,
            Some(Command::Migrate(options)) => databases::migrate(options).await,
            Some(Command::Import(options)) => import::run(options).await,
            Some(Command::Healthcheck(options)) => healthcheck::run(options).await,
        }
    });
    // work that hangs does not keep the process
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}
