//! The peer: the same order as one transaction of eight prepared statements, the way it is
//! written by hand, run by pgbench on tables of its own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader};
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
    let mut child = command(postgres)?
        .args(["--no-vacuum", "--protocol", "prepared", "--progress", "1"])
        .args(["--client", &clients.to_string(), "--jobs", &clients.min(2).to_string()])
        .args(["--time", &(length.as_secs() + 1).to_string()])
        .args(["--define", &format!("products={products}")])
        .arg("--file")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("no output")?).lines();
    let processes = postgres.processes()?;
    let mut seconds = Vec::new();
    while let Some(line) = lines.next_line().await? {
        match line.strip_prefix("progress: ") {
            Some(progress) => seconds.push((Second::read(progress)?, processes.cpu())),
            None => eprintln!("pgbench: {line}"),
        }
    }
    ensure!(child.wait().await?.success() && seconds.len() > 1, "pgbench failed");
    sample(&seconds)
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

/// What pgbench tells of a second.
struct Second {
    per_second: f64,
    /// The mean time of a transaction, in milliseconds.
    latency: f64,
}

impl Second {
    /// Reads `2.0 s, 1832.4 tps, lat 4.362 ms stddev 1.2, 0 failed`.
    fn read(text: &str) -> Result<Self> {
        let mut parts = text.split(", ").skip(1);
        let per_second = parts.next().and_then(|part| part.strip_suffix(" tps"));
        let latency = parts.next().and_then(|part| part.strip_prefix("lat ")?.split(' ').next());
        let (per_second, latency) =
            per_second.zip(latency).with_context(|| format!("not what pgbench tells: {text}"))?;
        Ok(Self { per_second: per_second.parse()?, latency: latency.parse()? })
    }
}

/// Seconds, each with the CPU time that PostgreSQL had taken at its end. The first is not counted:
/// in it pgbench connects and prepares.
fn sample(seconds: &[(Second, Duration)]) -> Result<Sample> {
    let (first, counted) = seconds.split_first().context("no seconds")?;
    let (_, end) = counted.last().context("one second")?;
    let mean = |value: fn(&Second) -> f64| {
        counted.iter().map(|(second, _)| value(second)).sum::<f64>() / counted.len() as f64
    };
    let per_second = mean(|second| second.per_second);
    Ok(Sample {
        per_second,
        refused: 0,
        // the mean, which is what pgbench tells
        p50: Duration::from_secs_f64(mean(|second| second.latency) / 1000.0),
        cpu: vec![(*end - first.1).div_f64(per_second * counted.len() as f64)],
    })
}
