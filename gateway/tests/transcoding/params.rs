//! Path variables, query parameters and form fields.

use prost::Message as _;
use souk_gateway::transcode::{InputError, Params};

use crate::contracts::{CANONICAL, Contracts, PLAIN, decode, styles};

fn read(contracts: &Contracts, name: &str, query: &str) -> Result<Vec<u8>, InputError> {
    let mut wire = Vec::new();
    Params::new(&contracts.plans, contracts.id(name)).append_query(query, &mut wire)?;
    Ok(wire)
}

fn assert_means(contracts: &Contracts, name: &str, query: &str, json: &str) {
    let wire = read(contracts, name, query).unwrap_or_else(|error| panic!("{error}: {query}"));
    let descriptor = contracts.descriptor(name);
    let expected = contracts.to_message(descriptor, json.as_bytes());
    // NaN is not itself
    assert_eq!(decode(descriptor, &wire).to_string(), expected.to_string(), "{query}");
}

#[test]
fn parameters_mean_what_the_same_json_means() {
    let cases = [
        (
            "test.Scalars",
            "text=a+b%26c%2B&int32_value=-5&uint64_value=18446744073709551615",
            r#"{"text":"a b&c+","int32_value":-5,"uint64_value":"18446744073709551615"}"#,
        ),
        (
            "test.Scalars",
            "bool_value=true&color=dark_blue&bytes_value=_-8&double_value=NaN&text=",
            r#"{"bool_value":true,"color":"dark_blue","bytes_value":"/+8=","double_value":"NaN"}"#,
        ),
        ("test.Scalars", "color=COLOR_RED&float_value=1.5e3", r#"{"color":1,"float_value":1500}"#),
        ("test.Scalars", "color=-1&sfixed64_value=1", r#"{"color":"negative","sfixed64_value":1}"#),
        (
            "test.Lists",
            "texts=a&texts=b&int32s=1&int32s=2&times=1970-01-01T00:00:00Z",
            r#"{"texts":["a","b"],"int32s":[1,2],"times":["1970-01-01T00:00:00Z"]}"#,
        ),
        (
            "test.WellKnown",
            "timestamp=2025-01-31T00:00:00Z&duration=1.5s&mask=a_b,c.d&decimal=599.00&int64_value=7&bool_value=false",
            r#"{"timestamp":"2025-01-31T00:00:00Z","duration":"1.5s","mask":"a_b,c.d","decimal":599.00,"int64_value":"7","bool_value":false}"#,
        ),
        (
            "test.Optionals",
            "scalars.text=a&scalars.bool_value=true&int32_value=0",
            r#"{"scalars":{"text":"a","bool_value":true},"int32_value":0}"#,
        ),
        (
            "test.Tree",
            "left.right.left.name=deep&name=root",
            r#"{"left":{"right":{"left":{"name":"deep"}}},"name":"root"}"#,
        ),
        ("test.Oneofs", "text=a&flag=true", r#"{"text":"a","flag":true}"#),
        ("test.Nothing", "&&", "{}"),
    ];
    for (name, query, json) in cases {
        assert_means(&PLAIN, name, query, json);
    }
}

#[test]
fn a_parameter_has_its_name_of_the_contract_or_that_of_json() {
    for contracts in styles() {
        for query in ["int32_value=1&bool_value=true", "int32Value=1&boolValue=true"] {
            assert_means(
                contracts,
                "test.Scalars",
                query,
                r#"{"int32_value":1,"bool_value":true}"#,
            );
        }
        let json = r#"{"scalars":{"int32_value":1,"far_away":"x"}}"#;
        let query = "scalars.int32Value=1&scalars.far_away=x";
        assert_means(contracts, "test.Optionals", query, json);
        let json = r#"{"bytes_list":["/+8=","YQ=="]}"#;
        assert_means(contracts, "test.Lists", "bytesList=_-8&bytes_list=YQ", json);
    }
}

#[test]
fn canonical_parameters_mean_what_canonical_json_means() {
    let cases = [
        ("test.Scalars", "color=COLOR_RED", r#"{"color":1}"#),
        ("test.Scalars", "color=1", r#"{"color":1}"#),
        ("test.Lists", "colors=COLOR_RED&colors=-1", r#"{"colors":[1,-1]}"#),
        ("test.WellKnown", "mask=aB,c.dE", r#"{"mask":"aB,c.dE"}"#),
        ("test.WellKnown", "mask=a_b,c.d_e", r#"{"mask":"aB,c.dE"}"#),
        ("test.WellKnown", "decimal.value=1.50", r#"{"decimal":{"value":"1.50"}}"#),
        (
            "test.WellKnown",
            "timestamp=2025-01-31T00:00:00Z&duration=1.5s&stringValue=&uint64Value=1",
            r#"{"timestamp":"2025-01-31T00:00:00Z","duration":"1.5s","stringValue":"","uint64Value":"1"}"#,
        ),
    ];
    for (name, query, json) in cases {
        assert_means(&CANONICAL, name, query, json);
    }
}

#[test]
fn a_path_in_the_names_of_the_contract_is_known_for_any_other() {
    for contracts in styles() {
        let id = contracts.id("test.Optionals");
        let path = |path| contracts.plans.proto_path(id, path);
        assert_eq!(path("scalars.int32Value").as_deref(), Some("scalars.int32_value"));
        assert_eq!(path("bool_value").as_deref(), Some("bool_value"));
        assert_eq!(path("scalars.nope"), None);
        assert_eq!(contracts.plans.proto_name(id, "boolValue"), Some("bool_value"));
        assert_eq!(contracts.plans.proto_name(id, "nope"), None);
    }
}

#[test]
fn a_parameter_that_is_wrong_is_named() {
    let cases = [
        ("test.Scalars", "nothing=1", "nothing", "is not a known field"),
        ("test.Scalars", "INT32_VALUE=1", "INT32_VALUE", "is not a known field"),
        ("test.Scalars", "int32_value=1&int32Value=1", "int32Value", "is given twice"),
        (
            "test.Optionals",
            "scalars.farAway=a&scalars.far_away=b",
            "scalars.far_away",
            "is given twice",
        ),
        ("test.Scalars", "text.more=1", "text.more", "is not a known field"),
        ("test.Scalars", "int32_value=one", "int32_value", "must be an integer"),
        ("test.Scalars", "int32_value=", "int32_value", "must be an integer"),
        ("test.Scalars", "int32_value=+1", "int32_value", "must be an integer"),
        (
            "test.Scalars",
            "uint32_value=-1",
            "uint32_value",
            "must be an integer from 0 to 4294967295",
        ),
        ("test.Scalars", "bool_value", "bool_value", "must be true or false"),
        ("test.Scalars", "bytes_value=%21", "bytes_value", "must be base64"),
        ("test.Scalars", "text=a&text=b", "text", "is given twice"),
        ("test.Scalars", "text=%ff", "text", "is not UTF-8"),
        (
            "test.Scalars",
            "color=pink",
            "color",
            r#"must be one of "unspecified", "red", "dark_blue", "negative""#,
        ),
        ("test.Lists", "scalars.text=a", "scalars.text", "is not a known field"),
        ("test.Lists", "scalars=a", "scalars", "must be given by its fields"),
        ("test.Maps", "strings=a", "strings", "cannot be a parameter"),
        ("test.Maps", "strings.key=a", "strings.key", "is not a known field"),
        (
            "test.Oneofs",
            "text=a&number=1",
            "number",
            "cannot be given together with another of its alternatives",
        ),
        (
            "test.Oneofs",
            "recursive.text=a&recursive.number=1",
            "recursive.number",
            "cannot be given together with another of its alternatives",
        ),
        (
            "test.Oneofs",
            "scalars.text=a&scalars.bool_value=true&text=b",
            "text",
            "cannot be given together with another of its alternatives",
        ),
        (
            "test.WellKnown",
            "timestamp=yesterday",
            "timestamp",
            "must be a time like 2025-01-31T23:59:59Z",
        ),
        ("test.WellKnown", "timestamp.seconds=1", "timestamp.seconds", "is not a known field"),
        ("test.WellKnown", "decimal=a", "decimal", "must be a number"),
        ("test.WellKnown", "struct=a", "struct", "cannot be a parameter"),
        ("test.WellKnown", "value=a", "value", "cannot be a parameter"),
        ("test.WellKnown", "list=a", "list", "cannot be a parameter"),
        ("test.WellKnown", "empty=a", "empty", "must be given by its fields"),
        ("test.WellKnown", "int32_value=a", "int32_value", "must be an integer"),
        ("test.WellKnown", "duration=1", "duration", "must be a duration like 1.5s"),
        ("test.WellKnown", "mask=a,,b", "mask", "must be names with commas between"),
    ];
    for (name, query, field, issue) in cases {
        let error = read(&PLAIN, name, query).expect_err(query);
        assert_eq!((&*error.field, &*error.issue), (field, issue), "{query}");
    }
}

#[test]
fn a_parameter_is_never_nested_without_end() {
    let path = "left.".repeat(99) + "name";
    assert!(read(&PLAIN, "test.Tree", &format!("{path}=a")).is_ok());
    let path = "left.".repeat(100_000) + "name";
    assert!(read(&PLAIN, "test.Tree", &format!("{path}=a")).is_err());
}

#[test]
fn many_parameters_are_refused_and_many_values_are_not() {
    // each is compared with all before it, so there is an end to them
    let mut query = String::new();
    for index in 0..600 {
        let path: String =
            (0..10).map(|bit| if index >> bit & 1 == 0 { "left." } else { "right." }).collect();
        query.push_str(&format!("{path}name=a&"));
    }
    let error = read(&PLAIN, "test.Tree", &query).unwrap_err();
    assert_eq!(error.issue, "is one parameter too many");
    assert!(read(&PLAIN, "test.Lists", &"texts=a&".repeat(100_000)).is_ok());
}

#[test]
fn each_message_is_written_once_for_those_who_do_not_merge() {
    let cases = [
        ("test.Tree", "name=r&left.name=c&left.left.name=a&left.left.left.name=b&right.name=d"),
        ("test.Groups", "number=1&single.text=a&single.inner.numbers=1&single.inner.numbers=2"),
    ];
    for contracts in styles() {
        for (name, query) in cases {
            let (id, descriptor) = (contracts.id(name), contracts.descriptor(name));
            let wire = read(contracts, name, query).unwrap();
            let joined = contracts.plans.join(id, &wire);
            assert_ne!(&*joined, wire);
            // in the order of their numbers, as the oracle writes them
            assert_eq!(&*joined, decode(descriptor, &wire).encode_to_vec(), "{query}");
            assert_eq!(contracts.plans.join(id, &joined), joined);
        }
    }
}
