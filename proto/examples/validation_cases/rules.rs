//! The rules of a field, read from its descriptor.

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};
use souk_proto::descriptors;

/// The rules that one value of a field must keep.
#[derive(Default)]
pub struct Rules(Vec<(String, Value)>);

/// How many items a list may have, or entries a map.
pub struct Counts {
    pub min: usize,
    pub max: Option<usize>,
}

impl Rules {
    /// The rules of a value, or of an item of a list.
    pub fn of(field: &FieldDescriptor) -> Self {
        let rules = field_rules(field);
        let of_items = rules.as_ref().and_then(|rules| inner(rules, "repeated"));
        let rules = match field.is_list() {
            true => of_items.and_then(|rules| inner(&rules, "items")),
            false => rules,
        };
        Self::inside(rules)
    }

    /// The rules of the `keys` or `values` of a map.
    pub fn of_part(field: &FieldDescriptor, part: &str) -> Self {
        let map = field_rules(field).and_then(|rules| inner(&rules, "map"));
        Self::inside(map.and_then(|rules| inner(&rules, part)))
    }

    /// Those that rules have for the type of a value.
    fn inside(rules: Option<DynamicMessage>) -> Self {
        let kinds = rules.iter().flat_map(DynamicMessage::fields);
        let kinds = kinds.filter_map(|(_, value)| value.as_message().cloned());
        Self(kinds.flat_map(|rules| named(&rules)).map(|(_, name, value)| (name, value)).collect())
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(rule, _)| rule == name).map(|(_, value)| value)
    }

    pub fn list(&self, name: &str) -> &[Value] {
        self.get(name).and_then(Value::as_list).unwrap_or_default()
    }

    pub fn length(&self, name: &str) -> Option<usize> {
        usize::try_from(self.get(name)?.as_u64()?).ok()
    }

    /// The pattern of a predefined rule among them.
    pub fn pattern(&self) -> Option<String> {
        self.0.iter().find_map(|(rule, _)| pattern(rule.strip_prefix('[')?.strip_suffix(']')?))
    }
}

impl Counts {
    pub fn of(field: &FieldDescriptor) -> Self {
        let (kind, min, max) = match field.is_map() {
            true => ("map", "min_pairs", "max_pairs"),
            false => ("repeated", "min_items", "max_items"),
        };
        let whole = field_rules(field).and_then(|rules| inner(&rules, kind));
        let rules =
            Rules(whole.iter().flat_map(named).map(|(_, rule, value)| (rule, value)).collect());
        Self { min: rules.length(min).unwrap_or_default(), max: rules.length(max) }
    }
}

/// The fields of a message that have rules, each with the id that `buf.validate` gives the rule.
pub fn ids(message: &MessageDescriptor) -> Vec<(String, String)> {
    let fields = message.fields().filter_map(|field| Some((field_rules(&field)?, field)));
    let mut ids: Vec<(String, String)> = fields
        .flat_map(|(rules, field)| {
            let mut ids = Vec::new();
            of_rules(&rules, &mut ids);
            ids.into_iter().map(move |id| (field.full_name().to_owned(), id))
        })
        .collect();
    let oneof = descriptors().get_extension_by_name("buf.validate.oneof");
    for found in message.oneofs() {
        if oneof.as_ref().is_some_and(|rules| found.options().has_extension(rules)) {
            ids.push((found.full_name().to_owned(), "required".to_owned()));
        }
    }
    ids
}

fn of_rules(rules: &DynamicMessage, ids: &mut Vec<String>) {
    for (field, value) in rules.fields() {
        match (field.name(), value) {
            ("required", _) => ids.push("required".to_owned()),
            ("items", Value::Message(items)) => of_rules(items, ids),
            (kind, Value::Message(of_kind)) => {
                let named = named(of_kind);
                let has = |name: &str| named.iter().any(|(_, rule, _)| rule == name);
                for (id, name, value) in &named {
                    match (name.as_str(), value) {
                        ("items" | "keys" | "values", Value::Message(inner)) => {
                            of_rules(inner, ids)
                        }
                        ("gte", _) if has("lte") => ids.push(format!("{kind}.gte_lte")),
                        ("lte", _) if has("gte") => {}
                        // documentation
                        ("example", _) => {}
                        // an empty address has an id of its own
                        ("email", _) => {
                            ids.extend(["email", "email_empty"].map(|id| format!("{kind}.{id}")))
                        }
                        _ => ids.push(id.clone().unwrap_or_else(|| format!("{kind}.{name}"))),
                    }
                }
            }
            (other, _) => panic!("what cases does the rule {other} need?"),
        }
    }
}

/// Rules with their names; predefined ones with their id, too.
fn named(rules: &DynamicMessage) -> Vec<(Option<String>, String, Value)> {
    let fields =
        rules.fields().map(|(field, value)| (None, field.name().to_owned(), value.clone()));
    let extensions = rules.extensions().map(|(extension, value)| {
        let name = extension.full_name();
        (predefined(name, "id"), format!("[{name}]"), value.clone())
    });
    fields.chain(extensions).collect()
}

fn pattern(rule: &str) -> Option<String> {
    let expression = predefined(rule, "expression")?;
    let (_, pattern) = expression.split_once("r'")?;
    Some(pattern.strip_suffix("')")?.to_owned())
}

/// A part of the one CEL rule that a predefined rule consists of.
fn predefined(rule: &str, part: &str) -> Option<String> {
    let options = descriptors().get_extension_by_name(rule)?.options();
    let extension = descriptors().get_extension_by_name("buf.validate.predefined")?;
    let rules = options.get_extension(&extension);
    let rules = rules.as_message()?.get_field_by_name("cel")?;
    let rule = rules.as_list()?.first()?.as_message()?;
    Some(rule.get_field_by_name(part)?.as_str()?.to_owned())
}

fn field_rules(field: &FieldDescriptor) -> Option<DynamicMessage> {
    let extension = descriptors().get_extension_by_name("buf.validate.field")?;
    let options = field.options();
    let rules = options.has_extension(&extension).then(|| options.get_extension(&extension))?;
    rules.as_message().cloned()
}

fn inner(rules: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    let set = rules.has_field_by_name(name).then(|| rules.get_field_by_name(name))??;
    set.as_message().cloned()
}
