//! The peer: the same order as one transaction of eight prepared statements, the way it is
//! written by hand, run by pgbench on tables of its own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use tokio_postgres::config::Host;

use crate::support::load::Sample;
use crate::support::postgres::Postgres;
use crate::support::table::median;

const DATABASE: &str = "pgbench";
const SCHEMA: &str = include_str!("pgbench/schema.sql");
/// A two-line order of products that hardly anybody else wants.
pub const COLD: &str = include_str!("pgbench/cold.sql");
/// An order of the one product that everybody wants.
pub const HOT: &str = include_str!("pgbench/hot.sql");

/// Makes the tables, with so many products.
pub async fn prepare(postgres: &Postgres, products: usize) -> Result<()> {
    postgres.create(DATABASE, None).await?;
    let schema = SCHEMA.replace(":products", &products.to_string());
    postgres.execute(DATABASE, &schema).await
}

/// Lets so many clients order for so long, after a second that is not counted.
pub async fn run(
    postgres: &Postgres,
    script: &str,
    products: usize,
    clients: usize,
    length: Duration,
) -> Result<Sample> {
    let path = postgres.scratch().join("pgbench.sql");
    std::fs::write(&path, script)?;
    let processes = postgres.processes()?;
    let before = processes.cpu();
    let output = command(postgres)?
        .args(["--no-vacuum", "--protocol", "prepared", "--progress", "1"])
        .args(["--client", &clients.to_string(), "--jobs", &clients.min(2).to_string()])
        .args(["--time", &(length.as_secs() + 1).to_string()])
        .args(["--define", &format!("products={products}")])
        .arg("--file")
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .await?;
    let cpu = processes.cpu() - before;
    let report = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "pgbench failed: {report}");
    read(&report, cpu).with_context(|| format!("pgbench said: {report}"))
}

/// What was seen of it.
pub fn describe(samples: &[Sample]) -> String {
    let milliseconds = |value: fn(&Sample) -> Duration| {
        1000.0 * median(samples.iter().map(|sample| value(sample).as_secs_f64()))
    };
    format!(
        "{:.0}/s, mean {:.2} ms, CPU of PostgreSQL {:.2} ms",
        median(samples.iter().map(|sample| sample.per_second)),
        milliseconds(|sample| sample.p50),
        milliseconds(|sample| sample.cpu[0]),
    )
}

fn command(postgres: &Postgres) -> Result<Command> {
    let config: tokio_postgres::Config = postgres.url(DATABASE).parse()?;
    let mut command = Command::new(postgres.program("pgbench")?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    if let Some(Host::Tcp(host)) = config.get_hosts().first() {
        command.env("PGHOST", host);
    }
    command
        .env("PGPORT", config.get_ports().first().context("no port")?.to_string())
        .env("PGUSER", config.get_user().context("no user")?)
        .env("PGPASSWORD", std::str::from_utf8(config.get_password().context("no password")?)?)
        .env("PGDATABASE", DATABASE);
    Ok(command)
}

/// Reads the seconds of a report:
/// `progress: 2.0 s, 1832.4 tps, lat 4.362 ms stddev 1.2, 0 failed`.
fn read(report: &str, cpu: Duration) -> Result<Sample> {
    let mut seconds = Vec::new();
    for line in report.lines().filter_map(|line| line.strip_prefix("progress: ")) {
        let mut parts = line.split(", ").map(|part| part.split(' '));
        let rate = parts.nth(1).and_then(|mut words| words.next()).context("no rate")?;
        let latency = parts.next().and_then(|mut words| words.nth(1)).context("no latency")?;
        seconds.push((rate.parse::<f64>()?, latency.parse::<f64>()?));
    }
    ensure!(seconds.len() > 1, "too short a run");
    // in the first second it connects and prepares
    let counted = &seconds[1..];
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let processed = report
        .lines()
        .find_map(|line| line.strip_prefix("number of transactions actually processed: "))
        .context("no number of transactions")?;
    Ok(Sample {
        per_second: mean(counted.iter().map(|(rate, _)| *rate).collect()),
        refused: 0,
        // the mean, which is what pgbench tells
        p50: Duration::from_secs_f64(mean(counted.iter().map(|(_, ms)| ms / 1000.0).collect())),
        cpu: vec![cpu / processed.trim().parse::<u32>()?],
    })
}
