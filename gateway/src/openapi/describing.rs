//! What the description of each operation needs, and adds to.

use super::errors::Errors;
use super::schema::Schemas;
use super::shared::Shared;
use crate::api::comments::Comments;

/// Describes operations, and gathers what they refer to.
pub(super) struct Describing<'a> {
    pub comments: &'a Comments,
    pub schemas: Schemas<'a>,
    pub shared: Shared,
    pub errors: Errors,
}
