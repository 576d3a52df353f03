//! The messages and enums that others consist of.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use super::names::{Named, shorten};
use super::{Style, scalar};

/// Messages and all that they consist of, by their full names: what has a schema of its own.
#[derive(Default)]
pub(super) struct Parts {
    messages: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
}

impl Parts {
    pub(super) fn of(messages: impl IntoIterator<Item = MessageDescriptor>, style: Style) -> Self {
        let mut parts = Self::default();
        let mut seen = HashSet::new();
        let mut waiting: Vec<MessageDescriptor> = messages.into_iter().collect();
        while let Some(message) = waiting.pop() {
            let name = message.full_name().to_owned();
            let is_short =
                scalar::well_known(&name, style).is_some() || scalar::wrapped(&name).is_some();
            if is_short || !seen.insert(name.clone()) {
                continue;
            }
            for field in message.fields() {
                match field.kind() {
                    Kind::Message(inner) => waiting.push(inner),
                    Kind::Enum(inner) => {
                        parts.enums.insert(inner.full_name().to_owned(), inner);
                    }
                    _ => {}
                }
            }
            if !message.is_map_entry() {
                parts.messages.insert(name, message);
            }
        }
        parts
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &MessageDescriptor> {
        self.messages.values()
    }

    /// The full names of the messages that are a part of another, or of themselves.
    pub(super) fn parts_of_others(&self) -> impl Iterator<Item = String> {
        let parts = self.messages().flat_map(parts_of);
        parts.map(|message| message.full_name().to_owned())
    }

    /// The full names of all messages.
    pub(super) fn all(&self) -> impl Iterator<Item = String> {
        self.messages.keys().cloned()
    }

    /// The messages that others have as well.
    pub(super) fn shared_with(&self, others: &Self) -> impl Iterator<Item = &MessageDescriptor> {
        self.messages().filter(|message| others.messages.contains_key(message.full_name()))
    }

    /// Short names for all of both.
    pub(super) fn short_names(&self, others: &Self) -> HashMap<String, String> {
        let messages = self.messages.iter().chain(&others.messages);
        let messages = messages.map(|(name, message)| (name, message.package_name()));
        let enums = self.enums.iter().chain(&others.enums);
        let enums = enums.map(|(name, descriptor)| (name, descriptor.package_name()));
        let all: HashMap<Named, String> = messages
            .chain(enums)
            .map(|(full_name, package)| (named(full_name, package), full_name.clone()))
            .collect();
        let names = shorten(all.keys().cloned());
        names.into_iter().map(|(named, short)| (all[&named].clone(), short)).collect()
    }
}

/// One inside another is called after both: `Shelf.Kind` is `ShelfKind`.
fn named(full_name: &str, package: &str) -> Named {
    let local = full_name.strip_prefix(package).unwrap_or(full_name);
    Named { package: package.to_owned(), parent: String::new(), name: local.replace('.', "") }
}

/// The messages that a message has in its fields and maps.
pub(super) fn parts_of(message: &MessageDescriptor) -> Vec<MessageDescriptor> {
    let inner = message.fields().filter_map(|field| {
        let kind = field.kind();
        let message = kind.as_message()?;
        let value = message.is_map_entry().then(|| message.map_entry_value_field().kind());
        value.unwrap_or_else(|| kind.clone()).as_message().cloned()
    });
    inner.collect()
}

/// The fields of a message in the order of their declaration.
pub(super) fn declared_fields(
    message: &MessageDescriptor,
) -> impl Iterator<Item = FieldDescriptor> {
    let declared = message.descriptor_proto().field.iter();
    declared.filter_map(|field| message.get_field_by_name(field.name()))
}

/// The fields on the way along a path like `shelf.id`; the last is the one at it.
pub(super) fn fields_at(message: &MessageDescriptor, path: &str) -> Option<Vec<FieldDescriptor>> {
    let mut fields: Vec<FieldDescriptor> = Vec::new();
    for name in path.split('.') {
        let field = match fields.last() {
            None => message.get_field_by_name(name),
            Some(outer) => outer.kind().as_message()?.get_field_by_name(name),
        };
        fields.push(field?);
    }
    Some(fields)
}
