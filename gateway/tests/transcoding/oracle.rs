//! prost-reflect's JSON, with the deviations that `souk_gateway::transcode` documents.

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _,
    SerializeOptions,
};
use souk_gateway::transcode::Style;

use crate::tree::Tree;

/// What we must write for a message, or nothing if the oracle cannot write it.
pub fn expected_json(message: &DynamicMessage, style: Style) -> Option<Tree> {
    let is_plain = style == Style::Plain;
    let options =
        SerializeOptions::new().use_proto_field_name(is_plain).skip_default_fields(!is_plain);
    let json = serialize(message, &options)?;
    Some(Oracle { style }.message(Tree::parse(&json), &message.descriptor()))
}

/// Canonical JSON, with the proto names or those of JSON.
pub fn canonical_json(message: &DynamicMessage, proto_names: bool) -> Option<Vec<u8>> {
    serialize(message, &SerializeOptions::new().use_proto_field_name(proto_names))
}

fn serialize(message: &DynamicMessage, options: &SerializeOptions) -> Option<Vec<u8>> {
    let mut serializer = serde_json::Serializer::new(Vec::new());
    message.serialize_with_options(&mut serializer, options).ok()?;
    Some(serializer.into_inner())
}

struct Oracle {
    style: Style,
}

impl Oracle {
    fn message(&self, tree: Tree, descriptor: &MessageDescriptor) -> Tree {
        let is_plain = self.style == Style::Plain;
        match (descriptor.full_name(), tree) {
            ("google.protobuf.FieldMask", Tree::Text(paths)) if is_plain => {
                Tree::Text(snake_case(&paths))
            }
            ("google.type.Decimal", Tree::Object(members)) if is_plain => match &members[..] {
                [(_, Tree::Text(digits))] if digits.is_empty() => Tree::Number("0".to_owned()),
                [(_, Tree::Text(digits))] => Tree::Number(digits.clone()),
                other => panic!("{other:?} is no Decimal"),
            },
            ("google.protobuf.Any", Tree::Object(members)) => self.any(members, descriptor),
            (name, tree) if name.starts_with("google.protobuf.") => any_value(tree),
            (_, Tree::Object(members)) => Tree::Object(self.members(members, descriptor)),
            (name, other) => panic!("{name} is {other:?}"),
        }
    }

    /// The oracle writes `{}` as the value of an Empty, which is no well-known type of another form.
    fn any(&self, mut members: Vec<(String, Tree)>, descriptor: &MessageDescriptor) -> Tree {
        let (key, url) = members.remove(0);
        let Tree::Text(name) = &url else { panic!("{url:?} is no type") };
        let name = name.rsplit_once('/').unwrap().1;
        let held = descriptor.parent_pool().get_message_by_name(name).unwrap();
        let mut expected = vec![(key, url.clone())];
        match &mut members[..] {
            [_] if name == "google.protobuf.Empty" => (),
            [(_, value)] if name.starts_with("google.protobuf.") => {
                expected.push(("value".to_owned(), self.message(value.clone(), &held)));
            }
            _ => expected.extend(self.members(members, &held)),
        }
        Tree::Object(expected)
    }

    fn members(
        &self,
        mut members: Vec<(String, Tree)>,
        descriptor: &MessageDescriptor,
    ) -> Vec<(String, Tree)> {
        let mut expected = Vec::new();
        for declared in &descriptor.descriptor_proto().field {
            let field = descriptor.get_field_by_name(declared.name()).unwrap();
            let name = match self.style {
                Style::Plain => field.name(),
                Style::Canonical => field.json_name(),
            };
            let in_oneof = field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic());
            match members.iter().position(|(other, _)| other == name) {
                Some(at) => {
                    let (name, tree) = members.swap_remove(at);
                    expected.push((name, self.field(tree, &field)));
                }
                None if in_oneof || self.style == Style::Canonical => (),
                None => expected.push((name.to_owned(), Tree::Null)),
            }
        }
        assert!(members.is_empty(), "{members:?}");
        expected
    }

    fn field(&self, tree: Tree, field: &FieldDescriptor) -> Tree {
        match (tree, field.kind()) {
            (Tree::Object(members), Kind::Message(entry)) if field.is_map() => {
                let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
                let value = |tree| self.kind(tree, &value.kind());
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
                Tree::List(items.into_iter().map(|item| self.kind(item, &kind)).collect())
            }
            (tree, kind) => self.kind(tree, &kind),
        }
    }

    fn kind(&self, tree: Tree, kind: &Kind) -> Tree {
        match (tree, kind) {
            (tree, Kind::Message(descriptor)) => self.message(tree, descriptor),
            (Tree::Text(name), Kind::Enum(descriptor)) => {
                Tree::Text(self.enum_name(&name, descriptor))
            }
            (tree, _) => any_value(tree),
        }
    }

    fn enum_name(&self, name: &str, descriptor: &EnumDescriptor) -> String {
        // an alias: prost-reflect may choose any of the names, we choose the first
        let number = descriptor.get_value_by_name(name).unwrap().number();
        let proto = descriptor.enum_descriptor_proto();
        let first = proto.value.iter().find(|value| value.number() == number).unwrap().name();
        if self.style == Style::Canonical {
            return first.to_owned();
        }
        let mut prefix = String::new();
        for letter in descriptor.name().chars() {
            if letter.is_uppercase() && !prefix.is_empty() {
                prefix.push('_');
            }
            prefix.push(letter.to_ascii_uppercase());
        }
        first.strip_prefix(&format!("{prefix}_")).unwrap_or(first).to_lowercase()
    }
}

/// Whole floats have no fraction, objects are sorted.
fn any_value(tree: Tree) -> Tree {
    match tree {
        Tree::Number(digits) => {
            Tree::Number(digits.strip_suffix(".0").map(str::to_owned).unwrap_or(digits))
        }
        Tree::List(items) => Tree::List(items.into_iter().map(any_value).collect()),
        Tree::Object(members) => {
            let mut members: Vec<_> =
                members.into_iter().map(|(key, tree)| (key, any_value(tree))).collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Tree::Object(members)
        }
        other => other,
    }
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
