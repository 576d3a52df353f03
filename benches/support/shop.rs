//! A shop to measure: products, customers, and suites that serve it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use souk_proto::souk::auth::v1::auth_service_client::AuthServiceClient;
use souk_proto::souk::auth::v1::{CreateTokenRequest, RegisterRequest};
use souk_proto::souk::catalog::v1::ListProductsRequest;
use souk_proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient;

use super::postgres::Postgres;
use super::products;
use super::suite::{ADMIN_EMAIL, ADMIN_PASSWORD, Suite, connect};

const CUSTOMERS: usize = 8;
const PASSWORD: &str = "four camels cross the market";
const SERVICES: [&str; 3] = ["auth", "catalog", "orders"];
/// The databases that every suite starts from a copy of.
const TEMPLATE: &str = "shop";

/// A filled shop, as databases that are copied for each suite.
#[derive(Debug)]
pub struct Shop {
    pub souk: PathBuf,
    /// The ids of all products.
    pub products: Arc<[String]>,
    /// Access tokens of some customers.
    pub tokens: Vec<String>,
}

impl Shop {
    /// Imports the products and registers the customers.
    pub async fn open(postgres: &Postgres, souk: PathBuf) -> Result<Self> {
        for service in SERVICES {
            postgres.create(&format!("{TEMPLATE}_{service}"), None).await?;
        }
        let suite = Suite::one(&souk, postgres, TEMPLATE)?;
        let file = products::write(postgres.scratch())?;
        let imported = Command::new(&souk)
            .arg("import")
            .arg(file)
            .args(["--server", &suite.catalog, "--email", ADMIN_EMAIL])
            .env("SOUK_ADMIN_PASSWORD", ADMIN_PASSWORD)
            .output()?;
        ensure!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        let products = product_ids(&suite).await?;
        let mut tokens = Vec::new();
        for number in 0..CUSTOMERS {
            tokens.push(register(&suite, &format!("customer{number}@example.com")).await?);
        }
        Ok(Self { souk, products: products.into(), tokens })
    }

    /// A suite in one process, on databases of its own.
    pub async fn one_process(&self, postgres: &Postgres) -> Result<Suite> {
        copy(postgres, "one").await?;
        Suite::one(&self.souk, postgres, "one")
    }

    /// A suite with a process for each role, on databases of its own.
    pub async fn four_processes(&self, postgres: &Postgres) -> Result<Suite> {
        copy(postgres, "four").await?;
        Suite::four(&self.souk, postgres, "four")
    }
}

/// Signs the first customer in.
pub async fn sign_in(suite: &Suite) -> Result<String> {
    token(suite, "customer0@example.com", PASSWORD).await
}

async fn copy(postgres: &Postgres, name: &str) -> Result<()> {
    for service in SERVICES {
        let template = format!("{TEMPLATE}_{service}");
        postgres.create(&format!("{name}_{service}"), Some(&template)).await?;
    }
    Ok(())
}

async fn product_ids(suite: &Suite) -> Result<Vec<String>> {
    let mut catalog = CatalogServiceClient::new(connect(&suite.catalog).await?);
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let request = ListProductsRequest { size: Some(100), cursor, page: None };
        let page = catalog.list_products(request).await?.into_inner();
        ids.extend(page.data.into_iter().map(|product| product.id));
        match page.pagination.context("a page without pagination")?.next_cursor {
            Some(next) => cursor = next,
            None => return Ok(ids),
        }
    }
}

async fn register(suite: &Suite, email: &str) -> Result<String> {
    let request = RegisterRequest {
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        name: "A Customer".to_owned(),
    };
    AuthServiceClient::new(connect(&suite.auth).await?).register(request).await?;
    token(suite, email, PASSWORD).await
}

/// Signs the admin in.
pub async fn admin(suite: &Suite) -> Result<String> {
    token(suite, ADMIN_EMAIL, ADMIN_PASSWORD).await
}

async fn token(suite: &Suite, email: &str, password: &str) -> Result<String> {
    let request = CreateTokenRequest {
        grant_type: "password".to_owned(),
        username: email.to_owned(),
        password: password.to_owned(),
        ..CreateTokenRequest::default()
    };
    let mut auth = AuthServiceClient::new(connect(&suite.auth).await?);
    Ok(auth.create_token(request).await?.into_inner().access_token)
}
