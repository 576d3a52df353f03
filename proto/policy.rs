use prost_reflect::MethodDescriptor;

use crate::souk::policy::v1::Policy;

/// The policy of an RPC; `None` where its contract does not have one: health, reflection, and what
/// others have written.
pub fn policy_of(method: &MethodDescriptor) -> Option<Policy> {
    let extension = method.parent_pool().get_extension_by_name("souk.policy.v1.policy")?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_message()?.transcode_to().ok()
}
