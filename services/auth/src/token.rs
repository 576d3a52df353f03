//! Access tokens: what they say and how long.

use std::time::Duration;

use secrecy::SecretString;
use souk_kit::auth::{AUDIENCE, Claims, ISSUER, SigningKey};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::client::Client;
use crate::session::{Holder, RefreshToken};
use crate::{Error, role};

/// How long a person's access token lives.
pub const ACCESS_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long a service's access token lives.
const SERVICE_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// What a grant gets.
pub struct Token {
    /// The signed JWT.
    pub access: SecretString,
    /// How long it lives.
    pub lifetime: Duration,
    /// What it allows.
    pub scope: String,
    /// What gets the next one; services have none.
    pub refresh: Option<RefreshToken>,
}

/// Issues access tokens.
#[derive(Debug, Clone)]
pub struct Issuer {
    key: SigningKey,
}

impl Issuer {
    /// An issuer that signs with this key.
    pub fn new(key: SigningKey) -> Self {
        Self { key }
    }

    /// A token of a person, for every service.
    pub fn person(&self, holder: &Holder, refresh: RefreshToken) -> Result<Token, Error> {
        let scope = role::scope_of(&holder.roles);
        let subject = holder.account.to_string();
        let claims = claims(AUDIENCE, subject, holder.session.to_string(), &scope, ACCESS_LIFETIME);
        let access = self.key.sign(&claims)?.into();
        Ok(Token { access, lifetime: ACCESS_LIFETIME, scope, refresh: Some(refresh) })
    }

    /// A token of a service, for one other service.
    pub fn service(&self, client: &Client, audience: &str) -> Result<Token, Error> {
        let scope = client.scopes.join(" ");
        let subject = format!("service:{}", client.id);
        let claims = claims(audience, subject, String::new(), &scope, SERVICE_LIFETIME);
        let access = self.key.sign(&claims)?.into();
        Ok(Token { access, lifetime: SERVICE_LIFETIME, scope, refresh: None })
    }
}

fn claims(audience: &str, sub: String, sid: String, scope: &str, lifetime: Duration) -> Claims {
    let iat = OffsetDateTime::now_utc();
    Claims {
        iss: ISSUER.to_owned(),
        aud: audience.to_owned(),
        sub,
        iat: iat.unix_timestamp(),
        exp: (iat + lifetime).unix_timestamp(),
        jti: Uuid::new_v4().to_string(),
        sid,
        scope: scope.to_owned(),
    }
}
