//! What the generated validation is made of: violations with field paths, and a check per kind of
//! `buf.validate` rule.

use std::collections::HashMap;
use std::fmt::Display;

use prost_types::{Duration, FieldMask};
use regex::Regex;

include!(concat!(env!("OUT_DIR"), "/validation.rs"));

/// No more violations are told than this: they travel in a header, whose size is limited.
const MAX_FOUND: usize = 50;

/// How many characters of a key are told: it is as long as its sender likes.
const MAX_KEY: usize = 64;

/// A message that knows the `buf.validate` rules of its contract.
pub trait Validate {
    /// Notes every broken rule of this message and of the messages in it.
    fn check(&self, violations: &mut Violations);

    /// Every broken rule, in the order of the fields.
    ///
    /// # Errors
    ///
    /// The violations, at least one.
    fn validate(&self) -> Result<(), Vec<Violation>> {
        let mut violations = Violations::default();
        self.check(&mut violations);
        if violations.found.is_empty() { Ok(()) } else { Err(violations.found) }
    }
}

/// A rule that a field breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field: `items[1].quantity`.
    pub field: String,
    /// The rule, as a phrase: `must be at least 1`.
    pub issue: String,
}

/// The violations found so far, and the path of the message that is being checked.
#[derive(Debug, Default)]
pub struct Violations {
    path: String,
    found: Vec<Violation>,
}

impl Violations {
    fn field(&mut self, name: &str, check: impl FnOnce(&mut Self)) {
        let parent = self.path.len();
        if parent > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        check(self);
        self.path.truncate(parent);
    }

    fn item(&mut self, name: &str, index: usize, check: impl FnOnce(&mut Self)) {
        if self.found.len() >= MAX_FOUND {
            return;
        }
        self.field(&format!("{name}[{index}]"), check);
    }

    /// Checks each key and each value of a map, in the order of the keys.
    #[allow(dead_code, reason = "the contracts decide whether there are maps")]
    fn entries(
        &mut self,
        name: &str,
        map: &HashMap<String, String>,
        key: impl Fn(&mut Self, &String),
        value: impl Fn(&mut Self, &String),
    ) {
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_unstable();
        for (of, text) in entries {
            if self.found.len() >= MAX_FOUND {
                return;
            }
            let shortened: String = of.chars().take(MAX_KEY).collect();
            self.field(&format!("{name}.{shortened}"), |entry| {
                key(entry, of);
                value(entry, text);
            });
        }
    }

    fn broken(&mut self, issue: impl Into<String>) {
        if self.found.len() < MAX_FOUND {
            self.found.push(Violation { field: self.path.clone(), issue: issue.into() });
        }
    }

    fn required(&mut self, name: &str, present: bool) {
        if !present {
            self.field(name, |field| field.broken("is required"));
        }
    }

    fn min_items(&mut self, name: &str, items: usize, min: usize) {
        if items < min {
            self.field(name, |field| field.broken(format!("must have at least {min} items")));
        }
    }

    fn max_items(&mut self, name: &str, items: usize, max: usize) {
        if items > max {
            self.field(name, |field| field.broken(format!("must have at most {max} items")));
        }
    }

    fn unique(&mut self, name: &str, items: &[String]) {
        let mut seen = HashMap::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            if let Some(first) = seen.insert(item, index) {
                let issue = format!("must not have the same item twice, at {first} and {index}");
                return self.field(name, |field| field.broken(issue));
            }
        }
    }

    fn no_nul(&mut self, value: &str) {
        if value.contains('\0') {
            self.broken("must not contain the character U+0000");
        }
    }

    fn min_len(&mut self, value: &str, min: usize) {
        if value.is_empty() {
            self.broken("must not be empty");
        } else if value.chars().count() < min {
            self.broken(format!("must have at least {min} characters"));
        }
    }

    fn max_len(&mut self, value: &str, max: usize) {
        if value.chars().count() > max {
            self.broken(format!("must have at most {max} characters"));
        }
    }

    /// A rule of `souk/types/v1/rules.proto`, in the words that stand there.
    fn matches(&mut self, value: &str, pattern: &Regex, words: &str) {
        if !pattern.is_match(value) {
            self.broken(words);
        }
    }

    /// The definition that `buf.validate` takes over from HTML's `<input type=email>`.
    fn email(&mut self, value: &str) {
        static EMAIL: std::sync::LazyLock<Regex> = std::sync::LazyLock::new(|| {
            compile(concat!(
                r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+",
                r"@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?",
                r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$"
            ))
        });
        if !EMAIL.is_match(value) {
            self.broken("must be an e-mail address");
        }
    }

    fn one_of<T: PartialEq + Display>(&mut self, value: T, allowed: &[T]) {
        if !allowed.contains(&value) {
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            self.broken(format!("must be one of {}", allowed.join(", ")));
        }
    }

    fn defined(&mut self, value: i32, allowed: &[i32]) {
        if !allowed.contains(&value) {
            self.broken("must be a value that the enum has");
        }
    }

    fn only(&mut self, value: bool, allowed: bool) {
        if value != allowed {
            self.broken(format!("must be {allowed}"));
        }
    }

    fn at_least<T: PartialOrd + Display>(&mut self, value: T, min: T) {
        if value < min {
            self.broken(format!("must be at least {min}"));
        }
    }

    fn at_most<T: PartialOrd + Display>(&mut self, value: T, max: T) {
        if value > max {
            self.broken(format!("must be at most {max}"));
        }
    }

    fn none_of(&mut self, value: i32, refused: &[i32]) {
        if refused.contains(&value) {
            self.broken(format!("must not be {value}"));
        }
    }

    fn at_least_seconds(&mut self, value: &Duration, min: i64) {
        if nanos(value) < i128::from(min) * NANOS {
            self.broken(format!("must be at least {min} s"));
        }
    }

    fn at_most_seconds(&mut self, value: &Duration, max: i64) {
        if nanos(value) > i128::from(max) * NANOS {
            self.broken(format!("must be at most {max} s"));
        }
    }

    /// A path may go on below a field that is allowed: `price.value` for `price`.
    fn mask_of(&mut self, mask: &FieldMask, allowed: &[&str]) {
        let known = |path: &String| {
            allowed.iter().any(|field| {
                path.strip_prefix(field)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        if !mask.paths.iter().all(known) {
            self.broken(format!("must name only {}", allowed.join(", ")));
        }
    }
}

/// Nanoseconds of a second.
const NANOS: i128 = 1_000_000_000;

/// The whole duration, also one whose parts are not normalised.
fn nanos(duration: &Duration) -> i128 {
    i128::from(duration.seconds) * NANOS + i128::from(duration.nanos)
}

/// The build script has compiled every pattern of the contracts once already.
#[allow(clippy::expect_used, reason = "a pattern that does not compile fails the build")]
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is checked by the build script")
}
