//! Whether a field must be there, and whether it may be null: it depends on which way its message goes.

use std::collections::{HashMap, HashSet};

use prost_reflect::{FieldDescriptor, MessageDescriptor};
use serde_json::json;

use super::constraints::Rules;
use super::parts::parts_of;
use super::{Style, scalar};

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the service: what may be left out may also be `null`.
    Request,
    /// From the service: in plain style all fields are there.
    Response,
}

/// Whether a property is there.
pub(super) struct Presence {
    /// It is there always.
    pub is_required: bool,
    /// It may be null.
    pub is_nullable: bool,
}

impl Presence {
    /// Of a field with these rules.
    pub(super) fn of(
        field: &FieldDescriptor,
        rules: &Rules,
        style: Style,
        direction: Direction,
    ) -> Self {
        let zero = match field {
            field if field.is_map() => json!({}),
            field if field.is_list() => json!([]),
            field => scalar::zero(&field.kind(), style),
        };
        let takes_zero = rules.take(&field.kind(), style, &zero);
        let must_be = rules.ask_for_value() || (!field.supports_presence() && !takes_zero);
        let is_choice = field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic());
        let is_written = style == Style::Plain && direction == Direction::Response && !is_choice;
        let is_nullable = match (style, direction) {
            // stands for the value of a field that is not there
            (Style::Plain, Direction::Request) => takes_zero,
            (Style::Plain, Direction::Response) => field.supports_presence(),
            (Style::Canonical, _) => field.kind().as_message().is_some_and(|message| {
                scalar::wrapped(message.full_name()).is_some() && !field.is_list()
            }),
        };
        Self {
            is_required: must_be || is_written,
            is_nullable: is_nullable && !must_be && !is_choice,
        }
    }
}

/// The full names of those of these messages that look different in requests and in responses, or have one
/// in them that does.
pub(super) fn with_two_forms(messages: &[&MessageDescriptor], style: Style) -> HashSet<String> {
    let mut containing: HashMap<String, Vec<&str>> = HashMap::new();
    for message in messages {
        for part in parts_of(message) {
            containing.entry(part.full_name().to_owned()).or_default().push(message.full_name());
        }
    }
    let differing = messages.iter().filter(|message| has_two_forms(message, style));
    let mut waiting: Vec<&str> = differing.map(|message| message.full_name()).collect();
    let mut found = HashSet::new();
    while let Some(name) = waiting.pop() {
        if found.insert(name.to_owned()) {
            waiting.extend(containing.get(name).into_iter().flatten());
        }
    }
    found
}

/// Whether a field of a message looks different there.
fn has_two_forms(message: &MessageDescriptor, style: Style) -> bool {
    message.fields().any(|field| {
        let rules = Rules::of(&field);
        let request = Presence::of(&field, &rules, style, Direction::Request);
        let response = Presence::of(&field, &rules, style, Direction::Response);
        request.is_required != response.is_required || request.is_nullable != response.is_nullable
    })
}
