//! The services that may call other services, and with what scopes.

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::Error;
use crate::tokens::{Issuer, Token};

/// A service that may use client credentials.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its name.
    pub id: &'static str,
    /// What it proves to be itself with.
    pub secret: SecretString,
    /// What its tokens allow.
    pub scopes: &'static [&'static str],
    /// The services it may call.
    pub audiences: &'static [&'static str],
}

/// The services that may use client credentials.
#[derive(Clone)]
pub struct Clients {
    known: Vec<(Client, [u8; 32])>,
    issuer: Issuer,
}

impl Clients {
    /// These clients and no others.
    pub fn new(clients: Vec<Client>, issuer: Issuer) -> Self {
        let known = clients.into_iter().map(|client| {
            let digest = digest(&client.secret);
            (client, digest)
        });
        Self { known: known.collect(), issuer }
    }

    /// A token with which the client may call the service `audience`.
    pub fn token(&self, id: &str, secret: &SecretString, audience: &str) -> Result<Token, Error> {
        let client = self.authenticate(id, secret).ok_or(Error::InvalidCredentials)?;
        if !client.audiences.contains(&audience) {
            return Err(Error::Audience);
        }
        self.issuer.service(client.id, audience, client.scopes)
    }

    fn authenticate(&self, id: &str, secret: &SecretString) -> Option<&Client> {
        let found = self.known.iter().find(|(client, _)| client.id == id);
        // no secret has this digest: a client that does not exist costs as much as a wrong secret
        let expected = found.map_or([0; 32], |(_, digest)| *digest);
        let right = bool::from(digest(secret).ct_eq(&expected));
        found.filter(|_| right).map(|(client, _)| client)
    }
}

/// Of equal length whatever the secret, so that a comparison says nothing about it. The secrets
/// are random: nothing is gained by a slow hash.
fn digest(secret: &SecretString) -> [u8; 32] {
    Sha256::digest(secret.expose_secret()).into()
}
