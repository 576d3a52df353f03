//! Contracts that are odd, very large or broken: they are described, or refused by name.

use prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet, MessageOptions,
};
use souk_gateway::{Access, Contracts, Style};

use crate::documents::museum_descriptors;

fn read(descriptors: &[u8]) -> anyhow::Result<Contracts> {
    Contracts::read(descriptors, Some(Access::Public), Style::Canonical)
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
