//! The contracts of Souk, compiled: messages with their validation, clients and servers, and the
//! descriptors that the gateway, the authorization layers and reflection read at start-up.

mod generated {
    #![allow(
        missing_docs,
        clippy::allow_attributes_without_reason,
        reason = "generated from the contracts, which carry the documentation"
    )]
    include!(concat!(env!("OUT_DIR"), "/contracts.rs"));
}
mod codec;
mod descriptors;
mod policy;
mod reason;
mod validation;

pub use descriptors::{DESCRIPTORS, descriptors};
pub use generated::{google, souk};
pub use policy::policy_of;
pub use reason::{ERROR_DOMAIN, REASON_EXAMPLES};
pub use validation::{Validate, Violation, Violations};
