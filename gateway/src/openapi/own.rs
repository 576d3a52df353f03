//! The schemas that no contract has: those of what the gateway itself adds.

use serde_json::{Value, json};

/// A field that is wrong.
pub(super) fn error_detail() -> Value {
    json!({
        "type": "object",
        "description": "A field, and what is wrong with it.",
        "properties": {
            "field": {
                "type": "string",
                "description": "The path of the field: `items[1].quantity`.",
            },
            "issue": { "type": "string", "description": "What is wrong with it." },
        },
        "required": ["field", "issue"],
    })
}

/// What is told of a failure in either form.
pub(super) fn error_content(detail: &Value) -> Value {
    json!({
        "type": "object",
        "description": "What went wrong.",
        "properties": {
            "code": {
                "type": "string",
                "description": "Why the request failed, for programs. Codes are stable; there may be \
                                more of them one day.",
            },
            "message": { "type": "string", "description": "Why the request failed, for people." },
            "details": {
                "type": "array",
                "description": "The fields that are wrong, where it is fields.",
                "items": detail,
            },
            "metadata": {
                "type": "object",
                "description": "More, for programs; what there is depends on the code.",
                "additionalProperties": { "type": "string" },
            },
            "request_id": {
                "type": "string",
                "description": "The id of the request, as in the header `X-Request-Id`.",
            },
            "docs_url": {
                "type": "string",
                "format": "uri-reference",
                "description": "The page that explains the code.",
            },
        },
        "required": ["code", "message", "details", "request_id", "docs_url"],
    })
}

/// The usual form of a failure.
pub(super) fn envelope(content: &Value) -> Value {
    json!({
        "type": "object",
        "description": "A request that failed.",
        "properties": { "error": content },
        "required": ["error"],
    })
}

/// That of RFC 9457.
pub(super) fn problem_details(content: &Value) -> Value {
    json!({
        "description": "A request that failed, as RFC 9457 has it: for clients that accept \
                        `application/problem+json`.",
        "allOf": [
            content,
            {
                "type": "object",
                "properties": {
                    "type": {
                        "type": "string",
                        "format": "uri-reference",
                        "description": "The page that explains the code.",
                    },
                    "title": { "type": "string", "description": "What the status means." },
                    "status": {
                        "type": "integer",
                        "format": "int32",
                        "description": "The status of the response.",
                    },
                    "detail": {
                        "type": "string",
                        "description": "Why the request failed, for people.",
                    },
                },
                "required": ["type", "title", "status", "detail"],
            },
        ],
    })
}

/// A line of a stream of messages that have this schema: a message, or why there are no more.
pub(super) fn line(message: &Value, error: &Value) -> Value {
    json!({
        "oneOf": [
            {
                "type": "object",
                "description": "A message.",
                "properties": { "result": message },
                "required": ["result"],
            },
            {
                "type": "object",
                "description": "The end of the stream.",
                "properties": {
                    "end": {
                        "type": "object",
                        "properties": {
                            "reason": {
                                "type": "string",
                                "description": "`complete`: that was all. `max_duration` and \
                                                `shutdown`: connect again for more.",
                                "enum": ["complete", "max_duration", "shutdown"],
                            },
                        },
                        "required": ["reason"],
                    },
                },
                "required": ["end"],
            },
            error,
        ],
    })
}

/// The `links` of a page.
pub(super) fn page_links() -> Value {
    let link = |to: &str, kind: Value, example: Value| {
        json!({
            "type": kind,
            "format": "uri-reference",
            "description": format!("Where {to} is."),
            "examples": [example],
        })
    };
    let (text, or_null) = (json!("string"), json!(["string", "null"]));
    let first = "/v1/things?size=20";
    let next = "/v1/things?size=20&cursor=bmV4dA";
    json!({
        "type": "object",
        "description": "The pages around this one, as the header `Link` has them.",
        "properties": {
            "self": link("this page", text.clone(), json!(first)),
            "first": link("the first page", text, json!(first)),
            "next": link("the next page, unless this is the last,", or_null.clone(), json!(next)),
            "prev": link("the page before, where that is known,", or_null, Value::Null),
        },
        "required": ["self", "first", "next", "prev"],
    })
}
