use prost_reflect::MethodDescriptor;

use crate::descriptors;
use crate::souk::policy::v1::Policy;

/// The policy of an RPC; `None` only for RPCs that are not Souk's (health, reflection).
pub fn policy_of(method: &MethodDescriptor) -> Option<Policy> {
    let extension = descriptors().get_extension_by_name("souk.policy.v1.policy")?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_message()?.transcode_to().ok()
}
