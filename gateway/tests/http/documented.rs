//! What the OpenAPI document says is what happens.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use souk_gateway::Style;
use souk_gateway::transcode::Plans;
use souk_kit::Failure;
use souk_proto::souk::types::v1::Reason;
use souk_proto::{descriptors, policy_of};
use tonic::Response;

use crate::fake::{Fake, SERVICES};
use crate::shop::{Reply, Shop};

/// A document, as the gateway serves it.
struct Document(Value);

/// An operation of it.
struct Operation<'d> {
    document: &'d Document,
    method: String,
    path: &'d str,
    object: &'d Value,
}

impl Document {
    async fn of(shop: &Shop) -> Self {
        Self(shop.get("/openapi.json").await.json())
    }

    fn operations(&self) -> Vec<Operation<'_>> {
        let mut operations = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, object) in item.as_object().unwrap() {
                let method = method.to_uppercase();
                operations.push(Operation { document: self, method, path, object });
            }
        }
        operations
    }

    fn operation(&self, id: &str) -> Operation<'_> {
        let mut operations = self.operations().into_iter();
        operations.find(|operation| operation.object["operationId"] == id).unwrap()
    }

    fn resolve<'d>(&'d self, value: &'d Value) -> &'d Value {
        match value["$ref"].as_str() {
            Some(target) => self.0.pointer(target.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }

    /// Fails unless a value has a schema.
    fn check(&self, schema: &Value, value: &Value) {
        let mut root = schema.clone();
        root["components"] = json!({ "schemas": self.0["components"]["schemas"] });
        let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap();
        let errors: Vec<String> = validator.iter_errors(value).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{value}\n{}", errors.join("\n"));
    }
}

impl Operation<'_> {
    /// The path with the examples of its parameters.
    fn target(&self) -> String {
        let mut target = self.path.to_owned();
        for parameter in self.object["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "path" {
                let name = format!("{{{}}}", parameter["name"].as_str().unwrap());
                target = target.replace(&name, parameter["example"].as_str().unwrap());
            }
        }
        target
    }

    /// The headers that a request must have, with their examples.
    fn headers(&self) -> Vec<String> {
        let parameters = self.object["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|parameter| self.document.resolve(parameter));
        let headers =
            parameters.filter(|it| it["in"] == "header" && it["required"] == true).map(|it| {
                format!("{}: {}", it["name"].as_str().unwrap(), it["example"].as_str().unwrap())
            });
        let (media, _) = self.body();
        headers.chain([format!("content-type: {media}")]).collect()
    }

    /// The media type of its body, and its example.
    fn body(&self) -> (&str, String) {
        let content = self.object["requestBody"]["content"].as_object();
        let body = content.into_iter().flatten().next();
        body.map_or(("application/json", String::new()), |(media, content)| {
            (media, content["example"].to_string())
        })
    }

    /// Sends its example.
    async fn send(&self, shop: &Shop, headers: &[&str]) -> Reply {
        let (_, body) = self.body();
        let mut all = self.headers();
        all.extend(headers.iter().map(|header| (*header).to_owned()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        shop.send(&self.method, &self.target(), &all, &body).await
    }

    /// The first of the statuses of a success, and what is answered then.
    fn success(&self) -> (u16, &Value) {
        let (status, response) =
            self.object["responses"].as_object().unwrap().iter().next().unwrap();
        (status.parse().unwrap(), &response["content"]["application/json"])
    }

    fn rpc(&self) -> MethodDescriptor {
        let (service, rpc) = self.object["x-grpc"].as_str().unwrap().rsplit_once('.').unwrap();
        let service = descriptors().get_service_by_name(service).unwrap();
        let method = service.methods().find(|method| method.name() == rpc);
        method.unwrap()
    }

    /// An answer that has no JSON: of a version, where the contract says that it has one.
    fn bytes(&self) -> Vec<u8> {
        let mut message = DynamicMessage::new(self.rpc().output());
        let version = policy_of(&self.rpc()).unwrap().version_field;
        if !version.is_empty() {
            let tag = prost_reflect::Value::String("\"1\"".to_owned());
            message.set_field_by_name(&version, tag);
        }
        message.encode_to_vec()
    }
}

#[tokio::test]
async fn every_example_of_a_request_is_taken_and_answered_with_the_example_of_its_answer() {
    let answer = Arc::new(Mutex::new(Bytes::new()));
    let current = answer.clone();
    let fake =
        Fake::with(move || std::future::ready(Ok(Response::new(current.lock().unwrap().clone()))));
    let shop = Shop::of(&fake).await;
    let document = Document::of(&shop).await;
    let operations = document.operations();
    assert!(operations.len() > 20, "{} operations", operations.len());
    for operation in &operations {
        let (status, content) = operation.success();
        let mut example = content["example"].clone();
        // made by the gateway, of the address of the request
        let links = example.as_object_mut().and_then(|object| object.shift_remove("links"));
        let output = operation.rpc().output();
        let plans = Plans::compile([output.clone()], Style::Plain).unwrap();
        let mut wire = Vec::new();
        if example.is_null() {
            wire = operation.bytes();
        } else {
            let message = plans.message(output.full_name()).unwrap();
            plans.json_to_wire(message, example.to_string().as_bytes(), &mut wire).unwrap();
        }
        *answer.lock().unwrap() = wire.into();

        let reply = operation.send(&shop, &[]).await;
        assert_eq!(reply.status, status, "{} {}: {reply:?}", operation.method, operation.path);
        let headers = &operation.object["responses"][status.to_string()]["headers"];
        for name in ["location", "etag", "x-request-id"] {
            let known = headers.as_object().unwrap().keys();
            let is_known = known.map(|known| known.to_ascii_lowercase()).any(|known| known == name);
            assert_eq!(!reply.header(name).is_empty(), is_known, "{}: {name}", operation.path);
        }
        if example.is_null() {
            continue;
        }
        let mut got = reply.json();
        document.check(&content["schema"], &got);
        let got_links = got.as_object_mut().and_then(|object| object.shift_remove("links"));
        assert_eq!(got_links.is_some(), links.is_some(), "{}", operation.path);
        assert_eq!(got, example, "{} {}", operation.method, operation.path);
    }
    assert!(fake.calls() >= operations.len());
}

#[tokio::test]
async fn a_success_whose_content_is_left_out_is_documented_with_all_its_headers() {
    let wire = {
        let product = descriptors().get_message_by_name("souk.catalog.v1.Product").unwrap();
        let product = DynamicMessage::parse_text_format(product, r#"id: "prod_1" etag: "7""#);
        product.unwrap().encode_to_vec()
    };
    let wire = Bytes::from(wire);
    let fake = Fake::with(move || std::future::ready(Ok(Response::new(wire.clone()))));
    let shop = Shop::of(&fake).await;
    let document = Document::of(&shop).await;
    for (id, status) in [("createProduct", 201), ("updateProduct", 204)] {
        let operation = document.operation(id);
        let reply = operation.send(&shop, &["prefer: return=minimal"]).await;
        assert_eq!((reply.status, reply.body.as_str()), (status, ""), "{id}");
        assert!(!reply.header("etag").is_empty(), "{reply:?}");
        let headers = &operation.object["responses"][status.to_string()]["headers"];
        for name in document.0["components"]["headers"].as_object().unwrap().keys() {
            let is_sent = !reply.header(&name.to_lowercase()).is_empty();
            assert!(!is_sent || headers[name].is_object(), "{id}: {name}");
        }
    }
}

#[tokio::test]
async fn every_route_is_in_the_document_and_every_operation_is_a_route() {
    let shop = Shop::of(&Fake::answering(())).await;
    let document = Document::of(&shop).await;
    for operation in document.operations() {
        let documented: BTreeSet<String> = document
            .operations()
            .iter()
            .filter(|other| other.path == operation.path)
            .map(|other| other.method.clone())
            .collect();
        let options = shop.send("OPTIONS", &operation.target(), &[], "").await;
        let allowed = options.header("allow").split(',').map(|method| method.trim().to_owned());
        // every path answers OPTIONS, and HEAD where it answers GET
        let by_itself = ["HEAD", "OPTIONS"];
        let allowed: BTreeSet<String> =
            allowed.filter(|method| !by_itself.contains(&method.as_str())).collect();
        assert_eq!(allowed, documented, "{}", operation.path);
    }
    let rule = descriptors().get_extension_by_name("google.api.http").unwrap();
    let mut exposed = BTreeSet::new();
    for service in SERVICES {
        let service = descriptors().get_service_by_name(service).unwrap();
        let methods = service.methods().filter(|method| method.options().has_extension(&rule));
        exposed.extend(methods.map(|method| method.full_name().to_owned()));
    }
    let documented: BTreeSet<String> = document
        .operations()
        .iter()
        .map(|operation| operation.object["x-grpc"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(documented, exposed);
}

#[tokio::test]
async fn a_failure_has_the_form_that_is_documented_for_its_status() {
    let failure = Failure::new(Reason::OutOfStock, "too few").with("product_id", "prod_1");
    let shop =
        Shop::of(&Fake::failing(failure.violation("items[0].quantity", "is too much"))).await;
    let document = Document::of(&shop).await;
    let order = document.operation("createOrder");
    let problem = "accept: application/problem+json";
    let cases: [(&[&str], u16, &str); 4] = [
        (&[], 409, "application/json"),
        (&[problem], 409, "application/problem+json"),
        (&["authorization: Bearer x"], 401, "application/json"),
        (&["authorization: Bearer x", problem], 401, "application/problem+json"),
    ];
    for (headers, status, media) in cases {
        let reply = order.send(&shop, headers).await;
        assert_eq!((reply.status, reply.header("content-type")), (status, media));
        let response = document.resolve(&order.object["responses"][status.to_string()]);
        let content = &response["content"][media];
        document.check(&content["schema"], &reply.json());
        let code = reply.json().pointer("/error/code").unwrap_or(&reply.json()["code"]).clone();
        let codes = content["examples"].as_object().unwrap();
        assert!(codes.contains_key(code.as_str().unwrap()), "{code}");
        for name in response["headers"].as_object().unwrap().keys() {
            let may_be_left_out = ["Retry-After", "Idempotent-Replayed"].contains(&name.as_str());
            assert!(may_be_left_out || !reply.header(&name.to_lowercase()).is_empty(), "{name}");
        }
    }
}

#[tokio::test]
async fn documents_are_served_and_asked_for_again_only_when_they_have_changed() {
    let shop = Shop::of(&Fake::answering(())).await;
    for (path, media) in [
        ("/openapi.json", "application/json"),
        ("/openapi.yaml", "application/yaml"),
        ("/postman.json", "application/json"),
    ] {
        let first = shop.get(path).await;
        assert_eq!((first.status, first.header("content-type")), (200, media), "{path}");
        assert_eq!(first.header("cache-control"), "public, max-age=300");
        let known = format!("if-none-match: {}", first.header("etag"));
        let again = shop.send("GET", path, &[&known], "").await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
    }
}
