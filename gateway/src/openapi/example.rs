//! Examples of values, made from their schemas: what a contract gives as an example, and otherwise what
//! its rules allow.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::pattern;
use super::scalar::whole_or_not;
use crate::request::media::{EVENTS, LINES};

/// What an example is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It has what must be there, and what the contract has examples of; all, where that is nothing.
    Request,
    /// It has everything.
    Response,
}

/// No example goes deeper than this, or is made of many more messages, items and characters than these.
const MAX_DEPTH: usize = 5;
const MAX_MESSAGES: usize = 200;
const MAX_ITEMS: u64 = 100;
const MAX_LENGTH: u64 = 10_000;

/// Makes examples.
pub(super) struct Examples<'a> {
    /// `components/schemas`.
    schemas: &'a Map<String, Value>,
    purpose: Purpose,
    /// The schemas that an example is being made of, the outermost first.
    open: Vec<String>,
    /// How many messages it has so far.
    messages: usize,
    patterns: HashMap<String, Option<Regex>>,
}

impl<'a> Examples<'a> {
    pub(super) fn new(schemas: &'a Map<String, Value>) -> Self {
        Self {
            schemas,
            purpose: Purpose::Request,
            open: Vec::new(),
            messages: 0,
            patterns: HashMap::new(),
        }
    }

    /// An example of what has this schema and this name.
    pub(super) fn of(&mut self, schema: &Value, name: &str, purpose: Purpose) -> Value {
        self.purpose = purpose;
        self.messages = 0;
        self.value(schema, name)
    }

    fn value(&mut self, schema: &Value, name: &str) -> Value {
        if let Some(example) = given(schema) {
            return example.clone();
        }
        if let Some(target) = target(schema) {
            let Some(referred) = self.schemas.get(target) else { return Value::Null };
            if referred.get("enum").is_some() {
                return one_of(referred, schema).cloned().unwrap_or_default();
            }
            self.messages += 1;
            self.open.push(target.to_owned());
            let example = self.value(referred, name);
            self.open.pop();
            return example;
        }
        let alternatives = schema.get("anyOf").or_else(|| alternatives(schema));
        if let Some(alternatives) = alternatives.and_then(Value::as_array) {
            let possible = alternatives.iter().find(|alternative| !self.is_too_much(alternative));
            return possible.map(|schema| self.value(schema, name)).unwrap_or_default();
        }
        match type_of(schema) {
            "object" => self.object(schema).into(),
            "array" => self.list(schema, name).into(),
            "string" if self.is_absent(schema) => Value::Null,
            "string" => self.text(schema, name).into(),
            "integer" | "number" if self.is_absent(schema) => Value::Null,
            "integer" => integer(schema).into(),
            "number" => whole_or_not(number(schema)),
            "boolean" => true.into(),
            "null" => Value::Null,
            _ => json!("anything"),
        }
    }

    /// Whether there is nothing to say of a value that need not be there.
    fn is_absent(&self, schema: &Value) -> bool {
        let is_nullable = schema.get("type").is_some_and(Value::is_array);
        self.purpose == Purpose::Response && is_nullable && schema.get("format").is_none()
    }

    fn object(&mut self, schema: &Value) -> Map<String, Value> {
        let mut object = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        let choices = Choices::of(schema, |name| {
            let property = properties.and_then(|properties| properties.get(name));
            property.is_some_and(|property| !self.is_too_much(property))
        });
        let required = strings(schema.get("required"));
        let is_wanted = |name: &str, property: &Value| {
            required.contains(&name) || choices.wanted.contains(&name) || given(property).is_some()
        };
        let possible = properties.into_iter().flatten().filter(|(name, property)| {
            !choices.unwanted.contains(&name.as_str()) && !self.is_too_much(property)
        });
        let possible: Vec<(&String, &Value)> = possible.collect();
        let takes_all = self.purpose == Purpose::Response
            || !possible.iter().any(|(name, property)| is_wanted(name, property));
        for (name, property) in possible {
            // what came before may have been much
            if (takes_all || is_wanted(name, property)) && !self.is_too_much(property) {
                object.insert(name.clone(), self.value(property, name));
            }
        }
        let values = schema.get("additionalProperties").filter(|values| values.is_object());
        if let Some(values) = values.filter(|values| !self.is_too_much(values)) {
            let keys = schema.get("propertyNames");
            let key = keys.map_or("key".to_owned(), |keys| self.text(keys, "key"));
            object.insert(key, self.value(values, "value"));
        }
        object
    }

    fn list(&mut self, schema: &Value, name: &str) -> Vec<Value> {
        let Some(items) = schema.get("items").filter(|items| !self.is_too_much(items)) else {
            return Vec::new();
        };
        let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or_default();
        (0..count.clamp(1, MAX_ITEMS)).map(|_| self.value(items, name)).collect()
    }

    /// Text that fits: the name of the field, a number, a duration, or what its pattern asks for.
    fn text(&mut self, schema: &Value, name: &str) -> String {
        if let Some(text) = one_of(schema, schema).and_then(Value::as_str) {
            return text.to_owned();
        }
        let format = schema.get("format").and_then(Value::as_str);
        if let Some(text) = format.and_then(of_format) {
            return text.to_owned();
        }
        let patterns = patterns(schema);
        let sample = patterns.first().and_then(|pattern| pattern::sample(pattern));
        let words = name.replace('_', " ");
        let usual = ["1", "1.5s"].map(|text| Some(text.to_owned()));
        let candidates = std::iter::once(Some(words.clone())).chain(usual).chain([sample]);
        let mut candidates = candidates.flatten().map(|text| of_length(schema, text));
        candidates
            .find(|text| patterns.iter().all(|pattern| self.matches(pattern, text)))
            .unwrap_or(words)
    }

    fn matches(&mut self, pattern: &str, text: &str) -> bool {
        if !self.patterns.contains_key(pattern) {
            self.patterns.insert(pattern.to_owned(), Regex::new(pattern).ok());
        }
        self.patterns[pattern].as_ref().is_none_or(|pattern| pattern.is_match(text))
    }

    /// Whether an example of the schema would be one in itself, or too large.
    fn is_too_much(&self, schema: &Value) -> bool {
        target(schema).is_some_and(|target| {
            self.open.iter().any(|open| open == target)
                || self.open.len() >= MAX_DEPTH
                || self.messages >= MAX_MESSAGES
        })
    }
}

/// Of properties that exclude each other, the first one that is possible.
#[derive(Default)]
struct Choices<'a> {
    /// Those that must be there.
    wanted: Vec<&'a str>,
    /// Those that another has been taken for.
    unwanted: Vec<&'a str>,
}

impl<'a> Choices<'a> {
    fn of(schema: &'a Value, is_possible: impl Fn(&str) -> bool) -> Self {
        let all = schema.get("allOf").and_then(Value::as_array);
        let schemas = all.into_iter().flatten().chain([schema]);
        let mut choices = Self::default();
        for alternatives in schemas.filter_map(|schema| schema.get("oneOf")?.as_array()) {
            let names: Vec<&str> =
                alternatives.iter().flat_map(|schema| strings(schema.get("required"))).collect();
            let chosen = names.iter().position(|name| is_possible(name)).unwrap_or_default();
            if names.len() == alternatives.len() {
                choices.wanted.extend(names.get(chosen));
            }
            let others = names.iter().enumerate().filter(|(index, _)| *index != chosen);
            choices.unwanted.extend(others.map(|(_, name)| *name));
        }
        choices
    }
}

/// Gives an operation examples of what it takes and answers. Of parameters only those have one that
/// must be there: the others would be sent as well by whoever tries what is documented.
pub(super) fn fill(operation: &mut Value, examples: &mut Examples<'_>) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        if parameter["required"] == true {
            parameter["example"] = examples.of(&parameter["schema"], &name, Purpose::Request);
        } else if parameter["schema"]["type"] == "object" {
            // pages that try what is documented make entries up where it has no example
            parameter["example"] = json!({});
        }
    }
    if let Some(content) = operation.pointer_mut("/requestBody/content") {
        fill_content(content, examples, Purpose::Request);
    }
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    for response in responses.into_iter().flat_map(Map::values_mut) {
        if let Some(content) = response.get_mut("content") {
            fill_content(content, examples, Purpose::Response);
        }
    }
}

fn fill_content(content: &mut Value, examples: &mut Examples<'_>, purpose: Purpose) {
    // no others: of bytes there is none, of events it is made of that in lines
    for (media, object) in content.as_object_mut().into_iter().flatten() {
        if ["application/json", LINES].contains(&media.as_str()) {
            object["example"] = examples.of(&object["schema"], "", purpose);
        }
    }
    let message = content.get(LINES).map(|lines| lines["example"]["result"].clone());
    if let (Some(message), Some(events)) = (message, content.get_mut(EVENTS)) {
        let id = events["x-event-id"].as_str().and_then(|path| id_line(&message, path));
        let id = id.unwrap_or_default();
        let end = r#"{"end":{"reason":"complete"}}"#;
        let example = format!("{id}data: {message}\n\nevent: end\ndata: {end}\n\n");
        events["example"] = example.into();
    }
}

/// The line of an event that has the id of its message; `None` where that is not in its JSON.
fn id_line(message: &Value, path: &str) -> Option<String> {
    match path.split('.').try_fold(message, |message, name| message.get(name))? {
        Value::String(id) => Some(format!("id: {id}\n")),
        Value::Number(id) => Some(format!("id: {id}\n")),
        _ => None,
    }
}

/// What a schema is one of, where it is nothing else.
fn alternatives(schema: &Value) -> Option<&Value> {
    schema.get("oneOf").filter(|_| schema.get("type").is_none())
}

/// The value that a schema itself names.
fn given(schema: &Value) -> Option<&Value> {
    schema.get("examples").and_then(|examples| examples.get(0)).or_else(|| schema.get("const"))
}

/// The name of the schema that this one refers to.
fn target(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}

/// The first of the values of an enum that is not excluded, nor stands for none.
fn one_of<'a>(schema: &'a Value, narrower: &'a Value) -> Option<&'a Value> {
    let values = narrower.get("enum").or_else(|| schema.get("enum"))?.as_array()?;
    let excluded = narrower.get("not").and_then(|not| not.get("enum")?.as_array());
    let mut possible =
        values.iter().filter(|value| !excluded.is_some_and(|excluded| excluded.contains(value)));
    let stands_for_none = |value: &&Value| {
        value.as_str().is_some_and(|name| name.to_ascii_lowercase().ends_with("unspecified"))
    };
    let first = possible.clone().next();
    possible.find(|value| !stands_for_none(value)).or(first)
}

fn type_of(schema: &Value) -> &str {
    let kind = schema.get("type");
    let kind = kind.and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    kind.unwrap_or_default()
}

fn strings(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn patterns(schema: &Value) -> Vec<&str> {
    let all = schema.get("allOf").and_then(Value::as_array);
    let schemas = [schema].into_iter().chain(all.into_iter().flatten());
    schemas.filter_map(|schema| schema.get("pattern")?.as_str()).collect()
}

fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "byte" => "aGVsbG8=",
        "date-time" => "2026-01-31T09:30:00Z",
        "email" => "ada@example.org",
        "hostname" => "www.example.org",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" => "https://www.example.org/",
        "uri-reference" => "/a/path",
        "uuid" => "01890a5d-ac96-774b-bcce-b302099a8057",
        _ => return None,
    })
}

/// Text of the length that a schema asks for: repeated or cut.
fn of_length(schema: &Value, text: String) -> String {
    let limit = |keyword| schema.get(keyword).and_then(Value::as_u64);
    let count = text.chars().count() as u64;
    let least = limit("minLength").unwrap_or_default();
    let most = limit("maxLength").unwrap_or(u64::MAX);
    if (least..=most).contains(&count) || text.is_empty() {
        return text;
    }
    text.chars().cycle().take(count.max(least).min(most).min(MAX_LENGTH) as usize).collect()
}

fn integer(schema: &Value) -> i64 {
    number_within(schema, 1.0, 1.0) as i64
}

fn number(schema: &Value) -> f64 {
    number_within(schema, 19.99, 0.01)
}

/// A number near to this one, in the range that a schema asks for.
fn number_within(schema: &Value, number: f64, step: f64) -> f64 {
    let limit = |keyword| schema.get(keyword).and_then(Value::as_f64);
    let least = limit("minimum").or(limit("exclusiveMinimum").map(|least| least + step));
    let most = limit("maximum").or(limit("exclusiveMaximum").map(|most| most - step));
    number.max(least.unwrap_or(f64::MIN)).min(most.unwrap_or(f64::MAX))
}
