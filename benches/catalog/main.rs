//! A catalog of a million products, beside one of ten thousand: what its calls cost over REST, one after the other.
//!
//! `cargo bench --bench catalog`

mod generator;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use support::http::{Connection, get};
use support::postgres::Postgres;
use support::suite::Suite;
use support::table::{Asked, Row, Unit, median};
use support::{arguments, binary, machine};

const LARGE: u32 = 1_000_000;
const SMALL: u32 = 10_000;
/// Calls of a kind.
const CALLS: usize = 300;
/// Pages of 20, of which the last one is far from the beginning.
const FAR: usize = 5_000;
/// The statistics of the server are as old as this at most.
const STATISTICS: Duration = Duration::from_millis(1_500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let souk = binary::souk()?;
    machine::describe();
    let postgres = Postgres::start("catalog").await?;
    postgres.describe().await?;
    println!("souk        {}\n", souk.display());

    let small = Shop::open(&postgres, &souk, "small", SMALL).await?;
    let large = Shop::open(&postgres, &souk, "large", LARGE).await?;
    let loading = large.loading.as_secs_f64();
    at_most("loading 1,000,000 products", loading, Unit::Seconds, 180.0);
    println!();

    let far = large.page(FAR).await?;
    let by_price = "/v2/products?category={}&min_price=100&max_price=300";
    let calls: [(&str, Vec<String>); 8] = [
        ("a product by its id", large.products().await?),
        ("the first page", vec!["/v2/products".to_owned()]),
        ("page 5,000 by cursor", vec![far.clone()]),
        ("two frequent words", words(&["the house", "night of", "the ki", "love in"])),
        ("two rare words", words(&["zeppelin marzipan", "obsidian per", "saffron falcon"])),
        ("a large category and a price", shelves(by_price, generator::shelf)),
        ("a small category and a price", shelves(by_price, generator::series)),
        (
            "a large category by name",
            shelves("/v2/products?category={}&sort=name", generator::shelf),
        ),
    ];
    println!("{:34}{:>10}{:>10}{:>14}", "", "p50", "p99", "rows touched");
    let mut searches = Vec::new();
    for (work, paths) in &calls {
        if arguments::select(work) {
            let slowest = large.measure(work, paths).await?;
            searches.extend(work.ends_with("words").then_some((work, slowest)));
        }
    }
    println!();
    for (work, slowest) in searches {
        let slowest = slowest.as_secs_f64() * 1_000.0;
        at_most(&format!("{work}, p99"), slowest, Unit::Milliseconds, 50.0);
    }
    compare(&small, &large, &far).await?;
    drop((small, large));
    postgres.stop().await
}

fn at_most(work: &str, measured: f64, unit: Unit, most: f64) {
    Row { measured, unit, asked: Asked::AtMost(most), details: Vec::new() }.print(work);
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|words| format!("/v2/products?q={}", words.replace(' ', "+"))).collect()
}

fn shelves(path: &str, name: impl Fn(u128) -> String) -> Vec<String> {
    (0..20).map(|number| path.replace("{}", &name(number))).collect()
}

/// Pages by cursor of the large shop against those of the small one.
async fn compare(small: &Shop<'_>, large: &Shop<'_>, far: &str) -> Result<()> {
    let near = small.page(FAR / 20).await?;
    let pairs = [
        ("first page", "/v2/products".to_owned(), "/v2/products".to_owned()),
        ("page by cursor", far.to_owned(), near),
        (
            "page by price",
            "/v2/products?sort=price".to_owned(),
            "/v2/products?sort=price".to_owned(),
        ),
    ];
    println!();
    for (work, of_large, of_small) in pairs {
        let mut ratios = Vec::new();
        for _ in 0..5 {
            let theirs = small.times(std::slice::from_ref(&of_small)).await?;
            let ours = large.times(std::slice::from_ref(&of_large)).await?;
            ratios.push(at(&ours, 50).as_secs_f64() / at(&theirs, 50).as_secs_f64());
        }
        let work = format!("{work}, at 1,000,000 products against 10,000");
        at_most(&work, median(ratios.into_iter()), Unit::Times, 1.5);
    }
    Ok(())
}

/// A suite whose catalog is filled.
struct Shop<'a> {
    postgres: &'a Postgres,
    suite: Suite,
    database: String,
    loading: Duration,
}

impl<'a> Shop<'a> {
    async fn open(postgres: &'a Postgres, souk: &Path, name: &str, products: u32) -> Result<Self> {
        for service in ["auth", "catalog", "orders"] {
            postgres.create(&format!("{name}_{service}"), None).await?;
        }
        let suite = Suite::one(souk, postgres, name)?;
        let database = format!("{name}_catalog");
        let loading = generator::fill(postgres, &database, products).await?;
        Ok(Self { postgres, suite, database, loading })
    }

    /// Where a page is that so many pages lead to.
    async fn page(&self, number: usize) -> Result<String> {
        let mut connection = Connection::open(&self.suite.http).await?;
        let mut path = "/v2/products".to_owned();
        for _ in 1..number {
            let page = connection.json(&get(&path)).await?;
            let cursor = page["pagination"]["next_cursor"].as_str().context("the last page")?;
            path = format!("/v2/products?cursor={cursor}");
        }
        Ok(path)
    }

    /// The paths of some products.
    async fn products(&self) -> Result<Vec<String>> {
        let mut connection = Connection::open(&self.suite.http).await?;
        let page = connection.json(&get("/v2/products?size=100&sort=name")).await?;
        let products = page["data"].as_array().context("a page")?.iter();
        Ok(products
            .filter_map(|product| Some(format!("/v2/products/{}", product["id"].as_str()?)))
            .collect())
    }

    /// Prints what calls of a kind take: the slowest, but for one in a hundred.
    async fn measure(&self, work: &str, paths: &[String]) -> Result<Duration> {
        self.times(paths).await?;
        let before = self.rows_touched().await?;
        let times = self.times(paths).await?;
        let touched = (self.rows_touched().await? - before) / CALLS as f64;
        println!(
            "{work:34}{:>7.2} ms{:>7.2} ms{touched:>14.0}",
            at(&times, 50).as_secs_f64() * 1_000.0,
            at(&times, 99).as_secs_f64() * 1_000.0,
        );
        Ok(at(&times, 99))
    }

    /// What each call takes, sorted.
    async fn times(&self, paths: &[String]) -> Result<Vec<Duration>> {
        let mut connection = Connection::open(&self.suite.http).await?;
        let requests: Vec<Vec<u8>> = paths.iter().map(|path| get(path)).collect();
        let mut times = Vec::with_capacity(CALLS);
        for request in requests.iter().cycle().take(CALLS) {
            let begin = Instant::now();
            let answer = connection.send(request).await?;
            anyhow::ensure!(answer.status == 200, "{}", String::from_utf8_lossy(answer.body));
            times.push(begin.elapsed());
        }
        times.sort();
        Ok(times)
    }

    /// The rows that the database has read until now, from tables and indexes.
    async fn rows_touched(&self) -> Result<f64> {
        tokio::time::sleep(STATISTICS).await;
        let client = self.postgres.connect(&self.database).await?;
        let rows = "select ((select sum(idx_tup_read) from pg_stat_user_indexes)
             + (select sum(seq_tup_read) from pg_stat_user_tables))::float8";
        Ok(client.query_one(rows, &[]).await?.get(0))
    }
}

/// The time that so many of a hundred calls do not exceed.
fn at(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() - 1) * percent / 100]
}
