//! Who a command is at a suite: its token, and how refusals are told.

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use souk_kit::Channel;
use souk_proto::souk::auth::v1::CreateTokenRequest;
use souk_proto::souk::auth::v1::auth_service_client::AuthServiceClient;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};

use crate::cli::Account;
use crate::secrets;

/// An access token for an e-mail and password.
pub async fn sign_in(
    channel: Channel,
    email: &str,
    password: &SecretString,
) -> anyhow::Result<MetadataValue<Ascii>> {
    let request = CreateTokenRequest {
        grant_type: "password".to_owned(),
        username: email.to_owned(),
        password: password.expose_secret().to_owned(),
        ..CreateTokenRequest::default()
    };
    let token = AuthServiceClient::new(channel).create_token(request).await;
    bearer(&token.map_err(|status| explain(&status))?.into_inner().access_token)
}

/// The token that is given, or one of the account that is.
pub async fn token(login: &Account, channel: Channel) -> anyhow::Result<MetadataValue<Ascii>> {
    if let Some(token) = secrets::from_environment("SOUK_TOKEN")? {
        return bearer(token.expose_secret());
    }
    let Some(email) = &login.email else {
        let admin = secrets::admin_of_installation(&login.data_dir)
            .context("give --email, or set SOUK_TOKEN")?;
        return sign_in(channel, &admin.email, &admin.password).await;
    };
    let password = match &login.password {
        Some(password) => password.clone().into(),
        None => secrets::required(secrets::ADMIN_PASSWORD)?,
    };
    sign_in(channel, email, &password).await
}

fn bearer(token: &str) -> anyhow::Result<MetadataValue<Ascii>> {
    let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse()?;
    value.set_sensitive(true);
    Ok(value)
}

/// A refusal, in words for a terminal.
pub fn explain(status: &Status) -> anyhow::Error {
    anyhow::anyhow!("{} ({:?})", status.message(), status.code())
}
