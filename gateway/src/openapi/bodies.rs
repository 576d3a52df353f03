//! What requests and responses carry.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::describing::Describing;
use super::errors::{self, Input};
use super::headers::{self, Header};
use super::parts::fields_at;
use super::place::Place;
use super::presence::Direction;
use super::{binary, own, path};
use crate::api::BodyRule;
use crate::api::comments::{Comments, first_sentence};
use crate::request::media::{EVENTS, LINES};
use crate::routing::UPDATE_MASK;

impl Describing<'_> {
    /// The body of a request; `None` where there is nothing to send.
    pub(super) fn request_body(
        &mut self,
        place: &Place<'_>,
        parameters: &[Value],
    ) -> Option<Value> {
        let rpc = &place.operation.method;
        let input = rpc.input();
        if place.rule.takes_bytes(&input) {
            return Some(binary::upload(place, parameters));
        }
        let field = match &place.rule.body {
            BodyRule::Ignored => return None,
            BodyRule::Whole => None,
            BodyRule::Field(name) => Some(input.get_field_by_name(name)?),
        };
        let schema = match &field {
            Some(field) => self.schemas.value(field, Direction::Request).0,
            None => {
                let mut left_out = path::fields(&place.rule.template);
                left_out.push(UPDATE_MASK);
                if input.fields().all(|field| left_out.contains(&field.name())) {
                    return None;
                }
                self.schemas.body(rpc, &left_out)
            }
        };
        if rpc.is_client_streaming() {
            let most = place.operation.rpc.max_stream_bytes;
            let description = format!("A message in each line: at most {most} bytes in all.");
            let content = json!({ LINES: { "schema": schema } });
            // there may be no line
            return Some(json!({ "description": description, "content": content }));
        }
        let is_required = self.schemas.asks_for_something(&schema);
        let content = json!({ "application/json": { "schema": schema } });
        Some(json!({ "required": is_required, "content": content }))
    }

    /// All that an operation may answer.
    pub(super) fn responses(&mut self, place: &Place<'_>, input: &Input) -> Map<String, Value> {
        let mut responses = Map::new();
        for (status, response) in self.successes(place) {
            responses.entry(status.as_str()).or_insert(response);
        }
        for (status, codes) in errors::codes(place.operation, input) {
            let response = self.errors.response(status, &codes, &mut self.shared);
            responses.insert(status.as_str().to_owned(), response);
        }
        responses
    }

    fn successes(&mut self, place: &Place<'_>) -> Vec<(StatusCode, Value)> {
        let usual = place.success();
        let others = place.operation.rpc.policy.other_success_statuses.iter();
        let others =
            others.filter_map(|status| StatusCode::from_u16((*status).try_into().ok()?).ok());
        let statuses = std::iter::once(usual).chain(others);
        let mut successes: Vec<(StatusCode, Value)> =
            statuses.map(|status| (status, self.success(place, status))).collect();
        let mut add = |status, response| successes.push((status, response));
        if place.may_be_minimal() && usual == StatusCode::OK {
            let about = "Done. The client wanted no content (`Prefer: return=minimal`).";
            add(StatusCode::NO_CONTENT, self.without_content(place, about));
        }
        if place.method == Method::GET && place.has_tag() {
            let about = "What the client has is what there is.";
            add(StatusCode::NOT_MODIFIED, self.without_content(place, about));
        }
        if binary::has_parts(place) && usual == StatusCode::OK {
            let headers = headers_of(place, true).chain([&headers::CONTENT_RANGE]);
            let headers = self.shared.headers(headers);
            add(StatusCode::PARTIAL_CONTENT, binary::part(headers));
        }
        successes
    }

    fn success(&mut self, place: &Place<'_>, status: StatusCode) -> Value {
        let has_content = status != StatusCode::NO_CONTENT;
        let mut response = json!({
            "description": place.meaning(status, self.comments),
            "headers": self.shared.headers(headers_of(place, has_content)),
        });
        if has_content {
            response["content"] = self.content(place);
        }
        response
    }

    /// A success that says of its content what it always does, and leaves it out.
    fn without_content(&mut self, place: &Place<'_>, description: &str) -> Value {
        let headers = self.shared.headers(headers_of(place, true));
        json!({ "description": description, "headers": headers })
    }

    fn content(&mut self, place: &Place<'_>) -> Value {
        let rpc = &place.operation.method;
        let output = rpc.output();
        let field = place.rule.response_body.as_ref();
        let field = field.and_then(|name| output.get_field_by_name(name));
        if place.rule.gives_bytes(&output) {
            return binary::any_media();
        }
        let schema = match &field {
            Some(field) => self.schemas.value(field, Direction::Response).0,
            None if place.paging().is_some_and(|paging| paging.is_in_body()) => {
                self.schemas.page(&output)
            }
            None => self.schemas.message(&output, Direction::Response),
        };
        if rpc.is_server_streaming() {
            let schema = own::line(&schema, &self.errors.envelope());
            let mut events = json!({ "schema": { "type": "string" } });
            if let Some(id) = self.event_id(place) {
                events["x-event-id"] = id.into();
            }
            return json!({ LINES: { "schema": schema }, EVENTS: events });
        }
        json!({ "application/json": { "schema": schema } })
    }

    /// The path of the field that is the id of an event, with the names that JSON has.
    fn event_id(&self, place: &Place<'_>) -> Option<String> {
        let path = &place.operation.rpc.policy.event_id_field;
        let fields = fields_at(&place.operation.method.output(), path)?;
        let names: Vec<String> = fields.iter().map(|field| self.schemas.name_of(field)).collect();
        Some(names.join("."))
    }
}

/// The headers of a success, whether there is content to say something of or not.
fn headers_of(place: &Place<'_>, has_content: bool) -> impl Iterator<Item = &'static Header> {
    let policy = &place.operation.rpc.policy;
    let is_stream = place.operation.rpc.is_server_stream;
    let has_key = place.operation.rpc.takes_key();
    let deprecation = policy.deprecation.as_ref();
    let has_successor = deprecation.is_some_and(|deprecation| !deprecation.successor.is_empty());
    let conditions = [
        (!policy.location.is_empty() && !is_stream, &headers::LOCATION),
        (place.has_tag() && has_content, &headers::ETAG),
        (true, &headers::CACHE_CONTROL),
        (place.is_kept(), &headers::AGE),
        (has_key && !is_stream, &headers::IDEMPOTENT_REPLAYED),
        (deprecation.is_some(), &headers::DEPRECATION),
        (deprecation.is_some_and(|it| !it.sunset.is_empty()), &headers::SUNSET),
        (has_successor || (place.paging().is_some() && has_content), &headers::LINK),
        (binary::has_parts(place) && has_content, &headers::ACCEPT_RANGES),
        (place.names_file(), &headers::CONTENT_DISPOSITION),
        (place.may_be_minimal() && has_content, &headers::PREFERENCE_APPLIED),
    ];
    let applying = conditions.into_iter().filter(|(applies, _)| *applies).map(|(_, it)| it);
    applying.chain(&headers::RATE_LIMITS).chain([&headers::REQUEST_ID])
}

impl Place<'_> {
    /// What a status means here: in the words of the contract, where it has any.
    fn meaning(&self, status: StatusCode, comments: &Comments) -> String {
        let message = first_sentence(comments.on(&self.operation.method.output()));
        let text = match status {
            StatusCode::CREATED => "Created.",
            StatusCode::ACCEPTED => "Accepted: what was asked for goes on by itself.",
            StatusCode::NO_CONTENT => "Done.",
            _ if self.rule.gives_bytes(&self.operation.method.output()) => "The bytes.",
            _ if self.operation.method.is_server_streaming() => {
                "The messages, as they come. The last event says why there are no more."
            }
            _ if !message.is_empty() => return format!("{message}."),
            _ => "Done.",
        };
        text.to_owned()
    }
}
