//! Whether an answer is one that the OpenAPI document knows: every answer that a test gets over HTTP.

use std::sync::LazyLock;

use http::Method;
use serde_json::Value;
use souk_gateway::{Contracts, Documents};

use super::http::Response;

/// Where no operation answers, but the gateway itself, or the connection.
const OF_NO_OPERATION: [&str; 3] = ["ROUTE_NOT_FOUND", "METHOD_NOT_ALLOWED", "HEADERS_TOO_LARGE"];

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let documents = Documents::of(&Contracts::of_this_build()).unwrap();
    serde_json::from_slice(&documents.openapi_json).unwrap()
});

/// Fails when an operation has answered with a status, with the code of an error, or with a header, that the
/// document does not have there. Headers that it has nowhere are those of every response.
pub fn check(method: &Method, target: &str, response: &Response) {
    let Some(operation) = operation(method, target) else { return };
    let error = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
    let code = error.pointer("/error/code").or(error.get("code")).and_then(Value::as_str);
    if code.is_some_and(|code| OF_NO_OPERATION.contains(&code)) {
        return;
    }
    let status = response.status.as_u16();
    let documented = resolve(&operation["responses"][status.to_string()]);
    assert!(!documented.is_null(), "{method} {target} has answered {status}: {error}");
    if let (400.., Some(code)) = (status, code) {
        let codes = documented["content"]["application/json"]["examples"].as_object();
        let is_known = codes.is_some_and(|codes| codes.contains_key(code));
        assert!(is_known, "{method} {target} has answered {status} with {code}");
    }
    for name in names(&DOCUMENT["components"]["headers"]) {
        let is_known = names(&documented["headers"]).any(|known| known == name);
        let is_sent = response.headers.contains_key(name);
        assert!(is_known || !is_sent, "{method} {target} has answered {status} with {name}");
    }
}

fn names(members: &Value) -> impl Iterator<Item = &str> {
    members.as_object().into_iter().flat_map(|members| members.keys().map(String::as_str))
}

fn resolve(value: &'static Value) -> &'static Value {
    let target = value["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    target.and_then(|target| DOCUMENT.pointer(target)).unwrap_or(value)
}

fn operation(method: &Method, target: &str) -> Option<&'static Value> {
    let path = target.split('?').next().unwrap_or_default();
    let method =
        if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    let paths = DOCUMENT["paths"].as_object()?;
    // what is written out goes before variables
    let variables = |template: &str| template.matches('{').count();
    let fitting = paths.iter().filter(|(template, _)| matches(template, path));
    let (_, item) = fitting.min_by_key(|(template, _)| variables(template))?;
    item.get(&method)
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    let same = |(part, segment): (&str, &str)| {
        part == segment || (part.starts_with('{') && part.ends_with('}') && !segment.is_empty())
    };
    template.clone().count() == path.clone().count() && template.zip(path).all(same)
}
