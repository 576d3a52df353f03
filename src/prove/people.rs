//! Who buys, and who looks after the shop: accounts, and their tokens for as long as a run takes.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use secrecy::SecretString;
use souk_kit::Channel;
use souk_proto::souk::auth::v1::RegisterRequest;
use souk_proto::souk::auth::v1::auth_service_client::AuthServiceClient;
use tokio::sync::RwLock;

use super::shop::Token;
use crate::cli::Account;
use crate::login;

/// A token lasts 15 minutes; it is renewed well before, since auth may be away at that time.
const RENEWAL: Duration = Duration::from_secs(5 * 60);
const AGAIN: Duration = Duration::from_millis(500);

/// Somebody with an account.
#[derive(Debug)]
pub struct Person {
    auth: Channel,
    credentials: Credentials,
    token: RwLock<(Token, Instant)>,
}

#[derive(Debug)]
enum Credentials {
    Own {
        email: String,
        password: SecretString,
    },
    /// What the command line says.
    Given(Account),
}

impl Person {
    /// A new customer.
    pub async fn register(auth: Channel, email: String, password: String) -> anyhow::Result<Self> {
        let name = "A Buyer".to_owned();
        let request = RegisterRequest { email: email.clone(), password: password.clone(), name };
        let registered = AuthServiceClient::new(auth.clone()).register(request).await;
        registered.map_err(|status| login::explain(&status)).context("cannot register a buyer")?;
        Self::enter(auth, Credentials::Own { email, password: password.into() }).await
    }

    /// Somebody who has an account.
    pub async fn known(auth: Channel, email: String, password: String) -> anyhow::Result<Self> {
        Self::enter(auth, Credentials::Own { email, password: password.into() }).await
    }

    /// Who the command line names.
    pub async fn given(auth: Channel, account: Account) -> anyhow::Result<Self> {
        Self::enter(auth, Credentials::Given(account)).await
    }

    async fn enter(auth: Channel, credentials: Credentials) -> anyhow::Result<Self> {
        let token = sign_in(auth.clone(), &credentials).await.context("cannot sign in")?;
        Ok(Self { auth, credentials, token: RwLock::new((token, Instant::now())) })
    }

    /// A token that is good for some minutes.
    pub async fn token(&self) -> Token {
        let is_fresh = |since: &Instant| since.elapsed() < RENEWAL;
        {
            let token = self.token.read().await;
            if is_fresh(&token.1) {
                return token.0.clone();
            }
        }
        let mut token = self.token.write().await;
        if !is_fresh(&token.1) {
            // the old one is still good for long enough to come back to this
            match sign_in(self.auth.clone(), &self.credentials).await {
                Ok(new) => *token = (new, Instant::now()),
                Err(error) => {
                    tracing::info!(%error, "cannot renew a token yet");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        token.0.clone()
    }
}

async fn sign_in(auth: Channel, credentials: &Credentials) -> anyhow::Result<Token> {
    let signing_in = async {
        match credentials {
            Credentials::Own { email, password } => login::sign_in(auth, email, password).await,
            Credentials::Given(account) => login::token(account, auth).await,
        }
    };
    tokio::time::timeout(RENEWAL / 10, signing_in).await.context("auth does not answer")?
}
