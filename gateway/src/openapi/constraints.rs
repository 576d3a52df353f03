//! The rules of fields (`buf.validate`), as far as JSON Schema can say them.

use prost_reflect::{
    DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, OneofDescriptor, Value as Rule,
};
use serde_json::{Map, Value, json};

use super::{Style, pattern, scalar};

const FIELD: &str = "buf.validate.field";
const ONEOF: &str = "buf.validate.oneof";
const PREDEFINED: &str = "buf.validate.predefined";

/// Keywords of a schema.
pub(super) type Keywords = Map<String, Value>;

/// What a contract asks of a field, of an item of a list, or of a key or value of a map.
pub(super) struct Rules(Option<DynamicMessage>);

impl Rules {
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn of(field: &FieldDescriptor) -> Self {
        let extension = field.parent_pool().get_extension_by_name(FIELD);
        let options = extension.map(|extension| (field.options(), extension));
        let rules = options.filter(|(options, extension)| options.has_extension(extension));
        let rules =
            rules.map(|(options, extension)| options.get_extension(&extension).into_owned());
        let rules = rules.and_then(|rules| rules.as_message().cloned());
        Self(rules.filter(|rules| ignored(rules) != Ignored::Always))
    }

    /// Whether a value must be there.
    pub(super) fn ask_for_value(&self) -> bool {
        let required = self.0.as_ref().and_then(|rules| rules.get_field_by_name("required"));
        required.is_some_and(|required| required.as_bool() == Some(true))
    }

    /// Which of the numbers that are none in JSON they allow.
    pub(super) fn not_finite(&self) -> Vec<&'static str> {
        let Some(rules) = self.of_kind() else { return scalar::NOT_FINITE.into() };
        let has = |names: &[&str]| {
            let mut fields = rules.fields();
            fields.any(|(rule, _)| names.contains(&rule.name()))
        };
        if has(&["const", "in", "finite"]) {
            return Vec::new();
        }
        let (has_least, has_most) = (has(&["gt", "gte"]), has(&["lt", "lte"]));
        let takes = |name: &&str| match *name {
            "Infinity" => !has_most,
            "-Infinity" => !has_least,
            // it is neither less nor more than anything
            _ => !has_least && !has_most,
        };
        scalar::NOT_FINITE.into_iter().filter(takes).collect()
    }

    /// The rules for what is inside a list or a map: `items`, `keys`, `values`.
    pub(super) fn inside(&self, part: &str) -> Self {
        let of_kind = self.of_kind();
        let rules = of_kind.and_then(|rules| rules.get_field_by_name(part)?.as_message().cloned());
        Self(rules)
    }

    /// Whether one of the fields of a oneof must be there.
    pub(super) fn require_one_of(oneof: &OneofDescriptor) -> bool {
        let extension = oneof.parent_message().parent_pool().get_extension_by_name(ONEOF);
        let rules =
            extension.map(|extension| oneof.options().get_extension(&extension).into_owned());
        let required = rules.and_then(|rules| {
            rules.as_message()?.get_field_by_name("required").map(std::borrow::Cow::into_owned)
        });
        required.is_some_and(|required| required.as_bool() == Some(true))
    }

    /// What they say of a value of this kind, where `zero` is the one that is not written.
    pub(super) fn keywords(&self, kind: &Kind, style: Style, zero: &Value) -> Keywords {
        let keywords = self.all_keywords(kind, style);
        if self.0.as_ref().is_some_and(|rules| ignored(rules) == Ignored::IfZero)
            && !take(&keywords, zero)
        {
            let either = json!([{ "const": zero }, keywords]);
            return Keywords::from_iter([("anyOf".to_owned(), either)]);
        }
        keywords
    }

    /// Whether they allow that value.
    pub(super) fn take(&self, kind: &Kind, style: Style, zero: &Value) -> bool {
        take(&self.keywords(kind, style, zero), zero)
    }

    fn all_keywords(&self, kind: &Kind, style: Style) -> Keywords {
        let Some(rules) = self.of_kind() else { return Keywords::new() };
        let mut translation = Translation { kind, style, keywords: Keywords::new() };
        for (rule, value) in rules.fields() {
            translation.add(rule.name(), value);
        }
        for (rule, value) in rules.extensions() {
            translation.add_predefined(&rule, value);
        }
        translation.keywords
    }

    /// Those of its type: `string`, `int32`, `repeated` …
    fn of_kind(&self) -> Option<DynamicMessage> {
        let rules = self.0.as_ref()?;
        rules.fields().find_map(|(field, value)| {
            let is_of_kind = field.containing_oneof().is_some();
            value.as_message().filter(|_| is_of_kind).cloned()
        })
    }
}

#[derive(PartialEq, Eq)]
enum Ignored {
    Never,
    IfZero,
    Always,
}

fn ignored(rules: &DynamicMessage) -> Ignored {
    let ignore = rules.get_field_by_name("ignore").and_then(|ignore| ignore.as_enum_number());
    match ignore {
        Some(1 | 2) => Ignored::IfZero,
        Some(3) => Ignored::Always,
        _ => Ignored::Never,
    }
}

/// Whether a value that is not written, and so is the zero of its kind, is what the keywords ask for.
fn take(keywords: &Keywords, zero: &Value) -> bool {
    let number = zero.as_f64().unwrap_or_default();
    let all = |schemas: &Value, any: bool| {
        let schemas = schemas.as_array().into_iter().flatten().filter_map(Value::as_object);
        let mut taken = schemas.map(|schema| take(schema, zero));
        if any { taken.any(|taken| taken) } else { taken.all(|taken| taken) }
    };
    keywords.iter().all(|(keyword, value)| match keyword.as_str() {
        "minLength" | "minItems" | "minProperties" => value == 0,
        "minimum" => value.as_f64().is_none_or(|least| number >= least),
        "exclusiveMinimum" => value.as_f64().is_none_or(|least| number > least),
        "maximum" => value.as_f64().is_none_or(|most| number <= most),
        "exclusiveMaximum" => value.as_f64().is_none_or(|most| number < most),
        "pattern" => value.as_str().is_none_or(pattern::takes_nothing),
        // no text that has one is empty
        "format" => !zero.is_string(),
        "const" => value == zero,
        "enum" => value.as_array().is_none_or(|values| values.contains(zero)),
        "not" => !value.as_object().is_some_and(|not| take(not, zero)),
        "allOf" => all(value, false),
        "anyOf" => all(value, true),
        _ => true,
    })
}

struct Translation<'a> {
    kind: &'a Kind,
    style: Style,
    keywords: Keywords,
}

impl Translation<'_> {
    fn add(&mut self, rule: &str, value: &Rule) {
        match (rule, value) {
            ("const", value) => self.set_value("const", value),
            ("in", Rule::List(values)) if values.len() == 1 => self.set_value("const", &values[0]),
            ("in", Rule::List(values)) => self.set_values("enum", values),
            ("not_in", Rule::List(values)) => self.refuse(values),
            ("example", Rule::List(values)) => self.set_values("examples", values),
            ("gte", value) => self.set_limit("minimum", value, 0),
            ("gt", value) => self.set_limit("exclusiveMinimum", value, 0),
            ("lte", value) => self.set_limit("maximum", value, self.keywords.len()),
            ("lt", value) => self.set_limit("exclusiveMaximum", value, self.keywords.len()),
            ("min_items", Rule::U64(count)) => self.set("minItems", *count),
            ("max_items", Rule::U64(count)) => self.set("maxItems", *count),
            ("unique", Rule::Bool(true)) => self.set("uniqueItems", true),
            ("min_pairs", Rule::U64(count)) => self.set("minProperties", *count),
            ("max_pairs", Rule::U64(count)) => self.set("maxProperties", *count),
            _ if *self.kind == Kind::String => self.add_text_rule(rule, value),
            _ => {}
        }
    }

    fn add_text_rule(&mut self, rule: &str, value: &Rule) {
        match (rule, value) {
            ("min_len", Rule::U64(count)) => self.set("minLength", *count),
            ("max_len", Rule::U64(count)) => self.set("maxLength", *count),
            ("len", Rule::U64(count)) => {
                self.set("minLength", *count);
                self.set("maxLength", *count);
            }
            // a character has one to four bytes
            ("min_bytes", Rule::U64(count)) => self.set("minLength", count.div_ceil(4)),
            ("max_bytes", Rule::U64(count)) => self.set("maxLength", *count),
            ("len_bytes", Rule::U64(count)) => {
                self.set("minLength", count.div_ceil(4));
                self.set("maxLength", *count);
            }
            ("pattern", Rule::String(pattern)) => self.add_pattern(pattern),
            ("prefix", Rule::String(text)) => self.add_pattern(&format!("^{}", literal(text))),
            ("suffix", Rule::String(text)) => self.add_pattern(&format!("{}$", literal(text))),
            ("contains", Rule::String(text)) => self.add_pattern(&literal(text)),
            ("not_contains", Rule::String(text)) => {
                if let Some(pattern) = pattern::to_ecma(&literal(text)) {
                    self.add_schema(json!({ "not": { "pattern": pattern } }));
                }
            }
            (name, Rule::Bool(true)) => match text_format(name) {
                Some(Text::Format(format)) => self.set("format", format),
                Some(Text::Pattern(pattern)) => self.add_pattern(pattern),
                None => {}
            },
            _ => {}
        }
    }

    /// A rule that the contracts themselves define. Of CEL only the form is known that is a pattern.
    fn add_predefined(&mut self, rule: &ExtensionDescriptor, value: &Rule) {
        let pattern = (value.as_bool() == Some(true)).then(|| predefined_pattern(rule)).flatten();
        if let Some(pattern) = pattern {
            self.add_pattern(&pattern);
        }
    }

    fn set(&mut self, keyword: &str, value: impl Into<Value>) {
        self.keywords.insert(keyword.to_owned(), value.into());
    }

    fn set_value(&mut self, keyword: &str, value: &Rule) {
        if let Some(value) = scalar::json(value, self.kind, self.style) {
            self.set(keyword, value);
        }
    }

    fn set_values(&mut self, keyword: &str, values: &[Rule]) {
        let values: Option<Vec<Value>> =
            values.iter().map(|value| scalar::json(value, self.kind, self.style)).collect();
        if let Some(values) = values {
            self.set(keyword, values);
        }
    }

    fn refuse(&mut self, values: &[Rule]) {
        let values: Option<Vec<Value>> =
            values.iter().map(|value| scalar::json(value, self.kind, self.style)).collect();
        if let Some(values) = values {
            self.add_schema(json!({ "not": { "enum": values } }));
        }
    }

    /// Numbers that are text in JSON have no limits there, nor have times.
    fn set_limit(&mut self, keyword: &str, value: &Rule, index: usize) {
        let limit = scalar::json(value, self.kind, self.style).filter(Value::is_number);
        if let Some(limit) = limit {
            self.keywords.shift_insert(index, keyword.to_owned(), limit);
        }
    }

    fn add_pattern(&mut self, pattern: &str) {
        if let Some(pattern) = pattern::to_ecma(pattern) {
            self.add_schema(json!({ "pattern": pattern }));
        }
    }

    /// Adds a keyword, beside one of the same name where there is one.
    fn add_schema(&mut self, schema: Value) {
        let Value::Object(mut schema) = schema else { return };
        if schema.keys().any(|keyword| self.keywords.contains_key(keyword)) {
            let all = self.keywords.entry("allOf").or_insert_with(|| json!([]));
            all.as_array_mut().into_iter().for_each(|all| all.push(schema.clone().into()));
        } else {
            self.keywords.append(&mut schema);
        }
    }
}

/// How JSON Schema states what `buf.validate` has a word for.
enum Text {
    Format(&'static str),
    Pattern(&'static str),
}

fn text_format(rule: &str) -> Option<Text> {
    Some(match rule {
        "email" => Text::Format("email"),
        "hostname" => Text::Format("hostname"),
        "ipv4" => Text::Format("ipv4"),
        "ipv6" => Text::Format("ipv6"),
        "uri" => Text::Format("uri"),
        "uri_ref" => Text::Format("uri-reference"),
        "uuid" => Text::Format("uuid"),
        "tuuid" => Text::Pattern("^[0-9a-fA-F]{32}$"),
        "ulid" => Text::Pattern("^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"),
        _ => return None,
    })
}

fn predefined_pattern(rule: &ExtensionDescriptor) -> Option<String> {
    let extension = rule.parent_pool().get_extension_by_name(PREDEFINED)?;
    let options = rule.options();
    let predefined = options.get_extension(&extension);
    let cel = predefined.as_message()?.get_field_by_name("cel")?;
    let [Rule::Message(cel)] = cel.as_list()? else { return None };
    let expression = cel.get_field_by_name("expression")?;
    let expression = expression.as_str()?.trim_start_matches("!rule || ");
    let pattern = expression.strip_prefix("this.matches(r'")?.strip_suffix("')")?;
    Some(pattern.to_owned()).filter(|pattern| !pattern.contains('\''))
}

/// Text as a pattern that means nothing else.
fn literal(text: &str) -> String {
    regex_syntax::escape(text)
}
