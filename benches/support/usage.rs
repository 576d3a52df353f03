//! What processes use, as Linux tells in `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// In which `/proc` counts time: `USER_HZ`, a hundredth of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Some processes, with all of their children.
#[derive(Debug, Clone)]
pub struct Processes(pub Vec<u32>);

/// A line of `/proc/<pid>/stat`.
struct Stat {
    pid: u32,
    parent: u32,
    /// Its own time and that of its children that have ended, in user and kernel mode.
    ticks: u32,
}

impl Processes {
    /// The CPU time that they took so far, and those of their children that have ended.
    pub fn cpu(&self) -> Duration {
        let all: Vec<Stat> = numbers_in_proc().filter_map(|pid| Stat::read(pid).ok()).collect();
        let mut family: BTreeSet<u32> = self.0.iter().copied().collect();
        let mut known = 0;
        while known < family.len() {
            known = family.len();
            family.extend(
                all.iter()
                    .filter(|s| family.contains(&s.parent))
                    .map(|s| s.pid)
                    .collect::<Vec<_>>(),
            );
        }
        all.iter().filter(|stat| family.contains(&stat.pid)).map(|stat| TICK * stat.ticks).sum()
    }

    /// The memory that they hold, without their children, in MiB. What several processes share, as the
    /// program itself, is divided among them.
    pub fn memory(&self) -> Result<f64> {
        self.0.iter().map(|pid| mebibytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")).sum()
    }

    /// The same as `ps` tells it: what they share is counted in each of them.
    pub fn resident(&self) -> Result<f64> {
        self.0.iter().map(|pid| mebibytes(&format!("/proc/{pid}/status"), "VmRSS:")).sum()
    }
}

impl Stat {
    fn read(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // the name of the program may hold spaces and parentheses; the numbers follow it
        let (_, numbers) = text.rsplit_once(") ").context("a program without a name")?;
        let fields: Vec<&str> = numbers.split(' ').collect();
        let number = |index: usize| -> Result<u32> {
            Ok(fields.get(index).context("a short line")?.parse()?)
        };
        let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
        Ok(Self { pid, parent: number(1)?, ticks })
    }
}

fn numbers_in_proc() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A line of a file in `/proc` that is in KiB, in MiB.
fn mebibytes(file: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next());
    Ok(kibibytes.with_context(|| format!("no {name}"))?.parse::<f64>()? / 1024.0)
}
