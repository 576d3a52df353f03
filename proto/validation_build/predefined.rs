//! Predefined rules: patterns with a name and with words for people, each defined once.
//!
//! `buf.validate` states them in CEL. Of that only one form is known, which needs no interpreter:
//! `!rule || this.matches(r'…')`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prost_reflect::{DescriptorPool, ExtensionDescriptor, Value};

use super::options::{PREDEFINED, Rules, rules_of};
use super::re2;

/// The predefined rules, by the name under which messages use them (`[souk.types.v1.slug]`).
pub struct Predefined(BTreeMap<String, Rule>);

struct Rule {
    pattern: String,
    words: String,
}

impl Predefined {
    /// Reads the rules that contracts of Souk define.
    pub fn read(pool: &DescriptorPool) -> Result<Self, String> {
        let mut rules = BTreeMap::new();
        for extension in pool.all_extensions() {
            if extension.containing_message().package_name() != "buf.validate" {
                continue;
            }
            let options = rules_of(pool, &extension.options(), PREDEFINED);
            let rule = read(&extension, &options)
                .map_err(|reason| format!("{}: {reason}", extension.full_name()))?;
            rules.insert(format!("[{}]", extension.full_name()), rule);
        }
        Ok(Self(rules))
    }

    /// The compiled patterns, for the generated code.
    pub fn statics(&self) -> String {
        self.0.iter().fold(String::new(), |mut code, (name, Rule { pattern, .. })| {
            let _ = writeln!(
                code,
                "static {}: std::sync::LazyLock<regex::Regex> = \
                 std::sync::LazyLock::new(|| compile({pattern:?}));",
                constant(name)
            );
            code
        })
    }

    /// The check of a value by a rule.
    pub fn check(&self, name: &str) -> Result<String, String> {
        let Rule { words, .. } =
            self.0.get(name).ok_or_else(|| format!("the string rule `{name}` is not known"))?;
        Ok(format!("matches(value, &{}, {words:?})", constant(name)))
    }
}

fn read(extension: &ExtensionDescriptor, options: &Rules) -> Result<Rule, String> {
    if extension.containing_message().name() != "StringRules" {
        return Err("predefined rules are known for strings only".to_owned());
    }
    let rules: Vec<&Value> =
        options.iter().flat_map(|(_, rules)| rules.as_list().unwrap_or_default()).collect();
    let [Value::Message(rule)] = rules.as_slice() else {
        return Err("a predefined rule has one `cel`".to_owned());
    };
    let text = |name| {
        let value = rule.get_field_by_name(name);
        value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let words = text("message");
    if words.is_empty() {
        return Err("the rule has no `message`".to_owned());
    }
    let expression = text("expression");
    let pattern = expression
        .strip_prefix("!rule || this.matches(r'")
        .and_then(|rest| rest.strip_suffix("')"))
        .filter(|pattern| !pattern.contains('\''))
        .ok_or("CEL is known only in the form !rule || this.matches(r'…')")?;
    re2::refuse_unlike(pattern)?;
    Ok(Rule { pattern: pattern.to_owned(), words })
}

fn constant(name: &str) -> String {
    name.trim_matches(['[', ']']).replace('.', "_").to_uppercase()
}
