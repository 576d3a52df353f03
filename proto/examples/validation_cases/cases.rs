//! Messages around the rules of a contract.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

use crate::dice::Dice;
use crate::rules::{Counts, Rules};
use crate::values;

/// The limit of what has none.
const USUAL: usize = 3;

/// How many messages have several odd fields at once.
const MIXED: usize = 300;

/// A message that keeps every rule. Messages with different numbers differ where they can.
pub fn good(message: &MessageDescriptor, number: usize) -> DynamicMessage {
    let mut good = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let count = Counts::of(&field).min.max(1);
        let value = if field.is_list() {
            Value::List((0..count).map(|index| good_value(&field, index)).collect())
        } else if field.is_map() {
            map((0..count).map(|index| good_entry(&field, index)))
        } else {
            good_value(&field, number)
        };
        good.set_field(&field, value);
    }
    good
}

/// Messages with one odd field each, then some with several.
pub fn all(message: &MessageDescriptor) -> Vec<DynamicMessage> {
    let mut cases = alone(message);
    let fields: Vec<(FieldDescriptor, Vec<Option<Value>>)> =
        message.fields().map(|field| (field.clone(), field_values(&field))).collect();
    let mut dice = Dice::new(1);
    for _ in 0..MIXED {
        let mut case = good(message, 0);
        for (field, values) in &fields {
            if let Some(true) = dice.pick(&[true, true, false]) {
                set(&mut case, field, dice.pick(values).cloned().flatten());
            }
        }
        cases.push(case);
    }
    cases
}

/// The empty message, a good one, and good ones but for one field.
fn alone(message: &MessageDescriptor) -> Vec<DynamicMessage> {
    let good = good(message, 0);
    let mut cases = vec![DynamicMessage::new(message.clone()), good.clone()];
    for field in message.fields() {
        for value in field_values(&field) {
            let mut case = good.clone();
            set(&mut case, &field, value);
            cases.push(case);
        }
    }
    cases
}

fn set(message: &mut DynamicMessage, field: &FieldDescriptor, value: Option<Value>) {
    match value {
        Some(value) => message.set_field(field, value),
        None => message.clear_field(field),
    }
}

fn good_value(field: &FieldDescriptor, number: usize) -> Value {
    match ours(field) {
        Some(message) => Value::Message(good(&message, number)),
        None => values::good(field, number),
    }
}

/// Values of a field; `None` means that it is absent.
fn field_values(field: &FieldDescriptor) -> Vec<Option<Value>> {
    if field.is_map() {
        return std::iter::once(None).chain(maps(field).into_iter().map(Some)).collect();
    }
    let items = match ours(field) {
        Some(message) => alone(&message).into_iter().map(Value::Message).collect(),
        None => values::around(field),
    };
    let values = if field.is_list() { lists(field, items) } else { items };
    std::iter::once(None).chain(values.into_iter().map(Some)).collect()
}

/// Lists of every length around the limits, with odd items at each end, and with items twice.
fn lists(field: &FieldDescriptor, odd: Vec<Value>) -> Vec<Value> {
    let good = |length| (0..length).map(|index| good_value(field, index)).collect::<Vec<_>>();
    let Counts { max, .. } = Counts::of(field);
    let max = max.unwrap_or(USUAL);
    let mut lists: Vec<Vec<Value>> = lengths(field).into_iter().map(good).collect();

    let pair = good(2);
    lists.push(vec![pair[0].clone(), pair[0].clone()]);
    lists.push(vec![pair[0].clone(), pair[1].clone(), pair[0].clone()]);
    lists.push(vec![pair[0].clone(); max + 1]);
    // more violations than are told
    lists.push(vec![odd[0].clone(); max]);
    for odd in odd {
        lists.push(vec![odd.clone(), pair[0].clone()]);
        lists.push(vec![pair[0].clone(), odd]);
    }
    lists.into_iter().map(Value::List).collect()
}

/// Lengths around the limits of a list or a map.
fn lengths(field: &FieldDescriptor) -> [usize; 8] {
    let Counts { min, max } = Counts::of(field);
    let max = max.unwrap_or(USUAL);
    [0, 1, min.saturating_sub(1), min, min + 1, max.saturating_sub(1), max, max + 1]
}

/// Maps of every length around the limits, and with odd keys and odd values. They are from text to text.
fn maps(field: &FieldDescriptor) -> Vec<Value> {
    let good = |length| (0..length).map(|index| good_entry(field, index));
    let (key, value) = good_entry(field, 0);
    let keys = values::texts(&Rules::of_part(field, "keys"));
    let keys = keys.into_iter().map(|key| map([good_entry(field, 1), (key, value.clone())]));
    let values = values::texts(&Rules::of_part(field, "values"));
    let values = values.into_iter().map(|value| map([(key.clone(), value)]));
    lengths(field).into_iter().map(|length| map(good(length))).chain(keys).chain(values).collect()
}

fn good_entry(field: &FieldDescriptor, number: usize) -> (String, String) {
    let good = |part| values::good_text(&Rules::of_part(field, part), number);
    (good("keys"), good("values"))
}

fn map(entries: impl IntoIterator<Item = (String, String)>) -> Value {
    let entries = entries.into_iter();
    Value::Map(entries.map(|(key, value)| (MapKey::String(key), Value::String(value))).collect())
}

/// The type of a field that is a message with rules of its own.
fn ours(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if message.package_name().starts_with("souk.") => Some(message),
        _ => None,
    }
}
