//! Path variables, query parameters and form fields.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message as _;
use serde_json::Value as Json;
use souk_gateway::transcode::{InputError, Params};

use crate::contracts::{CANONICAL, Contracts, PLAIN, decode, seed, styles};
use crate::generate::Random;

/// What is said of a name that no field of `test.Tree` has.
const TREE: &str = "is not a known field: known are name, left, right, children, named";

fn read(contracts: &Contracts, name: &str, query: &str) -> Result<Vec<u8>, InputError> {
    let mut wire = Vec::new();
    Params::new(&contracts.plans, contracts.id(name)).append_query(query, &mut wire)?;
    Ok(wire)
}

fn assert_means(contracts: &Contracts, name: &str, query: &str, json: &str) {
    let wire = read(contracts, name, query).unwrap_or_else(|error| panic!("{error}: {query}"));
    let descriptor = contracts.descriptor(name);
    let expected = contracts.to_message(descriptor, json.as_bytes());
    println!("{query}");
    contracts.assert_same(&decode(descriptor, &wire), &expected);
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
fn what_follows_the_name_of_a_map_is_a_key_with_its_dots() {
    let cases = [
        (
            "test.Maps",
            "strings.genre=fantasy&strings.a.b.=1&strings.%3D%26+%C3%A9=x+y&strings.e=",
            r#"{"strings":{"genre":"fantasy","a.b.":"1","=& é":"x y","e":""}}"#,
        ),
        (
            "test.Maps",
            "int32s.-7=8&bools.true=false&doubles.x=1e3&colors.x=red&bytesMap.x=_-8",
            r#"{"int32s":{"-7":8},"bools":{"true":false},"doubles":{"x":1000},"colors":{"x":"red"},"bytes_map":{"x":"/+8="}}"#,
        ),
        (
            "test.Maps",
            "times.t=1970-01-01T00:00:00Z&decimals.d=1.50",
            r#"{"times":{"t":"1970-01-01T00:00:00Z"},"decimals":{"d":1.50}}"#,
        ),
        (
            "test.MapHolder",
            "inner.strings.a=1&inner.strings.b=2&inner.int32s.1=2",
            r#"{"inner":{"strings":{"a":"1","b":"2"},"int32s":{"1":2}}}"#,
        ),
    ];
    for (name, query, json) in cases {
        assert_means(&PLAIN, name, query, json);
    }
    let path = |path| PLAIN.plans.proto_path(PLAIN.id("test.MapHolder"), path);
    assert_eq!(path("inner.bytesMap.a.b").as_deref(), Some("inner.bytes_map"));
}

#[test]
fn entries_of_maps_mean_what_the_same_json_means() {
    for contracts in styles() {
        let descriptor = contracts.descriptor("test.Maps");
        let mut random = Random::new(seed());
        let mut count = 0;
        for _ in 0..500 {
            let message = random.message(descriptor, 2).encode_to_vec();
            let json = serde_json::from_slice(&contracts.to_json(descriptor, &message));
            // decimals may be more than it can read
            let Ok(Json::Object(mut json)) = json else { continue };
            json.retain(|name, map| name != "values" && is_sayable(map));
            // one that is empty is no key
            json.values_mut().for_each(|map| drop(map.as_object_mut().unwrap().remove("")));
            let query: String = json.iter().map(|(name, map)| entries(name, map)).collect();
            count += query.matches('&').count();
            assert_means(contracts, "test.Maps", &query, &Json::Object(json).to_string());
        }
        assert!(count > 1_000, "{count} entries");
    }
}

/// Whether text can say each of the values of a map.
fn is_sayable(map: &Json) -> bool {
    let mut values = map.as_object().unwrap().values();
    values.all(|value| !value.is_object() && !value.is_array() && !value.is_null())
}

/// A map as parameters.
fn entries(name: &str, map: &Json) -> String {
    let entry = |(key, value): (&String, &Json)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        format!("{name}.{}={}&", encoded(key), encoded(&value))
    };
    map.as_object().unwrap().iter().map(entry).collect()
}

#[test]
fn a_field_that_is_not_known_is_refused_with_those_that_are() {
    let issue = |name: &str, query: &str| read(&PLAIN, name, query).unwrap_err().issue;
    let mut wire = Vec::new();
    let of_json = PLAIN.plans.json_to_wire(PLAIN.id("test.Wide"), b"{\"x\":1}", &mut wire);
    let wide = issue("test.Wide", "x=1");
    assert_eq!(of_json.unwrap_err().issue, wide);
    assert!(wide.starts_with("is not a known field: known are field_1, field_2, "), "{wide}");
    assert!(wide.ends_with(", …") && wide.len() <= 310, "{wide}");
}

#[test]
fn a_parameter_that_is_wrong_is_named() {
    let cases = [
        ("test.Tree", "nothing=1", "nothing", TREE),
        ("test.Tree", "NAME=1", "NAME", TREE),
        ("test.Tree", "left.right.nothing=1", "left.right.nothing", TREE),
        ("test.Nothing", "nothing=1", "nothing", "is not a known field"),
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
        ("test.Maps", "strings=a", "strings", "must be given by its keys: strings.key=value"),
        ("test.Maps", "strings.=a", "strings.", "must be given by its keys: strings.key=value"),
        ("test.Maps", "strings.a=1&strings.a=2", "strings.a", "is given twice"),
        ("test.Maps", "int32s.1=1&int32s.1.0=2", "int32s.1.0", "is given twice"),
        ("test.Maps", "int32s.a=1", "int32s.a", "must be an integer"),
        ("test.Maps", "int32s.1=a", "int32s.1", "must be an integer"),
        ("test.Maps", "uint32s.-1=1", "uint32s.-1", "must be an integer from 0 to 4294967295"),
        ("test.Maps", "bools.1=true", "bools.1", "must be true or false"),
        ("test.Maps", "messages.a=1", "messages.a", "cannot be a parameter"),
        ("test.Maps", "messages.a.text=1", "messages.a.text", "cannot be a parameter"),
        ("test.Maps", "messages=1", "messages", "cannot be a parameter"),
        ("test.Maps", "values.a=1", "values.a", "cannot be a parameter"),
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
    let keys = |count: usize| (0..count).map(|key| format!("strings.{key}=a&")).collect::<String>();
    assert!(read(&PLAIN, "test.Maps", &keys(512)).is_ok());
    let error = read(&PLAIN, "test.Maps", &keys(513)).unwrap_err();
    assert_eq!(error.issue, "is one parameter too many");
}

#[test]
fn each_message_is_written_once_for_those_who_do_not_merge() {
    let cases = [
        ("test.Tree", "name=r&left.name=c&left.left.name=a&left.left.left.name=b&right.name=d"),
        ("test.MapHolder", "inner.strings.a=1&inner.int32s.1=2"),
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
