//! What contracts and their policies say of RPCs.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::documents::{Document, MUSEUM, SOUK, all};

/// The error codes that an operation documents for a status.
fn codes(operation: &Value, status: &str) -> Vec<String> {
    codes_of(&SOUK, operation, status)
}

fn codes_of(document: &Document, operation: &Value, status: &str) -> Vec<String> {
    let response = document.resolve(&operation["responses"][status]);
    let examples = response["content"]["application/json"]["examples"].as_object();
    examples.into_iter().flatten().map(|(code, _)| code.clone()).collect()
}

fn statuses(operation: &Value) -> Vec<&str> {
    operation["responses"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn an_operation_documents_every_status_and_its_codes() {
    let order = SOUK.operation("createOrder");
    let all = [
        "201", "202", "400", "401", "403", "406", "409", "413", "415", "422", "429", "500", "503",
        "504",
    ];
    for status in all {
        assert!(statuses(order).contains(&status), "{status} is not among {:?}", statuses(order));
    }
    assert_eq!(codes(order, "400"), ["MALFORMED_REQUEST", "IDEMPOTENCY_KEY_MISSING"]);
    assert_eq!(codes(order, "401"), ["UNAUTHENTICATED", "TOKEN_EXPIRED"]);
    assert_eq!(codes(order, "409"), ["IN_FLIGHT", "OUT_OF_STOCK"]);
    assert_eq!(codes(order, "422"), ["VALIDATION_FAILED", "IDEMPOTENCY_KEY_REUSED"]);
    let product = SOUK.operation("getProduct");
    for status in ["401", "403", "409", "413", "415", "422"] {
        assert!(!statuses(product).contains(&status), "{status}");
    }
    assert_eq!(codes(product, "404"), ["NOT_FOUND"]);
    assert!(statuses(product).contains(&"304"));
    assert_eq!(codes(SOUK.operation("updateProduct"), "412"), ["ETAG_MISMATCH"]);
    assert!(statuses(SOUK.operation("deleteProduct")).contains(&"204"));
}

#[test]
fn a_failure_has_two_forms_and_is_explained_in_the_words_of_the_contract() {
    let conflict = SOUK.resolve(&SOUK.operation("createOrder")["responses"]["409"]);
    let description = conflict["description"].as_str().unwrap();
    let line = "- [`OUT_OF_STOCK`](/docs/errors/OUT_OF_STOCK): Fewer units";
    assert!(description.contains(line), "{description}");
    assert!(conflict["headers"]["Retry-After"].is_object());
    let content = conflict["content"].as_object().unwrap();
    assert_eq!(
        content.keys().collect::<Vec<_>>(),
        ["application/json", "application/problem+json"]
    );
    let example = &content["application/json"]["examples"]["OUT_OF_STOCK"]["value"]["error"];
    assert_eq!(example["docs_url"], "/docs/errors/OUT_OF_STOCK");
    let problem = &content["application/problem+json"]["examples"]["OUT_OF_STOCK"]["value"];
    assert_eq!(problem["status"], 409);
    let failure = SOUK.resolve(&SOUK.operation("getMe")["responses"]["401"]);
    assert!(failure["headers"]["WWW-Authenticate"].is_object());
}

#[test]
fn who_may_call_is_what_the_policy_says() {
    assert_eq!(SOUK.operation("getProduct")["security"], json!([]));
    assert_eq!(SOUK.operation("getMe")["security"], json!([{ "bearerAuth": [] }]));
    let create = SOUK.operation("createProduct");
    assert_eq!(create["security"], json!([{ "bearerAuth": [] }]));
    assert!(create["description"].as_str().unwrap().contains("Needs the scope `catalog:write`."));
    let scheme = &SOUK.openapi["components"]["securitySchemes"]["bearerAuth"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
    assert!(scheme["description"].as_str().unwrap().contains("`catalog:write`, `orders:fulfill`"));
}

#[test]
fn headers_are_those_of_the_policy() {
    let order = SOUK.operation("createOrder");
    let key = SOUK.resolve(&order["parameters"][0]);
    assert_eq!((&key["name"], &key["required"]), (&json!("Idempotency-Key"), &json!(true)));
    let headers = order["responses"]["201"]["headers"].as_object().unwrap();
    for name in ["Location", "Idempotent-Replayed", "X-Request-Id", "X-RateLimit-Limit"] {
        assert!(headers.contains_key(name), "{name}");
    }
    assert!(!headers.contains_key("ETag"));
    let product = &SOUK.operation("getProduct")["responses"]["200"]["headers"];
    assert!(product["ETag"].is_object());
}

#[test]
fn a_key_that_need_not_be_sent_is_no_parameter_that_must() {
    let cancel = SOUK.operation("cancelOrder");
    let parameters = cancel["parameters"].as_array().unwrap();
    let key = parameters.iter().find(|it| it["name"] == "Idempotency-Key").unwrap();
    assert_eq!(key["required"], false);
    assert!(cancel["responses"]["200"]["headers"]["Idempotent-Replayed"].is_object());
    let refused = SOUK.resolve(&cancel["responses"]["422"]);
    let examples = &refused["content"]["application/json"]["examples"];
    assert!(examples["IDEMPOTENCY_KEY_REUSED"].is_object(), "{examples}");
}

#[test]
fn a_success_without_content_says_of_it_what_it_always_does() {
    let headers = |id: &str, status: &str| {
        SOUK.operation(id)["responses"][status]["headers"].as_object().unwrap().clone()
    };
    let minimal = headers("updateProduct", "204");
    assert_eq!(minimal, headers("updateProduct", "200"));
    assert!(minimal.contains_key("ETag") && minimal.contains_key("Preference-Applied"));
    assert_eq!(headers("getProduct", "304"), headers("getProduct", "200"));
    let deleted = headers("deleteProduct", "204");
    assert!(!deleted.contains_key("ETag") && !deleted.contains_key("Preference-Applied"));
}

#[test]
fn only_pages_that_are_got_whole_have_links() {
    let has_link = |operation: &Value| operation["responses"]["200"]["headers"]["Link"].is_object();
    assert!(has_link(SOUK.operation("listProducts")));
    assert!(has_link(MUSEUM.operation("listPaintings")));
    assert!(!has_link(MUSEUM.operation("restore")), "it answers with a field of a page");
}

#[test]
fn methods_that_a_document_cannot_have_are_told_in_its_description() {
    let about = MUSEUM.openapi["info"]["description"].as_str().unwrap();
    for line in [
        "- `PURGE /v1/paintings/{id}`: `museum.v1.MuseumService.Purge`\n",
        "- any method at `/v1/any`: `museum.v1.MuseumService.Any`\n",
    ] {
        assert!(about.contains(line), "{about}");
    }
    let ours = SOUK.openapi["info"]["description"].as_str().unwrap();
    assert!(!ours.contains("methods that OpenAPI does not know"), "{ours}");
}

#[test]
fn fields_that_are_neither_in_the_path_nor_in_the_body_are_in_the_query() {
    let list = MUSEUM.operation("listPaintings");
    let query: Vec<&str> = list["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|parameter| parameter["in"] == "query")
        .map(|parameter| parameter["name"].as_str().unwrap())
        .collect();
    let expected = [
        "pageSize",
        "pageToken",
        "techniques",
        "since",
        "signed",
        "lenders",
        "largerThan.width",
        "largerThan.height",
        "recursive.id",
        "recursive.title",
        "recursive.technique",
        "recursive.painted",
        "recursive.size.width",
        "recursive.size.height",
    ];
    assert_eq!(query, expected);
    let lenders = list["parameters"].as_array().unwrap().iter();
    let lenders = lenders.clone().find(|parameter| parameter["name"] == "lenders").unwrap();
    let about = "Who has lent what.\n\nOne parameter for each entry: `lenders.key=value`.";
    let expected = json!({
        "name": "lenders",
        "in": "query",
        "description": about,
        "style": "form",
        "explode": true,
        "example": {},
        "schema": {
            "type": "object",
            "propertyNames": { "pattern": "^lenders\\.[a-z]+$", "maxLength": 17 },
            "additionalProperties": { "type": "string" },
            "maxProperties": 5,
        },
    });
    assert_eq!(*lenders, expected);
    let create = MUSEUM.operation("createPainting");
    assert_eq!(create["parameters"][1]["name"], "validateOnly");
}

#[test]
fn templates_become_paths_and_bindings_operations_of_their_own() {
    let place = |id: &str| {
        let mut operations = MUSEUM.operations();
        let found = operations.find(|(_, _, operation)| operation["operationId"] == id);
        found.map(|(path, method, _)| format!("{method} {path}")).unwrap_or_default()
    };
    let cases = [
        ("museumGetPainting", "get /v1/rooms/{room}/paintings/{painting}"),
        ("museumGetPainting_2", "get /v1/paintings/{id}"),
        ("museumGetPainting_3", "get /v1/archive/{name}"),
        ("museumGetPainting_4", "get /v1/shelves/{shelf}/{id}"),
        ("updatePainting", "patch /v1/paintings/{id}"),
        ("restore", "post /v1/rooms/{room}/paintings/{painting}:restore"),
        ("any_delete", "delete /v1/any"),
        ("head", "head /v1/head"),
        ("archiveGetPainting", "get /v2/paintings/{id}"),
        ("purge", ""),
        ("internal", ""),
        ("restyle", ""),
    ];
    for (id, expected) in cases {
        assert_eq!(place(id), expected, "{id}");
    }
}

#[test]
fn ids_are_unique_and_what_is_deprecated_says_so() {
    for document in all() {
        let mut ids = HashSet::new();
        for (_, _, operation) in document.operations() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{id} is there twice");
        }
    }
    assert_eq!(MUSEUM.operation("deletePainting")["deprecated"], true);
    assert_eq!(MUSEUM.operation("restore")["deprecated"], Value::Null);
}

/// The media types of a body.
fn media(body: &Value) -> Vec<&str> {
    body["content"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn streams_are_described() {
    let watch = MUSEUM.operation("watch");
    assert_eq!(media(&watch["responses"]["200"]), ["application/x-ndjson", "text/event-stream"]);
    assert!(watch["description"].as_str().unwrap().ends_with("Also over a WebSocket."));
    let hang = MUSEUM.operation("hang");
    assert_eq!(media(&hang["requestBody"]), ["application/x-ndjson"]);
    let lines = "A message in each line: at most 1073741824 bytes in all.";
    assert_eq!(hang["requestBody"]["description"], lines);
    assert!(hang["description"].as_str().unwrap().ends_with("Also over a WebSocket."));
    let about = MUSEUM.openapi["info"]["description"].as_str().unwrap();
    let restyle = "for WebSockets only, with messages in both directions:\n\n\
                   - `/v1/paintings:restyle`: `museum.v1.MuseumService.Restyle`";
    assert!(about.ends_with(restyle), "{about}");
    assert!(about.contains(r#"`new WebSocket(url, ["bearer", token])`"#), "{about}");
}

#[test]
fn events_have_ids_and_can_be_resumed_where_the_policy_names_a_field() {
    let takes_id = |operation: &Value| {
        let mut parameters = operation["parameters"].as_array().unwrap().iter();
        parameters.any(|parameter| MUSEUM.resolve(parameter)["name"] == "Last-Event-ID")
    };
    let example = |operation: &Value| {
        let events = &operation["responses"]["200"]["content"]["text/event-stream"];
        (events["x-event-id"].clone(), events["example"].as_str().unwrap().to_owned())
    };
    let (watch, follow) = (MUSEUM.operation("watch"), MUSEUM.operation("follow"));
    assert!(!takes_id(watch) && takes_id(follow));
    let (field, events) = example(watch);
    assert!(field.is_null() && events.starts_with("data: {"), "{events}");
    let (field, events) = example(follow);
    assert_eq!(field, "title");
    let (id, data) = events.split_once('\n').unwrap();
    let message = data.lines().next().unwrap().strip_prefix("data: ").unwrap();
    let message: Value = serde_json::from_str(message).unwrap();
    assert_eq!(id, format!("id: {}", message["title"].as_str().unwrap()));
}

#[test]
fn bytes_of_any_media_type_may_be_sent_as_they_stand_or_in_a_form() {
    let put = &MUSEUM.operation("putScan")["requestBody"];
    assert_eq!(media(put), ["*/*", "multipart/form-data"]);
    let form = &put["content"]["multipart/form-data"]["schema"];
    let resolution = json!({
        "type": "integer", "format": "int32", "description": "How many dots there are in an inch."
    });
    assert_eq!(form["properties"]["resolution"], resolution);
    assert_eq!(form["properties"]["scan"]["format"], "binary");
    assert_eq!(form["required"], json!(["scan"]));
    assert_eq!(form["additionalProperties"], false);
    assert!(put["description"].as_str().unwrap().ends_with("at most 262144 bytes."), "{put}");
    let film = MUSEUM.operation("film");
    assert_eq!(media(&film["requestBody"]), ["*/*", "multipart/form-data"]);
    let about = film["requestBody"]["description"].as_str().unwrap();
    assert!(
        about.ends_with("at most 1073741824 bytes."),
        "a stream has a limit of its own: {about}"
    );
    assert!(!film["description"].as_str().unwrap().contains("WebSocket"));
}

#[test]
fn bytes_may_be_asked_for_in_parts() {
    let scan = MUSEUM.operation("scan");
    let whole = &scan["responses"]["200"];
    assert_eq!(media(whole), ["*/*"]);
    assert!(whole["headers"]["Accept-Ranges"].is_object());
    let part = &scan["responses"]["206"];
    assert_eq!(media(part), ["*/*"]);
    assert!(part["headers"]["Content-Range"].is_object());
    let nothing = MUSEUM.resolve(&scan["responses"]["416"]);
    assert!(nothing["headers"]["Content-Range"].is_object());
    let error = &nothing["content"]["application/json"]["examples"]["RANGE_NOT_SATISFIABLE"];
    assert_eq!(error["value"]["error"]["code"], "RANGE_NOT_SATISFIABLE");
    let mut parameters = scan["parameters"].as_array().unwrap().iter();
    assert!(parameters.any(|parameter| MUSEUM.resolve(parameter)["name"] == "Range"));
    assert!(!statuses(MUSEUM.operation("watch")).contains(&"206"));
}

#[test]
fn parts_of_a_download_are_asked_for_by_header_only() {
    let tour = MUSEUM.operation("tour");
    let parameters = tour["parameters"].as_array().unwrap().iter();
    let names: Vec<&str> =
        parameters.map(|it| MUSEUM.resolve(it)["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["room", "language", "If-None-Match", "Range"]);
    let success = &tour["responses"]["200"];
    assert_eq!((media(success), &success["description"]), (vec!["*/*"], &json!("The bytes.")));
    for header in ["ETag", "Accept-Ranges", "Content-Disposition"] {
        assert!(success["headers"][header].is_object(), "{header}");
    }
    for status in ["206", "304", "416"] {
        assert!(statuses(tour).contains(&status), "{status}");
    }
    assert!(tour["responses"]["206"]["headers"]["Content-Range"].is_object());
}

#[test]
fn the_body_of_an_answer_may_be_a_field() {
    let restored = &MUSEUM.operation("restore")["responses"]["200"]["content"]["application/json"];
    assert_eq!(restored["schema"]["type"], "array");
}

#[test]
fn services_of_others_fail_with_a_grpc_status() {
    let echo = MUSEUM.operation("echo");
    for (status, codes) in [
        (
            "400",
            ["MALFORMED_REQUEST", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"]
                .as_slice(),
        ),
        ("403", &["PERMISSION_DENIED"]),
        ("404", &["NOT_FOUND"]),
        ("409", &["ALREADY_EXISTS", "ABORTED"]),
        ("429", &["RATE_LIMITED", "RESOURCE_EXHAUSTED"]),
        ("499", &["CANCELLED"]),
        ("503", &["OVERLOADED", "UNAVAILABLE"]),
    ] {
        assert_eq!(codes_of(&MUSEUM, echo, status), codes, "{status}");
        let response = MUSEUM.resolve(&echo["responses"][status]);
        for code in codes {
            let line = format!("[`{code}`](/docs/errors/{code}): ");
            let description = response["description"].as_str().unwrap();
            assert!(description.contains(&line), "{description}");
            let example = &response["content"]["application/json"]["examples"][*code]["value"];
            assert_eq!(example["error"]["docs_url"], format!("/docs/errors/{code}"));
        }
    }
    assert!(!statuses(echo).contains(&"422"));
    let bad = SOUK.operation("createOrder");
    assert!(!codes(bad, "400").contains(&"INVALID_ARGUMENT".to_owned()));
    let openapi = MUSEUM.openapi.to_string();
    for word in ["product", "catalog:write", "/v1/auth"] {
        assert!(!openapi.contains(word), "{word}");
    }
}

#[test]
fn a_service_has_a_tag_and_an_rpc_a_summary() {
    let tags: Vec<&Value> = SOUK.openapi["tags"].as_array().unwrap().iter().collect();
    let catalog = json!({ "name": "Catalog", "description": "Products, their types, categories, images and stock." });
    assert!(tags.contains(&&catalog), "{tags:?}");
    let order = SOUK.operation("createOrder");
    assert_eq!(order["tags"], json!(["Orders"]));
    let summary = "Places an order: takes the prices of the moment and reserves the stock";
    assert_eq!(order["summary"], summary);
    assert_eq!(MUSEUM.operation("createPainting")["summary"], "Create painting");
}
