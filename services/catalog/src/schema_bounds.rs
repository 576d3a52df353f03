//! How much work a schema may make of products: what it takes to hold attributes to it grows with the schema and
//! the attributes, and no faster.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use souk_proto::Violation;

/// How many schemas may be applied, each as often as it is referred to.
const MAX_SCHEMAS: usize = 1_000;
/// How deep they may be in each other.
const MAX_DEPTH: usize = 100;
/// How many patterns there may be, as often as their schemas are applied.
const MAX_PATTERNS: usize = 50;

/// Keywords whose value is a schema, a list of them, or an object of them (JSON Schema 2020-12, sections 10 and 11
/// of the core). `$defs` are schemas when something refers to them.
const ONE: [&str; 11] = [
    "not",
    "if",
    "then",
    "else",
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const NAMED: [&str; 3] = ["properties", "patternProperties", "dependentSchemas"];
/// Keywords that make other schemas of a text than the one that stands there.
const REFUSED: [&str; 2] = ["$dynamicRef", "$recursiveRef"];

/// What it takes to apply a schema.
#[derive(Debug, Default, Clone, Copy)]
struct Work {
    schemas: usize,
    patterns: usize,
}

impl Work {
    fn and(self, other: Self) -> Self {
        Self {
            schemas: self.schemas.saturating_add(other.schemas),
            patterns: self.patterns.saturating_add(other.patterns),
        }
    }
}

/// Refuses a schema that could take long, or that leads to itself.
///
/// # Errors
///
/// What is too much of it.
pub fn check(schema: &Value) -> Result<(), Violation> {
    let mut walk = Walk { root: schema, known: HashMap::new(), open: HashSet::new() };
    let work = walk.work(schema, 0)?;
    if work.schemas > MAX_SCHEMAS {
        let issue = format!("must apply at most {MAX_SCHEMAS} schemas, those referred to counted");
        return Err(refused(issue));
    }
    if work.patterns > MAX_PATTERNS {
        return Err(refused(format!("must have at most {MAX_PATTERNS} patterns")));
    }
    Ok(())
}

fn refused(issue: impl Into<String>) -> Violation {
    Violation { field: "schema".to_owned(), issue: issue.into() }
}

struct Walk<'s> {
    root: &'s Value,
    /// Schemas that have been walked, by their place in memory.
    known: HashMap<*const Value, Work>,
    /// Those that are being walked.
    open: HashSet<*const Value>,
}

impl<'s> Walk<'s> {
    fn work(&mut self, schema: &'s Value, depth: usize) -> Result<Work, Violation> {
        let place = std::ptr::from_ref(schema);
        if let Some(known) = self.known.get(&place) {
            return Ok(*known);
        }
        if depth > MAX_DEPTH {
            return Err(refused(format!("must be at most {MAX_DEPTH} schemas deep")));
        }
        if !self.open.insert(place) {
            return Err(refused("must not refer to a schema from within it"));
        }
        let mut work = Work { schemas: 1, patterns: patterns(schema) };
        for inner in self.inner(schema, depth)? {
            work = work.and(self.work(inner, depth + 1)?);
        }
        self.open.remove(&place);
        self.known.insert(place, work);
        Ok(work)
    }

    /// The schemas that are applied with this one.
    fn inner(&self, schema: &'s Value, depth: usize) -> Result<Vec<&'s Value>, Violation> {
        let Some(keywords) = schema.as_object() else { return Ok(Vec::new()) };
        let is_refused = |keyword: &&str| keywords.contains_key(*keyword);
        if let Some(keyword) = REFUSED.iter().find(|keyword| is_refused(keyword)) {
            return Err(refused(format!("must not have `{keyword}`")));
        }
        if depth > 0 && keywords.contains_key("$id") {
            return Err(refused("must have `$id` at its top only"));
        }
        let one = ONE.iter().filter_map(|keyword| keywords.get(*keyword));
        let list = LIST.iter().filter_map(|keyword| keywords.get(*keyword)?.as_array()).flatten();
        let named = NAMED.iter().filter_map(|keyword| keywords.get(*keyword)?.as_object());
        let named = named.flat_map(|schemas| schemas.values());
        let mut inner: Vec<&Value> = one.chain(list).chain(named).collect();
        if let Some(reference) = keywords.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|target| self.root.pointer(target));
            let issue = "must have references of the form `#/$defs/…` only, to what is there";
            inner.push(target.ok_or_else(|| refused(issue))?);
        }
        Ok(inner)
    }
}

/// How many patterns are in a schema itself.
fn patterns(schema: &Value) -> usize {
    let named = schema.get("patternProperties").and_then(Value::as_object);
    named.map_or(0, serde_json::Map::len) + usize::from(schema.get("pattern").is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// So many schemas, each of which applies the next one twice.
    fn doubling(levels: usize) -> Value {
        let mut schema = json!({"type": "object", "$ref": "#/$defs/d0"});
        for level in 0..levels {
            let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
            schema["$defs"][format!("d{level}")] = json!({"allOf": [next, next]});
        }
        schema["$defs"][format!("d{levels}")] = json!({"maxProperties": 5});
        schema
    }

    #[test]
    fn an_ordinary_schema_is_within_its_bounds() {
        let mut schema = json!({
            "$id": "https://example.com/book",
            "type": "object",
            "$defs": {"isbn": {"type": "string", "pattern": "^[0-9]{13}$"}},
        });
        for number in 0..300 {
            schema["properties"][format!("a{number}")] = json!({"type": "string"});
        }
        for number in 0..20 {
            schema["properties"][format!("isbn{number}")] = json!({"$ref": "#/$defs/isbn"});
        }
        assert_eq!(check(&schema).map_err(|refused| refused.issue), Ok(()));
        assert!(check(&doubling(6)).is_ok());
    }

    #[test]
    fn a_schema_that_makes_more_work_than_it_has_text_is_refused() {
        let patterns: Vec<Value> = (0..51).map(|_| json!({"pattern": "a"})).collect();
        let mut deep = json!({});
        (0..200).for_each(|_| deep = json!({"items": deep}));
        for (schema, word) in [
            (doubling(24), "1000 schemas"),
            (doubling(40), "1000 schemas"),
            (json!({"allOf": patterns}), "50 patterns"),
            (deep, "deep"),
            (json!({"properties": {"a": {"$ref": "#"}}}), "within"),
            (json!({"$dynamicRef": "#a"}), "$dynamicRef"),
            (json!({"properties": {"a": {"$id": "b"}}}), "$id"),
            (json!({"$ref": "#anchor"}), "references"),
            (json!({"$ref": "https://example.com/x"}), "references"),
            (json!({"$ref": "#/$defs/none"}), "references"),
        ] {
            let refused = check(&schema).unwrap_err();
            assert!(refused.issue.contains(word), "{word}: {}", refused.issue);
        }
    }
}
