//! prost-reflect's JSON, with the deviations that `souk_gateway::transcode` documents.

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _,
    SerializeOptions,
};

use crate::tree::Tree;

/// What we must write for a message, or nothing if the oracle cannot write it.
pub fn expected_json(message: &DynamicMessage) -> Option<Tree> {
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    let json = serialize(message, &options)?;
    Some(of_message(Tree::parse(&json), &message.descriptor()))
}

/// Canonical JSON with proto names and without defaults.
pub fn canonical_json(message: &DynamicMessage) -> Option<Vec<u8>> {
    serialize(message, &SerializeOptions::new().use_proto_field_name(true))
}

fn serialize(message: &DynamicMessage, options: &SerializeOptions) -> Option<Vec<u8>> {
    let mut serializer = serde_json::Serializer::new(Vec::new());
    message.serialize_with_options(&mut serializer, options).ok()?;
    Some(serializer.into_inner())
}

fn of_message(tree: Tree, descriptor: &MessageDescriptor) -> Tree {
    match (descriptor.full_name(), tree) {
        ("google.protobuf.FieldMask", Tree::Text(paths)) => Tree::Text(snake_case(&paths)),
        ("google.type.Decimal", Tree::Object(members)) => match &members[..] {
            [(_, Tree::Text(digits))] if digits.is_empty() => Tree::Number("0".to_owned()),
            [(_, Tree::Text(digits))] => Tree::Number(digits.clone()),
            other => panic!("{other:?} is no Decimal"),
        },
        (name, tree) if name.starts_with("google.protobuf.") => of_any_value(tree),
        (_, Tree::Object(members)) => of_object(members, descriptor),
        (name, other) => panic!("{name} is {other:?}"),
    }
}

fn of_object(mut members: Vec<(String, Tree)>, descriptor: &MessageDescriptor) -> Tree {
    let mut expected = Vec::new();
    for declared in &descriptor.descriptor_proto().field {
        let field = descriptor.get_field_by_name(declared.name()).unwrap();
        let in_oneof = field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic());
        match members.iter().position(|(name, _)| name == field.name()) {
            Some(at) => {
                let (name, tree) = members.swap_remove(at);
                expected.push((name, of_field(tree, &field)));
            }
            None if in_oneof => (),
            None => expected.push((field.name().to_owned(), Tree::Null)),
        }
    }
    assert!(members.is_empty(), "{members:?}");
    Tree::Object(expected)
}

fn of_field(tree: Tree, field: &FieldDescriptor) -> Tree {
    match (tree, field.kind()) {
        (Tree::Object(members), Kind::Message(entry)) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            let value = |tree| of_kind(tree, &value.kind());
            let mut members: Vec<_> =
                members.into_iter().map(|(key, tree)| (key, value(tree))).collect();
            if key.kind() == Kind::String {
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
            } else {
                // "false" sorts before "true", too
                members.sort_by_key(|(key, _)| (key.parse::<i128>().unwrap_or(0), key.clone()));
            }
            Tree::Object(members)
        }
        (Tree::List(items), kind) if field.is_list() => {
            Tree::List(items.into_iter().map(|item| of_kind(item, &kind)).collect())
        }
        (tree, kind) => of_kind(tree, &kind),
    }
}

fn of_kind(tree: Tree, kind: &Kind) -> Tree {
    match (tree, kind) {
        (tree, Kind::Message(descriptor)) => of_message(tree, descriptor),
        (Tree::Text(name), Kind::Enum(descriptor)) => Tree::Text(short_name(&name, descriptor)),
        (tree, _) => of_any_value(tree),
    }
}

/// Whole floats have no fraction, objects are sorted.
fn of_any_value(tree: Tree) -> Tree {
    match tree {
        Tree::Number(digits) => {
            Tree::Number(digits.strip_suffix(".0").map(str::to_owned).unwrap_or(digits))
        }
        Tree::List(items) => Tree::List(items.into_iter().map(of_any_value).collect()),
        Tree::Object(members) => {
            let mut members: Vec<_> =
                members.into_iter().map(|(key, tree)| (key, of_any_value(tree))).collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Tree::Object(members)
        }
        other => other,
    }
}

fn short_name(name: &str, descriptor: &EnumDescriptor) -> String {
    // an alias: prost-reflect may choose any of the names, we choose the first
    let number = descriptor.get_value_by_name(name).unwrap().number();
    let proto = descriptor.enum_descriptor_proto();
    let first = proto.value.iter().find(|value| value.number() == number).unwrap().name();
    let mut prefix = String::new();
    for letter in descriptor.name().chars() {
        if letter.is_uppercase() && !prefix.is_empty() {
            prefix.push('_');
        }
        prefix.push(letter.to_ascii_uppercase());
    }
    first.strip_prefix(&format!("{prefix}_")).unwrap_or(first).to_lowercase()
}

fn snake_case(camel: &str) -> String {
    camel.chars().fold(String::new(), |mut out, letter| {
        if letter.is_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
        out
    })
}
