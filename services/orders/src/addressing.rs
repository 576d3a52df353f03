//! The address book of an account.

use souk_db::Access;
use souk_kit::id::{self, AddressId, UserId};
use sqlx::PgConnection;

use crate::address::{Address, MAX_ADDRESSES, PostalAddress};
use crate::{Error, store};

pub async fn add(
    transaction: &mut PgConnection,
    customer: UserId,
    postal: PostalAddress,
) -> Result<Address, Error> {
    let added = store::addresses::insert(transaction, id::new(), customer, &postal).await?;
    added.ok_or(Error::AddressBookFull(MAX_ADDRESSES))
}

pub async fn get(access: &Access, id: AddressId, customer: UserId) -> Result<Address, Error> {
    store::addresses::get(access, id, customer).await?.ok_or_else(|| unknown(id))
}

pub async fn list(access: &Access, customer: UserId) -> Result<Vec<Address>, Error> {
    Ok(store::addresses::list(access, customer).await?)
}

pub async fn replace(
    access: &Access,
    id: AddressId,
    customer: UserId,
    postal: PostalAddress,
) -> Result<Address, Error> {
    store::addresses::replace(access, id, customer, &postal).await?.ok_or_else(|| unknown(id))
}

pub async fn delete(access: &Access, id: AddressId, customer: UserId) -> Result<(), Error> {
    match store::addresses::delete(access, id, customer).await? {
        true => Ok(()),
        false => Err(unknown(id)),
    }
}

fn unknown(id: AddressId) -> Error {
    Error::NoSuch("address", id.to_string())
}
