//! Where the numbers come from.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::postgres::Postgres;

/// Names the machine: its processor, kernel, database and disk.
pub async fn describe(postgres: &Postgres, souk: &Path) -> Result<()> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = value(&cpus, "model name").unwrap_or(std::env::consts::ARCH);
    let memory = fs::read_to_string("/proc/meminfo")?;
    let memory = value(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!(
        "machine     {model}, {} cores, {:.0} GiB, Linux {}",
        std::thread::available_parallelism()?,
        memory.unwrap_or(0.0) / 1024.0 / 1024.0,
        kernel.trim()
    );
    println!(
        "PostgreSQL  {}, 128 MB of buffers, fsync on; to write and flush 8 kB takes {:.2} ms",
        postgres.version().await?,
        flush(postgres.scratch())?.as_secs_f64() * 1000.0
    );
    println!("souk        {}\n", souk.display());
    Ok(())
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(key, value)| (key.trim(), value.trim()))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The median of some writes that wait for the disk, as a commit does.
fn flush(directory: &Path) -> Result<Duration> {
    let path = directory.join("flush");
    let mut file = fs::File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..101 {
        let start = Instant::now();
        file.write_all(&[0; 8192])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(path)?;
    times.sort();
    Ok(times[times.len() / 2])
}
