//! What contracts say of their messages.

use serde_json::{Value, json};

use crate::documents::{MUSEUM, PLAIN_MUSEUM, SOUK};
use crate::examples::validator;

fn property<'a>(schema: &'a Value, name: &str) -> &'a Value {
    &schema["properties"][name]
}

/// The keywords of a property, without its description.
fn keywords(schema: &Value, name: &str) -> Value {
    let mut keywords = property(schema, name).clone();
    let members = keywords.as_object_mut().unwrap_or_else(|| panic!("no property {name}"));
    members.shift_remove("description");
    keywords
}

#[test]
fn rules_of_the_contract_become_constraints() {
    let create = SOUK.schema("CreateProductRequest");
    assert_eq!(create["required"], json!(["sku", "name", "price"]));
    assert_eq!(create["additionalProperties"], false);
    let available = json!({
        "type": ["integer", "null"], "format": "int32", "minimum": 0, "maximum": 1_000_000_000,
        "examples": [42],
    });
    assert_eq!(keywords(create, "available"), available);
    let categories = keywords(create, "category_ids");
    assert_eq!((&categories["maxItems"], &categories["uniqueItems"]), (&json!(50), &json!(true)));
    assert_eq!(categories["items"]["pattern"], "^cat_[0-7][0-9a-hjkmnp-tv-z]{25}$");

    let delta = keywords(SOUK.schema("AdjustStockRequest"), "delta");
    assert_eq!(delta["not"], json!({ "enum": [0] }));
    let grant = keywords(SOUK.schema("CreateTokenRequest"), "grant_type");
    assert_eq!(grant["enum"], json!(["password", "refresh_token", "client_credentials"]));
    let email = keywords(SOUK.schema("RegisterRequest"), "email");
    assert_eq!((&email["format"], &email["maxLength"]), (&json!("email"), &json!(254)));
}

#[test]
fn rules_of_every_kind_are_known() {
    let everything = MUSEUM.schema("Everything");
    let cases = [
        ("flag", json!({ "type": "boolean", "const": true })),
        ("maybe", json!({ "type": "string" })),
        ("email", json!({ "type": "string", "anyOf": [{ "const": "" }, { "format": "email" }] })),
        ("ignored", json!({ "type": "string" })),
        ("notThese", json!({ "type": "string", "not": { "enum": ["bad"] } })),
        ("uuid", json!({ "type": "string", "format": "uuid" })),
        ("wrapped", json!({ "type": ["string", "null"], "minLength": 3 })),
        (
            "prefixed",
            json!({
                "type": "string", "pattern": r"^a\.b", "not": { "pattern": "!" }, "minLength": 2
            }),
        ),
        (
            "strangeRangeName",
            json!({
                "type": "integer", "format": "uint32", "exclusiveMinimum": 5,
                "exclusiveMaximum": 10,
            }),
        ),
        (
            "labels",
            json!({
                "type": "object", "propertyNames": { "pattern": "^[a-z]+$" },
                "additionalProperties": { "type": "string", "maxLength": 9 },
                "minProperties": 1, "maxProperties": 5,
            }),
        ),
    ];
    for (name, expected) in cases {
        assert_eq!(keywords(everything, name), expected, "{name}");
    }
    let required = [
        "flag",
        "longs",
        "labels",
        "prefixed",
        "oneOfThree",
        "uuid",
        "required",
        "requiredTime",
        "strangeRangeName",
    ];
    assert_eq!(everything["required"], json!(required));
}

#[test]
fn types_are_those_of_their_json() {
    let everything = MUSEUM.schema("Everything");
    let long = json!({ "type": "string", "format": "int64", "pattern": "^-?[0-9]+$" });
    let any = json!({ "type": "object", "additionalProperties": true });
    let cases = [
        ("whole", json!({ "type": "integer", "format": "int32" })),
        ("long", long.clone()),
        ("natural", json!({ "type": "integer", "format": "uint32", "minimum": 0 })),
        (
            "real",
            json!({ "anyOf": [
                { "type": "number", "format": "float" },
                { "type": "string", "enum": ["NaN", "Infinity", "-Infinity"] },
            ] }),
        ),
        ("data", json!({ "type": "string", "format": "byte", "contentEncoding": "base64" })),
        ("struct", any),
        ("list", json!({ "type": "array", "items": {} })),
        ("nothing", json!({ "type": "null" })),
        ("recursive", json!({ "$ref": "#/components/schemas/Everything" })),
        ("decimal", json!({ "$ref": "#/components/schemas/Decimal" })),
        ("requiredTime", json!({ "type": "string", "format": "date-time" })),
        (
            "byNumber",
            json!({
                "type": "object", "propertyNames": { "pattern": "^-?[0-9]+$" },
                "additionalProperties": { "type": "string" },
            }),
        ),
    ];
    for (name, expected) in cases {
        assert_eq!(keywords(everything, name), expected, "{name}");
    }
    let plain = PLAIN_MUSEUM.schema("Everything");
    let amount = json!({ "type": ["number", "null"], "format": "decimal" });
    assert_eq!(keywords(plain, "decimal"), amount);
    assert_eq!(PLAIN_MUSEUM.schema("Technique")["enum"], json!(["unspecified", "oil", "ink"]));
    let names = json!(["TECHNIQUE_UNSPECIFIED", "TECHNIQUE_OIL", "TECHNIQUE_INK"]);
    assert_eq!(MUSEUM.schema("Technique")["enum"], names);
}

#[test]
fn numbers_that_are_not_finite_are_text_where_the_rules_allow_them() {
    let size = MUSEUM.schema("Size");
    let above_zero = json!({ "type": "number", "format": "double", "exclusiveMinimum": 0 });
    let width = json!({ "anyOf": [above_zero, { "type": "string", "enum": ["Infinity"] }] });
    assert_eq!(keywords(size, "width"), width);
    let height = json!({
        "type": "number", "format": "double", "exclusiveMinimum": 0, "maximum": 1
    });
    assert_eq!(keywords(size, "height"), height);
    let everything = validator(&MUSEUM, &json!({ "$ref": "#/components/schemas/Everything" }));
    let mut example =
        MUSEUM.operation("echo")["requestBody"]["content"]["application/json"]["example"].clone();
    for (real, is_valid) in [(json!("NaN"), true), (json!(-1.5), true), (json!("1.5x"), false)] {
        example["real"] = real;
        assert_eq!(everything.is_valid(&example), is_valid, "{example}");
    }
}

#[test]
fn of_a_oneof_there_is_one() {
    let everything = validator(&MUSEUM, &json!({ "$ref": "#/components/schemas/Everything" }));
    let example =
        &MUSEUM.operation("echo")["requestBody"]["content"]["application/json"]["example"];
    assert!(everything.is_valid(example), "{example}");
    let mut both = example.clone();
    both["technique"] = json!("TECHNIQUE_OIL");
    assert!(!everything.is_valid(&both));
    let mut none = example.clone();
    none.as_object_mut().unwrap().shift_remove("word");
    assert!(!everything.is_valid(&none), "one of the first oneof is required");
    let mut pause = example.clone();
    pause["pause"] = json!("1s");
    assert!(everything.is_valid(&pause));
    pause["anything"] = json!(1);
    assert!(!everything.is_valid(&pause));
}

#[test]
fn answers_have_every_field_and_requests_only_what_they_need() {
    let product = SOUK.schema("Product");
    let properties: Vec<&String> = product["properties"].as_object().unwrap().keys().collect();
    assert_eq!(product["required"], json!(properties));
    assert_eq!(keywords(SOUK.schema("Order"), "expires_at")["type"], json!(["string", "null"]));
    assert_eq!(keywords(product, "created_at")["type"], "string", "it is always there");

    let update = SOUK.schema("UpdateProductRequest");
    assert_eq!(update["required"], Value::Null);
    assert_eq!(keywords(update, "description")["type"], json!(["string", "null"]));
    assert_eq!(keywords(update, "name")["type"], "string", "it cannot be cleared");
}

#[test]
fn a_message_that_looks_different_in_requests_has_two_schemas() {
    let (input, output) = (PLAIN_MUSEUM.schema("PaintingInput"), PLAIN_MUSEUM.schema("Painting"));
    assert_eq!(input["required"], json!(["id", "title", "technique"]));
    assert_eq!(output["required"].as_array().unwrap().len(), 7);
    let copies = &property(input, "copies")["items"]["$ref"];
    assert_eq!(*copies, "#/components/schemas/PaintingInput");
    assert!(MUSEUM.openapi["components"]["schemas"]["PaintingInput"].is_null(), "one is enough");
}

#[test]
fn a_body_does_not_have_what_comes_another_way() {
    let update = SOUK.schema("UpdateProductRequest")["properties"].as_object().unwrap();
    assert!(!update.contains_key("id") && !update.contains_key("update_mask"), "{update:?}");
    let replace = MUSEUM.schema("ReplacePaintingBody");
    assert!(property(replace, "id").is_null() && !property(replace, "title").is_null());
    assert!(!property(MUSEUM.schema("Painting"), "id").is_null());
}

#[test]
fn comments_become_descriptions() {
    let status = SOUK.schema("OrderStatus")["description"].as_str().unwrap();
    assert!(status.contains("\n\n- `unspecified`: Not used.\n- `pending`: Accepted;"), "{status}");
    let price = property(SOUK.schema("Product"), "price");
    assert_eq!(price["description"], "The price of one unit, in `currency`.");
    assert_eq!(SOUK.schema("Product")["description"], "Something that can be bought.");
}

#[test]
fn names_are_short_and_those_of_others_say_where_they_are_from() {
    let names = |document: &crate::documents::Document| {
        let schemas = document.openapi["components"]["schemas"].as_object().unwrap();
        schemas.keys().cloned().collect::<Vec<_>>()
    };
    let souk = names(&SOUK);
    for name in ["Product", "CreateProductRequest", "Order", "Pagination", "Error"] {
        assert!(souk.iter().any(|known| known == name), "{name} is not among {souk:?}");
    }
    let museum = names(&MUSEUM);
    assert!(museum.iter().any(|name| name == "archivePainting"), "{museum:?}");
}
