//! `souk`: the whole suite in one process, or one role of it.

mod attribute_columns;
mod attributes;
mod cli;
mod databases;
mod export;
mod gateway;
mod healthcheck;
mod import;
mod import_job;
mod login;
mod openapi;
mod parts;
mod products_file;
mod prove;
mod sample;
mod secrets;
mod suite;
mod welcome;

use std::process::ExitCode;

use mimalloc::MiMalloc;

use souk_kit::{listener, options, telemetry};

use crate::cli::{Cli, Command};

/// Takes less time and gives memory back sooner than the system's (`cargo bench` says how much).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
    listener::raise_descriptor_limit();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(cli.machine.threads()).enable_all().build()?;
    let result = runtime.block_on(async {
        match cli.command {
            None => suite::run_all(cli.suite).await,
            Some(Command::Serve(options)) => suite::run_role(options).await,
            Some(Command::Gateway(options)) => gateway::run(options).await,
            Some(Command::Openapi(options)) => openapi::print(&options),
            Some(Command::Migrate(options)) => databases::migrate(options).await,
            Some(Command::Import(options)) => import::run(options).await,
            Some(Command::Export(options)) => export::run(options).await,
            Some(Command::Healthcheck(options)) => healthcheck::run(options).await,
            Some(Command::Prove(options)) => prove::run(options).await,
        }
    });
    // work that hangs does not keep the process
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}
