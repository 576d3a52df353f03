//! Addresses as messages of the contract.

use souk_kit::wire;
use souk_proto::souk::orders::v1 as proto;

use crate::address::{Address, PostalAddress};

impl From<proto::PostalAddress> for PostalAddress {
    fn from(address: proto::PostalAddress) -> Self {
        let proto::PostalAddress { name, line1, line2, city, region, postal_code, country, phone } =
            address;
        Self { name, line1, line2, city, region, postal_code, country, phone }
    }
}

impl From<PostalAddress> for proto::PostalAddress {
    fn from(address: PostalAddress) -> Self {
        let PostalAddress { name, line1, line2, city, region, postal_code, country, phone } =
            address;
        Self { name, line1, line2, city, region, postal_code, country, phone }
    }
}

impl From<Address> for proto::Address {
    fn from(address: Address) -> Self {
        let Address { id, postal, created_at, updated_at } = address;
        let PostalAddress { name, line1, line2, city, region, postal_code, country, phone } =
            postal;
        Self {
            id: id.to_string(),
            name,
            line1,
            line2,
            city,
            region,
            postal_code,
            country,
            phone,
            created_at: Some(wire::timestamp(created_at)),
            updated_at: Some(wire::timestamp(updated_at)),
        }
    }
}
