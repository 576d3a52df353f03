use souk_kit::Failure;
use souk_proto::Violation;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::book;

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such book.
    #[error("book {0} does not exist")]
    NotFound(String),
    /// A field breaks a rule that depends on more than its contract.
    #[error("{field} {issue}")]
    Invalid {
        /// The path of the field.
        field: String,
        /// The rule, as a phrase.
        issue: String,
    },
    /// The request cannot be served as it is, for a reason that is the same in every service.
    #[error("the request is refused")]
    Refused(Failure),
    /// Others change the book all the time.
    #[error("book {0} is being changed by others")]
    Contended(String),
    /// The catalog refuses, or cannot be reached. Its caller is ours, and so is its reason.
    #[error("catalog")]
    Catalog(Box<Status>),
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, issue: impl ToString) -> Self {
        Self::Invalid { field: field.into(), issue: issue.to_string() }
    }

    /// What the catalog says to a call that is about a book.
    pub(crate) fn of_book(id: &str) -> impl Fn(Status) -> Self {
        move |status| match status.code() {
            Code::NotFound => Self::NotFound(id.to_owned()),
            _ => Self::Catalog(Box::new(status)),
        }
    }

    /// Whether somebody else has changed what this was about.
    pub(crate) fn is_mismatch(&self) -> bool {
        match self {
            Self::Catalog(status) => status.code() == Code::Aborted,
            Self::NotFound(_) | Self::Invalid { .. } | Self::Contended(_) | Self::Refused(_) => {
                false
            }
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Catalog(Box::new(status))
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(id) => Failure::not_found("book", id).into(),
            Error::Invalid { field, issue } => Failure::invalid(field, issue).into(),
            Error::Contended(_) => {
                Failure::unavailable("the book is being changed by others").into()
            }
            Error::Refused(failure) => failure.into(),
            Error::Catalog(status) => of_catalog(*status),
        }
    }
}

/// What the catalog says of fields of a product, said of those of a book.
fn of_catalog(status: Status) -> Status {
    let Some(broken) = status.get_details_bad_request() else { return status };
    let is_invalid = status.code() == Code::InvalidArgument && !broken.field_violations.is_empty();
    if !is_invalid {
        return status;
    }
    let violation = |broken: tonic_types::FieldViolation| Violation {
        field: book::field(&broken.field).to_owned(),
        issue: broken.description,
    };
    let violations = broken.field_violations.into_iter().map(violation).collect();
    souk_kit::failure::violations(violations).into()
}
