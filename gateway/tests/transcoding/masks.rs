//! What a PATCH changes: the paths of the fields that its body gives.

use prost::Message as _;

use crate::contracts::{CANONICAL, Contracts, PLAIN, decode, styles};

fn paths(contracts: &Contracts, name: &str, json: &str) -> Vec<String> {
    let paths = contracts.plans.mask_paths(contracts.id(name), json.as_bytes());
    paths.unwrap_or_else(|error| panic!("{error}: {json}"))
}

#[test]
fn the_mask_of_a_flat_body_has_its_keys() {
    let name = "souk.catalog.v1.UpdateProductRequest";
    let body = r#"{"price":null,"name":"New","category_ids":[]}"#;
    assert_eq!(paths(&PLAIN, name, body), ["price", "name", "category_ids"]);
    let wire = PLAIN.wire(name, body);
    let request = souk_proto::souk::catalog::v1::UpdateProductRequest::decode(&*wire).unwrap();
    assert_eq!((request.price, request.name.as_deref()), (None, Some("New")));
}

#[test]
fn a_mask_leads_into_messages_and_not_into_what_is_one_value() {
    let cases: [(&str, &str, &[&str]); 12] = [
        (
            "test.Optionals",
            r#"{"scalars":{"text":"a","int32_value":1}}"#,
            &["scalars.text", "scalars.int32_value"],
        ),
        ("test.Optionals", r#"{"scalars":{"text":null},"text":null}"#, &["scalars.text", "text"]),
        ("test.Optionals", r#"{"scalars":{}}"#, &["scalars"]),
        ("test.Optionals", r#"{"scalars": { } , "text":"}"}"#, &["scalars", "text"]),
        ("test.Optionals", r#"{"scalars":null}"#, &["scalars"]),
        ("test.Optionals", "{}", &[]),
        (
            "test.Tree",
            r#"{"left":{"left":{"name":"a"},"right":null},"children":[{"name":"b"}],"named":{"k":{"name":"c"}},"name":"\"}"}"#,
            &["left.left.name", "left.right", "children", "named", "name"],
        ),
        (
            "test.WellKnown",
            r#"{"struct":{"a":{"b":1}},"value":{"a":1},"list":[[]]}"#,
            &["struct", "value", "list"],
        ),
        (
            "test.WellKnown",
            r#"{"timestamp":"1970-01-01T00:00:00Z","int32_value":1}"#,
            &["timestamp", "int32_value"],
        ),
        ("test.Oneofs", r#"{"scalars":{"text":"a"}}"#, &["scalars.text"]),
        ("test.Groups", r#"{"single":{"inner":{"numbers":[1]}}}"#, &["single.inner.numbers"]),
        ("test.Lists", r#"{"scalars":[{"text":"a"}]}"#, &["scalars"]),
    ];
    for contracts in styles() {
        for (name, json, expected) in cases {
            assert_eq!(paths(contracts, name, json), expected, "{json}");
            contracts.wire(name, json);
        }
    }
    // names are always those of the contract
    let json = r#"{"scalars":{"int32Value":1,"farAway":"x"},"boolValue":true}"#;
    assert_eq!(
        paths(&CANONICAL, "test.Optionals", json),
        ["scalars.int32_value", "scalars.far_away", "bool_value"]
    );
    let json = r#"{"any":{"name":"x","@type":"a/test.Holder"},"holder":{"any":null}}"#;
    assert_eq!(paths(&CANONICAL, "test.Holder", json), ["any", "holder.any"]);
}

#[test]
fn a_mask_is_written_as_a_field() {
    let id = CANONICAL.id("test.WellKnown");
    let mut wire = Vec::new();
    let paths = ["a_b.c".to_owned(), "fooBar".to_owned()];
    CANONICAL.plans.put_mask(id, "mask", &paths, &mut wire).unwrap();
    let message = decode(CANONICAL.descriptor("test.WellKnown"), &wire);
    assert_eq!(message.to_string(), r#"mask{paths:["a_b.c","fooBar"]}"#);
    assert!(CANONICAL.plans.put_mask(id, "nothing", &paths, &mut wire).is_err());
}

#[test]
fn null_is_no_surprise_anywhere() {
    for contracts in styles() {
        for descriptor in &contracts.messages {
            let id = contracts.id(descriptor.full_name());
            for field in descriptor.fields() {
                let json = format!(r#"{{"{}":null}}"#, field.name());
                let wire = contracts.wire(descriptor.full_name(), &json);
                contracts.to_json(descriptor, &wire);
                let paths = contracts.plans.mask_paths(id, json.as_bytes()).unwrap();
                assert_eq!(paths, [field.name()]);
                for json in
                    [r#"{"NAME":[null]}"#, r#"{"NAME":{"a":null}}"#, r#"{"NAME":{"1":null}}"#]
                {
                    let json = json.replace("NAME", field.name());
                    let _ = contracts.plans.json_to_wire(id, json.as_bytes(), &mut Vec::new());
                    let _ = contracts.plans.mask_paths(id, json.as_bytes());
                }
            }
            for json in ["null", "[null]", "{\"\":null}", "{null:null}", "{null}"] {
                let read = contracts.plans.json_to_wire(id, json.as_bytes(), &mut Vec::new());
                assert!(read.is_err(), "{json}");
                assert!(contracts.plans.mask_paths(id, json.as_bytes()).is_err(), "{json}");
            }
        }
    }
}

#[test]
fn a_mask_has_bounds() {
    let id = PLAIN.id("test.Tree");
    let deep = |depth: usize, inner: &str| {
        format!("{}{inner}{}", r#"{"left":"#.repeat(depth), "}".repeat(depth))
    };
    assert_eq!(paths(&PLAIN, "test.Tree", &deep(100, "null"))[0].len(), 99 * 5 + 4);
    for depth in [102, 100_000] {
        let error = PLAIN.plans.mask_paths(id, deep(depth, "null").as_bytes()).unwrap_err();
        assert_eq!(error.issue, "is nested too deeply");
    }
    // paths that are much longer than the text
    let mut wide = r#"{"name":""}"#.to_owned();
    for _ in 0..9 {
        wide = format!(r#"{{"left":{wide},"right":{wide}}}"#);
    }
    let wide = deep(80, &wide);
    assert!(wide.len() < 20_000);
    let error = PLAIN.plans.mask_paths(id, wide.as_bytes()).unwrap_err();
    assert_eq!(error.issue, "changes too many fields at once");
    let found = PLAIN.plans.find_path(id, wide.as_bytes(), |path| path.ends_with("right.name"));
    assert!(found.unwrap().is_some_and(|path| path.ends_with("left.right.name")));
}
