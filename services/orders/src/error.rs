use souk_db::idempotency::Refusal;
use souk_kit::Failure;
use souk_kit::id::{OrderId, PaymentId};
use souk_proto::souk::types::v1::Reason;
use tonic::{Code, Status};

use crate::order::Unorderable;
use crate::purchase::Refused;
use crate::shortage::Shortfall;
use crate::state::{Action, Illegal};

/// No more short products are told than this: they travel in a header, whose size is limited.
const MAX_TOLD: usize = 50;

/// Why a call to the orders service fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such order, or it is somebody else's.
    #[error("order {0} does not exist")]
    NotFound(OrderId),
    /// A path names an order by what can be no id.
    #[error("order {0} does not exist")]
    NoSuchId(String),
    /// A field breaks a rule that depends on more than its contract.
    #[error("{field} {issue}")]
    Invalid {
        /// The path of the field.
        field: String,
        /// The rule, as a phrase.
        issue: String,
    },
    /// The items make no order.
    #[error("the items make no order: {0}")]
    Unorderable(#[from] Unorderable),
    /// Only people have orders.
    #[error("the caller is not a person")]
    NotAPerson,
    /// A call with the same idempotency key stands in the way.
    #[error(transparent)]
    Idempotency(#[from] Refusal),
    /// The first call with the idempotency key is still running.
    #[error("order {0} is still under way")]
    InFlight(OrderId),
    /// The request cannot be served as it is, for a reason that is the same in every service.
    #[error("the request is refused")]
    Refused(Failure),
    /// The call ends before it is known what becomes of it.
    #[error("the call took longer than its deadline")]
    Late,
    /// Products of the order are short.
    #[error("order {order} is rejected: out of stock")]
    OutOfStock {
        /// The order, kept as rejected.
        order: OrderId,
        /// What is short.
        shortfalls: Vec<Shortfall>,
    },
    /// The order does not allow what the call asks for.
    #[error("order {order}: {refused}")]
    Refusal {
        /// The order.
        order: OrderId,
        /// Why.
        refused: Refused,
    },
    /// The order has no such payment.
    #[error("payment {0} does not exist")]
    NoSuchPayment(PaymentId),
    /// A path names something of an order, or an address, which is not there, or by what can be no id.
    #[error("{0} {1} does not exist")]
    NoSuch(&'static str, String),
    /// The address book is full.
    #[error("the address book has {0} addresses")]
    AddressBookFull(i64),
    /// The account has as many endpoints as it may.
    #[error("the account has {0} webhook endpoints")]
    TooManyEndpoints(i64),
    /// The secret of an endpoint cannot be made, or was sealed under another master secret.
    #[error("the secret of a webhook endpoint can be neither sealed nor opened")]
    WebhookSecret,
    /// The events that a stream should go on with are forgotten.
    #[error("the events after {0} are forgotten")]
    EventsForgotten(String),
    /// This process has no such provider.
    #[error("there is no provider {0} here that knows this payment's method")]
    NoProvider(&'static str),
    /// A provider has not answered: what has become of the money is not known.
    #[error("{0} has not answered")]
    ProviderSilent(&'static str),
    /// A provider cannot be called, or fails.
    #[error("{0}")]
    Provider(&'static str, #[source] crate::http::Cause),
    /// A step of the saga took too long, and is tried again.
    #[error("a step of order {0} took too long")]
    TooSlow(OrderId),
    /// The catalog cannot be reached or refuses.
    #[error("catalog")]
    Catalog(#[source] Box<Status>),
    /// The database failed.
    #[error("database")]
    Database(#[from] sqlx::Error),
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, issue: impl ToString) -> Self {
        Self::Invalid { field: field.into(), issue: issue.to_string() }
    }

    pub(crate) fn catalog(status: Status) -> Self {
        Self::Catalog(Box::new(status))
    }

    /// Whether it stays as it is until somebody mends it, however often a step is tried.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::NoProvider(_) => true,
            Self::Catalog(status) => status.code() == Code::FailedPrecondition,
            _ => false,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(id) => Self::not_found("order", id),
            Error::NoSuchId(id) => Self::not_found("order", id),
            Error::Invalid { field, issue } => Self::invalid(field, issue),
            Error::Unorderable(issue) => Self::invalid(issue.field(), issue.to_string()),
            Error::NotAPerson => {
                Self::new(Reason::PermissionDenied, "only a person's account has orders")
            }
            Error::Idempotency(refusal) => refusal.into(),
            Error::InFlight(order) => Self::from(Refusal::InFlight).with("order_id", order),
            Error::Refused(failure) => failure,
            Error::Late => {
                Self::new(Reason::DeadlineExceeded, "the call took longer than its deadline")
            }
            Error::OutOfStock { order, shortfalls } => out_of_stock(order, &shortfalls),
            Error::Refusal { order, refused } => refusal(order, &refused),
            Error::NoSuchPayment(id) => Self::not_found("payment", id),
            Error::NoSuch(kind, id) => Self::not_found(kind, id),
            Error::AddressBookFull(limit) => {
                Self::new(Reason::LimitReached, "the address book is full").with("limit", limit)
            }
            Error::TooManyEndpoints(limit) => Self::new(
                Reason::LimitReached,
                "the account has as many webhook endpoints as it may",
            )
            .with("limit", limit),
            Error::WebhookSecret => Self::internal(&Error::WebhookSecret),
            Error::EventsForgotten(after) => {
                Self::new(Reason::EventsForgotten, "the events that should follow are forgotten")
                    .with("after", after)
            }
            Error::NoProvider(_) | Error::ProviderSilent(_) | Error::Provider(..) => {
                Self::unavailable("the payment provider cannot be reached")
            }
            Error::TooSlow(_) => {
                Self::new(Reason::DeadlineExceeded, "the order took longer than the call may")
            }
            Error::Catalog(status) => match status.code() {
                Code::Unavailable | Code::ResourceExhausted => {
                    tracing::warn!(message = status.message(), "the catalog cannot be reached");
                    Self::unavailable("the catalog cannot be reached")
                }
                // our own token, not the caller's
                Code::Unauthenticated | Code::PermissionDenied => {
                    tracing::error!(message = status.message(), "the catalog refuses our token");
                    Self::unavailable("the catalog cannot be reached")
                }
                Code::DeadlineExceeded | Code::Cancelled => {
                    Self::new(Reason::DeadlineExceeded, "the catalog did not answer in time")
                }
                // whatever code it has: the connection's, which was lost in the middle of the call
                _ if souk_kit::failure::told(&status).is_none() => {
                    tracing::warn!(message = status.message(), "the catalog has not answered");
                    Self::unavailable("the catalog cannot be reached")
                }
                _ => Self::internal(&*status),
            },
            Error::Database(error) => souk_db::failure(&error),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

fn out_of_stock(order: OrderId, shortfalls: &[Shortfall]) -> Failure {
    let mut failure = Failure::new(Reason::OutOfStock, "fewer units are available than ordered")
        .with("order_id", order);
    if let Some(first) = shortfalls.first() {
        failure = failure
            .with("product_id", first.product)
            .with("requested", first.requested)
            .with("available", first.available);
    }
    shortfalls.iter().take(MAX_TOLD).fold(failure, |failure, short| {
        failure.violation(
            format!("items[{}].quantity", short.position),
            format!("must be at most {}, which are available", short.available),
        )
    })
}

fn refusal(order: OrderId, refused: &Refused) -> Failure {
    match refused {
        Refused::Illegal(illegal) => illegal_transition(order, *illegal),
        Refused::RefundTooLarge { available } => {
            Failure::new(Reason::RefundTooLarge, refused.to_string())
                .violation("amount", format!("must be more than 0 and at most {available}"))
                .with("order_id", order)
                .with("available", available)
        }
        Refused::LimitReached { limit, .. } => {
            Failure::new(Reason::LimitReached, refused.to_string())
                .with("order_id", order)
                .with("limit", limit)
        }
        Refused::Unknown => Failure::not_found("part of the order", order),
    }
}

fn illegal_transition(order: OrderId, Illegal { from, action }: Illegal) -> Failure {
    let allowed: Vec<&str> = from.allowed().map(Action::name).collect();
    let why = format!("{action} is not allowed to an order that is {from}");
    Failure::new(
        Reason::IllegalTransition,
        format!("the order is {from} and cannot become {}", action.aim()),
    )
    .precondition("ORDER_STATE", order, &why)
    .with("order_id", order)
    // as it was called before there was more to tell
    .with("status", from)
    .with("from", from)
    .with("to", action.aim())
    .with("allowed", allowed.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_that_dies_in_the_middle_of_a_call_is_away_and_one_that_fails_has_failed() {
        let code = |status: Status| Status::from(Error::catalog(status)).code();
        assert_eq!(code(Status::unknown("transport error")), Code::Unavailable);
        assert_eq!(code(Status::internal("h2 protocol error")), Code::Unavailable);
        let failed = Failure::new(Reason::Internal, "internal error");
        assert_eq!(code(failed.into()), Code::Internal);
    }
}
