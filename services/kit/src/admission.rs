//! Whether a call is let in, before anything of its body is read: the policy of its RPC, the token, and
//! the idempotency key. The gateway asks the same as the services behind it.

use std::sync::Arc;

use http::HeaderMap;
use souk_proto::souk::policy::v1::Idempotency;
use souk_proto::souk::policy::v1::policy::Access;
use souk_proto::souk::types::v1::Reason;

use crate::auth::{Principal, Verifier};
use crate::failure::Failure;
use crate::idempotency::Key;
use crate::policy::{self, Rpc};
use crate::request::IDEMPOTENCY_KEY;

/// What is known of a call that is let in.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Who asks; `None` where the policy is public.
    pub principal: Option<Arc<Principal>>,
    /// The idempotency key, where the policy asks for one, or lets one be sent and there is one.
    pub idempotency_key: Option<Key>,
}

/// Lets a call in when the policy of its RPC allows it. Without a verifier only public RPCs can be
/// called.
///
/// # Errors
///
/// There is no token, or none that is good or suffices; or the idempotency key is missing, or is none.
pub async fn admit(
    rpc: &Rpc,
    verifier: Option<&Verifier>,
    headers: &HeaderMap,
) -> Result<Admitted, Failure> {
    let principal = principal(rpc, verifier, headers).await?;
    // after the question of who asks: strangers learn nothing of what a call needs
    let idempotency_key = idempotency_key(rpc, headers)?;
    Ok(Admitted { principal, idempotency_key })
}

/// Whether somebody may call the RPC of this gRPC path: for who is about to call it for them, and has to know
/// before.
///
/// # Errors
///
/// The scope that it takes is missing, or nobody may call it.
pub fn allow(path: &str, principal: Option<&Principal>) -> Result<(), Failure> {
    policy::rpc(path).map_or_else(|| Err(nobody()), |rpc| check(rpc, principal))
}

fn check(rpc: &Rpc, principal: Option<&Principal>) -> Result<(), Failure> {
    let has = |scope: &str| principal.is_some_and(|principal| principal.scopes.contains(scope));
    match rpc.policy.access.as_ref() {
        Some(Access::Public(true)) => Ok(()),
        Some(Access::SignedIn(true)) if principal.is_some() => Ok(()),
        Some(Access::Scope(scope)) if has(scope) => Ok(()),
        Some(Access::Scope(scope)) => {
            let message = format!("the scope `{scope}` is missing");
            Err(Failure::new(Reason::PermissionDenied, message).with("scope", scope))
        }
        Some(Access::Public(_) | Access::SignedIn(_)) | None => Err(nobody()),
    }
}

async fn principal(
    rpc: &Rpc,
    verifier: Option<&Verifier>,
    headers: &HeaderMap,
) -> Result<Option<Arc<Principal>>, Failure> {
    match rpc.policy.access.as_ref() {
        Some(Access::Public(true)) => Ok(None),
        Some(Access::SignedIn(true)) => authenticate(verifier, headers).await.map(Some),
        Some(Access::Scope(_)) => {
            let principal = authenticate(verifier, headers).await?;
            check(rpc, Some(&principal))?;
            Ok(Some(principal))
        }
        Some(Access::Public(false) | Access::SignedIn(false)) | None => Err(nobody()),
    }
}

async fn authenticate(
    verifier: Option<&Verifier>,
    headers: &HeaderMap,
) -> Result<Arc<Principal>, Failure> {
    verifier.ok_or_else(nobody)?.authenticate(headers).await
}

fn nobody() -> Failure {
    Failure::new(Reason::PermissionDenied, "nobody may call this rpc")
}

fn idempotency_key(rpc: &Rpc, headers: &HeaderMap) -> Result<Option<Key>, Failure> {
    match rpc.policy.idempotency() {
        Idempotency::Unspecified => return Ok(None),
        Idempotency::Optional if !headers.contains_key(IDEMPOTENCY_KEY) => return Ok(None),
        Idempotency::Optional | Idempotency::Required => {}
    }
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = keys.next().and_then(|key| Key::parse(key.to_str().ok()?));
    match (key, keys.next()) {
        (Some(key), None) => Ok(Some(key)),
        _ => Err(Failure::new(
            Reason::IdempotencyKeyMissing,
            "the call needs one idempotency-key of 1–255 visible ascii characters",
        )),
    }
}
