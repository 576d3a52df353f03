//! The collection has what the document has.

use serde_json::{Value, json};

use crate::documents::{MUSEUM, SOUK, all};

fn collection(document: &crate::documents::Document) -> Value {
    serde_json::from_slice(&document.documents.postman_json).unwrap()
}

fn requests(collection: &Value) -> Vec<&Value> {
    let folders = collection["item"].as_array().unwrap();
    folders.iter().flat_map(|folder| folder["item"].as_array().unwrap()).collect()
}

fn request<'a>(collection: &'a Value, name: &str) -> &'a Value {
    let found = requests(collection).into_iter().find(|request| request["name"] == name);
    &found.unwrap_or_else(|| panic!("no request {name}"))["request"]
}

#[test]
fn every_operation_is_a_request_in_the_folder_of_its_service() {
    for document in all() {
        let collection = collection(document);
        assert_eq!(requests(&collection).len(), document.operations().count(), "{}", document.name);
    }
    let folders = collection(&SOUK)["item"].clone();
    let names: Vec<&Value> =
        folders.as_array().unwrap().iter().map(|folder| &folder["name"]).collect();
    let orders = [
        "Addresses",
        "Orders",
        "OrderEvents",
        "Payments",
        "ProviderEvents",
        "Shipments",
        "WebhookEndpoints",
    ];
    assert_eq!(
        names,
        ["Auth", "Book", "CatalogV1", "Catalog"].into_iter().chain(orders).collect::<Vec<_>>()
    );
}

#[test]
fn a_request_can_be_sent_as_it_is() {
    let collection = collection(&SOUK);
    let variables = collection["variable"].as_array().unwrap();
    let keys: Vec<&Value> = variables.iter().map(|variable| &variable["key"]).collect();
    assert_eq!(keys, ["baseUrl", "token"]);

    let create = request(&collection, "Creates a product");
    assert_eq!((&create["method"], &create["auth"]), (&json!("POST"), &Value::Null));
    assert_eq!(create["url"]["raw"], "{{baseUrl}}/v1/products");
    let body: Value = serde_json::from_str(create["body"]["raw"].as_str().unwrap()).unwrap();
    assert_eq!(body["price"], 19.99);

    let get = request(&collection, "Gets a product");
    assert_eq!(get["auth"]["type"], "noauth");
    assert_eq!(get["url"]["path"], json!(["v1", "products", ":id"]));
    assert_eq!(get["url"]["variable"][0]["value"], "prod_01h455vb4pex5vsknk084sn02q");

    let list = request(&collection, "Lists all products, oldest first");
    let query = list["url"]["query"].as_array().unwrap();
    assert!(query.iter().all(|parameter| parameter["disabled"] == true), "{query:?}");
}

#[test]
fn a_map_in_a_query_is_one_of_its_entries() {
    let collection = collection(&MUSEUM);
    let keys = |name: &str| {
        let query = request(&collection, name)["url"]["query"].as_array().unwrap().clone();
        query.iter().map(|it| it["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(
        keys("Lists paintings").contains(&"lenders.key".to_owned()),
        "{:?}",
        keys("Lists paintings")
    );
}

#[test]
fn a_verb_is_no_part_of_a_variable() {
    let collection = collection(&MUSEUM);
    let restore = request(&collection, "Restore");
    assert_eq!(
        restore["url"]["path"],
        json!(["v1", "rooms", ":room", "paintings", "painting:restore"])
    );
}
