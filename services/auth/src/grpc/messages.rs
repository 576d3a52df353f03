//! Accounts, tokens and keys as messages of the contract.

use secrecy::{ExposeSecret as _, SecretString};
use souk_kit::{Failure, wire};
use souk_proto::souk::auth::v1::{CreateTokenRequest, Jwk, RegisterRequest, Token, User};

use crate::account::{Account, Email, Name, Registration};
use crate::key::PublicKey;
use crate::session::RefreshToken;
use crate::{Error, token};

/// What a token is asked for with (RFC 6749, section 1.3).
pub enum Grant {
    Password { username: String, password: SecretString },
    RefreshToken(RefreshToken),
    ClientCredentials { id: String, secret: SecretString, audience: String },
}

pub fn grant(message: CreateTokenRequest) -> Result<Grant, Failure> {
    match message.grant_type.as_str() {
        "password" => {
            require(&[("username", &message.username), ("password", &message.password)])?;
            Ok(Grant::Password { username: message.username, password: message.password.into() })
        }
        "refresh_token" => {
            require(&[("refresh_token", &message.refresh_token)])?;
            Ok(Grant::RefreshToken(RefreshToken::new(message.refresh_token)))
        }
        "client_credentials" => {
            require(&[
                ("client_id", &message.client_id),
                ("client_secret", &message.client_secret),
                ("audience", &message.audience),
            ])?;
            Ok(Grant::ClientCredentials {
                id: message.client_id,
                secret: message.client_secret.into(),
                audience: message.audience,
            })
        }
        _ => Err(Failure::invalid("grant_type", "is not known")),
    }
}

/// Names every field that the grant needs and does not have.
fn require(fields: &[(&str, &str)]) -> Result<(), Failure> {
    let issue = "is required for this grant type";
    let mut missing = fields.iter().filter(|(_, value)| value.is_empty());
    let Some((first, _)) = missing.next() else { return Ok(()) };
    Err(missing.fold(Failure::invalid(*first, issue), |failure, (field, _)| {
        failure.violation(*field, issue)
    }))
}

pub fn registration(message: RegisterRequest) -> Result<Registration, Error> {
    Ok(Registration {
        email: Email::parse(&message.email).ok_or(Error::Email)?,
        password: message.password.into(),
        name: Name::parse(&message.name).ok_or(Error::Name)?,
    })
}

impl From<Account> for User {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.to_string(),
            email: account.email,
            name: account.name,
            roles: account.roles.iter().map(|role| role.name().to_owned()).collect(),
            created_at: Some(wire::timestamp(account.created_at)),
        }
    }
}

impl From<token::Token> for Token {
    fn from(token: token::Token) -> Self {
        Self {
            access_token: token.access.expose_secret().to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: i32::try_from(token.lifetime.as_secs()).unwrap_or(i32::MAX),
            refresh_token: token.refresh.map(|refresh| refresh.expose().to_owned()),
            scope: token.scope,
        }
    }
}

impl From<&PublicKey> for Jwk {
    fn from(key: &PublicKey) -> Self {
        souk_kit::auth::jwk(&key.kid, &key.bytes)
    }
}
