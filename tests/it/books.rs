//! Books: a typed API on top of the catalog.

use http::{Method, StatusCode};
use prost_types::FieldMask;
use serde_json::{Value, json};
use souk_kit::auth::AUDIENCE;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::books::v1::book_service_client::BookServiceClient;
use souk_proto::souk::books::v1::{Book, CreateBookRequest, GetBookRequest, UpdateBookRequest};
use tonic::Code;

use crate::support::{Databases, Response, Suite, forge, signed, unique};

struct Library {
    suite: Suite,
    admin: String,
}

impl Library {
    async fn new() -> Self {
        Self::of(Suite::start().await).await
    }

    async fn of(suite: Suite) -> Self {
        let admin = suite.admin().await;
        Self { suite, admin }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        self.suite.http().json_as(&self.admin, method, path, body).await
    }

    async fn create(&self, book: &Value) -> Value {
        let made = self.send(Method::POST, "/v1/books", book).await;
        assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.json());
        let made_at = format!("/v1/books/{}", id(&made.json()));
        assert_eq!(made.header("location"), made_at);
        made.json()
    }

    async fn get(&self, id: &str) -> Response {
        self.suite.http().get(&format!("/v1/books/{id}")).await
    }
}

fn book() -> Value {
    json!({
        "title": "To Kill a Mockingbird",
        "author": "Harper Lee",
        "isbn": "9780000000001",
        "price": 12.50,
        "genre": "classic",
    })
}

/// The book of all but these fields.
fn with(fields: Value) -> Value {
    let (mut book, Value::Object(fields)) = (book(), fields) else { panic!("no object") };
    fields.into_iter().for_each(|(name, value)| book[name] = value);
    book
}

fn id(book: &Value) -> String {
    book["id"].as_str().unwrap().to_owned()
}

fn fields(refused: &Response) -> Vec<String> {
    let details = refused.json()["error"]["details"].clone();
    details
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["field"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_book_is_created_read_changed_and_deleted() {
    let library = Library::new().await;
    let made = library.create(&book()).await;
    for (name, value) in book().as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    assert_eq!(made["in_stock"], true);
    assert!(made["created_at"].is_string() && made["updated_at"].is_string());
    let id = id(&made);
    assert_eq!(library.get(&id).await.json(), made);

    let path = format!("/v1/books/{id}");
    for (name, value) in [
        ("title", json!("Go Set a Watchman")),
        ("price", json!(9.99)),
        ("in_stock", json!(false)),
        ("genre", json!("novel")),
    ] {
        let before = library.get(&id).await.json();
        let changed = library.send(Method::PATCH, &path, &json!({ name: value })).await;
        assert_eq!(changed.status, StatusCode::OK, "{:?}", changed.json());
        let mut expected = before;
        expected[name] = value;
        let mut changed = changed.json();
        for moves in ["updated_at", "etag"] {
            changed[moves] = expected[moves].clone();
        }
        assert_eq!(changed, expected, "{name}, and nothing else");
    }
    assert_eq!(
        library.send(Method::DELETE, &path, &json!({})).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(library.get(&id).await.status, StatusCode::NOT_FOUND);
    let again = library.send(Method::DELETE, &path, &json!({})).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_no_book_is_not_found_and_says_so() {
    let library = Library::new().await;
    let cup = json!({"sku": unique("CUP"), "name": "Cup", "price": 3});
    let cup = id(&library.send(Method::POST, "/v2/products", &cup).await.json());
    for id in ["nonexistent-id", "1", "prod_01h455vb4pex5vsknk084sn02q", &cup] {
        let path = format!("/v1/books/{id}");
        let headers = [("accept", "application/problem+json")];
        let missing = library.suite.http().send(Method::GET, &path, &headers, "").await.unwrap();
        assert_eq!(missing.status, StatusCode::NOT_FOUND, "{id}");
        assert_eq!(missing.header("content-type"), "application/problem+json");
        assert!(missing.json()["detail"].as_str().unwrap().contains("not found"), "{id}");
        let title = json!({"title": "Another"});
        assert_eq!(library.send(Method::PATCH, &path, &title).await.status, StatusCode::NOT_FOUND);
        let deleted = library.send(Method::DELETE, &path, &json!({})).await;
        assert_eq!(deleted.status, StatusCode::NOT_FOUND);
    }
    let there = library.suite.http().get(&format!("/v2/products/{cup}")).await;
    assert_eq!(there.status, StatusCode::OK, "a cup is not deleted as a book");
}

#[tokio::test]
async fn what_breaks_a_rule_is_named_as_a_book_has_it() {
    let library = Library::new().await;
    let id = id(&library.create(&book()).await);
    let path = format!("/v1/books/{id}");
    for (change, field) in [
        (json!({"title": ""}), "title"),
        (json!({"title": "x".repeat(201)}), "title"),
        (json!({"author": " "}), "author"),
        (json!({"author": "x".repeat(101)}), "author"),
        (json!({"isbn": "978000000000"}), "isbn"),
        (json!({"isbn": "97800000000011"}), "isbn"),
        (json!({"isbn": "978000000000X"}), "isbn"),
        (json!({"price": 0}), "price"),
        (json!({"price": -1}), "price"),
        (json!({"price": 10000.01}), "price"),
        (json!({"genre": "x".repeat(51)}), "genre"),
    ] {
        let refused = library.send(Method::POST, "/v1/books", &with(change.clone())).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{change}");
        assert_eq!(fields(&refused), [field], "{change}");
        let refused = library.send(Method::PATCH, &path, &change).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{change}");
        assert_eq!(fields(&refused), [field], "{change}");
    }
    let cleared = library.send(Method::PATCH, &path, &json!({"title": null})).await;
    assert_eq!(fields(&cleared), ["title"]);
    let unknown = library.send(Method::POST, "/v1/books", &with(json!({"pages": 3}))).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let nobody = library.suite.http().json_as("", Method::POST, "/v1/books", &book()).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    let user = library.suite.user().await;
    let user = library.suite.http().json_as(&user, Method::POST, "/v1/books", &book()).await;
    assert_eq!(user.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn books_are_listed_by_genre_and_stock_in_numbered_pages() {
    let library = Library::new().await;
    for place in 0..5 {
        let genre = if place < 3 { "classic" } else { "crime" };
        let book =
            with(json!({"title": format!("Book {place}"), "genre": genre, "in_stock": place != 1}));
        library.create(&book).await;
    }
    let list = async |query: &str| {
        let list = library.suite.http().get(&format!("/v1/books{query}")).await;
        assert_eq!(list.status, StatusCode::OK, "{query}: {:?}", list.json());
        list.json()
    };
    let titles = |list: &Value| -> Vec<String> {
        let books = list["data"].as_array().unwrap().iter();
        books.map(|book| book["title"].as_str().unwrap().to_owned()).collect()
    };
    let all = list("").await;
    assert_eq!(all["pagination"], json!({"page": 1, "size": 20, "total": 5, "pages": 1}));
    let second = list("?page=2&size=2").await;
    assert_eq!(titles(&second), ["Book 2", "Book 3"]);
    assert_eq!(second["pagination"], json!({"page": 2, "size": 2, "total": 5, "pages": 3}));
    let classics = list("?genre=classic&in_stock=true&page=1&size=20").await;
    assert_eq!(titles(&classics), ["Book 0", "Book 2"]);
    assert_eq!(classics["pagination"]["total"], 2);
    assert_eq!(titles(&list("?in_stock=false").await), ["Book 1"]);
    assert!(titles(&list("?genre=poetry").await).is_empty());
    // and the catalog finds them by their authors
    let found = library.suite.http().get("/v2/products?q=harper+lee&type=book").await.json();
    assert_eq!(found["data"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_book_that_is_sold_is_out_of_stock_and_an_editors_tag_is_good_after_the_sale() {
    let library = Library::new().await;
    let made = library.create(&book()).await;
    let id = id(&made);
    let items = json!([{"product_id": id, "quantity": 1}]);
    let user = library.suite.user().await;
    let order = library.suite.http().order(&user, &unique("key"), &items).await.unwrap();
    assert_eq!(order.status, StatusCode::CREATED);
    assert_eq!(library.get(&id).await.json()["in_stock"], false);

    let path = format!("/v1/books/{id}");
    let bearer = format!("Bearer {}", library.admin);
    let edit = async |tag: &str, body: Value| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("if-match", tag),
        ];
        let http = library.suite.http();
        http.send(Method::PATCH, &path, &headers, body.to_string()).await.unwrap().status
    };
    let tag = library.get(&id).await.header("etag").to_owned();
    assert_eq!(edit(&tag, json!({"title": "One"})).await, StatusCode::OK);
    assert_eq!(edit(&tag, json!({"title": "Two"})).await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(edit(&tag, json!({"in_stock": true})).await, StatusCode::PRECONDITION_FAILED);
    let back = library.send(Method::PATCH, &path, &json!({"in_stock": true})).await;
    assert_eq!(back.json()["in_stock"], true);
    assert_eq!(back.json()["title"], "One");
}

#[tokio::test]
async fn two_who_change_different_fields_at_once_undo_nothing() {
    let library = Library::new().await;
    let path = format!("/v1/books/{}", id(&library.create(&book()).await));
    let bearer = format!("Bearer {}", library.admin);
    let edit = async |body: Value| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            // any version, as long as there is one
            ("if-match", "*"),
        ];
        let http = library.suite.http();
        http.send(Method::PATCH, &path, &headers, body.to_string()).await.unwrap()
    };
    for round in 0..20 {
        let (author, genre) = (format!("Author {round}"), format!("genre {round}"));
        let changes = (json!({"author": author}), json!({"genre": genre}));
        let (one, other) = tokio::join!(edit(changes.0), edit(changes.1));
        assert_eq!((one.status, other.status), (StatusCode::OK, StatusCode::OK));
        let book = library.suite.http().get(&path).await.json();
        assert_eq!((&book["author"], &book["genre"]), (&json!(author), &json!(genre)));
    }
}

#[tokio::test]
async fn who_may_not_change_the_stock_changes_nothing_of_a_book_together_with_it() {
    let databases = Databases::create().await;
    let mut auth = databases.connect("auth").await;
    let editor = forge(&mut auth, AUDIENCE, "catalog:write", 600).await;
    let library = Library::of(Suite::start_on(databases, &[])).await;
    let id = id(&library.create(&book()).await);
    let (http, path) = (library.suite.http(), format!("/v1/books/{id}"));
    let both = json!({"title": "Another", "in_stock": false});
    let refused = http.json_as(&editor, Method::PATCH, &path, &both).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::FORBIDDEN, "PERMISSION_DENIED")
    );
    assert_eq!(library.get(&id).await.json()["title"], book()["title"]);
    let title = http.json_as(&editor, Method::PATCH, &path, &json!({"title": "Another"})).await;
    assert_eq!((title.status, &title.json()["title"]), (StatusCode::OK, &json!("Another")));
}

#[tokio::test]
async fn many_who_change_a_title_at_once_without_a_condition_all_succeed() {
    let library = Library::new().await;
    let path = format!("/v1/books/{}", id(&library.create(&book()).await));
    let titles = (0..20).map(|number| json!({"title": format!("Title {number}")}));
    let changes = titles.map(|title| {
        let (library, path) = (&library, &path);
        async move { library.send(Method::PATCH, path, &title).await.status }
    });
    let done = futures::future::join_all(changes).await;
    assert!(done.iter().all(|status| *status == StatusCode::OK), "{done:?}");
}

#[tokio::test]
async fn books_are_there_over_grpc_too() {
    let library = Library::new().await;
    let mut books = BookServiceClient::new(library.suite.channel("souk.books.v1.BookService"));
    let message = CreateBookRequest {
        title: "Emma".to_owned(),
        author: "Jane Austen".to_owned(),
        isbn: "9780000000002".to_owned(),
        price: Some(Decimal { value: "7.00".to_owned() }),
        ..CreateBookRequest::default()
    };
    let made = books.create_book(signed(&library.admin, message)).await.unwrap().into_inner();
    let got = books.get_book(GetBookRequest { id: made.id.clone() }).await.unwrap().into_inner();
    assert_eq!(got, made);

    // what has a value and is not in the mask stays as it is
    let change = UpdateBookRequest {
        id: made.id.clone(),
        title: Some("Persuasion".to_owned()),
        author: Some("Nobody".to_owned()),
        in_stock: Some(false),
        update_mask: Some(FieldMask { paths: vec!["title".to_owned()] }),
        ..UpdateBookRequest::default()
    };
    let changed = books.update_book(signed(&library.admin, change)).await.unwrap().into_inner();
    let (etag, updated_at) = (changed.etag.clone(), changed.updated_at);
    assert_eq!(changed, Book { title: "Persuasion".to_owned(), etag, updated_at, ..made.clone() });

    let missing = books.get_book(GetBookRequest { id: "nonexistent-id".to_owned() }).await;
    assert_eq!(missing.unwrap_err().code(), Code::NotFound);
}
