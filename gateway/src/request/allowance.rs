//! How much a client may send in one stream.

use souk_proto::souk::types::v1::Reason;

use crate::errors::problem::Problem;

/// The bytes that may come, and those that have.
pub(crate) struct Allowance {
    most: u64,
    taken: u64,
}

/// More has come than may, in bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the call takes no more than {0} bytes")]
pub struct TooLarge(u64);

impl Allowance {
    pub(crate) fn of(most: u64) -> Self {
        Self { most, taken: 0 }
    }

    /// Takes so many bytes more.
    ///
    /// # Errors
    ///
    /// They are too many.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), TooLarge> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken <= self.most { Ok(()) } else { Err(TooLarge(self.most)) }
    }
}

impl From<TooLarge> for Problem {
    fn from(error: TooLarge) -> Self {
        Self::new(Reason::PayloadTooLarge, error.to_string())
    }
}
