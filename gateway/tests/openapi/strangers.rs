//! Contracts that are odd, very large or broken: they are described, or refused by name.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet, MessageOptions,
};
use serde_json::Value;
use souk_gateway::{Access, Contracts, Documents, Gateway, Options, Style, Upstream};
use souk_kit::Channel;
use tonic::service::Routes;

use crate::documents::museum_descriptors;

fn read(descriptors: &[u8]) -> anyhow::Result<Contracts> {
    Contracts::read(descriptors, Some(Access::Public), Style::Canonical)
}

fn serve(contracts: &Contracts) -> anyhow::Result<Gateway> {
    let channel = Channel::in_process(Routes::default());
    let upstreams = contracts.exposed()?.into_iter();
    let upstreams =
        upstreams.map(|name| Upstream { name, channel: channel.clone(), probe: None }).collect();
    Gateway::new(contracts, upstreams, None, Options::default())
}

/// The contract of a service that can be asked for a `Level0` by its fields, and be given one.
fn contract(name: &str, messages: &str) -> Contracts {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = format!("{name}.proto");
    let text = format!(
        r#"syntax = "proto3"; package {name}; import "google/api/annotations.proto";
        service Things {{
            rpc Get(Level0) returns (Level0) {{ option (google.api.http) = {{get: "/things"}}; }}
            rpc Put(Level0) returns (Level0) {{
                option (google.api.http) = {{ post: "/things" body: "*" }};
            }}
        }}
        {messages}"#
    );
    std::fs::write(folder.join(&file), text).unwrap();
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let mut compiler = protox::Compiler::new([folder, proto]).unwrap();
    compiler.include_imports(true).open_file(&file).unwrap();
    read(&compiler.encode_file_descriptor_set()).unwrap()
}

/// Messages that each have this in them, where `{}` is the next.
fn levels(count: usize, fields: impl Fn(&str) -> String) -> String {
    let mut messages = String::new();
    for level in 0..count {
        let next = format!("Level{}", level + 1);
        writeln!(messages, "message Level{level} {{ {} }}", fields(&next)).unwrap();
    }
    writeln!(messages, "message Level{count} {{ string name = 1; }}").unwrap();
    messages
}

fn openapi(contracts: &Contracts) -> Value {
    serde_json::from_slice(&Documents::of(contracts).unwrap().openapi_json).unwrap()
}

/// What is said of a set that somebody has changed.
fn refusal(change: impl FnOnce(&mut FileDescriptorSet)) -> String {
    let mut set = FileDescriptorSet::decode(&*museum_descriptors()).unwrap();
    change(&mut set);
    format!("{:#}", read(&set.encode_to_vec()).unwrap_err())
}

#[test]
fn a_file_in_editions_is_refused_by_name() {
    let refusal = refusal(|set| {
        let museum = set.file.last_mut().unwrap();
        museum.syntax = Some("editions".to_owned());
    });
    let expected = "museum.proto: editions are not supported, only proto2 and proto3 are";
    assert_eq!(refusal, expected);
}

#[test]
fn an_entry_of_a_map_without_a_key_and_a_value_is_refused_by_name() {
    let field = |number, r#type: Type| FieldDescriptorProto {
        name: Some(format!("field{number}")),
        number: Some(number),
        r#type: Some(r#type.into()),
        label: Some(Label::Optional.into()),
        ..FieldDescriptorProto::default()
    };
    let entries = [
        vec![],
        vec![field(1, Type::String)],
        vec![field(1, Type::Double), field(2, Type::String)],
        vec![field(1, Type::String), field(3, Type::String)],
    ];
    for fields in entries {
        let entry = DescriptorProto {
            name: Some("FloorsEntry".to_owned()),
            field: fields,
            options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
            ..DescriptorProto::default()
        };
        let refusal =
            refusal(|set| set.file.last_mut().unwrap().message_type[0].nested_type.push(entry));
        let expected =
            "museum.proto: FloorsEntry is no entry of a map: it does not have a key and a value";
        assert_eq!(refusal, expected);
    }
}

/// The names of the fields that `Get` takes in its query, and its description.
fn query(document: &Value) -> (Vec<&str>, &str) {
    let get = &document["paths"]["/things"]["get"];
    let parameters = get["parameters"].as_array().unwrap().iter();
    let names = parameters.map(|parameter| parameter["name"].as_str().unwrap());
    (names.collect(), get["description"].as_str().unwrap())
}

#[test]
fn of_a_great_many_fields_a_document_has_some_and_says_so() {
    let fan = levels(30, |next| {
        let fields = (2..10).map(|number| format!("{next} part{number} = {number};"));
        format!("string name = 1; {}", fields.collect::<String>())
    });
    let document = openapi(&contract("fan", &fan));
    let (names, description) = query(&document);
    assert_eq!(names.len(), 200);
    assert_eq!((names[0], names[9]), ("name", "part2.part2.name"));
    assert!(description.ends_with(MORE), "{description}");
    assert!(document.to_string().len() < 500_000);

    let document = openapi(&contract("itself", "message Level0 { string id = 1; Level0 in = 2; }"));
    let (names, description) = query(&document);
    assert_eq!(names, ["id"]);
    assert!(description.ends_with(MORE), "{description}");

    let document = openapi(&contract("few", &levels(3, |next| format!("{next} in = 1;"))));
    let (names, description) = query(&document);
    assert_eq!(names, ["in.in.in.name"]);
    assert_eq!(description, "Calls `few.Things.Get`.");
}

const MORE: &str =
    "\n\nMore fields can be given in the query than are listed, by their paths: `a.b.c`.";

#[test]
fn messages_may_be_any_number_of_messages_deep() {
    let chain = levels(3_000, |next| format!("string name = 1; {next} part = 2;"));
    let contracts = contract("chain", &chain);
    let document = openapi(&contracts);
    assert_eq!(document["components"]["schemas"]["Level3000"]["type"], "object");
    serve(&contracts).unwrap();
}

#[test]
fn what_rules_ask_for_too_much_of_has_an_example_all_the_same() {
    let contracts = contract(
        "much",
        r#"import "buf/validate/validate.proto";
        message Level0 {
            string name = 1 [(buf.validate.field).string.min_len = 1000000000000];
            string id = 2 [(buf.validate.field).string.pattern = "^((a{1000}){1000}){1000}$"];
            repeated string tags = 3 [(buf.validate.field).repeated.min_items = 1000000000000];
        }"#,
    );
    assert!(openapi(&contracts).to_string().len() < 100_000);
}

/// Any of its bytes may be another.
#[test]
fn damaged_descriptors_are_read_or_refused() {
    let descriptors = museum_descriptors();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut readable = 0;
    for _ in 0..200 {
        let mut damaged = descriptors.clone();
        for _ in 0..=random(4) {
            let at = random(damaged.len());
            damaged[at] = random(256) as u8;
        }
        if let Ok(contracts) = read(&damaged) {
            readable += 1;
            let _ = (Documents::of(&contracts), serve(&contracts));
        }
    }
    println!("{readable} of 200 are still descriptors");
}
