//! How much a client may send in one stream.

use souk_proto::souk::types::v1::Reason;

use crate::problem::Problem;

/// The bytes that may come, and those that have.
pub(super) struct Allowance {
    most: u64,
    taken: u64,
}

impl Allowance {
    pub(super) fn of(most: u64) -> Self {
        Self { most, taken: 0 }
    }

    /// Takes so many bytes more.
    ///
    /// # Errors
    ///
    /// They are too many.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), Problem> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken <= self.most {
            return Ok(());
        }
        let message = format!("the call takes no more than {} bytes", self.most);
        Err(Problem::new(Reason::PayloadTooLarge, message))
    }
}
