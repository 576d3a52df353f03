//! Path variables, query parameters and form fields.

use souk_gateway::transcode::{InputError, Params};

use crate::contracts::{PLAIN, decode};

fn read(name: &str, query: &str) -> Result<Vec<u8>, InputError> {
    let mut wire = Vec::new();
    Params::new(&PLAIN.plans, PLAIN.id(name)).append_query(query, &mut wire)?;
    Ok(wire)
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
        let wire = read(name, query).unwrap_or_else(|error| panic!("{error}: {query}"));
        let expected = PLAIN.to_message(PLAIN.descriptor(name), json.as_bytes());
        let actual = decode(PLAIN.descriptor(name), &wire);
        // NaN is not itself
        assert_eq!(actual.to_string(), expected.to_string(), "{query}");
    }
}

#[test]
fn a_parameter_that_is_wrong_is_named() {
    let cases = [
        ("test.Scalars", "nothing=1", "nothing", "is not a known field"),
        ("test.Scalars", "int32Value=1", "int32Value", "is not a known field"),
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
            "test.WellKnown",
            "timestamp=yesterday",
            "timestamp",
            "must be a time like 2025-01-31T23:59:59Z",
        ),
        ("test.WellKnown", "timestamp.seconds=1", "timestamp.seconds", "is not a known field"),
        ("test.WellKnown", "decimal=a", "decimal", "must be a number"),
        ("test.WellKnown", "struct=a", "struct", "cannot be a parameter"),
        ("test.WellKnown", "mask=a,,b", "mask", "must be names with commas between"),
    ];
    for (name, query, field, issue) in cases {
        let error = read(name, query).expect_err(query);
        assert_eq!((&*error.field, &*error.issue), (field, issue), "{query}");
    }
}

#[test]
fn a_parameter_is_never_nested_without_end() {
    let path = "left.".repeat(99) + "name";
    assert!(read("test.Tree", &format!("{path}=a")).is_ok());
    let path = "left.".repeat(100_000) + "name";
    assert!(read("test.Tree", &format!("{path}=a")).is_err());
}
