//! The parameters of an operation: those of its path, and the fields that may come in its query.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::parts::{declared_fields, fields_at};
use super::path;
use super::place::Place;
use super::presence::Direction;
use super::schema::{Schemas, is_deprecated};
use crate::api::BodyRule;
use crate::api::comments::Comments;

/// How many fields the path to one has at most that is listed.
const MAX_DEPTH: usize = 4;

/// How many fields of a query are listed at most, and how many messages of each depth are looked at.
const MAX_COUNT: usize = 200;

/// A field, after those that it is in.
type FieldPath = Vec<FieldDescriptor>;

/// Makes parameters of the fields of request messages.
pub(super) struct Parameters<'s, 'a> {
    pub schemas: &'s mut Schemas<'a>,
    pub comments: &'s Comments,
}

impl Parameters<'_, '_> {
    /// A parameter of a path, which has this name there.
    pub(super) fn in_path(
        &mut self,
        input: &MessageDescriptor,
        parameter: &path::Parameter,
        name: &str,
    ) -> Value {
        let field = parameter.field.as_deref().and_then(|path| fields_at(input, path)?.pop());
        let (schema, description) = match &field {
            Some(field) if parameter.is_whole => {
                let (schema, _) = self.schemas.value(field, Direction::Request);
                (schema, self.comments.on(field).to_owned())
            }
            Some(field) => {
                let about = self.comments.on(field);
                let part = format!("A part of `{}`. {about}", field.name());
                (json!({ "type": "string" }), part.trim_end().to_owned())
            }
            None => (json!({ "type": "string" }), "Any text.".to_owned()),
        };
        let mut object = described(name, "path", &description);
        if parameter.is_rest {
            let note = "May be several segments, with slashes between them.";
            object
                .insert("description".to_owned(), format!("{description}\n\n{note}").trim().into());
        }
        object.insert("required".to_owned(), true.into());
        object.insert("schema".to_owned(), schema);
        object.into()
    }

    /// The parameters that the query of a request may have: fields that are neither in its path nor in
    /// its body; and whether these are all.
    pub(super) fn in_query(
        &mut self,
        input: &MessageDescriptor,
        place: &Place<'_>,
    ) -> (Vec<Value>, bool) {
        if place.rule.body == BodyRule::Whole {
            return (Vec::new(), true);
        }
        let (leaves, is_all) = self.leaves(input, place);
        (leaves.iter().filter_map(|path| self.query_parameter(path)).collect(), is_all)
    }

    /// Fields that text can say, each with those on the way to it; and whether these are all. Those that
    /// are less deep come first, since of many fields not all are listed.
    fn leaves(&self, input: &MessageDescriptor, place: &Place<'_>) -> (Vec<FieldPath>, bool) {
        let in_path = path::fields(&place.rule.template);
        let mut leaves = Vec::new();
        let mut is_all = true;
        let mut level = vec![(input.clone(), FieldPath::new())];
        for _ in 0..MAX_DEPTH {
            let mut next_level = Vec::new();
            for (message, outer) in level {
                for field in declared_fields(&message) {
                    let path = [&*outer, std::slice::from_ref(&field)].concat();
                    if is_elsewhere(&path, &in_path, place) {
                        continue;
                    }
                    let kind = value_kind(&field);
                    match kind.as_message().map(|inner| (inner, self.schemas.is_text(inner))) {
                        None | Some((_, Some(true))) => leaves.push(path),
                        Some((_, Some(false))) => {}
                        Some(_) if field.is_list() || field.is_map() => {}
                        Some((inner, None)) if recurs(inner, &path) => is_all = false,
                        Some((inner, None)) => next_level.push((inner.clone(), path)),
                    }
                }
            }
            is_all &= next_level.len() <= MAX_COUNT;
            next_level.truncate(MAX_COUNT);
            level = next_level;
        }
        is_all &= level.is_empty() && leaves.len() <= MAX_COUNT;
        leaves.truncate(MAX_COUNT);
        (leaves, is_all)
    }

    fn query_parameter(&mut self, path: &[FieldDescriptor]) -> Option<Value> {
        let (field, on_the_way) = path.split_last()?;
        let (mut schema, is_required) = self.schemas.value(field, Direction::Request);
        let names: Vec<String> = path.iter().map(|field| self.schemas.name_of(field)).collect();
        let name = names.join(".");
        let mut description = self.comments.on(field).to_owned();
        if field.is_map() {
            // each entry is a parameter, whose name begins with that of the map
            schema["propertyNames"] = entry_names(&schema["propertyNames"], &format!("{name}."));
            let note = format!("One parameter for each entry: `{name}.key=value`.");
            description = format!("{description}\n\n{note}").trim_start().to_owned();
        }
        let mut object = described(&name, "query", &description);
        if is_required && on_the_way.is_empty() {
            object.insert("required".to_owned(), true.into());
        }
        if field.is_list() || field.is_map() {
            // once for each value
            object.insert("style".to_owned(), "form".into());
            object.insert("explode".to_owned(), true.into());
        }
        if is_deprecated(field) {
            object.insert("deprecated".to_owned(), true.into());
        }
        object.insert("schema".to_owned(), schema);
        Some(object.into())
    }
}

/// The kind of what one parameter says of a field.
fn value_kind(field: &FieldDescriptor) -> Kind {
    let kind = field.kind();
    let entry = kind.as_message().filter(|_| field.is_map());
    entry.map(|entry| entry.map_entry_value_field().kind()).unwrap_or(kind)
}

/// What the names of parameters are like that are entries of a map with such keys.
fn entry_names(keys: &Value, prefix: &str) -> Value {
    let prefixed = |key: &Value| format!("{prefix}{}", key.as_str().unwrap_or_default());
    if let Some(keys) = keys["enum"].as_array() {
        return json!({ "enum": keys.iter().map(prefixed).collect::<Vec<_>>() });
    }
    let pattern = keys["pattern"].as_str().and_then(|pattern| pattern.strip_prefix('^'));
    let pattern = pattern.filter(|pattern| !pattern.contains('|')).unwrap_or(".+");
    let mut names = json!({ "pattern": format!("^{}{pattern}", prefix.replace('.', "\\.")) });
    for limit in ["minLength", "maxLength"] {
        if let Some(length) = keys[limit].as_u64() {
            names[limit] = (length + prefix.len() as u64).into();
        }
    }
    names
}

/// Whether a field is in the path of a request, in its body, or in its headers.
fn is_elsewhere(path: &[FieldDescriptor], in_path: &[&str], place: &Place<'_>) -> bool {
    let names: Vec<&str> = path.iter().map(FieldDescriptor::name).collect();
    let is_of_body = matches!(&place.rule.body, BodyRule::Field(field) if field == names[0]);
    let download = place.operation.rpc.policy.download.as_ref();
    let is_of_range = download
        .is_some_and(|it| [&it.offset_field, &it.limit_field].iter().any(|it| *it == names[0]));
    is_of_body || is_of_range || in_path.contains(&names.join(".").as_str())
}

/// Whether a message at the end of a path is also on the way to it.
fn recurs(message: &MessageDescriptor, path: &[FieldDescriptor]) -> bool {
    path.iter().any(|outer| outer.parent_message() == message)
}

fn described(name: &str, place: &str, description: &str) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("name".to_owned(), name.into());
    object.insert("in".to_owned(), place.into());
    if !description.is_empty() {
        object.insert("description".to_owned(), description.into());
    }
    object
}
