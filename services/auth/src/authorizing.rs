//! Authorizing services to call each other: client credentials (RFC 6749, section 4.4).

use secrecy::SecretString;

use crate::Error;
use crate::client::Clients;
use crate::token::{Issuer, Token};

/// Gives services their tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authorizing {
    clients: Clients,
    issuer: Issuer,
}

impl Authorizing {
    pub fn new(clients: Clients, issuer: Issuer) -> Self {
        Self { clients, issuer }
    }

    /// A token with which the client may call the service `audience`.
    pub fn token(&self, id: &str, secret: &SecretString, audience: &str) -> Result<Token, Error> {
        let client = self.clients.authenticate(id, secret).ok_or(Error::InvalidCredentials)?;
        if !client.audiences.contains(&audience) {
            return Err(Error::Audience);
        }
        self.issuer.service(client, audience)
    }
}
