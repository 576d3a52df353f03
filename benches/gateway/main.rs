//! Reading over REST: Souk, as one process and as the gateway alone, against what is written by hand
//! for one or two routes, and against grpc-gateway.
//!
//! Every round measures all contenders one after the other; a ratio is the median over rounds.

mod contest;
mod contracts;
mod grpc_gateway;
mod library;
mod members;
mod peers;
mod reader;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use contest::{CLIENTS, Contender, compare, compete, compete_with, same_answers};
use peers::Peer;
use reader::Requests;
use support::gateway::Gateway;
use support::http::{Connection, get};
use support::postgres::Postgres;
use support::process::Process;
use support::shop::{Shop, sign_in};
use support::table::{Asked, Row, Unit};
use support::usage::Processes;
use support::{arguments, binary, machine};

fn main() -> Result<()> {
    if let Some(peer) = Peer::of_this_process() {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(peers::threads());
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
    members::rows(&shop, &postgres).await?;
    library::rows(&shop.souk).await?;
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
    const PRODUCT: &str = "GET one product, one process, with PostgreSQL";
    const LIST: &str = "list of 20 of 10,000, first page, one process, with PostgreSQL";
    const MEMORY: &str = "memory of the one process after that";
    if ![PRODUCT, LIST, MEMORY].into_iter().any(arguments::select) {
        return Ok(());
    }
    let suite = shop.one_process(postgres).await?;
    let processes = [suite.processes(), postgres.processes()?];

    if arguments::select(PRODUCT) {
        let database = postgres.url("one_catalog");
        let souk = Contender::new("souk", &suite.http, &processes);
        let peer = |(process, address): &(Process, String), name| {
            Contender::new(name, address, &[Processes(vec![process.pid()]), processes[1].clone()])
        };
        let pool = Peer::SqlxPool.start(&database)?;
        let shared = Peer::Pipelined.start(&database)?;
        let contenders = [souk, peer(&pool, "axum + sqlx pool"), peer(&shared, "axum + pipelined")];
        same_answers(&contenders, &product(shop)).await?;
        let samples = compete(&contenders, &products(shop)).await?;
        compare(&contenders, &samples, 1, Asked::AtMost(0.8)).print(PRODUCT);
        compare(&contenders, &samples, 2, Asked::Nothing)
            .print("    against two connections that all share");
    }

    if arguments::select(LIST) {
        let page = "/v1/products?size=20";
        let first = Contender::new("first page", &suite.http, &processes);
        let cursor = Contender::new("by cursor", &suite.http, &processes);
        let contenders = [first, cursor];
        let requests = [Arc::from([get(page)]), pages(&suite.http, page).await?];
        let samples = compete_with(&contenders, &requests).await?;
        compare(&contenders, &samples, 1, Asked::AtMost(1.2)).print(LIST);
    }

    if arguments::select(MEMORY) {
        let measured = suite.processes().memory()?;
        let (unit, asked) = (Unit::MiB, Asked::Nothing);
        Row { measured, unit, asked, details: Vec::new() }.print(MEMORY);
    }
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
    same_answers(&contenders[..2], &product(shop)).await?;
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
    let gateway = Gateway::of_suite(&shop.souk, &address)?;
    let (process, remote) = Peer::Remote.start(&address)?;
    let contenders = [
        Contender::new("souk", &gateway.http, &[gateway.processes()]),
        Contender::new("axum + tonic", &remote, &[Processes(vec![process.pid()])]),
    ];
    same_answers(&contenders, &product(shop)).await?;
    let samples = compete(&contenders, &products(shop)).await?;
    compare(&contenders, &samples, 1, Asked::AtMost(1.3)).print(work);
    Ok(())
}

/// A request for one product.
fn product(shop: &Shop) -> Vec<u8> {
    get(&format!("/v1/products/{}", shop.products[0]))
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
        let page = connection.json(&get(&path)).await?;
        let cursor = page["pagination"]["next_cursor"].as_str().context("a short list")?;
        let cursor = utf8_percent_encode(cursor, NON_ALPHANUMERIC);
        path = format!("{first}&cursor={cursor}");
        requests.push(get(&path));
    }
    Ok(requests.into())
}
