//! Paths of fields: `a.b.c`, where each name is that of the contract or that in JSON.

use super::plan::{Cardinality, FieldPlan, MessageId, MessagePlan, Plans, Shape};
use super::wire::MAX_DEPTH;

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

    /// The path of a parameter, in the names of the contract.
    pub fn proto_path(&self, message: MessageId, path: &str) -> Option<String> {
        let steps = self.steps(message, path, |field| field == Cardinality::Singular)?;
        let names: Vec<&str> = steps.iter().map(|step| &*step.field().proto_name).collect();
        Some(names.join("."))
    }

    /// The fields on a path, at least one. `None` if one of them is not known, or if the path goes on
    /// below a field that has no fields of its own, or that `enters` does not let it enter.
    pub(super) fn steps(
        &self,
        message: MessageId,
        path: &str,
        enters: impl Fn(Cardinality) -> bool,
    ) -> Option<Vec<Step<'_>>> {
        let mut message = Some(message);
        let mut steps = Vec::new();
        for name in path.split('.') {
            let plan = self.plan(message?);
            if plan.shape != Shape::Object || steps.len() == MAX_DEPTH as usize {
                return None;
            }
            let step = Step { plan, index: plan.field_by_any_name(name)? };
            let field = step.field();
            message = field.kind.message().filter(|_| enters(field.cardinality));
            steps.push(step);
        }
        Some(steps)
    }
}
