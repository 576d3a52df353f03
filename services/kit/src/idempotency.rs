//! Idempotency keys, as the contract asks for them: which RPCs take one, and what a key is. What they
//! do is kept in a database, and so in the db crate.

use std::collections::BTreeSet;

use souk_proto::souk::policy::v1::Idempotency;
use souk_proto::{descriptors, policy_of};

/// The key that a client chose: 1–255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// Reads a key; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        ((1..=255).contains(&text.len()) && visible).then(|| Self(text.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An RPC whose calls are kept under their keys. To have one is a service's word that it does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    service: &'static str,
    method: &'static str,
    /// The service under whose name keys are kept.
    kept_by: &'static str,
}

impl Operation {
    /// The RPC `method` of the service with this full name.
    pub const fn new(service: &'static str, method: &'static str) -> Self {
        Self { service, method, kept_by: service }
    }

    /// The same under keys of an earlier version of the service: a retry may come to either.
    pub const fn kept_by(self, service: &'static str) -> Self {
        Self { kept_by: service, ..self }
    }

    /// The name under which calls are kept: keys of one RPC are not those of another.
    pub fn name(self) -> String {
        format!("{}/{}", self.kept_by, self.method)
    }
}

/// Checks that the RPCs of a service that take a key according to their policies are these.
///
/// # Errors
///
/// The name of an RPC whose policy takes a key that nobody would look at, or of one that keeps
/// keys which its policy does not take.
pub fn check(service: &str, kept: &[Operation]) -> anyhow::Result<()> {
    let asked: BTreeSet<String> = descriptors()
        .get_service_by_name(service)
        .into_iter()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .filter(|method| {
            let policy = policy_of(method);
            policy.is_some_and(|policy| policy.idempotency() != Idempotency::Unspecified)
        })
        .map(|method| method.name().to_owned())
        .collect();
    let kept: BTreeSet<String> = (kept.iter())
        .filter(|operation| operation.service == service)
        .map(|operation| operation.method.to_owned())
        .collect();
    if let Some(method) = asked.symmetric_difference(&kept).next() {
        anyhow::bail!(
            "{service}/{method}: its policy and its service do not agree whether it takes an \
             idempotency key"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: &str = "souk.orders.v1.OrdersService";

    #[test]
    fn a_policy_that_takes_a_key_needs_a_service_that_keeps_it() {
        let [create, cancel, get] =
            ["CreateOrder", "CancelOrder", "GetOrder"].map(|name| Operation::new(ORDERS, name));
        assert!(check(ORDERS, &[create, cancel]).is_ok());
        for (kept, wrong) in [(vec![cancel], "CreateOrder"), (vec![create], "CancelOrder")] {
            let error = check(ORDERS, &kept).unwrap_err();
            assert!(error.to_string().contains(wrong), "{error}");
        }
        assert!(check(ORDERS, &[create, cancel, get]).is_err());
    }

    #[test]
    fn a_key_is_visible_ascii() {
        assert!(Key::parse("a-key-1").is_some());
        for text in ["", "two words", "schlüssel", "a\nb", &"x".repeat(256)] {
            assert_eq!(Key::parse(text), None, "{text:?}");
        }
    }
}
