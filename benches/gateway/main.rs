//! Reading products over REST: Souk, as one process and as the gateway alone, against what is
//! written by hand for the one route.
//!
//! Every round measures all contenders one after the other; a ratio is the median over rounds.

#![allow(missing_docs, reason = "a program")]

mod peers;
mod reader;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use peers::Peer;
use reader::readers;
use support::http::{Connection, get};
use support::load::{self, Sample};
use support::postgres::Postgres;
use support::process::Process;
use support::shop::{Shop, sign_in};
use support::suite::Suite;
use support::table::{self, Asked, Row, Unit, median, ratio};
use support::usage::Processes;
use support::{binary, machine};

const ROUNDS: usize = 5;
/// How long one of them is measured in one round.
const LENGTH: Duration = Duration::from_secs(2);
const CLIENTS: usize = 32;

fn main() -> Result<()> {
    if let Some(peer) = Peer::of_this_process() {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        return runtime.enable_all().build()?.block_on(peer.serve());
    }
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(measure())
}

async fn measure() -> Result<()> {
    let souk = binary::souk()?;
    let postgres = Postgres::start("gateway").await?;
    machine::describe(&postgres, &souk).await?;
    let shop = Shop::open(&postgres, souk).await?;
    let mut rows = Vec::new();
    rows.push(memory(&shop, &postgres).await?);
    rows.extend(one_process(&shop, &postgres).await?);
    rows.extend(gateway_alone(&shop, &postgres).await?);
    println!("reading over REST, {CLIENTS} clients; CPU for each request, and p50");
    table::print(&rows);
    postgres.stop().await
}

/// What four roles hold after somebody has signed in.
async fn memory(shop: &Shop, postgres: &Postgres) -> Result<Row> {
    eprintln!("measuring: memory");
    let suite = shop.four_processes(postgres).await?;
    sign_in(&suite).await?;
    let memory = suite.processes().memory()?;
    Ok(Row {
        work: "memory of four roles after a sign-in".to_owned(),
        souk: format!("{memory:.0} MiB"),
        peer: String::new(),
        measured: memory,
        unit: Unit::MiB,
        asked: Asked::AtMost(60.0),
    })
}

/// The suite in one process, with its database.
async fn one_process(shop: &Shop, postgres: &Postgres) -> Result<Vec<Row>> {
    let suite = shop.one_process(postgres).await?;
    let database = postgres.url("one_catalog");
    let processes = [suite.processes(), postgres.processes()?];
    let souk = Contender::new("souk", &suite.http, &processes);
    let peer = |(process, address): &(Process, String), name| {
        Contender::new(name, address, &[Processes(vec![process.pid()]), processes[1].clone()])
    };
    let pool = Peer::SqlxPool.start(&database)?;
    let pipelined = Peer::Pipelined.start(&database)?;
    let contenders =
        [souk, peer(&pool, "axum + sqlx pool"), peer(&pipelined, "axum + 2 pipelined")];
    same_answers(&contenders, &shop.products[0]).await?;

    let work = "GET one product, one process, with PostgreSQL";
    let samples = compete(work, &contenders, &products(shop)).await?;
    let mut rows = vec![
        row(work, &contenders, &samples, 1, Asked::AtMost(0.8)),
        row(work, &contenders, &samples, 2, Asked::Nothing),
    ];
    drop((pool, pipelined));

    rows.push(lists(&suite, &processes).await?);
    eprintln!("memory of the one process after all that: {:.0} MiB", processes[0].memory()?);
    Ok(rows)
}

/// The first page of a list against those that a cursor leads to.
async fn lists(suite: &Suite, processes: &[Processes]) -> Result<Row> {
    let work = "list of 20 of 10,000 products, first page";
    eprintln!("measuring: {work}");
    let first: Arc<[Vec<u8>]> = Arc::new([get("/v1/products?size=20")]);
    let by_cursor = pages(&suite.http).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (samples, requests) in [(&mut ours, &first), (&mut theirs, &by_cursor)] {
            let mut clients = readers(&suite.http, requests, 8).await?;
            samples.push(load::run(&mut clients, LENGTH, processes).await?);
        }
    }
    Ok(Row {
        work: format!("{work}, 8 clients"),
        souk: describe(&ours),
        peer: format!("by cursor {}", describe(&theirs)),
        measured: ratio(&ours, &theirs, cpu),
        unit: Unit::Times,
        asked: Asked::AtMost(1.2),
    })
}

/// The gateway in a process of its own, without what is behind it.
async fn gateway_alone(shop: &Shop, postgres: &Postgres) -> Result<Vec<Row>> {
    let suite = shop.four_processes(postgres).await?;
    let remote = Peer::Remote.start(&suite.catalog)?;
    let bare = Peer::Bare.start("nothing")?;
    let peer = |(process, address): &(Process, String), name| {
        Contender::new(name, address, &[Processes(vec![process.pid()])])
    };
    let souk = Contender::new("souk", &suite.http, &[suite.gateway()]);
    let contenders = [souk, peer(&remote, "axum + tonic"), peer(&bare, "bare axum")];
    same_answers(&contenders[..2], &shop.products[0]).await?;

    let work = "GET one product, the gateway's process alone";
    let samples = compete(work, &contenders, &products(shop)).await?;
    Ok(vec![
        row(work, &contenders, &samples, 1, Asked::AtMost(1.3)),
        row(work, &contenders, &samples, 2, Asked::Nothing),
    ])
}

/// Something that serves, and the processes whose CPU time it takes.
struct Contender {
    name: &'static str,
    address: String,
    processes: Vec<Processes>,
}

impl Contender {
    fn new(name: &'static str, address: &str, processes: &[Processes]) -> Self {
        Self { name, address: address.to_owned(), processes: processes.to_vec() }
    }
}

/// The samples of each contender.
async fn compete(
    work: &str,
    contenders: &[Contender],
    requests: &Arc<[Vec<u8>]>,
) -> Result<Vec<Vec<Sample>>> {
    eprintln!("measuring: {work}");
    let mut samples = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            let mut clients = readers(&contender.address, requests, CLIENTS).await?;
            samples.push(load::run(&mut clients, LENGTH, &contender.processes).await?);
        }
    }
    Ok(samples)
}

/// The first contender, which is Souk, against another.
fn row(
    work: &str,
    contenders: &[Contender],
    samples: &[Vec<Sample>],
    peer: usize,
    asked: Asked,
) -> Row {
    Row {
        work: work.to_owned(),
        souk: describe(&samples[0]),
        peer: format!("{} {}", contenders[peer].name, describe(&samples[peer])),
        measured: ratio(&samples[0], &samples[peer], cpu),
        unit: Unit::Times,
        asked,
    }
}

/// The CPU time of one request, in all processes that were looked at.
fn cpu(sample: &Sample) -> f64 {
    sample.cpu.iter().sum::<Duration>().as_secs_f64()
}

fn describe(samples: &[Sample]) -> String {
    format!(
        "{:.0} µs, {:.0}/s, p50 {:.1} ms",
        1e6 * median(samples.iter().map(cpu)),
        median(samples.iter().map(|sample| sample.per_second)),
        1e3 * median(samples.iter().map(|sample| sample.p50.as_secs_f64())),
    )
}

/// Requests for each product.
fn products(shop: &Shop) -> Arc<[Vec<u8>]> {
    shop.products.iter().map(|id| get(&format!("/v1/products/{id}"))).collect()
}

/// Requests for some pages that cursors lead to.
async fn pages(address: &str) -> Result<Arc<[Vec<u8>]>> {
    let mut connection = Connection::open(address).await?;
    let mut requests = Vec::new();
    let mut path = "/v1/products?size=20".to_owned();
    for _ in 0..50 {
        let page = connection.get_json(&path).await?;
        let cursor = page["pagination"]["next_cursor"].as_str().context("a short list")?;
        let cursor = utf8_percent_encode(cursor, NON_ALPHANUMERIC);
        path = format!("/v1/products?size=20&cursor={cursor}");
        requests.push(get(&path));
    }
    Ok(requests.into())
}

/// Holds the peers to the answers of Souk.
async fn same_answers(contenders: &[Contender], id: &str) -> Result<()> {
    let mut answers = Vec::new();
    for contender in contenders {
        let mut connection = Connection::open(&contender.address).await?;
        answers.push(connection.get_json(&format!("/v1/products/{id}")).await?);
    }
    for (contender, answer) in contenders.iter().zip(&answers) {
        ensure!(*answer == answers[0], "{} answers {answer}, souk {}", contender.name, answers[0]);
    }
    Ok(())
}
