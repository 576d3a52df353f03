//! What goes wrong: the reasons for which an operation fails, and the responses that say so.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};
use souk_proto::souk::types::v1::Reason;

use super::headers::{self, Header};
use super::own;
use super::schema::Schemas;
use super::shared::Shared;
use crate::api::reasons::{self, Documented, of_policy};
use crate::api::statuses::{self, TOLD};
use crate::api::{Api, Operation};
use crate::errors::problem::{Detail, Problem, docs_url, status_of};
use crate::request::media::PROBLEM_JSON;
use crate::response::caller::Caller;

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

/// The codes with which an operation can fail, as far as its contract tells, by their statuses.
pub(super) fn codes(
    operation: &Operation,
    input: &Input,
) -> BTreeMap<StatusCode, Vec<&'static str>> {
    // text may be one that no rule allows
    let has_rules = operation.is_ours() && (input.in_query || input.in_body);
    let of_shape = [
        (true, Reason::MalformedRequest),
        (input.in_path, Reason::NotFound),
        (true, Reason::NotAcceptable),
        (input.is_change, Reason::EtagMismatch),
        (input.in_body, Reason::PayloadTooLarge),
        (input.in_body, Reason::UnsupportedMediaType),
        (input.has_parts, Reason::RangeNotSatisfiable),
        (has_rules, Reason::ValidationFailed),
        (true, Reason::RateLimited),
        (true, Reason::Internal),
        (true, Reason::Unimplemented),
        (true, Reason::Overloaded),
        (true, Reason::Unavailable),
        (true, Reason::DeadlineExceeded),
    ];
    let of_shape = of_shape.into_iter().filter(|(applies, _)| *applies).map(|(_, reason)| reason);
    let reasons = of_shape.chain(of_policy(operation));
    let reasons = reasons.map(|reason| (status_of(reason), reason.code()));
    let told = TOLD.iter().filter(|_| !operation.is_ours());
    let told = told.map(|told| (told.problem().status(), told.name()));
    let mut codes: BTreeMap<StatusCode, Vec<&'static str>> = BTreeMap::new();
    for (status, code) in reasons.chain(told) {
        let known = codes.entry(status).or_default();
        if !known.contains(&code) {
            known.push(code);
        }
    }
    codes
}

/// The responses that say what went wrong.
pub(super) struct Errors {
    /// What is to be told of each code.
    known: BTreeMap<&'static str, Known>,
    /// The two forms of an error: their media types and schemas.
    forms: [(&'static str, Value); 2],
}

/// What a code means, and an example of it.
struct Known {
    meaning: String,
    example: Problem,
}

impl Errors {
    pub(super) fn new(api: &Api, schemas: &mut Schemas<'_>) -> Self {
        let detail = schemas.add_own("ErrorDetail", own::error_detail());
        let content = schemas.add_own("ErrorContent", own::error_content(&detail));
        let envelope = schemas.add_own("Error", own::envelope(&content));
        let problem = schemas.add_own("ProblemDetails", own::problem_details(&content));
        let forms = [("application/json", envelope), (PROBLEM_JSON, problem)];
        let mut known: BTreeMap<_, _> = statuses::served(api)
            .map(|told| {
                let meaning = told.meaning.to_owned();
                (told.name(), Known { meaning, example: told.problem() })
            })
            .collect();
        // a reason says more than a status of the same name
        known.extend(reasons::served(api).into_iter().map(|documented| {
            let example = example(&documented);
            (documented.reason.code(), Known { meaning: documented.meaning, example })
        }));
        Self { known, forms }
    }

    /// Where the schema of the usual form is.
    pub(super) fn envelope(&self) -> Value {
        self.forms[0].1.clone()
    }

    /// The response with a status, for any of these codes.
    pub(super) fn response(
        &self,
        status: StatusCode,
        codes: &[&'static str],
        shared: &mut Shared,
    ) -> Value {
        let names: Vec<String> = codes.iter().map(|code| pascal_case(code)).collect();
        shared.response(&names.join("Or"), |shared| {
            let lines: Vec<String> = codes.iter().map(|code| self.line(code)).collect();
            json!({
                "description": lines.join("\n").trim_start_matches("- "),
                "headers": shared.headers(headers_of(status, codes)),
                "content": self.content_for(codes),
            })
        })
    }

    /// What a response carries that tells one of these failures.
    fn content_for(&self, codes: &[&'static str]) -> Map<String, Value> {
        let forms = |known: &Known| Caller::both_forms(&known.example, headers::REQUEST_ID.example);
        let examples: Vec<(&str, [Value; 2])> =
            codes.iter().filter_map(|code| Some((*code, forms(self.known.get(code)?)))).collect();
        let media = self.forms.iter().enumerate().map(|(index, (media, schema))| {
            let examples: Map<String, Value> = examples
                .iter()
                .map(|(code, forms)| ((*code).to_owned(), json!({ "value": forms[index] })))
                .collect();
            ((*media).to_owned(), json!({ "schema": schema, "examples": examples }))
        });
        media.collect()
    }

    /// What a code means, as a line of Markdown.
    fn line(&self, code: &str) -> String {
        let meaning = self.known.get(code).map_or("", |known| &known.meaning);
        format!("- [`{code}`]({}): {meaning}", docs_url(code))
    }
}

/// A failure for a reason: the one that a test has got, or else one that says no more than what the reason
/// means.
fn example(documented: &Documented) -> Problem {
    let answer = documented.example.and_then(|(_, answer)| answer.split_once("\n\n"));
    let Some((_, json)) = answer else {
        let message = documented.meaning.trim_end_matches('.').to_lowercase();
        return Problem::new(documented.reason, message);
    };
    let error: Value = serde_json::from_str(json).unwrap_or_default();
    let error = &error["error"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut problem = Problem::new(documented.reason, text(&error["message"]));
    let details = error["details"].as_array().into_iter().flatten();
    problem.details = details
        .map(|detail| Detail { field: text(&detail["field"]), issue: text(&detail["issue"]) })
        .collect();
    let metadata = error["metadata"].as_object().into_iter().flatten();
    problem.metadata = metadata.map(|(key, value)| (key.clone(), text(value))).collect();
    problem
}

fn headers_of(status: StatusCode, codes: &[&str]) -> Vec<&'static Header> {
    let mut all = vec![&headers::REQUEST_ID, &headers::CACHE_CONTROL];
    all.extend(&headers::RATE_LIMITS);
    match status {
        StatusCode::RANGE_NOT_SATISFIABLE => all.push(&headers::CONTENT_RANGE),
        StatusCode::UNAUTHORIZED => all.push(&headers::WWW_AUTHENTICATE),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            all.push(&headers::RETRY_AFTER);
        }
        _ => {}
    }
    let has = |reason: Reason| codes.contains(&reason.code());
    if has(Reason::InFlight) {
        all.push(&headers::RETRY_AFTER);
    }
    // what was refused under a key is refused again with the same words
    if has(Reason::InFlight) || has(Reason::IdempotencyKeyReused) {
        all.push(&headers::IDEMPOTENT_REPLAYED);
    }
    all
}

/// `OUT_OF_STOCK` becomes `OutOfStock`.
fn pascal_case(code: &str) -> String {
    let words = code.split('_').filter_map(|word| word.split_at_checked(1));
    words.map(|(first, rest)| format!("{first}{}", rest.to_ascii_lowercase())).collect()
}
