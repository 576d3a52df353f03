//! What a newcomer sees when the suite is ready.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use souk_kit::id::{self, kind};

use crate::secrets::Admin;

/// Where the suite is, and how to begin.
pub struct Welcome<'a> {
    /// `http` or `https`.
    pub scheme: &'static str,
    pub http: SocketAddr,
    pub grpc: SocketAddr,
    pub admin: &'a Admin,
    /// Where our own database keeps its data.
    pub database: Option<&'a Path>,
    /// A product to order, if there is one.
    pub product: Option<String>,
}

impl Welcome<'_> {
    /// Prints the addresses, the admin, and three commands to paste.
    pub fn print(&self) {
        let Self { scheme, http, grpc, admin, .. } = self;
        println!("\nSouk is ready.\n");
        println!("  REST       {scheme}://{http}");
        println!("  gRPC       http://{grpc}");
        println!("  docs       http://{http}/docs");
        if let Some(database) = self.database {
            println!("  data       {}", database.display());
        }
        if admin.generated {
            println!("  admin      {}  {}", admin.email, admin.password.expose_secret());
        } else {
            println!("  admin      {}  (with the password that you gave)", admin.email);
        }
        println!("\nList products:\n\n  curl -s '{scheme}://{http}/v2/products?size=3'");
        match &self.product {
            Some(product) => println!("\nOrder one:\n\n{}", self.order_command(product)),
            None => println!("\nImport some:\n\n{}", self.import_command()),
        }
        println!("\nExplore with grpcurl:\n\n  grpcurl -plaintext {grpc} list\n");
        println!("Ctrl-C ends everything.");
    }

    /// Leaves the addresses for programs, which is how they find ports that were picked.
    pub fn write_addresses(&self, data_dir: &Path) -> anyhow::Result<()> {
        let addresses =
            serde_json::json!({ "http": self.http.to_string(), "grpc": self.grpc.to_string() });
        let path = addresses_file(data_dir);
        let draft = path.with_extension("new");
        std::fs::write(&draft, addresses.to_string())
            .and_then(|()| std::fs::rename(&draft, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn order_command(&self, product: &str) -> String {
        let Self { scheme, http, .. } = self;
        // a key of its own for every start: pasted twice, it still orders once
        let key = id::new::<kind::Request>().to_string().replace("req_", "welcome-");
        format!(
            "  curl -s {scheme}://{http}/v1/orders \\\n    \
             -H 'Idempotency-Key: {key}' -H 'Content-Type: application/json' \\\n    \
             -H \"Authorization: Bearer $(curl -s {scheme}://{http}/v1/auth/token \\\n      \
             -d grant_type=password --data-urlencode 'username={}' --data-urlencode {} \\\n      \
             | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\" \\\n    \
             -d '{{\"items\":[{{\"product_id\":\"{product}\",\"quantity\":1}}]}}'",
            self.admin.email,
            self.password_argument(),
        )
    }

    fn import_command(&self) -> String {
        format!("  souk import FILE.csv --server http://{} --email {}", self.grpc, self.admin.email)
    }

    /// A password of the user's own is not printed: the shell fills it in.
    fn password_argument(&self) -> String {
        if self.admin.generated {
            format!("'password={}'", self.admin.password.expose_secret())
        } else {
            "\"password=$SOUK_ADMIN_PASSWORD\"".to_owned()
        }
    }
}

/// Where the addresses are left.
pub fn addresses_file(data_dir: &Path) -> PathBuf {
    data_dir.join("addresses.json")
}
