use serde::{Deserialize, Serialize};

/// The issuer of every access token.
pub const ISSUER: &str = "souk";

/// The claims of an access token (RFC 9068). Times are seconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Who it is for: `souk` (all services) or the name of one service.
    pub aud: String,
    /// Who it speaks for: an account (`usr_…`) or `service:<client id>`.
    pub sub: String,
    /// When it was issued.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// The id of the token.
    pub jti: String,
    /// The sign-in it comes from (`ses_…`); empty for a service.
    pub sid: String,
    /// What it allows: scopes, separated by spaces.
    pub scope: String,
}
