//! A collection for Postman, in its format 2.1, made of the document: the same operations, examples and
//! descriptions, with variables for the server and the access token.

use serde_json::{Map, Value, json};

/// The collection for what a document describes: a folder for each tag.
pub(super) fn collection(document: &Value) -> Value {
    let folder = |tag: &Value| {
        json!({
            "name": tag["name"],
            "description": tag["description"],
            "item": requests(document, &tag["name"]),
        })
    };
    json!({
        "info": {
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "item": list(&document["tags"]).map(folder).collect::<Vec<_>>(),
        "auth": { "type": "bearer", "bearer": [pair("token", "{{token}}")] },
        "variable": [pair("baseUrl", "http://127.0.0.1:8080"), pair("token", "")],
    })
}

/// The requests of one folder.
fn requests(document: &Value, tag: &Value) -> Vec<Value> {
    let mut requests = Vec::new();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item) {
            if operation["tags"][0] == *tag {
                let parameters = list(&operation["parameters"]);
                let parameters =
                    parameters.map(|parameter| resolve(document, parameter)).collect::<Vec<_>>();
                requests.push(json!({
                    "name": operation["summary"],
                    "request": request(method, path, operation, &parameters),
                    "response": [],
                }));
            }
        }
    }
    requests
}

fn request(method: &str, path: &str, operation: &Value, parameters: &[&Value]) -> Value {
    let of = |place: &str| {
        parameters.iter().filter(|parameter| parameter["in"] == place).collect::<Vec<_>>()
    };
    let in_path = of("path");
    let segments: Vec<String> =
        path.split('/').skip(1).map(|segment| variables(segment, &in_path)).collect();
    let is_variable = |parameter: &&&&Value| {
        let name = format!(":{}", text(&parameter["name"]));
        segments.contains(&name)
    };
    let mut headers: Vec<Value> = of("header").into_iter().map(|it| header(it)).collect();
    let mut request = json!({
        "method": method.to_uppercase(),
        "description": operation["description"],
        "url": {
            "raw": format!("{{{{baseUrl}}}}/{}", segments.join("/")),
            "host": ["{{baseUrl}}"],
            "path": segments,
            "query": of("query").into_iter().map(|it| in_query(it)).collect::<Vec<_>>(),
            "variable":
                in_path.iter().filter(is_variable).map(|it| described(it)).collect::<Vec<_>>(),
        },
    });
    if let Some((media, content)) = members(&operation["requestBody"]["content"]).next() {
        request["body"] = if content["schema"]["format"] == "binary" {
            json!({ "mode": "file" })
        } else {
            headers.push(pair("Content-Type", media));
            let example = serde_json::to_string_pretty(&content["example"]).unwrap_or_default();
            json!({ "mode": "raw", "raw": example })
        };
    }
    if list(&operation["security"]).next().is_none() {
        request["auth"] = json!({ "type": "noauth" });
    }
    request["header"] = headers.into();
    request
}

/// A segment of a path with its parameter as Postman writes it. It knows whole segments only: others
/// get an example.
fn variables(segment: &str, parameters: &[&&Value]) -> String {
    let mut segment = segment.to_owned();
    for parameter in parameters {
        let name = format!("{{{}}}", text(&parameter["name"]));
        let value = if segment == name {
            format!(":{}", text(&parameter["name"]))
        } else {
            text(&parameter["example"]).to_owned()
        };
        segment = segment.replace(&name, &value);
    }
    segment
}

/// A key is a new one each time.
fn header(parameter: &Value) -> Value {
    let mut header = optional(parameter);
    if header["key"] == "Idempotency-Key" {
        header["value"] = "{{$guid}}".into();
    }
    header
}

/// A parameter of a query. A map is its first entry.
fn in_query(parameter: &Value) -> Value {
    let mut object = optional(parameter);
    if parameter["schema"]["type"] == "object" {
        let entry = members(&parameter["example"]).next();
        let other = (format!("{}.key", text(&parameter["name"])), Value::from(""));
        let (key, value) = entry.map_or(other, |(key, value)| (key.clone(), value.clone()));
        object["key"] = key.into();
        object["value"] = value;
    }
    object
}

/// A parameter that is sent when it must be, and otherwise when somebody ticks it.
fn optional(parameter: &Value) -> Value {
    let mut object = described(parameter);
    object["disabled"] = (parameter["required"] != true).into();
    object
}

fn described(parameter: &Value) -> Value {
    json!({
        "key": parameter["name"],
        "value": match &parameter["example"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
        "description": parameter["description"],
    })
}

fn pair(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": value, "type": "string" })
}

/// A parameter, also one that is described elsewhere.
fn resolve<'a>(document: &'a Value, parameter: &'a Value) -> &'a Value {
    let pointer = parameter["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(parameter)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
