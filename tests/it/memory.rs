//! Memory: what a moment needed is given back, and what is read row by row stays small.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures::future::join_all;
use http::{Method, StatusCode};

use crate::support::{PATIENCE, Scratch, Suite, souk, status_of};

/// What a process may have more than before, in KiB: an allocator keeps some of what it was given back.
const KEPT: u64 = 60 * 1024;
/// How much more a large file may take to import than a small one, in KiB.
const MORE: u64 = 16 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_leave_no_memory_behind() {
    let suite = Suite::start().await;
    let (auth, http) = (suite.process("auth"), suite.http());
    let sign_in = async |client: usize| {
        for turn in 0..10 {
            let form = format!(
                "grant_type=password&username=nobody-{client}%40example.com&password=wrong+{turn}+\
                 password"
            );
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            let refused = http.send(Method::POST, "/v1/auth/token", &headers, &form).await.unwrap();
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        }
    };
    let before = auth.memory();
    join_all((0..20).map(sign_in)).await;
    let (begun, most) = (Instant::now(), before + KEPT);
    while auth.memory() > most {
        let now = auth.memory();
        assert!(begun.elapsed() < PATIENCE, "{before} KiB before, {now} KiB long after");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A file of products.
fn products(scratch: &Scratch, rows: usize) -> PathBuf {
    let mut text = "sku,name,price,stock,description\n".to_owned();
    for row in 0..rows {
        writeln!(text, "P-{row:06},Product number {row},1.50,3,{:100}", "as described").unwrap();
    }
    let path = scratch.0.join(format!("{rows}.csv"));
    std::fs::write(&path, text).unwrap();
    path
}

/// Imports a file: the most memory that it took, in KiB.
async fn import(suite: &Suite, file: &Path) -> u64 {
    let mut command = souk();
    command.arg("import").arg(file).args(["--server", &suite.catalog_url()]);
    command.env("SOUK_TOKEN", suite.admin().await).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut most = 0;
    loop {
        most = status_of(child.id(), "VmHWM:").unwrap_or_default().max(most);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return most;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_takes_no_more_memory_to_import_than_a_small_one() {
    let suite = Suite::start().await;
    let scratch = Scratch::new();
    let small = import(&suite, &products(&scratch, 2_000)).await;
    let server = suite.process("catalog").memory();
    let large = import(&suite, &products(&scratch, 25_000)).await;
    let served = suite.process("catalog").memory();
    println!("client {small} -> {large} KiB, server {server} -> {served} KiB");
    assert!(large <= small + MORE, "{small} KiB for a small file, {large} KiB for a large one");
    assert!(served <= server + KEPT, "the server has {server} KiB, and {served} KiB afterwards");
}
