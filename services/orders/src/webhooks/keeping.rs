//! Keeping endpoints, and their secrets.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use souk_db::Access;
use souk_kit::id::{self, UserId, WebhookEndpointId};
use sqlx::PgConnection;
use tokio::time::timeout;

use super::Webhooks;
use super::address::{self, Refused, System};
use super::endpoint::{Changes, Endpoint, Keeper, MAX_ENDPOINTS, Settings};
use super::signature::Secret;
use crate::Error;
use crate::store::webhooks::endpoints;

/// How long the addresses of a name are waited for when somebody names it.
const LOOK_UP: Duration = Duration::from_secs(2);

impl Webhooks {
    /// Refuses a URL that nothing would be sent to, as far as that can be told now: the last word is spoken when
    /// something is sent.
    pub async fn check(&self, url: &str) -> Result<(), Error> {
        let policy = self.inner.policy;
        let refused = |refused: Refused| Error::invalid("url", refused);
        let destination = address::parse(url, policy).map_err(refused)?;
        match timeout(LOOK_UP, address::resolve(&destination, policy, &System)).await {
            // a name that has no address yet may have one later
            Ok(Ok(_)) | Err(_) | Ok(Err(Refused::Unresolved)) => Ok(()),
            Ok(Err(why)) => Err(refused(why)),
        }
    }

    /// Adds an endpoint, with a new secret.
    pub async fn add(
        &self,
        transaction: &mut PgConnection,
        owner: UserId,
        settings: &Settings,
    ) -> Result<Endpoint, Error> {
        let id = id::new();
        let secret = self.new_secret(id)?;
        let added = endpoints::insert(transaction, id, owner, settings, &secret).await?;
        added.ok_or(Error::TooManyEndpoints(MAX_ENDPOINTS))
    }

    /// Gives an endpoint a new secret beside the one that it has.
    pub async fn rotate(
        &self,
        transaction: &mut PgConnection,
        id: WebhookEndpointId,
        keeper: Keeper,
    ) -> Result<Endpoint, Error> {
        let secret = self.new_secret(id)?;
        endpoints::rotate(transaction, id, keeper, &secret).await?.ok_or_else(|| unknown(id))
    }

    /// The text of a secret, as it is told and never stored.
    pub fn reveal(&self, id: WebhookEndpointId, sealed: &[u8]) -> Result<SecretString, Error> {
        let text = self.inner.sealer.open(id.uuid().as_bytes(), sealed);
        let text = text.and_then(|text| String::from_utf8(text.to_vec()).ok());
        text.map(SecretString::from).ok_or(Error::WebhookSecret)
    }

    /// The secret that signs.
    pub(super) fn secret(&self, id: WebhookEndpointId, sealed: &[u8]) -> Result<Secret, Error> {
        Secret::parse(&self.reveal(id, sealed)?).map_err(|_| Error::WebhookSecret)
    }

    fn new_secret(&self, id: WebhookEndpointId) -> Result<Vec<u8>, Error> {
        let text = Secret::generate().map_err(|_| Error::WebhookSecret)?.reveal();
        let sealed = self.inner.sealer.seal(id.uuid().as_bytes(), text.expose_secret().as_bytes());
        sealed.map_err(|_| Error::WebhookSecret)
    }
}

pub async fn get(
    access: &Access,
    id: WebhookEndpointId,
    keeper: Keeper,
) -> Result<Endpoint, Error> {
    endpoints::get(access, id, keeper).await?.ok_or_else(|| unknown(id))
}

pub async fn list(access: &Access, keeper: Keeper) -> Result<Vec<Endpoint>, Error> {
    Ok(endpoints::list(access, keeper).await?)
}

pub async fn update(
    access: &Access,
    id: WebhookEndpointId,
    keeper: Keeper,
    changes: &Changes,
) -> Result<Endpoint, Error> {
    if let Some(updated) = endpoints::update(access, id, keeper, changes).await? {
        return Ok(updated);
    }
    match get(access, id, keeper).await?.settings.all_orders {
        // its log would be that of one account, with the orders of everybody in it
        true => Err(Error::invalid("all_orders", "must not be taken back: delete the endpoint")),
        false => Err(unknown(id)),
    }
}

pub async fn delete(access: &Access, id: WebhookEndpointId, keeper: Keeper) -> Result<(), Error> {
    match endpoints::delete(access, id, keeper).await? {
        true => Ok(()),
        false => Err(unknown(id)),
    }
}

pub(super) fn unknown(id: WebhookEndpointId) -> Error {
    Error::NoSuch("webhook endpoint", id.to_string())
}
