//! Products by the million: written to the tables of a catalog by COPY, as two sessions can at once.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use fastrand::Rng;
use futures::SinkExt as _;
use uuid::Uuid;

use crate::support::postgres::Postgres;

/// As many sessions as the machines of these benches have cores.
const SESSIONS: u32 = 2;
/// Rows that go to the server in one piece.
const PIECE: u32 = 1_000;
/// A tenth of the products is on each shelf, and a thousandth in each series.
const SHELVES: u128 = 10;
const SERIES: u128 = 1_000;
/// Frequent ones first: a word is the rarer the later it comes.
const WORDS: [&str; 48] = [
    "the",
    "of",
    "and",
    "a",
    "to",
    "in",
    "night",
    "house",
    "girl",
    "time",
    "king",
    "love",
    "world",
    "dark",
    "blood",
    "river",
    "stone",
    "fire",
    "summer",
    "garden",
    "secret",
    "winter",
    "queen",
    "shadow",
    "island",
    "daughter",
    "city",
    "road",
    "letter",
    "moon",
    "glass",
    "empire",
    "harbor",
    "paper",
    "wolf",
    "orchard",
    "lantern",
    "copper",
    "falcon",
    "meadow",
    "saffron",
    "juniper",
    "harpsichord",
    "quicksilver",
    "marzipan",
    "obsidian",
    "periwinkle",
    "zeppelin",
];

/// Fills the catalog of a suite that has started on it; how long that took.
pub async fn fill(postgres: &Postgres, database: &str, products: u32) -> Result<Duration> {
    let begin = Instant::now();
    let mut categories = String::new();
    for number in 0..SHELVES + SERIES {
        let kind = if number < SHELVES { "shelf" } else { "series" };
        writeln!(categories, "{}\t{kind}/{number}\tThe {kind} {number}", category(number))?;
    }
    copy(postgres, database, "categories (id, slug, name)", [categories].into_iter()).await?;
    let columns = "products (id, sku, name, price_minor, type, attributes, created_at)";
    let session = |session: u32| async move {
        let mine = || (0..products / PIECE).filter(move |piece| piece % SESSIONS == session);
        copy(postgres, database, columns, mine().map(pieces_of_products)).await?;
        copy(postgres, database, "stock (product_id, available)", mine().map(pieces_of_stock))
            .await?;
        let links = "product_categories (product_id, category_id)";
        copy(postgres, database, links, mine().map(pieces_of_links)).await
    };
    tokio::try_join!(session(0), session(1))?;
    postgres.execute(database, "vacuum analyze").await?;
    Ok(begin.elapsed())
}

/// The slug of a shelf.
pub fn shelf(number: u128) -> String {
    format!("shelf/{}", number % SHELVES)
}

/// The slug of a series.
pub fn series(number: u128) -> String {
    format!("series/{}", SHELVES + number % SERIES)
}

async fn copy(
    postgres: &Postgres,
    database: &str,
    into: &str,
    pieces: impl Iterator<Item = String>,
) -> Result<()> {
    let client = postgres.connect(database).await?;
    let sink = client.copy_in::<_, Bytes>(&format!("copy {into} from stdin")).await?;
    let mut sink = std::pin::pin!(sink);
    for piece in pieces {
        sink.send(piece.into()).await?;
    }
    sink.finish().await?;
    Ok(())
}

/// A UUIDv7 of a millisecond of its own.
fn product(number: u32) -> Uuid {
    let millis = 1_700_000_000_000 + u128::from(number) * 50;
    Uuid::from_u128((millis << 80) | (7 << 76) | (2 << 62) | u128::from(number))
}

fn category(number: u128) -> Uuid {
    Uuid::from_u128((7 << 76) | (2 << 62) | (number + 1))
}

fn rows(piece: u32) -> impl Iterator<Item = (u32, Rng)> {
    (piece * PIECE..(piece + 1) * PIECE).map(|number| (number, Rng::with_seed(number.into())))
}

fn pieces_of_products(piece: u32) -> String {
    let mut text = String::new();
    for (number, mut rng) in rows(piece) {
        let millis = 1_700_000_000.0 + f64::from(number) * 0.05;
        let (price, year) = (rng.u32(100..100_000), rng.u32(1900..2026));
        let _ = writeln!(
            text,
            "{}\tBK-{number:07}\t{}\t{price}\tbook\t{{\"author\": \"{} {}\", \"isbn\": \
             \"{:013}\", \"year\": {year}}}\t{}",
            product(number),
            title(&mut rng),
            capital(word(&mut rng)),
            capital(word(&mut rng)),
            9_780_000_000_000_u64 + u64::from(number),
            time(millis),
        );
    }
    text
}

fn pieces_of_stock(piece: u32) -> String {
    let row = |(number, mut rng): (u32, Rng)| {
        let available = if rng.u8(0..20) == 0 { 0 } else { rng.u32(1..300) };
        format!("{}\t{available}\n", product(number))
    };
    rows(piece).map(row).collect()
}

fn pieces_of_links(piece: u32) -> String {
    let row = |(number, mut rng): (u32, Rng)| {
        let (shelf, series) = (rng.u128(0..SHELVES), SHELVES + rng.u128(0..SERIES));
        let id = product(number);
        format!("{id}\t{}\n{id}\t{}\n", category(shelf), category(series))
    };
    rows(piece).map(row).collect()
}

fn title(rng: &mut Rng) -> String {
    let words = rng.usize(2..7);
    let words: Vec<String> = (0..words).map(|_| capital(word(rng))).collect();
    words.join(" ")
}

/// A word: the first of them by far the most often.
fn word(rng: &mut Rng) -> &'static str {
    let place = (rng.f64() * rng.f64() * WORDS.len() as f64) as usize;
    WORDS[place.min(WORDS.len() - 1)]
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn time(seconds: f64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(seconds as i64);
    let time = time.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!("{} {}+00", time.date(), time.time())
}
