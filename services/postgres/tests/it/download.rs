//! The download, where no programs are installed.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use sha2::{Digest, Sha256};
use souk_postgres::{Binaries, Error, Options, Release, Server};

use crate::support::{directory, has_the_order, installed, options, place_an_order};

/// Serves these bytes whatever is asked for, and tells the path of the first request.
fn serve(bytes: Vec<u8>) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        while !request.ends_with("\r\n\r\n") {
            lines.read_line(&mut request).unwrap();
        }
        let length = bytes.len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").unwrap();
        stream.write_all(&bytes).unwrap();
        // until the other side has it all
        let _ = stream.read(&mut [0]);
        request.split(' ').nth(1).unwrap().to_owned()
    });
    (address, served)
}

/// An archive in the shape of a release, with programs that hand over to the installed ones.
fn archive() -> Vec<u8> {
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), Default::default()));
    for program in ["initdb", "postgres"] {
        let real = installed().join(program);
        let text = format!("#!/bin/sh\nexec {} \"$@\"\n", real.display());
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        let path = format!("postgresql-15.99.0-test/bin/{program}");
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn download(dir: &Path, mirror: String, sha256: String) -> Options {
    let mut options = options(dir);
    // both programs are to be tried
    options.template = None;
    options.binaries = Binaries::Download;
    let archive = "postgresql-15.99.0-test.tar.gz".to_owned();
    options.release = Some(Release { mirror, version: "15.99.0".to_owned(), archive, sha256 });
    options
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_download_is_verified_unpacked_started_and_kept() {
    let dir = directory();
    let archive = archive();
    let digest = sha256(&archive);
    let (mirror, served) = serve(archive);
    let options = download(dir.path(), mirror, digest);
    let server = Server::start(&options).await.unwrap();
    assert_eq!(served.join().unwrap(), "/15.99.0/postgresql-15.99.0-test.tar.gz");
    assert!(server.data_dir().join("postgresql-15.99.0/bin/postgres").exists());
    place_an_order(&server).await;
    server.stop().await.unwrap();

    // nobody serves it any more
    let server = Server::start(&options).await.unwrap();
    assert!(has_the_order(&server).await);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_download_with_another_checksum_is_refused_and_leaves_nothing_behind() {
    let dir = directory();
    let (mirror, served) = serve(archive());
    let refusal = Server::start(&download(dir.path(), mirror, sha256(b"expected"))).await;
    let refusal = refusal.unwrap_err();
    served.join().unwrap();
    assert!(matches!(refusal, Error::Checksum { .. }), "{refusal}");
    assert!(refusal.to_string().contains("apt-get install postgresql"), "{refusal}");
    let entries = fs::read_dir(dir.path().join(".souk/postgres")).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["lock", "postgres.log"]);
}

#[tokio::test]
async fn without_a_network_the_error_says_what_to_install() {
    let dir = directory();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = download(dir.path(), format!("http://{nobody}"), sha256(b"expected"));
    let refusal = Server::start(&options).await.unwrap_err();
    assert!(matches!(refusal, Error::NotFound { .. }), "{refusal}");
    let refusal = refusal.to_string();
    assert!(refusal.contains("can not be downloaded"), "{refusal}");
    assert!(refusal.contains("apt-get install postgresql"), "{refusal}");
}
