//! Programs of PostgreSQL that are there and do not do.

use souk_postgres::{Binaries, Server};

use crate::support::{directory, options, script, start};

#[tokio::test]
async fn programs_that_do_not_do_are_refused_with_the_reason_and_the_way_out() {
    let dir = directory();
    let bin = dir.path().join("bin");
    let mut options = options(dir.path());
    options.binaries = Binaries::Directory(bin.clone());
    let refusal = Server::start(&options).await.unwrap_err().to_string();
    assert!(refusal.contains("there is no postgres in"), "{refusal}");

    script(&bin.join("postgres"), "echo 'postgres (PostgreSQL) 14.2 (Debian 14.2-1)'");
    let refusal = Server::start(&options).await.unwrap_err().to_string();
    assert!(refusal.contains("has no initdb beside it"), "{refusal}");

    script(&bin.join("initdb"), "exit 1");
    let refusal = Server::start(&options).await.unwrap_err().to_string();
    assert!(refusal.contains("is version 14.2, older than 15"), "{refusal}");
    for way_out in
        ["apt-get install postgresql", "dnf install", "brew install", "PG_BIN", "--database-url"]
    {
        assert!(refusal.contains(way_out), "{way_out} is not in: {refusal}");
    }
}

#[tokio::test]
async fn data_of_another_major_version_are_not_touched() {
    let dir = directory();
    start(dir.path()).await.stop().await.unwrap();
    let bin = dir.path().join("bin");
    script(&bin.join("postgres"), "echo 'postgres (PostgreSQL) 99.1'");
    script(&bin.join("initdb"), "exit 1");
    let mut options = options(dir.path());
    options.binaries = Binaries::Directory(bin);
    let refusal = Server::start(&options).await.unwrap_err().to_string();
    assert!(refusal.contains("is version 99.1, but the data in"), "{refusal}");
}
