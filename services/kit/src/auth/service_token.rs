//! The token with which a service calls another: client credentials (RFC 6749, section 4.4), bound
//! to the audience, and renewed before it ends.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use souk_proto::souk::auth::v1::CreateTokenRequest;
use souk_proto::souk::auth::v1::auth_service_client::AuthServiceClient;
use tokio::sync::Mutex;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status};

use crate::channel::Channel;
use crate::request::Context;

const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// Gets and keeps a service's token for one audience.
#[derive(Debug)]
pub struct ServiceToken {
    auth: AuthServiceClient<Channel>,
    client_id: &'static str,
    secret: SecretString,
    audience: &'static str,
    current: Mutex<Option<Current>>,
}

#[derive(Debug)]
struct Current {
    bearer: MetadataValue<Ascii>,
    renew_at: Instant,
}

impl ServiceToken {
    /// The token of the service `client_id` for calls of `audience`.
    pub fn new(
        auth: Channel,
        client_id: &'static str,
        secret: SecretString,
        audience: &'static str,
    ) -> Self {
        let auth = AuthServiceClient::new(auth);
        Self { auth, client_id, secret, audience, current: Mutex::default() }
    }

    /// Signs a request with the token.
    ///
    /// # Errors
    ///
    /// The auth service cannot be reached or refuses the credentials.
    pub async fn authorize<T>(&self, mut request: Request<T>) -> Result<Request<T>, Status> {
        let bearer = self.bearer().await?;
        request.metadata_mut().insert("authorization", bearer);
        Ok(request)
    }

    async fn bearer(&self) -> Result<MetadataValue<Ascii>, Status> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.bearer.clone());
        }
        let request = Context::background(REQUEST_LIMIT).outgoing(CreateTokenRequest {
            grant_type: "client_credentials".to_owned(),
            client_id: self.client_id.to_owned(),
            client_secret: self.secret.expose_secret().to_owned(),
            audience: self.audience.to_owned(),
            ..CreateTokenRequest::default()
        });
        let token = self.auth.clone().create_token(request).await?.into_inner();
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {}", token.access_token)
            .parse()
            .map_err(|_| Status::internal("the auth service issued an unusable token"))?;
        bearer.set_sensitive(true);
        let lifetime = Duration::from_secs(u64::try_from(token.expires_in).unwrap_or_default());
        // at four fifths of its life, so that no call is made with a token about to end
        let renew_at = Instant::now() + lifetime * 4 / 5;
        *current = Some(Current { bearer: bearer.clone(), renew_at });
        Ok(bearer)
    }
}
