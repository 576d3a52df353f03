//! `souk prove`: whether anything is lost, doubled or oversold when everything dies. Buyers buy through the public API
//! and keep what they were told; meanwhile processes are killed and stopped; then the books are audited.

mod audit;
mod buyers;
mod dice;
mod errand;
mod faults;
mod history;
mod people;
mod rest;
mod role;
mod shop;
mod town;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use souk_kit::secret::random_token;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v2::{CreateProductRequest, DeleteProductRequest};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::transport::Uri;

use self::buyers::{Buyer, Market, Product};
use self::errand::{ACCOUNTS, Errand, PRODUCTS};
use self::faults::{Gate, Kind, Plan, Suffered};
use self::history::History;
use self::people::Person;
use self::rest::Rest;
use self::shop::{Shop, signed};
use self::town::Town;
use self::verdict::{Figures, Finding, Verdict};
use crate::login::explain;
use crate::parts::on_signal;
use crate::{cli, suite};

/// Buyers who are there at once.
const AT_ONCE: usize = 64;
/// Of 100 units that are wanted, so many are there.
const SUPPLY: i64 = 60;

/// `souk prove`.
pub async fn run(command: cli::Prove) -> anyhow::Result<()> {
    let shutdown = on_signal()?;
    let seed = command.seed.unwrap_or_else(dice::any_seed);
    let build = build()?;
    println!("seed {seed}, build {build}");
    let verdict = match &command.server {
        Some(_) => {
            tokio::select! {
                verdict = elsewhere(&command, seed) => verdict?,
                () = shutdown.cancelled() => anyhow::bail!("broken off"),
            }
        }
        None => {
            let dir = std::env::temp_dir().join(format!("souk-prove-{}", std::process::id()));
            let town = Town::build(&dir).await?;
            let verdict = tokio::select! {
                verdict = at_home(&command, seed, &town) => Some(verdict),
                () = shutdown.cancelled() => None,
            };
            // what was found is looked for there
            let is_clean =
                |done: &anyhow::Result<Verdict>| done.as_ref().is_ok_and(Verdict::is_clean);
            let keep = command.keep || verdict.as_ref().is_some_and(|done| !is_clean(done));
            town.end(keep).await;
            if keep {
                println!("the data and the logs are in {}", dir.display());
            }
            verdict.context("broken off")??
        }
    };
    println!("\n{verdict}");
    let again = match &command.server {
        Some(server) => format!("--server {server}"),
        None => format!("--kills {} --stops {}", command.kills, stops(&command)),
    };
    println!(
        "seed {seed}, build {build}: souk prove --orders {} {again} --seed {seed}",
        command.orders
    );
    anyhow::ensure!(verdict.is_clean(), "the proof has failed");
    Ok(())
}

/// In a suite of one's own, where everything may die.
async fn at_home(command: &cli::Prove, seed: u64, town: &Town) -> anyhow::Result<Verdict> {
    let shop = town.shop()?;
    let (email, password) = town.admin.clone();
    let admin = Person::known(shop.auth.clone(), email, password).await?;
    let market = Arc::new(open(command, seed, shop, admin).await?);
    let plan = Plan::draw(seed, command.kills as usize, stops(command) as usize);
    let (took, suffered) = trade(command, &market, &plan, Some(town)).await?;
    for role in town.missing().await {
        market.history.wrong("nothing ends by itself", role, "it is not there");
    }
    let (settled, mut findings) = audit::settle(town.databases()).await?;
    let books = audit::Books::read(town.databases()).await?;
    let (public, wrong) = audit::of_public(&market).await?;
    let told = market.history.told();
    let keys = command.orders as usize;
    findings.extend(audit::hold_to(&told, &books.seen, keys));
    findings.extend(audit::hold_to(&told, &public, keys));
    findings.extend(audit::compare(&books, &market.products));
    findings.extend(books.findings);
    findings.extend(wrong);
    let mut figures = figures(&market, keys, took);
    figures.kills = plan.count(Kind::Kill);
    figures.stops = plan.count(Kind::Stop);
    figures.recovery = suffered.recovery;
    figures.settled = settled;
    Ok(verdict(findings, &market, figures, command.floor))
}

/// In a suite that runs: nothing is harmed, and only what its public API says is known.
async fn elsewhere(command: &cli::Prove, seed: u64) -> anyhow::Result<Verdict> {
    let orders = suite::remote(command.server.as_ref(), "--server")?;
    let or_there = |url: &Option<Uri>, flag| match url {
        Some(url) => suite::remote(Some(url), flag),
        None => Ok(orders.clone()),
    };
    let auth = or_there(&command.auth_url, "--auth-url")?;
    let catalog = or_there(&command.catalog_url, "--catalog-url")?;
    let rest = command.http.as_ref().map(Rest::at).transpose()?;
    let shop = Shop { auth: auth.clone(), catalog, orders: vec![orders], rest };
    let admin = Person::given(auth, command.account.clone()).await?;
    let market = Arc::new(open(command, seed, shop, admin).await?);
    let plan = Plan::draw(seed, 0, 0);
    let (took, _) = trade(command, &market, &plan, None).await?;
    let begin = Instant::now();
    let (public, mut findings) = audit::of_public(&market).await?;
    let keys = command.orders as usize;
    findings.extend(audit::hold_to(&market.history.told(), &public, keys));
    let mut figures = figures(&market, keys, took);
    figures.settled = begin.elapsed();
    close(&market).await?;
    Ok(verdict(findings, &market, figures, command.floor))
}

/// Makes accounts and products: so few units that a good part of the buyers get none.
async fn open(
    command: &cli::Prove,
    seed: u64,
    shop: Shop,
    admin: Person,
) -> anyhow::Result<Market> {
    // nothing of this run may be taken for something of another
    let run: String = random_token()?
        .expose_secret()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(10)
        .collect();
    let mut people = Vec::with_capacity(ACCOUNTS);
    for number in 0..ACCOUNTS {
        let email = format!("prove-{run}-{number}@souk.localhost").to_lowercase();
        let password = random_token()?.expose_secret().to_owned();
        people.push(Person::register(shop.auth.clone(), email, password).await?);
    }
    let mut wanted = [0i64; PRODUCTS];
    for buyer in 0..command.orders as usize {
        for (product, units) in Errand::draw(seed, buyer).units() {
            wanted[product] += units;
        }
    }
    let mut catalog = CatalogServiceClient::new(shop.catalog.clone());
    let mut products = Vec::with_capacity(PRODUCTS);
    for (number, wanted) in wanted.into_iter().enumerate() {
        let cents = 100 * (number as i64 + 1) + 95;
        let units = i32::try_from((wanted * SUPPLY / 100).max(1))?;
        let request = CreateProductRequest {
            sku: format!("PROVE-{run}-{number}"),
            name: "A product of souk prove".to_owned(),
            price: Some(Decimal { value: format!("{}.{:02}", cents / 100, cents % 100) }),
            available: units,
            ..CreateProductRequest::default()
        };
        let product = catalog.create_product(signed(request, &admin.token().await, "")).await;
        let product =
            product.map_err(|status| explain(&status)).context("cannot create a product")?;
        products.push(Product { id: product.into_inner().id, cents, units });
    }
    Ok(Market { shop, seed, run, people, admin, products, history: History::default() })
}

/// Hides the products again, which are no use to anybody.
async fn close(market: &Market) -> anyhow::Result<()> {
    let mut catalog = CatalogServiceClient::new(market.shop.catalog.clone());
    for product in &market.products {
        let request = DeleteProductRequest { id: product.id.clone() };
        let deleted =
            catalog.delete_product(signed(request, &market.admin.token().await, "")).await;
        deleted.map_err(|status| explain(&status)).context("cannot delete a product")?;
    }
    Ok(())
}

/// Lets buyers come, and faults with them: how long it took, and what it came to.
async fn trade(
    command: &cli::Prove,
    market: &Arc<Market>,
    plan: &Plan,
    town: Option<&Town>,
) -> anyhow::Result<(Duration, Suffered)> {
    let count = command.orders as usize;
    let gate = Gate::new(count, plan.0.len());
    let bar = ProgressBar::new(count as u64)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} buyers  {msg}  {elapsed}")?);
    let begin = Instant::now();
    let buying = async {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let mut buyers = JoinSet::new();
        for number in 0..count {
            gate.enter(number).await;
            let place = room.clone().acquire_owned().await?;
            let (buyer, bar) = (Buyer::new(market.clone(), number), bar.clone());
            buyers.spawn(async move {
                buyer.run().await;
                bar.inc(1);
                drop(place);
            });
        }
        while let Some(done) = buyers.join_next().await {
            done?;
        }
        anyhow::Ok(begin.elapsed())
    };
    let suffering = async {
        match town {
            Some(town) => faults::run(plan, town, &gate, &market.history, &bar).await,
            None => Ok(Suffered::default()),
        }
    };
    let done = tokio::try_join!(buying, suffering);
    bar.finish_and_clear();
    done
}

fn figures(market: &Market, keys: usize, took: Duration) -> Figures {
    let told = market.history.told();
    let (sends, abandoned) = market.history.sends();
    Figures {
        keys,
        sends,
        abandoned,
        acknowledged: told.orders.len(),
        paid: told.paid_orders(),
        rejected: told.orders.values().filter(|order| order.is_rejected).count(),
        cancelled: told.cancelled.len(),
        refunds: told.refunds.len(),
        shipped: told.shipped.len(),
        took,
        ..Figures::default()
    }
}

fn verdict(mut findings: Vec<Finding>, market: &Market, figures: Figures, floor: u32) -> Verdict {
    findings.extend(market.history.told().findings);
    Verdict::new(findings, figures, floor)
}

fn stops(command: &cli::Prove) -> u32 {
    command.stops.unwrap_or(command.kills / 5)
}

/// Which build this is: its version, and a hash of the program.
fn build() -> anyhow::Result<String> {
    let program = std::fs::read(std::env::current_exe()?).context("cannot read this program")?;
    let hash: String =
        Sha256::digest(program).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{} {hash}", env!("CARGO_PKG_VERSION")))
}
