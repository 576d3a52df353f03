//! Placing orders: Souk against the same order as one hand-written transaction in pgbench, on the
//! same server.
//!
//! An order counts when it is accepted, its stock is reserved, and the client has the answer.
//! Buyers come over gRPC, or with `--rest` through the gateway:
//! `cargo bench --bench orders -- --rest`. Other words select what is measured.
//!
//! Each round measures Souk and its peer one after the other; a ratio is the median over rounds.

mod buyer;
mod pgbench;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use anyhow::Result;

use buyer::{Api, Wish, crowd};
use support::load::{self, Sample};
use support::postgres::Postgres;
use support::shop::Shop;
use support::suite::Suite;
use support::table::{Asked, Row, Unit, median, ratio};
use support::{arguments, binary, machine};

const ROUNDS: usize = 3;
/// How long one of them is measured in one round.
const LENGTH: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let souk = binary::souk()?;
    machine::describe();
    let postgres = Postgres::start("orders").await?;
    postgres.describe().await?;
    println!("souk        {}\n", souk.display());

    let shop = Shop::open(&postgres, souk).await?;
    pgbench::prepare(&postgres, shop.products.len()).await?;
    let suite = shop.one_process(&postgres).await?;
    let api = if arguments::has("--rest") { Api::Rest } else { Api::Grpc };
    let bench = Bench { postgres: &postgres, shop: &shop, suite: &suite, api };

    println!("from accepted to reserved, or paid, over {}; CPU is for each order\n", api.name());
    bench.throughput("two-line order, 1 client", Wish::Cold, 1, Asked::Nothing).await?;
    bench.throughput("two-line order, 8 clients", Wish::Cold, 8, Asked::AtLeast(0.7)).await?;
    bench.throughput("two-line order, 32 clients", Wish::Cold, 32, Asked::AtLeast(1.5)).await?;
    bench.throughput("two-line order, 128 clients", Wish::Cold, 128, Asked::AtLeast(2.0)).await?;
    bench.throughput("one hot product, 32 clients", Wish::Hot, 32, Asked::AtLeast(2.0)).await?;
    bench
        .throughput(
            "two-line order and its payment, 8 clients",
            Wish::Paid,
            8,
            Asked::AtLeast(0.35),
        )
        .await?;
    bench.fairness("another product while 128 buyers want the hot one").await?;
    bench.four_processes("two-line order through four processes, 1 client, REST").await?;

    println!("\nmemory of the process after that: {:.0} MiB", suite.processes().memory()?);
    drop(suite);
    postgres.stop().await
}

struct Bench<'a> {
    postgres: &'a Postgres,
    shop: &'a Shop,
    suite: &'a Suite,
    api: Api,
}

impl Bench<'_> {
    /// So many buyers at once, against as many clients of pgbench.
    async fn throughput(&self, work: &str, wish: Wish, clients: usize, asked: Asked) -> Result<()> {
        if !arguments::select(work) {
            return Ok(());
        }
        let script = if wish == Wish::Hot { pgbench::HOT } else { pgbench::COLD };
        let products = self.shop.products.len();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(self.buy(self.suite, self.api, wish, clients).await?);
            let sample = pgbench::run(self.postgres, script, products, clients, LENGTH).await?;
            theirs.push(sample);
        }
        let row = Row {
            measured: ratio(&ours, &theirs, |sample| sample.per_second),
            unit: Unit::Percent,
            asked,
            details: vec![("souk", describe(&ours)), ("pgbench", pgbench::describe(&theirs))],
        };
        row.print(work);
        Ok(())
    }

    /// One buyer of another product, alone and while many want the hot one.
    async fn fairness(&self, work: &str) -> Result<()> {
        if !arguments::select(work) {
            return Ok(());
        }
        let (mut crowded, mut alone) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.push(self.buy(self.suite, self.api, Wish::Other, 1).await?);
            let mut many = crowd(self.shop, self.suite, self.api, Wish::Hot, 128).await?;
            let mut one = crowd(self.shop, self.suite, self.api, Wish::Other, 1).await?;
            // twice as long: there may be few orders to take a median of
            let (_, other) = tokio::try_join!(
                load::run(&mut many, 2 * LENGTH, &[]),
                load::run(&mut one, 2 * LENGTH, &[])
            )?;
            crowded.push(other);
        }
        let row = Row {
            measured: ratio(&crowded, &alone, |sample| sample.p50.as_secs_f64()),
            unit: Unit::Times,
            asked: Asked::AtMost(5.0),
            details: vec![
                ("in the crowd", format!("p50 {}", milliseconds(&crowded, |sample| sample.p50))),
                ("alone", format!("p50 {}", milliseconds(&alone, |sample| sample.p50))),
            ],
        };
        row.print(work);
        Ok(())
    }

    /// One buyer through the gateway, with each role in a process of its own and in one process.
    async fn four_processes(&self, work: &str) -> Result<()> {
        if !arguments::select(work) {
            return Ok(());
        }
        let roles = self.shop.four_processes(self.postgres).await?;
        let (mut four, mut one) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            four.push(self.buy(&roles, Api::Rest, Wish::Cold, 1).await?);
            one.push(self.buy(self.suite, Api::Rest, Wish::Cold, 1).await?);
        }
        let row = Row {
            measured: ratio(&four, &one, |sample| sample.p50.as_secs_f64()),
            unit: Unit::Times,
            asked: Asked::AtMost(2.0),
            details: vec![("four processes", describe(&four)), ("one process", describe(&one))],
        };
        row.print(work);
        Ok(())
    }

    async fn buy(&self, suite: &Suite, api: Api, wish: Wish, clients: usize) -> Result<Sample> {
        let mut buyers = crowd(self.shop, suite, api, wish, clients).await?;
        let groups = [suite.processes(), self.postgres.processes()?];
        load::run(&mut buyers, LENGTH, &groups).await
    }
}

fn describe(samples: &[Sample]) -> String {
    let refused: usize = samples.iter().map(|sample| sample.refused).sum();
    let mut text = format!(
        "{:.0}/s, p50 {}, CPU {} + PostgreSQL {}",
        median(samples.iter().map(|sample| sample.per_second)),
        milliseconds(samples, |sample| sample.p50),
        milliseconds(samples, |sample| sample.cpu[0]),
        milliseconds(samples, |sample| sample.cpu[1]),
    );
    if refused > 0 {
        text += &format!(" ({refused} not reserved in time)");
    }
    text
}

fn milliseconds(samples: &[Sample], value: impl Fn(&Sample) -> Duration) -> String {
    let median = median(samples.iter().map(|sample| value(sample).as_secs_f64()));
    format!("{:.2} ms", 1000.0 * median)
}
