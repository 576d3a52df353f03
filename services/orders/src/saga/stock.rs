//! Steps that have the catalog hold stock, let it go, or put it back.

use souk_kit::request::Context;

use super::{Progress, Saga};
use crate::Error;
use crate::catalog::Outcome;
use crate::payment::Verdict;
use crate::purchase::{Event, Purchase, Step};
use crate::stock::Stock;

/// A step about stock.
#[derive(Debug, Clone, Copy)]
pub enum StockStep {
    Reserve,
    Pin,
    Secure,
    Unpin,
    Commit,
    Release,
    Return,
}

impl StockStep {
    pub fn of(step: Step) -> Option<Self> {
        match step {
            Step::Reserve => Some(Self::Reserve),
            Step::Pin => Some(Self::Pin),
            Step::Secure => Some(Self::Secure),
            Step::Unpin => Some(Self::Unpin),
            Step::Commit => Some(Self::Commit),
            Step::Release => Some(Self::Release),
            Step::Return => Some(Self::Return),
            Step::Charge(_)
            | Step::Confirm(_)
            | Step::Capture(_)
            | Step::LookUp(_)
            | Step::Refund(_)
            | Step::Expire
            | Step::Wait(_) => None,
        }
    }
}

impl Saga {
    /// Does a step about stock. The epoch of the claim is the fence: whoever has lost the order changes nothing in the
    /// catalog any more.
    pub(super) async fn step_for_stock(
        &self,
        context: &Context,
        purchase: &Purchase,
        epoch: i64,
        step: StockStep,
    ) -> Result<Progress, Error> {
        let (catalog, order) = (&self.inner.catalog, &purchase.order);
        let (id, lines) = (order.id, &order.lines);
        match step {
            StockStep::Reserve => {
                let ttl = self.inner.reservation_ttl;
                let event = match catalog.reserve(context, id, lines, ttl, epoch, false).await? {
                    Outcome::Held(until) => Event::StockReserved { until },
                    Outcome::Short(shortages) => Event::StockShort { shortages },
                    Outcome::Ended => Event::StockGone,
                };
                Ok(Progress::Happened(event))
            }
            StockStep::Pin => match catalog.pin(context, id, epoch).await? {
                Outcome::Held(_) => Ok(Progress::Known(Stock::Pinned)),
                // never pinned, and so never charged: money moves after that
                Outcome::Ended | Outcome::Short(_) => Ok(Progress::Happened(failed(purchase))),
            },
            StockStep::Secure => {
                let ttl = self.inner.reservation_ttl;
                let event = match catalog.reserve(context, id, lines, ttl, epoch, true).await? {
                    // money that is to be taken first
                    Outcome::Held(_) if purchase.paid_with().is_none() => {
                        return Ok(Progress::Known(Stock::Pinned));
                    }
                    Outcome::Held(_) => Event::StockSecured,
                    Outcome::Short(_) => Event::StockGone,
                    Outcome::Ended => return Err(Error::TooSlow(id)),
                };
                Ok(Progress::Happened(event))
            }
            StockStep::Unpin => {
                catalog.unpin(context, id, epoch).await?;
                Ok(Progress::Noted(Stock::Held))
            }
            StockStep::Commit => {
                catalog.commit(context, id).await?;
                Ok(Progress::Noted(Stock::Committed))
            }
            StockStep::Release => {
                catalog.release(context, id, epoch).await?;
                Ok(Progress::Noted(Stock::Back))
            }
            StockStep::Return => {
                catalog.put_back(context, id).await?;
                Ok(Progress::Noted(Stock::Back))
            }
        }
    }
}

/// The reservation has ended before the open payment could begin.
fn failed(purchase: &Purchase) -> Event {
    let open = purchase.payments.iter().find(|payment| payment.is_open());
    let verdict = Verdict::Failed { code: "reservation_ended".to_owned(), look_at: None };
    match open {
        Some(payment) => Event::PaymentDecided { payment: payment.id, verdict },
        None => Event::StockGone,
    }
}
