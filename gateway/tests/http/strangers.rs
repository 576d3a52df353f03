//! Contracts that this build has never seen.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use prost_reflect::{DescriptorPool, DynamicMessage};
use souk_gateway::transcode::Style;
use souk_gateway::{Access, Contracts, Gateway, Options, Upstream};
use souk_kit::Channel;
use souk_kit::auth::Verifier;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::fake::Fake;
use crate::shop::{Shop, verifier};

/// A contract as `protoc` writes it.
fn descriptors_of(file: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let includes = [root.join("tests/http"), root.join("../proto")];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file(file).unwrap().encode_file_descriptor_set()
}

fn descriptors() -> Vec<u8> {
    descriptors_of("library.proto")
}

fn gateway(
    fake: &Fake,
    access: Option<Access>,
    verifier: Option<Arc<Verifier>>,
) -> anyhow::Result<Gateway> {
    gateway_of(&descriptors(), fake, access, verifier)
}

fn gateway_of(
    descriptors: &[u8],
    fake: &Fake,
    access: Option<Access>,
    verifier: Option<Arc<Verifier>>,
) -> anyhow::Result<Gateway> {
    let contracts = Contracts::read(descriptors, access, Style::Canonical)?;
    let channel = Channel::in_process(fake.routes());
    let upstreams = contracts.exposed()?.into_iter();
    let upstreams =
        upstreams.map(|name| Upstream { name, channel: channel.clone(), probe: None }).collect();
    Gateway::new(&contracts, upstreams, verifier, Options::default())
}

async fn library(fake: &Fake) -> Shop {
    Shop::serving(gateway(fake, Some(Access::Public), None).unwrap()).await
}

/// What the service was asked, as text: `Get {name: "…"}`.
fn asked(fake: &Fake) -> String {
    let pool = DescriptorPool::decode(&*descriptors()).unwrap();
    let call = fake.last_call().expect("a call");
    let message = pool.get_message_by_name("library.v1.Request").unwrap();
    let message = DynamicMessage::decode(message, call.wire).unwrap();
    format!("{} {}", call.path.rsplit('/').next().unwrap(), message.to_text_format())
}

#[tokio::test]
async fn templates_have_patterns_verbs_wildcards_and_nested_fields() {
    let fake = Fake::answering(());
    let shop = library(&fake).await;
    let cases = [
        ("GET", "/v1/shelves/s%201/books/b%2F2", r#"Get name:"shelves/s 1/books/b%2F2""#),
        ("GET", "/v1/books/b%2F2", r#"Get id:"b/2""#),
        ("GET", "/v1/files/a/b%20c/", r#"Get name:"a/b c/""#),
        ("GET", "/v1/files", r"Get "),
        ("GET", "/v1/shelves/7/first", r#"Get book{id:"7"}"#),
        ("POST", "/v1/shelves/1/books/2:publish", r#"Publish name:"shelves/1/books/2""#),
        ("DELETE", "/v1/any/thing/7", r#"Any id:"7""#),
        ("PURGE", "/v1/books/7", r#"Purge id:"7""#),
    ];
    for (method, path, expected) in cases {
        let reply = shop.send(method, path, &["authorization: none"], "").await;
        assert_eq!((reply.status, asked(&fake)), (200, expected.to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn what_the_gateway_has_itself_goes_before_wildcards_and_after_literals() {
    let fake = Fake::answering(());
    let gateway = gateway_of(&descriptors_of("anywhere.proto"), &fake, Some(Access::Public), None);
    let shop = Shop::serving(gateway.unwrap()).await;
    for path in ["/", "/healthz", "/docs", "/docs/errors/NO_SUCH", "/openapi.json"] {
        shop.get(path).await;
        assert!(fake.last_call().is_none(), "{path}");
    }
    assert_eq!(shop.get("/healthz").await.body, r#"{"status":"ok"}"#);
    assert_eq!(shop.json("POST", "/docs", "{}").await.status, 405);

    const READ: &str = "/anywhere.v1.Files/Read";
    const WRITE: &str = "/anywhere.v1.Files/Write";
    let cases = [
        ("POST", READ, r#"{"name": "it"}"#, READ, "it"),
        ("GET", READ, "", READ, "anywhere.v1.Files/Read"),
        ("GET", "/redoc", "", READ, ""),
        ("POST", "/a/b", "\"\"", WRITE, "a/b"),
    ];
    for (method, path, body, rpc, name) in cases {
        assert_eq!(shop.json(method, path, body).await.status, 200, "{method} {path}");
        let call = fake.last_call().unwrap();
        assert_eq!(call.path, rpc);
        assert!(call.wire.ends_with(name.as_bytes()), "{method} {path}");
    }
}

#[tokio::test]
async fn queries_have_nested_and_repeated_fields() {
    let fake = Fake::answering(());
    let shop = library(&fake).await;
    let path =
        "/v1/books/1?book.id=2&book.authors=a&book.authors=b%26c&number_list=1&number_list=-2";
    let reply = shop.get(path).await;
    let expected = r#"Get id:"1",book{id:"2",authors:["a","b&c"]},number_list:[1,-2]"#;
    assert_eq!((reply.status, asked(&fake)), (200, expected.to_owned()));
}

#[tokio::test]
async fn queries_have_maps_whose_keys_stand_behind_a_dot() {
    let fake = Fake::answering(());
    let shop = library(&fake).await;
    let reply = shop.get("/v1/books/1?attr.genre=a%26b&attr.%C3%A9.%3D=1").await;
    let call = asked(&fake);
    assert_eq!(reply.status, 200);
    for entry in [r#"{key:"genre",value:"a&b"}"#, r#"{key:"\303\251.=",value:"1"}"#] {
        assert!(call.contains(entry), "{call}");
    }
    for (query, field, issue) in [
        ("attr=1", "attr", "must be given by its keys: attr.key=value"),
        ("attr.=1", "attr.", "must be given by its keys: attr.key=value"),
        ("attr.a=1&attr.%61=2", "attr.a", "is given twice"),
    ] {
        let reply = shop.get(&format!("/v1/books/1?{query}")).await;
        let detail = &reply.error()["details"][0];
        assert_eq!((&detail["field"], &detail["issue"]), (&field.into(), &issue.into()));
    }
}

#[tokio::test]
async fn a_parameter_that_there_is_not_is_refused_with_those_that_there_are() {
    let fake = Fake::answering(());
    let shop = library(&fake).await;
    const KNOWN: &str = "is not a known field: known are ";
    for (method, path, field, known) in [
        // what the path says is no parameter
        (
            "GET",
            "/v1/books/1?ide=2",
            "ide",
            "name, book, numberList, updateMask, pageToken, attr, fields",
        ),
        ("GET", "/v1/books/1?book.x=2", "book.x", "id, pageCount, authors"),
        // nor what the body says
        (
            "POST",
            "/v1/shelves/7/books?book.id=1",
            "book.id",
            "name, numberList, updateMask, pageToken, attr, fields",
        ),
        ("POST", "/v1/shelves/1/books/2:publish?id=1", "id", "fields"),
    ] {
        let reply = shop.json(method, path, "{}").await;
        let detail = reply.error()["details"][0].clone();
        assert_eq!((reply.status, &detail["field"]), (400, &field.into()), "{path}");
        assert_eq!(detail["issue"], format!("{KNOWN}{known}"), "{path}");
    }
    assert!(fake.last_call().is_none());
}

#[test]
fn an_entry_of_a_map_is_in_no_path() {
    let mut descriptors = descriptors();
    let (path, other) = (b"/v1/books/{id}/authors", b"/v1/{attr.key}/authors");
    let at = descriptors.windows(path.len()).position(|text| text == path).unwrap();
    descriptors[at..at + path.len()].copy_from_slice(other);
    let fake = Fake::answering(());
    let refusal = gateway_of(&descriptors, &fake, Some(Access::Public), None).err().unwrap();
    let refusal = format!("{refusal:#}");
    assert!(refusal.ends_with("library.v1.Request has no field `attr.key`"), "{refusal}");
}

#[tokio::test]
async fn a_body_is_one_field_where_the_rule_says_so() {
    let fake = Fake::answering(());
    let shop = library(&fake).await;
    let reply = shop.json("POST", "/v1/shelves/7/books?number_list=5", r#"{"id": "b"}"#).await;
    let expected = r#"Create id:"7",book{id:"b"},number_list:[5]"#;
    assert_eq!((reply.status, asked(&fake)), (200, expected.to_owned()));
}

/// A book, as its service sends it.
fn book() -> Fake {
    Fake::answering(message("Book", r#"id: "b" page_count: 7 authors: ["x", "y"]"#))
}

fn message(name: &str, text: &str) -> DynamicMessage {
    let pool = DescriptorPool::decode(&*descriptors()).unwrap();
    let message = pool.get_message_by_name(&format!("library.v1.{name}")).unwrap();
    DynamicMessage::parse_text_format(message, text).unwrap()
}

#[tokio::test]
async fn what_comes_in_parts_goes_to_the_service_as_one_message() {
    let fake = Fake::answering(());
    let shop = library(&fake).await;
    let body = r#"{"id": "of the body", "pageCount": "9", "authors": ["a"]}"#;
    shop.json("PATCH", "/v1/books/7/pages", body).await;
    let text =
        r#"book{id:"7",page_count:9,authors:["a"]},update_mask{paths:["page_count","authors"]}"#;
    assert_eq!(asked(&fake), format!("Change {text}"));
    // all of the book at once: some runtimes would keep only the last of several
    let wire = fake.last_call().unwrap().wire;
    let book = [&b"\x0a\x0bof the body"[..], b"\x10\x09\x1a\x01a", b"\x0a\x017"].concat();
    assert!(wire[2..].starts_with(&book) && wire[..2] == [3 << 3 | 2, 21], "{wire:?}");
}

#[tokio::test]
async fn json_is_canonical() {
    let reply = library(&book()).await.get("/v1/books/b").await;
    assert_eq!(reply.body, r#"{"id":"b","pageCount":"7","authors":["x","y"]}"#);
    let empty = library(&Fake::answering(())).await.get("/v1/books/b").await;
    assert_eq!(empty.body, "{}");
    let fake = Fake::answering(());
    let shop = library(&fake).await;
    let reply =
        shop.json("POST", "/v1/shelves/7/books?numberList=5", r#"{"pageCount": "9"}"#).await;
    let expected = r#"Create id:"7",book{page_count:9},number_list:[5]"#;
    assert_eq!((reply.status, asked(&fake)), (200, expected.to_owned()));
}

#[tokio::test]
async fn the_body_of_a_response_is_one_field_where_the_rule_says_so() {
    let shop = library(&book()).await;
    assert_eq!(shop.get("/v1/books/b/authors").await.body, r#"["x","y"]"#);
    assert_eq!(library(&Fake::answering(())).await.get("/v1/books/b/authors").await.body, "[]");
}

#[tokio::test]
async fn a_page_with_a_token_leads_to_the_next() {
    let page = message("Books", r#"books: {id: "b" page_count: 7} next_page_token: "t/2""#);
    let shop = library(&Fake::answering(page)).await;
    let reply = shop.get("/v1/any/where/books/list?pageToken=t1&fields=page_count").await;
    assert_eq!(reply.body, r#"{"books":[{"pageCount":"7"}],"nextPageToken":"t/2"}"#);
    let next = "</v1/any/where/books/list?fields=page_count&page_token=t%2F2>; rel=\"next\"";
    assert!(reply.header("link").ends_with(next), "{reply:?}");
}

#[tokio::test]
async fn an_rpc_without_a_rule_is_not_exposed() {
    let fake = Fake::answering(());
    let shop = library(&fake).await;
    assert_eq!(shop.get("/library.v1.Library/NotExposed").await.code(), "ROUTE_NOT_FOUND");
    let reply = shop.send("PUT", "/v1/books/7", &[], "").await;
    assert_eq!((reply.status, reply.header("allow")), (405, "GET, HEAD, OPTIONS, PURGE"));
}

#[tokio::test]
async fn where_no_policy_says_who_may_call_the_options_must() {
    let fake = Fake::answering(());
    assert!(gateway(&fake, None, Some(verifier())).is_err());
    assert!(gateway(&fake, Some(Access::SignedIn), None).is_err());
    let shop = gateway(&fake, Some(Access::SignedIn), Some(verifier())).unwrap();
    let shop = Shop::serving(shop).await;
    let nobody = shop.send("GET", "/v1/books/7", &["authorization: Bearer none"], "").await;
    assert_eq!((nobody.status, fake.last_call().is_none()), (401, true));
    assert_eq!(shop.get("/v1/books/7").await.status, 200);
}

#[tokio::test]
async fn a_failure_keeps_its_code_message_and_details() {
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation("book.id", "is taken");
    let status = Status::with_error_details(Code::AlreadyExists, "a book has this id", details);
    let reply = library(&Fake::failing(status)).await.get("/v1/books/7").await;
    let error = reply.json()["error"].clone();
    assert_eq!((reply.status, &error["code"]), (409, &"ALREADY_EXISTS".into()));
    assert_eq!(error["message"], "a book has this id");
    assert_eq!(error["details"][0]["field"], "book.id");
    let codes = [
        (Code::InvalidArgument, 400),
        (Code::NotFound, 404),
        (Code::PermissionDenied, 403),
        (Code::Unauthenticated, 401),
        (Code::ResourceExhausted, 429),
        (Code::FailedPrecondition, 400),
        (Code::OutOfRange, 400),
        (Code::Aborted, 409),
        (Code::Unimplemented, 501),
        (Code::Unavailable, 503),
    ];
    for (code, http) in codes {
        let shop = library(&Fake::failing(Status::new(code, "why"))).await;
        let reply = shop.get("/v1/books/7").await;
        assert_eq!((reply.status, &reply.json()["error"]["message"]), (http, &"why".into()));
    }
}

#[tokio::test]
async fn a_failure_leads_to_a_page_that_says_what_its_status_means_of_any_service() {
    let codes = [
        (Code::Cancelled, "CANCELLED", "499"),
        (Code::InvalidArgument, "INVALID_ARGUMENT", "400"),
        (Code::FailedPrecondition, "FAILED_PRECONDITION", "400"),
        (Code::OutOfRange, "OUT_OF_RANGE", "400"),
        (Code::Aborted, "ABORTED", "409"),
        (Code::ResourceExhausted, "RESOURCE_EXHAUSTED", "429"),
        (Code::NotFound, "NOT_FOUND", "404"),
        (Code::Unavailable, "UNAVAILABLE", "503"),
    ];
    for (code, name, http) in codes {
        let gone = Status::with_error_details(
            code,
            "why",
            ErrorDetails::with_error_info("BOOK_GONE", "library", HashMap::new()),
        );
        for (status, told) in [(Status::new(code, "why"), name), (gone, "BOOK_GONE")] {
            let shop = library(&Fake::failing(status)).await;
            let reply = shop.get("/v1/books/7").await;
            let error = reply.json()["error"].clone();
            assert_eq!((reply.status.to_string(), &error["code"]), (http.to_owned(), &told.into()));
            let url = format!("/docs/errors/{name}");
            assert_eq!(error["docs_url"], url);
            let page = shop.get(&url).await;
            assert_eq!(page.status, 200, "{url}");
            let words = format!("HTTP <b>{http}</b>, with <code>error.code</code> <code>{name}");
            assert!(page.body.contains(&words), "{}", page.body);
            assert!(page.body.contains("the documentation of its service says"), "{}", page.body);
        }
    }
}

#[tokio::test]
async fn only_errors_that_are_possible_have_a_page() {
    let fake = Fake::answering(());
    let shop = library(&fake).await;
    let index = shop.get("/docs/errors").await.body;
    let links = |index: &str| -> Vec<String> {
        let parts = index.split("<a href=\"/docs/errors/").skip(1);
        parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
    };
    let listed = links(&index);
    assert!(listed.contains(&"ROUTE_NOT_FOUND".to_owned()), "{listed:?}");
    assert!(listed.contains(&"INVALID_ARGUMENT".to_owned()), "{listed:?}");
    for code in listed {
        let page = shop.get(&format!("/docs/errors/{code}")).await;
        assert_eq!(page.status, 200, "{code}");
        for word in ["product", "the order", "stock", "/v1/auth", "e-mail"] {
            assert!(!page.body.contains(word), "{code}: {word} in {}", page.body);
        }
    }
    for code in ["OUT_OF_STOCK", "ILLEGAL_TRANSITION", "IN_FLIGHT", "VALIDATION_FAILED"] {
        assert_eq!(shop.get(&format!("/docs/errors/{code}")).await.status, 404, "{code}");
        assert!(!index.contains(code), "{code}");
    }

    let guarded = gateway(&fake, Some(Access::SignedIn), Some(verifier())).unwrap();
    let index = Shop::serving(guarded).await.get("/docs/errors").await.body;
    assert!(links(&index).contains(&"TOKEN_EXPIRED".to_owned()), "{index}");
    let ours = Shop::of(&fake).await.get("/docs/errors").await.body;
    assert!(!links(&ours).contains(&"FAILED_PRECONDITION".to_owned()), "{ours}");
}

#[tokio::test]
async fn what_a_service_calls_its_own_fault_stays_inside() {
    for code in [Code::Internal, Code::Unknown, Code::DataLoss] {
        let shop = library(&Fake::failing(Status::new(code, "panic at main.go:7"))).await;
        let reply = shop.get("/v1/books/7").await;
        assert_eq!((reply.status, reply.body.contains("main.go")), (500, false));
    }
}
