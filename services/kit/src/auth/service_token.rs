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

const REQUEST_LIMIT: Duration = Duration::from_secs(3);
/// How long a failure is the answer for everybody who asks.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Gets and keeps a service's token for one audience.
#[derive(Debug)]
pub struct ServiceToken {
    auth: AuthServiceClient<Channel>,
    client_id: &'static str,
    secret: SecretString,
    audience: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// No token yet, or none that is good.
    None,
    /// A token, and when to look for the next.
    Token(MetadataValue<Ascii>, Instant),
    /// The auth service could not give one; the same answer for all who ask at the moment.
    Failed(Status, Instant),
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
        Self { auth, client_id, secret, audience, state: Mutex::new(State::None) }
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

    /// Forgets the token, because a service has refused it.
    pub fn forget(&self) {
        // whoever holds the lock is getting a new one
        if let Ok(mut state) = self.state.try_lock() {
            *state = State::None;
        }
    }

    async fn bearer(&self) -> Result<MetadataValue<Ascii>, Status> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Token(bearer, renew_at) if Instant::now() < *renew_at => {
                return Ok(bearer.clone());
            }
            State::Failed(status, retry_at) if Instant::now() < *retry_at => {
                return Err(status.clone());
            }
            State::None | State::Token(..) | State::Failed(..) => {}
        }
        match self.request().await {
            Ok((bearer, lifetime)) => {
                // at four fifths of its life, so that no call is made with a token about to end
                *state = State::Token(bearer.clone(), Instant::now() + lifetime * 4 / 5);
                Ok(bearer)
            }
            Err(status) => {
                *state = State::Failed(status.clone(), Instant::now() + RETRY_INTERVAL);
                Err(status)
            }
        }
    }

    async fn request(&self) -> Result<(MetadataValue<Ascii>, Duration), Status> {
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
        Ok((bearer, Duration::from_secs(u64::try_from(token.expires_in).unwrap_or_default())))
    }
}
