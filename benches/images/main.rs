//! What images cost in memory: a large one that goes up, and fifty clients who read it at once.
//!
//! `cargo bench --bench images`

#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use support::http::{Connection, post};
use support::postgres::Postgres;
use support::suite::Suite;
use support::table::{Asked, Row, Unit};
use support::usage::Processes;
use support::{binary, machine, shop};

const IMAGE: usize = 20 << 20;
const READERS: usize = 50;
/// By how much a process may grow, in MiB.
const MOST: f64 = 32.0;
/// How often a process is looked at.
const INTERVAL: Duration = Duration::from_millis(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let souk = binary::souk()?;
    machine::describe();
    let postgres = Postgres::start("images").await?;
    postgres.describe().await?;
    println!("souk        {}\n", souk.display());
    for name in ["one", "four"] {
        for service in ["auth", "catalog", "orders"] {
            postgres.create(&format!("{name}_{service}"), None).await?;
        }
    }
    println!("by how much a process grows over what it held before, at its peak");
    let suite = Suite::one(&souk, &postgres, "one")?;
    measure(&suite, &[("all in one process", suite.processes())]).await?;
    drop(suite);
    let suite = Suite::four(&souk, &postgres, "four")?;
    let roles: Vec<_> =
        ["auth", "catalog", "orders", "gateway"].into_iter().zip(suite.each()).collect();
    let touched = [roles[1].clone(), roles[3].clone()];
    measure(&suite, &touched).await?;
    drop(suite);
    postgres.stop().await
}

async fn measure(suite: &Suite, processes: &[(&str, Processes)]) -> Result<()> {
    let token = shop::admin(suite).await?;
    let images = format!("/v2/products/{}/images", product(suite, &token).await?);
    // what grows once, at the first of its kind
    let small = upload(suite, &token, &images, &png(1_000)).await?;
    download(&suite.http, &small, 1_000).await?;

    let large = png(IMAGE);
    let begin = Instant::now();
    let watches: Vec<_> = processes.iter().map(|(_, process)| Watch::begin(process)).collect();
    let image = upload(suite, &token, &images, &large).await?;
    report("a 20 MiB upload", processes, watches, IMAGE, begin).await?;

    let begin = Instant::now();
    let watches: Vec<_> = processes.iter().map(|(_, process)| Watch::begin(process)).collect();
    let readers = (0..READERS).map(|_| {
        let (http, image) = (suite.http.clone(), image.clone());
        async move { tokio::spawn(async move { download(&http, &image, IMAGE).await }).await? }
    });
    try_join_all(readers).await?;
    report("50 downloads of 20 MiB at once", processes, watches, READERS * IMAGE, begin).await
}

async fn report(
    work: &str,
    processes: &[(&str, Processes)],
    watches: Vec<Result<Watch>>,
    bytes: usize,
    begin: Instant,
) -> Result<()> {
    let rate = bytes as f64 / f64::from(1 << 20) / begin.elapsed().as_secs_f64();
    for ((name, _), watch) in processes.iter().zip(watches) {
        let (before, grown) = watch?.end().await?;
        let row = Row {
            measured: grown,
            unit: Unit::MiB,
            asked: Asked::AtMost(MOST),
            details: vec![("", format!("{before:.0} MiB before; {rate:.0} MiB/s"))],
        };
        row.print(&format!("{name}: {work}"));
    }
    Ok(())
}

/// Looks at the memory of a process all the time.
struct Watch {
    before: f64,
    peak: JoinHandle<Result<f64>>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Watch {
    fn begin(process: &Processes) -> Result<Self> {
        let (before, process) = (process.resident()?, process.clone());
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let peak = tokio::spawn(async move {
            let mut peak = process.resident()?;
            while stopped.try_recv().is_err() {
                peak = process.resident()?.max(peak);
                tokio::time::sleep(INTERVAL).await;
            }
            Ok(peak)
        });
        Ok(Self { before, peak, stop })
    }

    /// What it held, and by how much more at most.
    async fn end(self) -> Result<(f64, f64)> {
        let _ = self.stop.send(());
        Ok((self.before, self.peak.await?? - self.before))
    }
}

/// Bytes that are an image as far as anybody looks.
fn png(size: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\r".to_vec();
    bytes.resize_with(size, || fastrand::u8(..));
    bytes
}

async fn product(suite: &Suite, token: &str) -> Result<String> {
    let request = post("/v2/products", r#"{"sku":"BOOK","name":"A book","price":5}"#);
    let request = String::from_utf8(request)?;
    let request =
        request.replace("\r\n\r\n", &format!("\r\nauthorization: Bearer {token}\r\n\r\n"));
    let made = Connection::open(&suite.http).await?.json(request.as_bytes()).await?;
    Ok(made["id"].as_str().unwrap_or_default().to_owned())
}

/// Uploads an image: its path.
async fn upload(suite: &Suite, token: &str, images: &str, bytes: &[u8]) -> Result<String> {
    let mut request = format!(
        "POST {images} HTTP/1.1\r\nhost: souk\r\nauthorization: Bearer {token}\r\n\
         content-type: image/png\r\ncontent-length: {}\r\n\r\n",
        bytes.len(),
    )
    .into_bytes();
    request.extend(bytes);
    let made = Connection::open(&suite.http).await?.json(&request).await?;
    Ok(format!("/v2/images/{}", made["id"].as_str().unwrap_or_default()))
}

/// Reads an image and keeps nothing of it.
async fn download(http: &str, image: &str, size: usize) -> Result<()> {
    let mut stream = TcpStream::connect(http).await?;
    let request = format!("GET {image} HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut read, mut buffer) = (0, vec![0; 64 << 10]);
    loop {
        match stream.read(&mut buffer).await? {
            0 => break,
            some => read += some,
        }
    }
    // and a head
    ensure!((size + 1..size + 2_000).contains(&read), "{read} bytes");
    Ok(())
}
