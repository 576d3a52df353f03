//! Clients in a closed loop: each does one thing after the other.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::stream::{FuturesUnordered, TryStreamExt as _};
use tokio::time::sleep_until;

use super::usage::Processes;

/// How long a load runs before anything is counted.
const WARM_UP: Duration = Duration::from_millis(500);

/// Somebody who wants something done.
pub trait Client {
    /// Has it done once; `false` when it was refused.
    async fn call(&mut self) -> Result<bool>;
}

/// What a load was given, and what it took.
#[derive(Debug, Clone)]
pub struct Sample {
    pub per_second: f64,
    pub refused: usize,
    pub p50: Duration,
    /// CPU time of each group of processes, for one call.
    pub cpu: Vec<Duration>,
}

/// Lets all clients work at once, and measures for so long.
pub async fn run<C: Client>(
    clients: &mut [C],
    length: Duration,
    groups: &[Processes],
) -> Result<Sample> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + length;
    let work: FuturesUnordered<_> =
        clients.iter_mut().map(|client| work(client, begin, end)).collect();
    let usage = async {
        sleep_until(begin.into()).await;
        let before: Vec<Duration> = groups.iter().map(Processes::cpu).collect();
        sleep_until(end.into()).await;
        Ok(groups.iter().zip(before).map(|(group, before)| group.cpu() - before).collect())
    };
    let (worked, cpu): (Vec<(Vec<Duration>, usize)>, Vec<Duration>) =
        tokio::try_join!(work.try_collect(), usage)?;

    let refused = worked.iter().map(|(_, refused)| refused).sum();
    let mut times: Vec<Duration> = worked.into_iter().flat_map(|(times, _)| times).collect();
    times.sort();
    anyhow::ensure!(!times.is_empty(), "nothing was done in {length:?}");
    let calls = times.len() as u32;
    Ok(Sample {
        per_second: f64::from(calls) / length.as_secs_f64(),
        refused,
        p50: times[times.len() / 2],
        cpu: cpu.into_iter().map(|cpu| cpu / calls).collect(),
    })
}

/// The times of the calls that were done between begin and end, and how many were refused.
async fn work<C: Client>(
    client: &mut C,
    begin: Instant,
    end: Instant,
) -> Result<(Vec<Duration>, usize)> {
    let mut times = Vec::new();
    let mut refused = 0;
    let mut now = Instant::now();
    while now < end {
        let start = now;
        let done = client.call().await?;
        now = Instant::now();
        match done {
            true if (begin..end).contains(&now) => times.push(now - start),
            true => {}
            false => refused += 1,
        }
    }
    Ok((times, refused))
}
