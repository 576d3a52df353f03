//! Messages and enums as schemas of JSON Schema 2020-12, which OpenAPI 3.1 takes over.

use std::collections::{HashMap, HashSet};

use prost_reflect::{
    EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, OneofDescriptor,
};
use serde_json::{Map, Value, json};

use super::Style;
use super::constraints::{Keywords, Rules};
use super::parts::{Parts, declared_fields};
use super::presence::{Direction, Presence, with_two_forms};
use super::{own, scalar};
use crate::api::comments::{Comments, on_one_line};
use crate::transcode::enum_names;

/// The schemas of a document.
pub(super) struct Schemas<'a> {
    style: Style,
    comments: &'a Comments,
    /// Short names of messages and enums, by their full names.
    names: HashMap<String, String>,
    /// The full names of messages that requests have as well as responses, and of those among them that
    /// look different there.
    shared: HashSet<String>,
    two_forms: HashSet<String>,
    /// Those that are a part of something else, or a response.
    referred: HashSet<String>,
    /// What the messages are called that have a schema, by full name and whether it is an input.
    placed: HashMap<(String, bool), String>,
    /// Those of them whose schemas are still to be made: there is null for each.
    missing: Vec<(String, MessageDescriptor, Direction)>,
    /// `components/schemas`.
    components: Map<String, Value>,
}

impl<'a> Schemas<'a> {
    /// For what these requests and responses consist of.
    pub(super) fn new(
        style: Style,
        comments: &'a Comments,
        requests: impl IntoIterator<Item = MessageDescriptor>,
        responses: impl IntoIterator<Item = MessageDescriptor>,
    ) -> Self {
        let requests = Parts::of(requests, style);
        let responses = Parts::of(responses, style);
        let shared: Vec<&MessageDescriptor> = requests.shared_with(&responses).collect();
        Self {
            style,
            comments,
            two_forms: with_two_forms(&shared, style),
            shared: shared.iter().map(|message| message.full_name().to_owned()).collect(),
            referred: requests.parts_of_others().chain(responses.all()).collect(),
            names: requests.short_names(&responses),
            placed: HashMap::new(),
            missing: Vec::new(),
            components: Map::new(),
        }
    }

    /// `components/schemas`, sorted by name.
    pub(super) fn into_components(mut self) -> Map<String, Value> {
        self.components.sort_keys();
        self.components
    }

    /// Adds a schema that no contract has, and says where it is.
    pub(super) fn add_own(&mut self, name: &str, schema: Value) -> Value {
        let is_taken = self.names.values().any(|taken| taken == name);
        let name = if is_taken { format!("Gateway{name}") } else { name.to_owned() };
        self.add(name, schema)
    }

    fn add(&mut self, name: String, schema: Value) -> Value {
        let reference = reference(&name);
        self.components.insert(name, schema);
        reference
    }

    /// Where the schema of a message is, or the schema itself when that is short.
    pub(super) fn message(&mut self, message: &MessageDescriptor, direction: Direction) -> Value {
        let schema = self.refer(message, direction);
        self.make_missing();
        schema
    }

    /// The same, while the schema itself may be missing.
    fn refer(&mut self, message: &MessageDescriptor, direction: Direction) -> Value {
        let full_name = message.full_name();
        if let Some(schema) = scalar::well_known(full_name, self.style) {
            return schema;
        }
        if let Some(kind) = scalar::wrapped(full_name) {
            return self.single(&kind, &Rules::none(), direction).into();
        }
        let is_input = direction == Direction::Request && self.two_forms.contains(full_name);
        let key = (full_name.to_owned(), is_input);
        if let Some(name) = self.placed.get(&key) {
            return reference(name);
        }
        let name = format!("{}{}", self.name(full_name), if is_input { "Input" } else { "" });
        let name = self.free_name([name], None);
        self.placed.insert(key, name.clone());
        self.missing.push((name.clone(), message.clone(), direction));
        self.add(name, Value::Null)
    }

    /// Makes what is missing, and what that refers to: one after the other, not one within the other, since
    /// those of strangers can go any number of messages deep.
    fn make_missing(&mut self) {
        while let Some((name, message, direction)) = self.missing.pop() {
            let schema = self.object(&message, direction, &[]);
            self.add(name, schema);
        }
    }

    /// The same for a page of a list, which has the links to others as well.
    pub(super) fn page(&mut self, message: &MessageDescriptor) -> Value {
        let page = self.message(message, Direction::Response);
        let links = self.add_own("PageLinks", own::page_links());
        let name = self.name(message.full_name()).to_owned();
        let schema = self.components.get_mut(&name).and_then(Value::as_object_mut);
        for (keyword, value) in schema.into_iter().flatten() {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    properties.insert("links".to_owned(), links.clone());
                }
                ("required", Value::Array(required)) if !required.contains(&json!("links")) => {
                    required.push(json!("links"));
                }
                _ => {}
            }
        }
        page
    }

    /// The same for the request of an RPC, of which some fields do not come in the body.
    pub(super) fn body(&mut self, rpc: &MethodDescriptor, left_out: &[&str]) -> Value {
        let message = rpc.input();
        if !message.fields().any(|field| left_out.contains(&field.name())) {
            return self.message(&message, Direction::Request);
        }
        let schema = self.object(&message, Direction::Request, left_out);
        self.make_missing();
        let full_name = message.full_name();
        // it has the name of the message, unless that means something else already
        let own = self.name(full_name).to_owned();
        let own = Some(own).filter(|_| !self.referred.contains(full_name));
        let names = own.into_iter().chain([format!("{}Body", rpc.name())]);
        let name = self.free_name(names, Some(&schema));
        self.add(name, schema)
    }

    /// The schema of the value of a field, and whether there must be one.
    pub(super) fn value(&mut self, field: &FieldDescriptor, direction: Direction) -> (Value, bool) {
        let rules = Rules::of(field);
        let presence = Presence::of(field, &rules, self.style, direction);
        let schema = self.content(field, &rules, direction);
        self.make_missing();
        (schema.into(), presence.is_required)
    }

    /// Whether a message is text where it is in a query; `None` where each of its fields may be.
    pub(super) fn is_text(&self, message: &MessageDescriptor) -> Option<bool> {
        let full_name = message.full_name();
        if scalar::wrapped(full_name).is_some() {
            return Some(true);
        }
        let schema = scalar::well_known(full_name, self.style)?;
        Some(schema.get("type").is_some_and(|kind| kind == "string" || kind == "number"))
    }

    /// Whether what has this schema must have something in it.
    pub(super) fn asks_for_something(&self, schema: &Value) -> bool {
        let name = schema.get("$ref").and_then(|target| target.as_str()?.rsplit('/').next());
        let schema = name.and_then(|name| self.components.get(name)).unwrap_or(schema);
        schema.get("required").is_some()
    }

    /// The name of a field in JSON.
    pub(super) fn name_of(&self, field: &FieldDescriptor) -> String {
        match self.style {
            Style::Plain => field.name().to_owned(),
            Style::Canonical => field.json_name().to_owned(),
        }
    }

    /// The schema of a message with fields.
    fn object(
        &mut self,
        message: &MessageDescriptor,
        direction: Direction,
        left_out: &[&str],
    ) -> Value {
        let mut schema = described("object", self.comments.on(message));
        let mut properties = Map::new();
        let mut required = Vec::new();
        let fields = declared_fields(message);
        for field in fields.filter(|field| !left_out.contains(&field.name())) {
            let name = self.name_of(&field);
            let (property, is_required) = self.property(&field, direction);
            if is_required {
                required.push(Value::from(name.clone()));
            }
            properties.insert(name, property);
        }
        schema.insert("properties".to_owned(), properties.into());
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        self.add_choices(message, &mut schema);
        if direction == Direction::Request && self.is_closed(message) {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
        schema.into()
    }

    /// Whether what is not in the schema is refused. Of a message that is in responses too, clients
    /// should be able to read more than they know of.
    fn is_closed(&self, message: &MessageDescriptor) -> bool {
        !self.shared.contains(message.full_name()) || self.two_forms.contains(message.full_name())
    }

    /// A property of an object, and whether it must be there.
    fn property(&mut self, field: &FieldDescriptor, direction: Direction) -> (Value, bool) {
        let rules = Rules::of(field);
        let presence = Presence::of(field, &rules, self.style, direction);
        let mut schema = self.content(field, &rules, direction);
        if presence.is_nullable {
            schema = or_null(schema);
        }
        let comment = self.comments.on(field);
        if !comment.is_empty() {
            // right after the type, before what there may be much of
            schema.shift_insert(schema.len().min(1), "description".to_owned(), comment.into());
        }
        if is_deprecated(field) {
            schema.insert("deprecated".to_owned(), true.into());
        }
        (schema.into(), presence.is_required)
    }

    /// What a field has when it is there.
    fn content(
        &mut self,
        field: &FieldDescriptor,
        rules: &Rules,
        direction: Direction,
    ) -> Keywords {
        let kind = field.kind();
        let entry = kind.as_message().filter(|_| field.is_map());
        let mut schema = Keywords::new();
        if let Some(entry) = entry {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            schema.insert("type".to_owned(), "object".into());
            let keys = self.key(&key.kind(), &rules.inside("keys"));
            schema.extend(keys.map(|keys| ("propertyNames".to_owned(), keys.into())));
            let values = self.single(&value.kind(), &rules.inside("values"), direction);
            schema.insert("additionalProperties".to_owned(), values.into());
            schema.extend(rules.keywords(&kind, self.style, &json!({})));
        } else if field.is_list() {
            schema.insert("type".to_owned(), "array".into());
            let items = self.single(&kind, &rules.inside("items"), direction);
            schema.insert("items".to_owned(), items.into());
            schema.extend(rules.keywords(&kind, self.style, &json!([])));
        } else {
            schema = self.single(&kind, rules, direction);
        }
        schema
    }

    fn single(&mut self, kind: &Kind, rules: &Rules, direction: Direction) -> Keywords {
        let wrapped = kind.as_message().and_then(|message| scalar::wrapped(message.full_name()));
        let kind = wrapped.as_ref().unwrap_or(kind);
        let schema = match kind {
            Kind::Message(message) => self.refer(message, direction),
            Kind::Enum(descriptor) => self.enumeration(descriptor),
            kind => scalar::schema(kind).unwrap_or_default(),
        };
        let mut schema = schema.as_object().cloned().unwrap_or_default();
        let keywords = rules.keywords(kind, self.style, &scalar::zero(kind, self.style));
        if keywords.contains_key("exclusiveMinimum") {
            schema.shift_remove("minimum");
        }
        schema.extend(keywords);
        match kind {
            Kind::Double | Kind::Float => or_not_finite(schema, &rules.not_finite()),
            _ => schema,
        }
    }

    /// The keys of a map, which are text in JSON; `None` for any text.
    fn key(&self, kind: &Kind, rules: &Rules) -> Option<Keywords> {
        let keywords = match kind {
            Kind::String => rules.keywords(kind, self.style, &json!("")),
            Kind::Bool => Keywords::from_iter([("enum".to_owned(), json!(["true", "false"]))]),
            Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => {
                Keywords::from_iter([("pattern".to_owned(), json!("^[0-9]+$"))])
            }
            _ => Keywords::from_iter([("pattern".to_owned(), json!("^-?[0-9]+$"))]),
        };
        Some(keywords).filter(|keywords| !keywords.is_empty())
    }

    fn enumeration(&mut self, descriptor: &EnumDescriptor) -> Value {
        if descriptor.full_name() == "google.protobuf.NullValue" {
            return json!({ "type": "null" });
        }
        let name = self.name(descriptor.full_name()).to_owned();
        if self.components.contains_key(&name) {
            return reference(&name);
        }
        let mut description = self.comments.on(descriptor).to_owned();
        let mut values = Vec::new();
        for (number, name) in enum_names(descriptor, self.style) {
            let value = descriptor.get_value(number);
            let comment = value.map(|value| on_one_line(self.comments.on(&value)));
            if let Some(comment) = comment.filter(|comment| !comment.is_empty()) {
                let break_ = if values.is_empty() { "\n\n" } else { "\n" };
                description.push_str(&format!("{break_}- `{name}`: {comment}"));
            }
            values.push(Value::from(name));
        }
        let mut schema = described("string", description.trim_start());
        schema.insert("enum".to_owned(), values.into());
        self.add(name, schema.into())
    }

    /// Of the fields of a oneof, there is one, or none where none need be.
    fn add_choices(&self, message: &MessageDescriptor, schema: &mut Map<String, Value>) {
        let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
        let mut choices: Vec<Value> = oneofs.map(|oneof| self.choice(&oneof)).collect();
        if choices.len() > 1 {
            schema.insert("allOf".to_owned(), choices.into());
        } else if let Some(Value::Object(mut choice)) = choices.pop() {
            schema.append(&mut choice);
        }
    }

    fn choice(&self, oneof: &OneofDescriptor) -> Value {
        let names: Vec<String> = oneof.fields().map(|field| self.name_of(&field)).collect();
        let mut alternatives: Vec<Value> =
            names.iter().map(|name| json!({ "required": [name] })).collect();
        if !Rules::require_one_of(oneof) {
            let none: Map<String, Value> =
                names.into_iter().map(|name| (name, Value::Bool(false))).collect();
            alternatives.push(json!({ "properties": none }));
        }
        json!({ "oneOf": alternatives })
    }

    /// The first of these names that no schema has, or only the same one, or the last with a number.
    fn free_name(&self, names: impl IntoIterator<Item = String>, schema: Option<&Value>) -> String {
        let is_free = |name: &String| self.components.get(name).is_none_or(|it| Some(it) == schema);
        let mut last = String::new();
        for name in names {
            if is_free(&name) {
                return name;
            }
            last = name;
        }
        let mut numbered = (2..).map(|number| format!("{last}{number}"));
        numbered.find(is_free).unwrap_or(last)
    }

    fn name<'n>(&'n self, full_name: &'n str) -> &'n str {
        self.names.get(full_name).map_or(full_name, String::as_str)
    }
}

/// Whether the contract says that a field should no longer be used.
pub(super) fn is_deprecated(field: &FieldDescriptor) -> bool {
    let options = field.field_descriptor_proto().options.as_ref();
    options.is_some_and(|options| options.deprecated())
}

/// A schema of numbers that also takes the text of those that are not finite.
fn or_not_finite(number: Keywords, others: &[&str]) -> Keywords {
    if others.is_empty() {
        return number;
    }
    let either = json!([number, { "type": "string", "enum": others }]);
    Keywords::from_iter([("anyOf".to_owned(), either)])
}

/// A schema that also takes null.
fn or_null(mut schema: Keywords) -> Keywords {
    let keywords = schema.len();
    if let (Some(Value::Array(alternatives)), 1) = (schema.get_mut("anyOf"), keywords) {
        alternatives.push(json!({ "type": "null" }));
        return schema;
    }
    let is_plain = !["$ref", "enum", "const", "anyOf"].iter().any(|it| schema.contains_key(*it));
    match schema.get_mut("type") {
        Some(kind) if kind == "null" => {}
        Some(kind) if is_plain => *kind = json!([kind.take(), "null"]),
        None if is_plain => {}
        _ => {
            let either = json!([schema, { "type": "null" }]);
            return Keywords::from_iter([("anyOf".to_owned(), either)]);
        }
    }
    schema
}

fn described(kind: &str, description: &str) -> Map<String, Value> {
    let mut schema = Map::from_iter([("type".to_owned(), Value::from(kind))]);
    if !description.is_empty() {
        schema.insert("description".to_owned(), description.into());
    }
    schema
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
