//! Revoking: a session ends because its holder says so.

use souk_db::Access;

use crate::session::{End, RefreshToken};
use crate::{Error, store};

/// Ends the session of a refresh token, if it is one.
pub async fn revoke(access: &Access, request_id: &str, token: &RefreshToken) -> Result<(), Error> {
    if let Some(holder) = store::sessions::holder(access, token).await? {
        let actor = holder.account.to_string();
        store::sessions::end(access, holder.session, End::Revoked, &actor, request_id).await?;
    }
    Ok(())
}
