//! The services that may call other services, and with what scopes.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

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
    known: Arc<[(Client, [u8; 32])]>,
}

impl Clients {
    /// These clients and no others.
    pub fn new(clients: Vec<Client>) -> Self {
        let known = clients.into_iter().map(|client| {
            let digest = digest(&client.secret);
            (client, digest)
        });
        Self { known: known.collect() }
    }

    /// The client with this name and secret.
    pub fn authenticate(&self, id: &str, secret: &SecretString) -> Option<&Client> {
        let found = self.known.iter().find(|(client, _)| client.id == id);
        // no secret has this digest: a client that does not exist costs as much as a wrong secret
        let expected = found.map_or([0; 32], |(_, digest)| *digest);
        let right = bool::from(digest(secret).ct_eq(&expected));
        found.filter(|_| right).map(|(client, _)| client)
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.known.iter().map(|(client, _)| client.id)).finish()
    }
}

/// Of equal length whatever the secret, so that a comparison says nothing about it. The secrets
/// are random: nothing is gained by a slow hash.
fn digest(secret: &SecretString) -> [u8; 32] {
    Sha256::digest(secret.expose_secret()).into()
}
