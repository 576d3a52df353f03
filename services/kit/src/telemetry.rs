//! Logs: one line an event, on standard error, each with the request id of its span.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

/// Starts logging. `filter` is a level (`info`) or a list of `target=level`.
///
/// # Errors
///
/// The filter cannot be read.
pub fn init(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Pretty => subscriber.with_target(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging has been started before: {error}"))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic is a line like any other, under the request id of the span it happens in.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let payload = panic.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    tracing::error!(place, message, "a panic");
}
