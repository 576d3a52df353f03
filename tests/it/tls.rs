//! TLS to the database, as its URL says.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use secrecy::ExposeSecret as _;
use souk_postgres::{Options, Server};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::support::{
    Databases, PATIENCE, SERVICES, Scratch, Suite, product, run, server, souk, template,
};

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, in a file.
    file: PathBuf,
}

impl Authority {
    fn new(file: PathBuf) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// A certificate for a server of this name, and its key, as PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A PostgreSQL that takes no connection without TLS.
async fn strict_server(scratch: &Scratch, (certificate, key): (String, String)) -> Server {
    let options = Options { template: Some(template()), ..Options::new(&scratch.0) };
    let server = Server::start(&options).await.unwrap();
    let mut admin = server.connect_options("postgres").connect().await.unwrap();
    let cluster = sqlx::query_scalar::<_, String>("show data_directory");
    let cluster = PathBuf::from(cluster.fetch_one(&mut admin).await.unwrap());
    private(&cluster.join("server.crt"), &certificate);
    private(&cluster.join("server.key"), &key);
    private(&cluster.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n");
    sqlx::query("alter system set ssl = on").execute(&mut admin).await.unwrap();
    sqlx::query("select pg_reload_conf()").execute(&mut admin).await.unwrap();
    // it does so a moment later
    let reloaded = async {
        let encrypted = over_tls(server.connect_options("postgres"));
        while encrypted.connect().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reloaded).await.expect("the server takes to TLS");
    server
}

fn over_tls(options: PgConnectOptions) -> PgConnectOptions {
    options.ssl_mode(PgSslMode::Require)
}

/// A file of whoever owns its directory, and of nobody else.
fn private(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    let owner = fs::metadata(file.parent().unwrap()).unwrap();
    chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
}

fn without_parameters(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

/// Whether a role can bring a database up to date, and what it says.
fn migrate(url: &str) -> (bool, String) {
    let mut command = souk();
    command.args(["migrate", "--role", "catalog", "--database-url", url]);
    let (status, text) = run(command);
    (status.success(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_to_the_database_is_as_safe_as_its_url_says() {
    let scratch = Scratch::new();
    let authority = Authority::new(scratch.0.join("authority.pem"));
    let stranger = Authority::new(scratch.0.join("stranger.pem"));
    let strict = strict_server(&scratch, authority.sign("127.0.0.1")).await;
    let url = without_parameters(strict.url("{}").expose_secret());
    let full = |authority: &Authority| {
        format!("{url}?sslmode=verify-full&sslrootcert={}", authority.file.display())
    };
    let databases = Databases::at(full(&authority));
    for service in SERVICES {
        let options = over_tls(strict.connect_options(&databases.name_of(service)));
        souk_db::create_database(&options).await.unwrap();
    }
    let catalog = |url: &str| url.replace("{}", &databases.name_of("catalog"));

    let (done, text) = migrate(&catalog(&format!("{url}?sslmode=disable")));
    assert!(!done && text.contains("cannot reach the database"), "{text}");
    for url in [format!("{url}?sslmode=require"), full(&authority)] {
        let (done, text) = migrate(&catalog(&url));
        assert!(done, "{text}");
    }
    // the certificate is for the address, and not for the name that leads there
    let elsewhere = full(&authority).replace("127.0.0.1", "localhost");
    for url in [full(&stranger), elsewhere] {
        let (done, text) = migrate(&catalog(&url));
        assert!(!done && text.contains("cannot reach the database"), "{text}");
        assert!(text.contains("certificate"), "{text}");
    }
    let (done, text) = migrate(&catalog(&format!("{url}?sslmode=verify-ca")));
    assert!(!done && text.contains("use verify-full"), "{text}");
    let plain = without_parameters(server().url("postgres").expose_secret());
    let (done, text) = migrate(&format!("{plain}?sslmode=require"));
    assert!(!done && text.contains("server does not support TLS"), "{text}");

    let mut suite = Suite::start_on(databases, &[]);
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let found = suite.http().get(&format!("/v1/products/{}", book.id)).await;
    assert_eq!(found.status, StatusCode::OK);
    suite.interrupt();
    strict.stop().await.unwrap();
}
