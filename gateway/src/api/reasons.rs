//! The reasons why calls fail, as the contract documents them.

use souk_proto::souk::policy::v1::policy::Access;
use souk_proto::souk::types::v1::Reason;
use souk_proto::{REASON_EXAMPLES, descriptors};

use super::comments::{Comments, on_one_line};
use super::{Api, Operation};

/// Those that the gateway gives itself, whatever it serves.
const OF_THE_GATEWAY: [Reason; 16] = [
    Reason::MalformedRequest,
    Reason::NotFound,
    Reason::RouteNotFound,
    Reason::MethodNotAllowed,
    Reason::PayloadTooLarge,
    Reason::UnsupportedMediaType,
    Reason::Overloaded,
    Reason::Unavailable,
    Reason::DeadlineExceeded,
    Reason::Internal,
    Reason::Unimplemented,
    Reason::HeadersTooLarge,
    Reason::NotAcceptable,
    Reason::EtagMismatch,
    Reason::RateLimited,
    Reason::RangeNotSatisfiable,
];

/// A reason, and what is to be told of it.
pub(crate) struct Documented {
    pub reason: Reason,
    pub meaning: String,
    pub cause: String,
    pub remedy: String,
    /// A request that failed for it, and its answer, as a test has got it from services of this build:
    /// both as they go over HTTP/1.1.
    pub example: Option<(&'static str, &'static str)>,
}

/// Those for which a request to what is exposed may fail, in the order of the contract.
pub(crate) fn served(api: &Api) -> Vec<Documented> {
    let has = |is: fn(&Operation) -> bool| api.operations.iter().any(is);
    let (has_ours, has_streams) = (has(Operation::is_ours), has(|it| it.rpc.is_stream()));
    let is_served = |reason: Reason| {
        OF_THE_GATEWAY.contains(&reason)
            || api.operations.iter().any(|operation| of_policy(operation).any(|it| it == reason))
            || (has_ours && reason == Reason::ValidationFailed)
            // a WebSocket of another origin
            || (has_streams && reason == Reason::PermissionDenied)
    };
    let served = documented().into_iter().filter(|documented| is_served(documented.reason));
    // of what is not served there is no example
    served.map(|it| Documented { example: it.example.filter(|_| has_ours), ..it }).collect()
}

/// Those that follow from the policy of an operation, whatever its shape.
pub(crate) fn of_policy(operation: &Operation) -> impl Iterator<Item = Reason> {
    let policy = &operation.rpc.policy;
    let needs_token = operation.rpc.needs_token();
    let takes_key = operation.rpc.takes_key();
    let conditions = [
        (needs_token, Reason::Unauthenticated),
        (needs_token, Reason::TokenExpired),
        (matches!(policy.access, Some(Access::Scope(_))), Reason::PermissionDenied),
        // or is none
        (takes_key, Reason::IdempotencyKeyMissing),
        (takes_key, Reason::IdempotencyKeyReused),
        (takes_key, Reason::InFlight),
    ];
    let applying = conditions.into_iter().filter(|(applies, _)| *applies);
    applying.map(|(_, reason)| reason).chain(policy.reasons())
}

/// All of them, in the order of the contract.
fn documented() -> Vec<Documented> {
    let reasons = descriptors().get_enum_by_name("souk.types.v1.Reason");
    let values = reasons.iter().flat_map(|reasons| reasons.values());
    let comments = Comments::of(descriptors());
    values
        .filter_map(|value| {
            let reason = Reason::try_from(value.number()).ok()?;
            let is_used = reason != Reason::Unspecified;
            is_used.then(|| Documented::read(reason, comments.on(&value)))
        })
        .collect()
}

impl Documented {
    /// Takes a comment apart: what follows `Cause:` and `Remedy:`, and before these the meaning.
    fn read(reason: Reason, comment: &str) -> Self {
        let [mut meaning, mut cause, mut remedy] = <[String; 3]>::default();
        for paragraph in comment.split("\n\n") {
            let text = on_one_line(paragraph);
            if let Some(text) = text.strip_prefix("Cause: ") {
                cause = text.to_owned();
            } else if let Some(text) = text.strip_prefix("Remedy: ") {
                remedy = text.to_owned();
            } else if !text.is_empty() {
                meaning = text;
            }
        }
        Self { reason, meaning, cause, remedy, example: example(reason) }
    }
}

fn example(reason: Reason) -> Option<(&'static str, &'static str)> {
    let mut sections = REASON_EXAMPLES.split("### ").filter_map(|it| it.split_once('\n'));
    let (_, example) = sections.find(|(code, _)| *code == reason.code())?;
    let end = example.find("\n\nHTTP/")?;
    Some((example[..end].trim(), example[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_says_what_it_means_its_cause_and_its_remedy() {
        for Documented { reason, meaning, cause, remedy, .. } in documented() {
            for text in [meaning, cause, remedy] {
                assert!(text.len() > 20 && text.ends_with('.'), "{}: {text:?}", reason.code());
            }
        }
    }

    #[test]
    fn every_reason_has_an_example_of_itself() {
        for Documented { reason, example, .. } in documented() {
            let (_, answer) = example.unwrap_or_default();
            let status = format!("HTTP/1.1 {}", reason.http_status());
            let code = format!("\"code\": \"{}\"", reason.code());
            assert!(answer.starts_with(&status) && answer.contains(&code), "{}", reason.code());
        }
    }
}
