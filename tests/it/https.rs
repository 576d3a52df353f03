//! REST over TLS, as the options say it.

use std::sync::Arc;

use rcgen::CertifiedKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{PATIENCE, Scratch, Suite, run, souk};

/// A path, for the environment of a suite.
fn path(dir: &Scratch, file: &str) -> &'static str {
    dir.0.join(file).into_os_string().into_string().unwrap().leak()
}

/// What is answered to somebody who trusts this certificate, and no other.
async fn get(address: &str, certificate: CertificateDer<'static>) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    let request = b"GET /v1/products HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an end").unwrap();
    answer
}

#[tokio::test]
async fn rest_is_served_over_tls_with_the_certificate_of_the_options() {
    let dir = Scratch::new();
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path(&dir, "certificate"), cert.pem()).unwrap();
    std::fs::write(path(&dir, "key"), signing_key.serialize_pem()).unwrap();
    let files =
        [("SOUK_TLS_CERTIFICATE", path(&dir, "certificate")), ("SOUK_TLS_KEY", path(&dir, "key"))];
    let suite = Suite::start_with(&files).await;
    let address = suite.http_address().trim_start_matches("https://");
    let answer = get(address, cert.der().clone()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=31536000\r\n"), "{answer}");

    let mut healthcheck = souk();
    healthcheck.args(["healthcheck", "--http", &format!("https://{address}")]);
    let (status, said) = run(healthcheck);
    assert!(status.success(), "{said}");
}

#[test]
fn a_certificate_without_its_key_is_refused_by_name() {
    let mut command = souk();
    command.args(["serve", "--role", "gateway", "--http", "127.0.0.1:0"]);
    for name in ["--auth-url", "--catalog-url", "--orders-url"] {
        command.args([name, "http://127.0.0.1:1"]);
    }
    command.args(["--tls-certificate", "certificate.pem"]);
    let (status, said) = run(command);
    assert!(!status.success());
    assert!(said.contains("--tls-certificate and --tls-key need each other"), "{said}");
}
