//! Reading products over REST: Souk, as one process and as the gateway alone, against what is
//! written by hand for the one route.
//!
//! Every round measures all contenders one after the other; a ratio is the median over rounds.

mod peers;
mod reader;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use peers::Peer;
use reader::{Requests, readers};
use support::http::{Connection, get};
use support::load::{self, Sample};
use support::postgres::Postgres;
use support::process::Process;
use support::shop::{Shop, sign_in};
use support::suite::Suite;
use support::table::{Asked, Row, Unit, median, ratio};
use support::usage::Processes;
use support::{arguments, binary, machine};

const ROUNDS: usize = 5;
/// How long one of them is measured in one round.
const LENGTH: Duration = Duration::from_millis(1500);
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
    machine::describe();
    let postgres = Postgres::start("gateway").await?;
    postgres.describe().await?;
    println!("souk        {}\n", souk.display());

    let shop = Shop::open(&postgres, souk).await?;
    println!("over REST, {CLIENTS} clients; CPU is for each request\n");
    memory(&shop, &postgres).await?;
    one_process(&shop, &postgres).await?;
    gateway_alone(&shop, &postgres).await?;
    busy_gateway(&shop).await?;
    postgres.stop().await
}

/// After so long what was only needed for a moment is given back.
const SETTLED: Duration = Duration::from_secs(2);

/// What four roles hold after somebody has signed in.
async fn memory(shop: &Shop, postgres: &Postgres) -> Result<()> {
    let work = "memory of four roles after a sign-in";
    if !arguments::select(work) {
        return Ok(());
    }
    let suite = shop.four_processes(postgres).await?;
    sign_in(&suite).await?;
    tokio::time::sleep(SETTLED).await;
    let each: Vec<f64> = suite.each().map(|role| role.memory()).collect::<Result<_>>()?;
    let [auth, catalog, orders, gateway] = each[..] else { bail!("four roles") };
    let details = format!(
        "auth {auth:.0}, catalog {catalog:.0}, orders {orders:.0}, gateway {gateway:.0} MiB"
    );
    let row = Row {
        measured: each.iter().sum(),
        unit: Unit::MiB,
        asked: Asked::AtMost(60.0),
        details: vec![
            ("of which", details),
            ("as ps tells it", format!("{:.0} MiB", suite.processes().resident()?)),
        ],
    };
    row.print(work);
    Ok(())
}

/// The suite in one process, with its database.
async fn one_process(shop: &Shop, postgres: &Postgres) -> Result<()> {
    let suite = shop.one_process(postgres).await?;
    let processes = [suite.processes(), postgres.processes()?];

    let work = "GET one product, one process, with PostgreSQL";
    if arguments::select(work) {
        let database = postgres.url("one_catalog");
        let souk = Contender::new("souk", &suite.http, &processes);
        let peer = |(process, address): &(Process, String), name| {
            Contender::new(name, address, &[Processes(vec![process.pid()]), processes[1].clone()])
        };
        let pool = Peer::SqlxPool.start(&database)?;
        let shared = Peer::Pipelined.start(&database)?;
        let contenders = [souk, peer(&pool, "axum + sqlx pool"), peer(&shared, "axum + pipelined")];
        same_answers(&contenders, &shop.products[0]).await?;
        let samples = compete(&contenders, &products(shop)).await?;
        compare(&contenders, &samples, 1, Asked::AtMost(0.8)).print(work);
        compare(&contenders, &samples, 2, Asked::Nothing)
            .print("    against two connections that all share");
    }

    let work = "list of 20 of 10,000, first page, one process, with PostgreSQL";
    if arguments::select(work) {
        let page = "/v1/products?size=20";
        let first = Contender::new("first page", &suite.http, &processes);
        let cursor = Contender::new("by cursor", &suite.http, &processes);
        let contenders = [first, cursor];
        let requests = [Arc::from([get(page)]), pages(&suite.http, page).await?];
        let samples = compete_with(&contenders, &requests).await?;
        compare(&contenders, &samples, 1, Asked::AtMost(1.2)).print(work);
    }

    let memory = suite.processes().memory()?;
    let row = Row { measured: memory, unit: Unit::MiB, asked: Asked::Nothing, details: Vec::new() };
    row.print("memory of the one process after that");
    Ok(())
}

/// The gateway in a process of its own, without what is behind it.
async fn gateway_alone(shop: &Shop, postgres: &Postgres) -> Result<()> {
    let work = "GET one product, the gateway's process alone";
    if !arguments::select(work) {
        return Ok(());
    }
    let suite = shop.four_processes(postgres).await?;
    let remote = Peer::Remote.start(&suite.catalog)?;
    let bare = Peer::Bare.start("nothing")?;
    let peer = |(process, address): &(Process, String), name| {
        Contender::new(name, address, &[Processes(vec![process.pid()])])
    };
    let souk = Contender::new("souk", &suite.http, &[suite.gateway()]);
    let contenders = [souk, peer(&remote, "axum + tonic"), peer(&bare, "bare axum")];
    same_answers(&contenders[..2], &shop.products[0]).await?;
    let samples = compete(&contenders, &products(shop)).await?;
    compare(&contenders, &samples, 1, Asked::AtMost(1.3)).print(work);
    compare(&contenders, &samples, 2, Asked::Nothing)
        .print("    against axum with nothing behind it");
    Ok(())
}

/// The same before a catalog that answers at once, so that the gateways are what is busy.
async fn busy_gateway(shop: &Shop) -> Result<()> {
    let work = "GET one product, the gateway's process alone, and busy";
    if !arguments::select(work) {
        return Ok(());
    }
    let (_catalog, address) = Peer::Catalog.start("nothing")?;
    let address = format!("http://{address}");
    let suite = Suite::gateway_before(&shop.souk, &address)?;
    let (process, remote) = Peer::Remote.start(&address)?;
    let contenders = [
        Contender::new("souk", &suite.http, &[suite.processes()]),
        Contender::new("axum + tonic", &remote, &[Processes(vec![process.pid()])]),
    ];
    same_answers(&contenders, &shop.products[0]).await?;
    let samples = compete(&contenders, &products(shop)).await?;
    compare(&contenders, &samples, 1, Asked::AtMost(1.3)).print(work);
    Ok(())
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

/// The samples of each contender, all asked the same.
async fn compete(contenders: &[Contender], requests: &Requests) -> Result<Vec<Vec<Sample>>> {
    compete_with(contenders, &vec![requests.clone(); contenders.len()]).await
}

/// The samples of each contender, each asked its own.
async fn compete_with(contenders: &[Contender], requests: &[Requests]) -> Result<Vec<Vec<Sample>>> {
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
fn compare(contenders: &[Contender], samples: &[Vec<Sample>], peer: usize, asked: Asked) -> Row {
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

/// Requests for each product.
fn products(shop: &Shop) -> Requests {
    shop.products.iter().map(|id| get(&format!("/v1/products/{id}"))).collect()
}

/// Requests for some pages that cursors lead to.
async fn pages(address: &str, first: &str) -> Result<Requests> {
    let mut connection = Connection::open(address).await?;
    let mut requests = Vec::new();
    let mut path = first.to_owned();
    for _ in 0..50 {
        let page = connection.get_json(&path).await?;
        let cursor = page["pagination"]["next_cursor"].as_str().context("a short list")?;
        let cursor = utf8_percent_encode(cursor, NON_ALPHANUMERIC);
        path = format!("{first}&cursor={cursor}");
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
