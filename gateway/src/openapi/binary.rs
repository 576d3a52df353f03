//! What carries bytes of any media type: uploads, and downloads that may be asked for in parts.

use http::Method;
use serde_json::{Map, Value, json};

use super::place::Place;
use crate::api::BodyRule;

/// The name of the file in a form, where it is no field that has one.
const FILE: &str = "file";

/// The body of a request: the bytes as they stand, or as the file of a form. What may come in the query
/// may be a field of the form as well.
pub(super) fn upload(place: &Place<'_>, parameters: &[Value]) -> Value {
    let file = match &place.rule.body {
        BodyRule::Field(name) => name,
        BodyRule::Ignored | BodyRule::Whole => FILE,
    };
    let in_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
    // the entries of a map have names that are not known
    let (maps, fields): (Vec<&Value>, Vec<&Value>) =
        in_query.partition(|parameter| parameter["schema"]["type"] == "object");
    let mut properties: Map<String, Value> = fields.into_iter().map(field).collect();
    let mut content = bytes();
    let keeps_name = !place.operation.rpc.policy.file_name_field.is_empty();
    content["description"] = match keeps_name {
        true => "The file, which keeps its name: the last part of the form.".into(),
        false => "The file: the last part of the form.".into(),
    };
    properties.insert(file.to_owned(), content);
    let form = json!({
        "type": "object",
        "properties": properties,
        "required": [file],
        "additionalProperties": !maps.is_empty(),
    });
    let mut content = any_media();
    content["multipart/form-data"] = json!({ "schema": form });
    json!({ "description": about(place), "required": true, "content": content })
}

/// A field of a form, of the parameter that it is in a query.
fn field(parameter: &Value) -> (String, Value) {
    let mut schema = parameter["schema"].clone();
    for keyword in ["description", "deprecated"] {
        if let Some(value) = parameter.get(keyword) {
            schema[keyword] = value.clone();
        }
    }
    (parameter["name"].as_str().unwrap_or_default().to_owned(), schema)
}

fn about(place: &Place<'_>) -> String {
    let rpc = &place.operation.rpc;
    let most =
        if rpc.is_client_stream { rpc.max_stream_bytes } else { rpc.max_request_bytes as u64 };
    format!("Bytes of any media type, or a form with a file: at most {most} bytes.")
}

/// Whether parts of what is answered can be asked for.
pub(super) fn has_parts(place: &Place<'_>) -> bool {
    let rpc = &place.operation.rpc;
    let is_in_parts = !rpc.is_server_stream || rpc.policy.download.is_some();
    place.method == Method::GET
        && is_in_parts
        && place.rule.gives_bytes(&place.operation.method.output())
}

/// What is answered to who asks for a part.
pub(super) fn part(headers: Map<String, Value>) -> Value {
    json!({
        "description": "The part that was asked for.",
        "headers": headers,
        "content": any_media(),
    })
}

/// Content of any media type.
pub(super) fn any_media() -> Value {
    json!({ "*/*": { "schema": bytes() } })
}

fn bytes() -> Value {
    json!({ "type": "string", "format": "binary" })
}
