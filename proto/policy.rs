use prost_reflect::{DynamicMessage, MethodDescriptor};

use crate::souk::policy::v1::{Deprecation, Policy, ServiceDeprecation};

/// The policy of an RPC; `None` where its contract does not have one: health, reflection, and what
/// others have written. A service that is deprecated deprecates its RPCs.
pub fn policy_of(method: &MethodDescriptor) -> Option<Policy> {
    let mut policy: Policy =
        option(method, "souk.policy.v1.policy", method.options())?.transcode_to().ok()?;
    policy.deprecation = policy.deprecation.or_else(|| deprecation_of_service(method));
    Some(policy)
}

fn deprecation_of_service(method: &MethodDescriptor) -> Option<Deprecation> {
    let options = method.parent_service().options();
    let deprecation = option(method, "souk.policy.v1.deprecation", options)?;
    let ServiceDeprecation { since, sunset, successor } = deprecation.transcode_to().ok()?;
    let successor = path_of_successor(method, &successor).unwrap_or_default();
    Some(Deprecation { since, sunset, successor })
}

/// The path of the RPC of the same name in the service that takes the place of this one.
fn path_of_successor(method: &MethodDescriptor, service: &str) -> Option<String> {
    let service = method.parent_pool().get_service_by_name(service)?;
    let successor = service.methods().find(|other| other.name() == method.name())?;
    let rule = option(method, "google.api.http", successor.options())?;
    ["get", "put", "post", "delete", "patch"]
        .into_iter()
        .filter_map(|pattern| rule.get_field_by_name(pattern)?.as_str().map(str::to_owned))
        .find(|path| !path.is_empty())
}

fn option(
    method: &MethodDescriptor,
    name: &str,
    options: DynamicMessage,
) -> Option<DynamicMessage> {
    let extension = method.parent_pool().get_extension_by_name(name)?;
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_message().cloned()
}
