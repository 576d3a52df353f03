//! One operation: an RPC at one of the places that it has in REST.

use http::Method;
use serde_json::{Map, Value, json};
use souk_proto::souk::policy::v1::Idempotency;
use souk_proto::souk::policy::v1::policy::Access;

use super::describing::Describing;
use super::errors::Input;
use super::parameters::Parameters;
use super::place::Place;
use super::{binary, headers};
use crate::api::Operation;
use crate::api::comments::first_sentence;

/// The name of the security scheme.
pub(super) const BEARER: &str = "bearerAuth";

const MORE_FIELDS: &str =
    "More fields can be given in the query than are listed, by their paths: `a.b.c`.";

impl Describing<'_> {
    /// The operation object.
    pub(super) fn operation(&mut self, place: &Place<'_>) -> Value {
        let rpc = &place.operation.method;
        let comment = self.comments.on(rpc);
        let (parameters, is_all) = self.parameters(place);
        let body = self.request_body(place, &parameters);
        let is_in_query = |parameter: &Value| parameter.get("in").is_some_and(|at| at == "query");
        let input = Input {
            in_path: !place.names.is_empty(),
            in_query: parameters.iter().any(is_in_query),
            in_body: body.is_some(),
            is_change: !place.method.is_safe(),
            has_parts: binary::has_parts(place),
        };
        let mut object = Map::new();
        object.insert("operationId".to_owned(), place.id.as_str().into());
        object.insert("tags".to_owned(), json!([place.tag]));
        object.insert("summary".to_owned(), summary(comment, rpc.name()).into());
        let description = description(comment, place, is_all);
        object.insert("description".to_owned(), description.into());
        if is_deprecated(place.operation) {
            object.insert("deprecated".to_owned(), true.into());
        }
        object.insert("security".to_owned(), security(place.operation));
        if !parameters.is_empty() {
            object.insert("parameters".to_owned(), parameters.into());
        }
        object.extend(body.map(|body| ("requestBody".to_owned(), body)));
        object.insert("responses".to_owned(), self.responses(place, &input).into());
        object.insert("x-grpc".to_owned(), rpc.full_name().into());
        object.into()
    }

    /// The parameters, and whether these are all.
    fn parameters(&mut self, place: &Place<'_>) -> (Vec<Value>, bool) {
        let message = place.operation.method.input();
        let mut fields = Parameters { schemas: &mut self.schemas, comments: self.comments };
        let in_path = place.path.parameters.iter().zip(&place.names);
        let in_path = in_path.map(|(parameter, name)| fields.in_path(&message, parameter, name));
        let mut parameters: Vec<Value> = in_path.collect();
        let (in_query, is_all) = fields.in_query(&message, place);
        parameters.extend(in_query);
        let policy = &place.operation.rpc.policy;
        let has_ids = place.operation.rpc.is_server_stream && !policy.event_id_field.is_empty();
        let conditions = [
            (policy.idempotency() == Idempotency::Required, true, &headers::IDEMPOTENCY_KEY),
            (place.has_tag() && place.method == Method::GET, false, &headers::IF_NONE_MATCH),
            (place.is_conditional(), false, &headers::IF_MATCH),
            (place.may_be_minimal(), false, &headers::PREFER),
            (has_ids, false, &headers::LAST_EVENT_ID),
            (binary::has_parts(place), false, &headers::RANGE),
        ];
        for (applies, is_required, header) in conditions {
            if applies {
                parameters.push(self.shared.parameter(header, is_required));
            }
        }
        if policy.idempotency() == Idempotency::Optional {
            // not by its name, under which is the one that is required
            parameters.push(headers::IDEMPOTENCY_KEY.in_request(false));
        }
        parameters.extend(policy.forwarded_headers.iter().map(|name| headers::forwarded(name)));
        (parameters, is_all)
    }
}

fn summary(comment: &str, name: &str) -> String {
    let sentence = first_sentence(comment);
    if sentence.is_empty() { words(name) } else { sentence }
}

/// `GetThing` becomes `Get thing`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for (index, char) in name.chars().enumerate() {
        if index > 0 && char.is_uppercase() {
            words.push(' ');
            words.extend(char.to_lowercase());
        } else {
            words.push(char);
        }
    }
    words
}

/// What the contract says, and what its policy adds to that, and whether these are all of its parameters.
fn description(comment: &str, place: &Place<'_>, is_all: bool) -> String {
    let operation = place.operation;
    let policy = &operation.rpc.policy;
    let mut paragraphs = vec![comment.to_owned()];
    if operation.has_websocket(place.rule) {
        paragraphs.push("Also over a WebSocket.".to_owned());
    }
    if let Some(Access::Scope(scope)) = &policy.access {
        paragraphs.push(format!("Needs the scope `{scope}`."));
    }
    if let Some(deprecation) = &policy.deprecation {
        let mut text = format!("Deprecated since {}.", deprecation.since);
        if !deprecation.sunset.is_empty() {
            text.push_str(&format!(" It goes away on {}.", deprecation.sunset));
        }
        if !deprecation.successor.is_empty() {
            text.push_str(&format!(" Use `{}` instead.", deprecation.successor));
        }
        paragraphs.push(text);
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    if paragraphs.is_empty() {
        paragraphs.push(format!("Calls `{}`.", operation.method.full_name()));
    }
    if !is_all {
        paragraphs.push(MORE_FIELDS.to_owned());
    }
    paragraphs.join("\n\n")
}

fn is_deprecated(operation: &Operation) -> bool {
    let options = operation.method.method_descriptor_proto().options.as_ref();
    let service = operation.method.parent_service();
    let of_service = service.service_descriptor_proto().options.as_ref();
    options.is_some_and(|options| options.deprecated())
        || of_service.is_some_and(|options| options.deprecated())
        || operation.rpc.policy.deprecation.is_some()
}

/// Scopes are told in the description: OpenAPI 3.1 allows them here, but Spectral wants them listed with the
/// scheme, which only those of OAuth can do.
fn security(operation: &Operation) -> Value {
    if operation.rpc.needs_token() { json!([{ BEARER: [] }]) } else { json!([]) }
}
