//! google.protobuf.FieldMask: as text, and as what a PATCH changes.

use std::borrow::Cow;

use souk_kit::failure::shortened;

use super::error::{InputError, Issue, Refusal};
use super::json::{Scanner, deeper};
use super::plan::{Cardinality, FieldPlan, MessageId, MessagePlan, Plans, Shape};
use super::wire::{WireType, close_length, open_length, put_bytes, put_varint, tag};

/// The longest mask, in bytes: far more than any honest PATCH needs. In deeply nested objects the
/// paths are much longer than the JSON.
const MAX_MASK: usize = 64 * 1024;

/// Appends the content of a mask of these proto names.
pub(super) fn put_paths(out: &mut Vec<u8>, text: &str) -> Result<(), Issue> {
    let is_path = |path: &str| {
        path.split('.').all(|name| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    };
    for path in text.split(',').filter(|_| !text.is_empty()) {
        if !is_path(path) {
            return Err("must be names with commas between".into());
        }
        put_varint(out, tag(1, WireType::Len).into());
        put_bytes(out, path.as_bytes());
    }
    Ok(())
}

/// Paths in lowerCamelCase become proto names: `unitPrice` is `unit_price`.
pub(super) fn snake_case(paths: &str) -> Cow<'_, str> {
    if !paths.contains(|letter: char| letter.is_ascii_uppercase()) {
        return Cow::Borrowed(paths);
    }
    let mut snake = String::with_capacity(paths.len() + 8);
    for letter in paths.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    Cow::Owned(snake)
}

/// A path of proto names in lowerCamelCase, if that can be read back.
pub(super) fn camel_case(path: &str) -> Option<Cow<'_, str>> {
    if path.contains(|letter: char| letter.is_ascii_uppercase()) {
        return None;
    }
    if !path.contains('_') {
        return Some(Cow::Borrowed(path));
    }
    let mut camel = String::with_capacity(path.len());
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        camel.push(match letter {
            '_' => letters.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase(),
            other => other,
        });
    }
    Some(Cow::Owned(camel))
}

impl Plans {
    /// The paths of the fields that a JSON object gives, as AIP-134 has them in the mask of a PATCH:
    /// `{"a": {"b": 1}, "c": null}` gives `a.b` and `c`, in the names of the contract. Lists, maps,
    /// well-known types and `{}` are given as a whole.
    ///
    /// # Errors
    ///
    /// What is not JSON, or not of this message, and more paths than 64 KiB. Values are not looked
    /// at: [`json_to_wire`](Self::json_to_wire) does that.
    pub fn mask_paths(&self, message: MessageId, json: &[u8]) -> Result<Vec<String>, InputError> {
        let (mut paths, mut size) = (Vec::new(), 0);
        self.each_path(message, json, |path| {
            size += path.len();
            if size > MAX_MASK {
                return Err(InputError::value("changes too many fields at once"));
            }
            paths.push(path.to_owned());
            Ok(())
        })?;
        Ok(paths)
    }

    /// The first of these paths for which `matches` is true.
    ///
    /// # Errors
    ///
    /// As above, however many paths there are.
    pub fn find_path(
        &self,
        message: MessageId,
        json: &[u8],
        matches: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, InputError> {
        let mut found = None;
        self.each_path(message, json, |path| {
            if found.is_none() && matches(path) {
                found = Some(path.to_owned());
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn each_path(
        &self,
        message: MessageId,
        json: &[u8],
        mut visit: impl FnMut(&str) -> Result<(), Refusal>,
    ) -> Result<(), InputError> {
        let mut read = || -> Result<(), Refusal> {
            let json = Scanner::new(json)?;
            let plan = self.plan(message);
            if plan.shape != Shape::Object {
                return Ok(());
            }
            PathReader { plans: self, json, path: String::new(), visit: &mut visit }.object(plan, 0)
        };
        read().map_err(|refusal| *refusal)
    }

    /// Appends a mask of such paths, as the field `field` of a message.
    ///
    /// # Errors
    ///
    /// The message has no such field.
    pub fn put_mask(
        &self,
        message: MessageId,
        field: &str,
        paths: &[String],
        out: &mut Vec<u8>,
    ) -> Result<(), InputError> {
        let plan = self.plan(message);
        let Some(index) = plan.field_by_any_name(field) else {
            return Err(*InputError::value("is not a known field").in_field(field));
        };
        put_varint(out, plan.fields[index].tag());
        let start = open_length(out);
        for path in paths {
            put_varint(out, tag(1, WireType::Len).into());
            put_bytes(out, path.as_bytes());
        }
        close_length(out, start);
        Ok(())
    }
}

struct PathReader<'p, 'j, 'v> {
    plans: &'p Plans,
    json: Scanner<'j>,
    /// Of the field that is being read.
    path: String,
    visit: &'v mut dyn FnMut(&str) -> Result<(), Refusal>,
}

impl<'p> PathReader<'p, '_, '_> {
    fn object(&mut self, plan: &'p MessagePlan, depth: u32) -> Result<(), Refusal> {
        let outer = self.path.len();
        if !self.json.take(b'{') {
            return Err(self.json.mismatch("must be an object"));
        }
        while !self.json.take(b'}') {
            let key = self.json.key()?;
            let Some(index) = plan.field_by_name(&key, 0) else {
                return Err(plan.unknown().in_field(&shortened(&key)));
            };
            let field = &plan.fields[index];
            if outer > 0 {
                self.path.push('.');
            }
            self.path.push_str(&field.proto_name);
            match self.nested(field) {
                Some(nested) if self.json.has_members() => self.object(nested, deeper(depth)?)?,
                _ => {
                    self.json.skip_value()?;
                    (self.visit)(&self.path)?;
                }
            }
            self.path.truncate(outer);
            self.json.take(b',');
        }
        Ok(())
    }

    /// The message whose fields can be changed one by one.
    fn nested(&self, field: &FieldPlan) -> Option<&'p MessagePlan> {
        let plan = self.plans.plan(field.kind.message()?);
        let is_nested = field.cardinality == Cardinality::Singular && plan.shape == Shape::Object;
        is_nested.then_some(plan)
    }
}
