//! `?fields=`: only some fields of a message.

use prost_reflect::MessageDescriptor;
use souk_gateway::transcode::Style;

use crate::contracts::{CANONICAL, Contracts, PLAIN, styles};

fn selected(contracts: &Contracts, name: &str, names: &str, json: &str) -> String {
    let selection = contracts.plans.select(contracts.id(name), names);
    let selection = selection.unwrap_or_else(|error| panic!("{error}: {names}"));
    let mut out = b"before".to_vec();
    let wire = contracts.wire(name, json);
    contracts.plans.wire_to_json_selected(&selection, &wire, &mut out).unwrap();
    String::from_utf8(out.split_off(6)).unwrap()
}

#[test]
fn only_what_is_selected_is_written() {
    let tree = r#"{"name":"a","left":{"name":"b","left":{"name":"c"}},"children":[{"name":"d"},{"left":{"name":"e"}}],"named":{"k":{"name":"f"}}}"#;
    let cases = [
        ("name", r#"{"name":"a"}"#),
        ("left.name", r#"{"left":{"name":"b"}}"#),
        ("left.left.name,name", r#"{"name":"a","left":{"left":{"name":"c"}}}"#),
        ("children.left,children.left.name", r#"{"children":[{},{"left":{"name":"e"}}]}"#),
        ("children.left.right", r#"{"children":[{},{"left":{}}]}"#),
        ("named", r#"{"named":{"k":{"name":"f"}}}"#),
        ("right.name", "{}"),
        // a field and a part of it is the field, in any order, and twice is once
        ("left,left.name", r#"{"left":{"name":"b","left":{"name":"c"}}}"#),
        ("left.name,left,left.left.name", r#"{"left":{"name":"b","left":{"name":"c"}}}"#),
        ("name,name,left.name,left.name", r#"{"name":"a","left":{"name":"b"}}"#),
    ];
    for (names, expected) in cases {
        assert_eq!(selected(&CANONICAL, "test.Tree", names, tree), expected, "{names}");
    }
}

#[test]
fn absent_fields_are_what_they_are_without_a_selection() {
    let cases = [
        ("test.Optionals", "text,scalars.text", r#"{"text":null,"scalars":null}"#, "{}"),
        ("test.Scalars", "text,color", r#"{"text":"","color":"unspecified"}"#, "{}"),
        ("test.Lists", "scalars.text,int32s", r#"{"int32s":[],"scalars":[]}"#, "{}"),
        ("test.Oneofs", "text,flag,between", r#"{"between":""}"#, "{}"),
    ];
    for (name, names, plain, canonical) in cases {
        assert_eq!(selected(&PLAIN, name, names, "{}"), plain, "{names}");
        assert_eq!(selected(&CANONICAL, name, names, "{}"), canonical, "{names}");
    }
}

#[test]
fn fields_have_their_names_of_the_contract_or_those_of_json() {
    for contracts in styles() {
        let names = ["int32_value,text", "int32Value,text"];
        let [one, other] = names.map(|names| {
            selected(contracts, "test.Scalars", names, r#"{"text":"a","int32_value":1}"#)
        });
        assert_eq!(one, other);
    }
    // Decimal is an object in canonical JSON alone
    let json = r#"{"decimal":{"value":"1.5"}}"#;
    assert_eq!(selected(&CANONICAL, "test.WellKnown", "decimal.value", json), json);
}

#[test]
fn what_is_no_field_is_refused_by_name() {
    let cases = [
        ("test.Tree", "nope", "names nope, which is not a known field"),
        ("test.Tree", "name,left.nope", "names left.nope, which is not a known field"),
        ("test.Tree", "left,left.nope", "names left.nope, which is not a known field"),
        ("test.Tree", "name.length", "names name.length, which is not a known field"),
        ("test.Tree", "named.k", "names named.k, which is not a known field"),
        ("test.Tree", "NAME", "names NAME, which is not a known field"),
        ("test.Tree", " name", "names  name, which is not a known field"),
        (
            "test.WellKnown",
            "timestamp.seconds",
            "names timestamp.seconds, which is not a known field",
        ),
        ("test.WellKnown", "decimal.value", "names decimal.value, which is not a known field"),
        ("test.WellKnown", "struct.fields", "names struct.fields, which is not a known field"),
        ("test.Tree", "", "must be names with commas between"),
        ("test.Tree", "name,,left", "must be names with commas between"),
        ("test.Tree", "name,", "must be names with commas between"),
        ("test.Tree", ".", "names ., which is not a known field"),
    ];
    for (name, names, issue) in cases {
        let error = PLAIN.plans.select(PLAIN.id(name), names).expect_err(names);
        assert_eq!((&*error.field, &*error.issue), ("", issue));
    }
}

#[test]
fn a_selection_has_bounds() {
    let select = |names: &str| PLAIN.plans.select(PLAIN.id("test.Tree"), names);
    assert!(select(&format!("{}name", "left.".repeat(99))).is_ok());
    assert!(select(&format!("{}name", "left.".repeat(100))).is_err());
    assert!(select(&"name,".repeat(819)[..4094]).is_ok());
    let error = select(&"name,".repeat(1_000)).unwrap_err();
    assert_eq!(error.issue, "must have at most 4096 characters");
}

#[test]
fn a_page_is_whole_but_for_its_items() {
    let name = "souk.catalog.v1.ListProductsResponse";
    let wire = PLAIN.wire(
        name,
        r#"{"data":[{"id":"a","name":"A","price":599.00},{"id":"b"}],"pagination":{"size":20,"total":2}}"#,
    );
    let selection = PLAIN.plans.select_within(PLAIN.id(name), "data", "price,id").unwrap();
    let mut out = Vec::new();
    PLAIN.plans.wire_to_json_selected(&selection, &wire, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        concat!(
            r#"{"data":[{"id":"a","price":599.00},{"id":"b","price":null}],"#,
            r#""pagination":{"size":20,"next_cursor":null,"has_more":false,"total":2,"page":null,"pages":null,"total_is_lower_bound":false}}"#
        )
    );
    let plans = &PLAIN.plans;
    let error = plans.select_within(PLAIN.id(name), "data", "pagination").unwrap_err();
    assert_eq!(error.issue, "names pagination, which is not a known field");
    for field in ["nope", "data.id", "name", "named"] {
        let error = plans.select_within(PLAIN.id("test.Tree"), field, "name").unwrap_err();
        assert_eq!((&*error.field, &*error.issue), (field, "has no fields"));
    }
}

#[test]
fn a_selection_of_everything_is_everything() {
    for contracts in styles() {
        contracts.for_messages(3_000, |random, descriptor| {
            let wire = random.unusual_wire(descriptor, 0);
            let mut whole = Vec::new();
            let id = contracts.id(descriptor.full_name());
            let names = all_names(contracts.style, descriptor).join(",");
            let is_readable = contracts.plans.wire_to_json(id, &wire, &mut whole).is_ok();
            if !is_readable || !(1..4096).contains(&names.len()) {
                return false;
            }
            let selection = contracts.plans.select(id, &names).unwrap();
            let mut out = Vec::new();
            contracts.plans.wire_to_json_selected(&selection, &wire, &mut out).unwrap();
            assert_eq!(String::from_utf8(out), String::from_utf8(whole));
            true
        });
    }
}

/// The fields of a message, and those of the messages in it instead of these.
fn all_names(style: Style, descriptor: &MessageDescriptor) -> Vec<String> {
    let has_no_members = |message: &MessageDescriptor| {
        let name = message.full_name();
        name.starts_with("google.protobuf.")
            || name == "google.type.Decimal" && style == Style::Plain
            || message.fields().len() == 0
    };
    let mut names = Vec::new();
    for field in descriptor.fields() {
        match field.kind().as_message() {
            Some(inner) if !field.is_map() && !has_no_members(inner) => names.extend(
                inner.fields().map(|other| format!("{}.{}", field.json_name(), other.name())),
            ),
            _ => names.push(field.name().to_owned()),
        }
    }
    names
}
