//! Reading accounts.

use souk_db::Access;
use souk_kit::id::UserId;

use crate::account::Account;
use crate::{Error, store};

/// The account of this id.
pub async fn account(access: &Access, id: UserId) -> Result<Account, Error> {
    store::accounts::get(access, id).await?.ok_or(Error::AccountGone(id))
}
