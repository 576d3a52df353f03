//! What is shown as an example is one.

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::documents::{Document, all};

/// A validator for a schema of a document, which may refer to others there.
pub fn validator(document: &Document, schema: &Value) -> Validator {
    let mut root = schema.clone();
    root["components"] = json!({ "schemas": document.openapi["components"]["schemas"] });
    jsonschema::options().should_validate_formats(true).build(&root).unwrap()
}

/// Every example with its schema, wherever it stands.
fn examples<'a>(value: &'a Value, at: &str, found: &mut Vec<(String, &'a Value, &'a Value)>) {
    match value {
        Value::Object(members) => {
            if let Some(schema) = members.get("schema") {
                found.extend(members.get("example").map(|it| (at.to_owned(), schema, it)));
                for (name, example) in
                    members.get("examples").and_then(Value::as_object).into_iter().flatten()
                {
                    found.push((format!("{at}/{name}"), schema, &example["value"]));
                }
            }
            for (name, member) in members.iter().filter(|(name, _)| *name != "schemas") {
                examples(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                examples(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_example_keeps_its_schema() {
    for document in all() {
        let mut found = Vec::new();
        examples(&document.openapi, document.name, &mut found);
        assert!(found.len() > 50, "{} has {} examples", document.name, found.len());
        for (at, schema, example) in found {
            let errors: Vec<String> = validator(document, schema)
                .iter_errors(example)
                .map(|error| format!("{error} at {}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{at}: {example}\n{}", errors.join("\n"));
        }
    }
}

#[test]
fn every_body_has_an_example() {
    for document in all() {
        for (path, method, operation) in document.operations() {
            let responses = operation["responses"].as_object().unwrap().values();
            let bodies = responses.map(|response| document.resolve(response));
            for body in bodies.chain([&operation["requestBody"]]) {
                for (media, content) in body["content"].as_object().into_iter().flatten() {
                    let has_example =
                        !content["example"].is_null() || content["examples"].is_object();
                    let is_binary = media == "*/*" || media == "multipart/form-data";
                    assert!(has_example || is_binary, "{method} {path}: {media}");
                }
            }
        }
    }
}

#[test]
fn examples_look_like_what_they_are() {
    let document = &*crate::documents::SOUK;
    let order = &document.operation("createOrder");
    let asked = &order["requestBody"]["content"]["application/json"]["example"];
    let product = "prod_01h455vb4pex5vsknk084sn02q";
    assert_eq!(*asked, json!({ "product_id": product, "quantity": 2 }));
    let answered = &order["responses"]["201"]["content"]["application/json"]["example"];
    assert_eq!(answered["id"], "ord_01h455vb4pex5vsknk084sn02q");
    assert_eq!(answered["status"], "pending");
    assert_eq!(answered["created_at"], "2026-01-31T09:30:00Z");
    assert_eq!(answered["total"], 19.99);
}
