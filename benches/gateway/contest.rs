//! Contenders that are asked the same, one after the other in every round.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::reader::{Requests, readers};
use crate::support::http::Connection;
use crate::support::load::{self, Sample};
use crate::support::table::{Asked, Row, Unit, median, ratio};
use crate::support::usage::Processes;

const ROUNDS: usize = 5;
/// How long one of them is measured in one round.
const LENGTH: Duration = Duration::from_millis(1500);
pub const CLIENTS: usize = 32;

/// Something that serves, and the processes whose CPU time it takes.
pub struct Contender {
    name: &'static str,
    address: String,
    processes: Vec<Processes>,
}

impl Contender {
    pub fn new(name: &'static str, address: &str, processes: &[Processes]) -> Self {
        Self { name, address: address.to_owned(), processes: processes.to_vec() }
    }
}

/// The samples of each contender, all asked the same.
pub async fn compete(contenders: &[Contender], requests: &Requests) -> Result<Vec<Vec<Sample>>> {
    compete_with(contenders, &vec![requests.clone(); contenders.len()]).await
}

/// The samples of each contender, each asked its own.
pub async fn compete_with(
    contenders: &[Contender],
    requests: &[Requests],
) -> Result<Vec<Vec<Sample>>> {
    let mut samples = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for (index, contender) in contenders.iter().enumerate() {
            let mut clients = readers(&contender.address, &requests[index], CLIENTS).await?;
            samples[index].push(load::run(&mut clients, LENGTH, &contender.processes).await?);
        }
    }
    Ok(samples)
}

/// The first contender against another.
pub fn compare(
    contenders: &[Contender],
    samples: &[Vec<Sample>],
    peer: usize,
    asked: Asked,
) -> Row {
    let details = [0, peer].map(|index| (contenders[index].name, describe(&samples[index])));
    Row {
        measured: ratio(&samples[0], &samples[peer], cpu),
        unit: Unit::Times,
        asked,
        details: details.into(),
    }
}

/// The CPU time of one request, in all processes that were looked at.
fn cpu(sample: &Sample) -> f64 {
    sample.cpu.iter().sum::<Duration>().as_secs_f64()
}

fn describe(samples: &[Sample]) -> String {
    format!(
        "CPU {:.0} µs, {:.0}/s, p50 {:.2} ms",
        1e6 * median(samples.iter().map(cpu)),
        median(samples.iter().map(|sample| sample.per_second)),
        1e3 * median(samples.iter().map(|sample| sample.p50.as_secs_f64())),
    )
}

/// Holds the peers to the answer of Souk.
pub async fn same_answers(contenders: &[Contender], request: &[u8]) -> Result<()> {
    let mut answers = Vec::new();
    for contender in contenders {
        answers.push(Connection::open(&contender.address).await?.json(request).await?);
    }
    for (contender, answer) in contenders.iter().zip(&answers) {
        ensure!(*answer == answers[0], "{} answers {answer}, souk {}", contender.name, answers[0]);
    }
    Ok(())
}

/// Holds the peers to the headers of Souk's answer: their names, since their values are those of a
/// moment.
pub async fn same_headers(contenders: &[Contender], request: &[u8]) -> Result<()> {
    let mut answers = Vec::new();
    for contender in contenders {
        let mut connection = Connection::open(&contender.address).await?;
        answers.push(header_names(connection.send(request).await?.head)?);
    }
    for (contender, names) in contenders.iter().zip(&answers) {
        let ours = &answers[0];
        ensure!(names == ours, "{} sends {names:?}, souk {ours:?}", contender.name);
    }
    Ok(())
}

fn header_names(head: &[u8]) -> Result<BTreeSet<String>> {
    let lines = std::str::from_utf8(head)?.lines().skip(1);
    Ok(lines.filter_map(|line| Some(line.split_once(':')?.0.to_ascii_lowercase())).collect())
}
