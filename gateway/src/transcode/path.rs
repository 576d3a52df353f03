//! Paths of fields: `a.b.c`, where each name is that of the contract or that in JSON.

use super::error::{InputError, Refusal};
use super::plan::{Cardinality, FieldPlan, MessageId, MessagePlan, Plans, Shape};
use super::wire::MAX_DEPTH;

/// Where a path leads.
pub(super) struct Way<'p, 't> {
    /// The fields on it, at least one.
    pub steps: Vec<Step<'p>>,
    /// What stands behind the last of them where that is a map: a key, with all its dots.
    pub key: Option<&'t str>,
}

/// One field on a path.
pub(super) struct Step<'p> {
    /// The message that has the field.
    pub plan: &'p MessagePlan,
    /// The index of the field in that plan.
    pub index: usize,
}

impl<'p> Step<'p> {
    pub(super) fn field(&self) -> &'p FieldPlan {
        &self.plan.fields[self.index]
    }
}

impl Plans {
    /// The name that the contract gives a field.
    pub fn proto_name(&self, message: MessageId, name: &str) -> Option<&str> {
        let plan = self.plan(message);
        Some(&plan.fields[plan.field_by_any_name(name)?].proto_name)
    }

    /// The path of a parameter, in the names of the contract. That of an entry of a map is the map's.
    pub fn proto_path(&self, message: MessageId, path: &str) -> Option<String> {
        let way = self.way(message, path, |field| field == Cardinality::Singular).ok()?;
        let names: Vec<&str> = way.steps.iter().map(|step| &*step.field().proto_name).collect();
        Some(names.join("."))
    }

    /// What to say of a field that there is not: which there are, of those for which `is_known` is true,
    /// and `others`.
    pub fn unknown(
        &self,
        message: MessageId,
        name: &str,
        is_known: impl Fn(&str) -> bool,
        others: Option<&str>,
    ) -> InputError {
        let fields = self.plan(message).fields.iter();
        let names = fields.filter(|field| is_known(&field.proto_name)).map(|field| &*field.name);
        *InputError::unknown(names.chain(others)).in_field(name)
    }

    /// Follows a path, which ends where it comes to a map.
    ///
    /// # Errors
    ///
    /// One of its fields is not known, or it goes on below a field that has no fields of its own, or that
    /// `enters` does not let it enter.
    pub(super) fn way<'t>(
        &self,
        message: MessageId,
        path: &'t str,
        enters: impl Fn(Cardinality) -> bool,
    ) -> Result<Way<'_, 't>, Refusal> {
        let (mut message, mut path) = (Some(message), path);
        let mut steps = Vec::new();
        loop {
            let plan = message.map(|message| self.plan(message));
            let is_open = steps.len() < MAX_DEPTH as usize;
            let plan = plan.filter(|plan| plan.shape == Shape::Object && is_open);
            let plan = plan.ok_or_else(|| InputError::unknown([]))?;
            let (name, rest) = match path.split_once('.') {
                Some((name, rest)) => (name, Some(rest)),
                None => (path, None),
            };
            let index = plan.field_by_any_name(name).ok_or_else(|| plan.unknown())?;
            let field = &plan.fields[index];
            steps.push(Step { plan, index });
            match (rest, field.cardinality) {
                (None, _) => return Ok(Way { steps, key: None }),
                (key, Cardinality::Map { .. }) => return Ok(Way { steps, key }),
                (Some(rest), cardinality) => {
                    message = field.kind.message().filter(|_| enters(cardinality));
                    path = rest;
                }
            }
        }
    }
}
