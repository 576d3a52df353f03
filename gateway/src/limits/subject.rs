//! Whom a bucket counts, and what it answers.

use std::net::IpAddr;
use std::time::Duration;

use souk_kit::auth::Principal;
use souk_kit::listener::Origin;

/// Whom a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Subject(pub u128);

/// What a bucket answers: how many more calls it has, or, to a call that is one too many, how long until
/// it has one again.
pub(super) type Taken = Result<u32, Duration>;

impl Subject {
    pub(super) fn address(address: IpAddr) -> Self {
        Self(Origin::of(address).bits())
    }

    pub(super) fn principal(principal: &Principal) -> Self {
        Self(principal.id().as_u128())
    }
}
