//! Values around the rules of one field: valid ones, invalid ones, and both sides of every edge.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use crate::patterns;
use crate::rules::Rules;

/// Texts that are somehow special, whatever the rule.
const TEXTS: [&str; 20] = [
    "", " ", "x", "X", "\0", "a\0b", "\n", "x\n", "\r\n", "\t", "\u{b}", "a b", "a\u{a0}b",
    "\u{85}", "\u{3000}", "\u{200b}", "é", "e\u{301}", "😀", "null",
];
/// One, two and four bytes, and a character that is two code points.
const UNITS: [&str; 4] = ["a", "é", "😀", "e\u{301}"];
const EMAILS: [&str; 30] = [
    "a@b",
    "a@b.c",
    "A.b+c@example.ORG",
    "a@",
    "@b",
    "a",
    "a@b@c",
    "a b@c",
    "a@b c",
    "a@b\n",
    " a@b",
    "a@-b",
    "a@b-",
    "a@b-c",
    "a@b..c",
    "a@b.",
    "a@.b",
    "a.@b",
    ".a@b",
    "a..b@c",
    "é@b",
    "a@é",
    "\"a\"@b",
    "a@[127.0.0.1]",
    "a@127.0.0.1",
    "a@b_c",
    "!#$%&'*+/=?^_`{|}~-@b",
    "a(b)@c",
    "a@b,c",
    "<a@b>",
];

/// The `number`th of some valid values that differ where they can.
pub fn good(field: &FieldDescriptor, number: usize) -> Value {
    let rules = Rules::of(field);
    match field.kind() {
        Kind::String => Value::String(good_text(&rules, number)),
        Kind::Bool => Value::Bool(rules.get("const").and_then(Value::as_bool).unwrap_or(true)),
        Kind::Int32 => {
            let allowed = rules.list("in").first().and_then(Value::as_i32);
            let min = rules.get("gte").and_then(Value::as_i32);
            Value::I32(allowed.unwrap_or(min.unwrap_or_default().max(1)))
        }
        Kind::Int64 => {
            let min = rules.get("gte").and_then(Value::as_i64);
            Value::I64(min.unwrap_or_default().max(1))
        }
        Kind::Enum(kind) => {
            let refused = rules.list("not_in").iter().filter_map(Value::as_i32);
            let refused: Vec<i32> = refused.collect();
            let mut numbers = kind.values().map(|value| value.number());
            let number = numbers.find(|number| !refused.contains(number));
            Value::EnumNumber(number.unwrap_or_default())
        }
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.FieldMask" => {
                paths(&message, rules.list("in").iter().filter_map(Value::as_str).take(1))
            }
            "google.protobuf.Duration" => limit(&rules, "gte").map_or_else(
                || Value::Message(DynamicMessage::new(message.clone())),
                |(seconds, nanos)| duration(&message, seconds, nanos),
            ),
            _ => Value::Message(DynamicMessage::new(message)),
        },
        kind => panic!("{}: what values does {kind:?} need?", field.full_name()),
    }
}

/// Values around the rules.
pub fn around(field: &FieldDescriptor) -> Vec<Value> {
    let rules = Rules::of(field);
    match field.kind() {
        Kind::String => texts(&rules).into_iter().map(Value::String).collect(),
        Kind::Bool => vec![Value::Bool(false), Value::Bool(true)],
        Kind::Int32 => numbers(&rules).into_iter().map(Value::I32).collect(),
        Kind::Int64 => long_numbers(&rules).into_iter().map(Value::I64).collect(),
        Kind::Enum(kind) => {
            let numbers = kind.values().map(|value| value.number());
            let edges = numbers.flat_map(|number| [number - 1, number, number + 1]);
            edges.chain([i32::MIN, i32::MAX]).map(Value::EnumNumber).collect()
        }
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.FieldMask" => masks(&message, &rules),
            "google.protobuf.Duration" => durations(&message, &rules),
            // no rules reach into others
            _ => vec![Value::Message(DynamicMessage::new(message))],
        },
        kind => panic!("{}: what values does {kind:?} need?", field.full_name()),
    }
}

/// The `number`th of some valid texts.
pub fn good_text(rules: &Rules, number: usize) -> String {
    if let Some(allowed) = rules.list("in").first().and_then(Value::as_str) {
        return allowed.to_owned();
    }
    if rules.get("email").is_some() {
        return format!("a{number}@example.org");
    }
    let patterned = rules.pattern().and_then(|pattern| patterns::matching(&pattern).pop());
    match patterned.filter(|text| text.is_ascii() && text.len() > 10) {
        // an id or an ISBN, of one length: its last digits count
        Some(id) => format!("{}{number:03}", &id[..id.len() - 3]),
        // a code of two letters has no digits
        None if rules.pattern().is_some_and(|pattern| pattern == "^[A-Z]{2}$") => "DE".to_owned(),
        None => format!("{}{number}", "a".repeat(rules.length("min_len").unwrap_or_default())),
    }
}

/// Texts around the rules.
pub fn texts(rules: &Rules) -> Vec<String> {
    let mut texts: Vec<String> = TEXTS.into_iter().map(str::to_owned).collect();
    for length in ["min_len", "max_len"].into_iter().filter_map(|rule| rules.length(rule)) {
        for length in [length.saturating_sub(1), length, length + 1] {
            texts.extend(UNITS.iter().map(|unit| long(unit, length)));
        }
    }
    for allowed in rules.list("in").iter().filter_map(Value::as_str) {
        texts.extend([allowed, allowed.get(1..).unwrap_or_default()].map(str::to_owned));
        texts.extend([format!("{allowed} "), format!("{allowed}x"), allowed.to_uppercase()]);
    }
    if rules.get("email").is_some() {
        texts.extend(EMAILS.map(str::to_owned));
        for label in [1, 2, 61, 62, 63, 64] {
            let label = "b".repeat(label);
            texts.extend([
                format!("a@{label}"),
                format!("a@{label}.{label}"),
                format!("{label}@b"),
            ]);
        }
        let max = rules.length("max_len").unwrap_or_default();
        for length in [max.saturating_sub(1), max, max + 1] {
            texts.push(format!("{}@example.org", "a".repeat(length.saturating_sub(12))));
        }
    }
    texts.extend(rules.pattern().iter().flat_map(|pattern| patterns::around(pattern)));
    texts
}

/// A text of so many code points.
fn long(unit: &str, length: usize) -> String {
    unit.chars().cycle().take(length).collect()
}

fn numbers(rules: &Rules) -> Vec<i32> {
    let limits = ["gte", "lte"].into_iter().filter_map(|rule| rules.get(rule)?.as_i32());
    let listed = rules.list("in").iter().chain(rules.list("not_in")).filter_map(Value::as_i32);
    let edges = limits.chain(listed);
    let edges = edges.flat_map(|edge| [edge.saturating_sub(1), edge, edge.saturating_add(1)]);
    edges.chain([0, 1, -1, i32::MIN, i32::MAX]).collect()
}

fn long_numbers(rules: &Rules) -> Vec<i64> {
    let limits = ["gte", "lte"].into_iter().filter_map(|rule| rules.get(rule)?.as_i64());
    let edges = limits.flat_map(|edge| [edge.saturating_sub(1), edge, edge.saturating_add(1)]);
    edges.chain([0, 1, -1, i64::MIN, i64::MAX]).collect()
}

fn masks(message: &MessageDescriptor, rules: &Rules) -> Vec<Value> {
    let allowed: Vec<&str> = rules.list("in").iter().filter_map(Value::as_str).collect();
    let mut masks = vec![
        paths(message, []),
        paths(message, allowed.iter().copied()),
        paths(message, allowed.iter().copied().chain(["unknown"])),
        paths(message, allowed.iter().chain(&allowed).copied()),
    ];
    for field in allowed {
        let near = [
            field.to_owned(),
            format!("{field}.value"),
            format!("{field}."),
            format!("{field}x"),
            format!("{field}*"),
            format!(".{field}"),
            format!(" {field}"),
            format!("{field}\0"),
            field[1..].to_owned(),
            field.to_uppercase(),
        ];
        masks.extend(near.iter().map(|path| paths(message, [path.as_str()])));
    }
    masks.extend(["", ".", "*", "unknown"].map(|path| paths(message, [path])));
    masks
}

fn paths<'a>(message: &MessageDescriptor, paths: impl IntoIterator<Item = &'a str>) -> Value {
    let mut mask = DynamicMessage::new(message.clone());
    let paths = paths.into_iter().map(|path| Value::String(path.to_owned())).collect();
    mask.set_field_by_name("paths", Value::List(paths));
    Value::Message(mask)
}

fn durations(message: &MessageDescriptor, rules: &Rules) -> Vec<Value> {
    let limits = ["gte", "lte"].into_iter().filter_map(|rule| limit(rules, rule));
    let edges = limits.flat_map(|(seconds, nanos)| {
        [
            (seconds, nanos),
            (seconds, nanos + 1),
            (seconds, nanos - 1),
            (seconds - 1, 999_999_999),
            // parts that are not normalised
            (seconds - 1, nanos + 1_000_000_000),
            (seconds + 1, nanos - 1_000_000_000),
            (seconds + 1, nanos - 1_000_000_001),
            (seconds - 1, i32::MAX),
            (seconds + 1, i32::MIN),
        ]
    });
    let others =
        [(0, 0), (0, 1), (0, -1), (-1, 0), (315_576_000_000, 0), (i64::MAX, 0), (i64::MIN, 0)];
    edges.chain(others).map(|(seconds, nanos)| duration(message, seconds, nanos)).collect()
}

fn duration(message: &MessageDescriptor, seconds: i64, nanos: i32) -> Value {
    let mut duration = DynamicMessage::new(message.clone());
    duration.set_field_by_name("seconds", Value::I64(seconds));
    duration.set_field_by_name("nanos", Value::I32(nanos));
    Value::Message(duration)
}

fn limit(rules: &Rules, rule: &str) -> Option<(i64, i32)> {
    let limit = rules.get(rule)?.as_message()?;
    let seconds = limit.get_field_by_name("seconds")?.as_i64()?;
    Some((seconds, limit.get_field_by_name("nanos")?.as_i32()?))
}
