//! What goes wrong: the reasons for which an operation fails, and the responses that say so.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};
use souk_proto::souk::policy::v1::Idempotency;
use souk_proto::souk::policy::v1::policy::Access;
use souk_proto::souk::types::v1::Reason;

use super::headers::{self, Header};
use super::own;
use super::schema::Schemas;
use super::shared::Shared;
use crate::api::Operation;
use crate::api::reasons::{Documented, documented};
use crate::caller::Caller;
use crate::media::PROBLEM_JSON;
use crate::problem::{Detail, Problem, docs_url, status_of};

/// What the reasons of an operation depend on besides its policy.
pub(super) struct Input {
    /// Whether its path has parameters.
    pub in_path: bool,
    /// Whether its query may have parameters.
    pub in_query: bool,
    /// Whether it takes a body.
    pub in_body: bool,
    /// Whether something may change, so that it can be under a condition.
    pub is_change: bool,
    /// Whether a part of the answer can be asked for.
    pub has_parts: bool,
}

/// The reasons for which an operation can fail, as far as its contract tells, by their statuses.
pub(super) fn reasons(operation: &Operation, input: &Input) -> BTreeMap<StatusCode, Vec<Reason>> {
    let policy = &operation.rpc.policy;
    let needs_token = operation.rpc.needs_token();
    let needs_scope = matches!(policy.access, Some(Access::Scope(_)));
    let needs_key = policy.idempotency() == Idempotency::Required;
    // text may be one that no rule allows
    let has_rules = operation.is_ours() && (input.in_query || input.in_body);
    let derived = [
        (true, Reason::MalformedRequest),
        (needs_key, Reason::IdempotencyKeyMissing),
        (needs_token, Reason::Unauthenticated),
        (needs_token, Reason::TokenExpired),
        (needs_scope, Reason::PermissionDenied),
        (input.in_path, Reason::NotFound),
        (true, Reason::NotAcceptable),
        (needs_key, Reason::InFlight),
        (input.is_change, Reason::EtagMismatch),
        (input.in_body, Reason::PayloadTooLarge),
        (input.in_body, Reason::UnsupportedMediaType),
        (input.has_parts, Reason::RangeNotSatisfiable),
        (has_rules, Reason::ValidationFailed),
        (needs_key, Reason::IdempotencyKeyReused),
        (true, Reason::RateLimited),
        (true, Reason::Internal),
        (true, Reason::Unimplemented),
        (true, Reason::Overloaded),
        (true, Reason::Unavailable),
        (true, Reason::DeadlineExceeded),
    ];
    let derived = derived.into_iter().filter(|(applies, _)| *applies).map(|(_, reason)| reason);
    let mut reasons: BTreeMap<StatusCode, Vec<Reason>> = BTreeMap::new();
    for reason in derived.chain(policy.reasons()) {
        let known = reasons.entry(status_of(reason)).or_default();
        if !known.contains(&reason) {
            known.push(reason);
        }
    }
    reasons
}

/// The responses that say what went wrong.
pub(super) struct Errors {
    /// What the contract of this build tells of reasons, whatever is exposed.
    documented: Vec<Documented>,
    /// The two forms of an error: their media types and schemas.
    forms: [(&'static str, Value); 2],
}

impl Errors {
    pub(super) fn new(schemas: &mut Schemas<'_>) -> Self {
        let detail = schemas.add_own("ErrorDetail", own::error_detail());
        let content = schemas.add_own("ErrorContent", own::error_content(&detail));
        let envelope = schemas.add_own("Error", own::envelope(&content));
        let problem = schemas.add_own("ProblemDetails", own::problem_details(&content));
        let forms = [("application/json", envelope), (PROBLEM_JSON, problem)];
        Self { documented: documented(), forms }
    }

    /// Where the schema of the usual form is.
    pub(super) fn envelope(&self) -> Value {
        self.forms[0].1.clone()
    }

    /// The response with a status, for any of these reasons.
    pub(super) fn response(
        &self,
        status: StatusCode,
        reasons: &[Reason],
        shared: &mut Shared,
    ) -> Value {
        let names: Vec<String> = reasons.iter().map(|reason| pascal_case(reason.code())).collect();
        shared.response(&names.join("Or"), |shared| {
            let lines: Vec<String> = reasons.iter().map(|reason| self.line(*reason)).collect();
            json!({
                "description": lines.join("\n").trim_start_matches("- "),
                "headers": shared.headers(headers_of(status, reasons)),
                "content": self.content_for(reasons),
            })
        })
    }

    /// The response of a service whose failures are not those of this build.
    pub(super) fn any_other(&self, shared: &mut Shared) -> Value {
        let description = "Any other failure. Its code is the reason of the service's \
                           `google.rpc.ErrorInfo`, or else the name of its gRPC status.";
        shared.response("AnyOtherFailure", |shared| {
            json!({
                "description": description,
                "headers": shared.headers([&headers::REQUEST_ID]),
                "content": self.content_for(&[Reason::NotFound]),
            })
        })
    }

    /// What a response carries that tells one of these failures.
    fn content_for(&self, reasons: &[Reason]) -> Map<String, Value> {
        let forms = |reason| Caller::both_forms(&self.example(reason), headers::REQUEST_ID.example);
        let examples: Vec<(&str, [Value; 2])> =
            reasons.iter().map(|reason| (reason.code(), forms(*reason))).collect();
        let media = self.forms.iter().enumerate().map(|(index, (media, schema))| {
            let examples: Map<String, Value> = examples
                .iter()
                .map(|(code, forms)| ((*code).to_owned(), json!({ "value": forms[index] })))
                .collect();
            ((*media).to_owned(), json!({ "schema": schema, "examples": examples }))
        });
        media.collect()
    }

    /// What a reason means, as a line of Markdown.
    fn line(&self, reason: Reason) -> String {
        let meaning = self.documented(reason).map_or("", |documented| &documented.meaning);
        format!("- [`{}`]({}): {meaning}", reason.code(), docs_url(reason))
    }

    /// A failure for a reason.
    fn example(&self, reason: Reason) -> Problem {
        let answer =
            self.documented(reason).and_then(|it| Some(it.example?.1.split_once("\n\n")?.1));
        let error: Value =
            answer.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let error = &error["error"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut problem = Problem::new(reason, text(&error["message"]));
        let details = error["details"].as_array().into_iter().flatten();
        problem.details = details
            .map(|detail| Detail { field: text(&detail["field"]), issue: text(&detail["issue"]) })
            .collect();
        let metadata = error["metadata"].as_object().into_iter().flatten();
        problem.metadata = metadata.map(|(key, value)| (key.clone(), text(value))).collect();
        problem
    }

    fn documented(&self, reason: Reason) -> Option<&Documented> {
        self.documented.iter().find(|documented| documented.reason == reason)
    }
}

fn headers_of(status: StatusCode, reasons: &[Reason]) -> Vec<&'static Header> {
    let mut all = vec![&headers::REQUEST_ID];
    match status {
        StatusCode::RANGE_NOT_SATISFIABLE => all.push(&headers::CONTENT_RANGE),
        StatusCode::UNAUTHORIZED => all.push(&headers::WWW_AUTHENTICATE),
        StatusCode::SERVICE_UNAVAILABLE => all.push(&headers::RETRY_AFTER),
        StatusCode::TOO_MANY_REQUESTS => {
            all.push(&headers::RETRY_AFTER);
            all.extend(&headers::RATE_LIMITS);
        }
        _ if reasons.contains(&Reason::InFlight) => all.push(&headers::RETRY_AFTER),
        _ => {}
    }
    all
}

/// `OUT_OF_STOCK` becomes `OutOfStock`.
fn pascal_case(code: &str) -> String {
    let words = code.split('_').filter_map(|word| word.split_at_checked(1));
    words.map(|(first, rest)| format!("{first}{}", rest.to_ascii_lowercase())).collect()
}
