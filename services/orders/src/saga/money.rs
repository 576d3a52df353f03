//! Steps that have a provider move money, or say what has become of it.

use souk_kit::clock;
use souk_kit::id::{PaymentId, RefundId};
use time::{Duration, OffsetDateTime};

use super::{Progress, Saga};
use crate::Error;
use crate::payment::{Payment, PaymentState, Verdict};
use crate::purchase::{Event, Purchase, Refused};
use crate::refund::RefundVerdict;
use crate::store::claims::Looked;

/// How long after a payment was given up it is looked at whether money has moved for it all the same: whoever has lost the
/// order may have been about to ask for it, and may have been stopped there.
const LATE_ASKERS: [Duration; 4] =
    [Duration::minutes(1), Duration::minutes(5), Duration::minutes(30), Duration::hours(3)];

impl Saga {
    pub(super) async fn charge(
        &self,
        purchase: &Purchase,
        id: PaymentId,
        is_fresh: bool,
    ) -> Result<Progress, Error> {
        let payment = known(purchase, id)?;
        let verdict = self.inner.providers.charge(purchase.id(), payment, is_fresh).await?;
        Ok(Progress::Happened(Event::PaymentDecided { payment: id, verdict }))
    }

    pub(super) async fn confirm(
        &self,
        purchase: &Purchase,
        id: PaymentId,
    ) -> Result<Progress, Error> {
        let verdict = self.inner.providers.confirm(known(purchase, id)?).await?;
        Ok(Progress::Happened(Event::PaymentDecided { payment: id, verdict }))
    }

    pub(super) async fn capture(
        &self,
        purchase: &Purchase,
        id: PaymentId,
    ) -> Result<Progress, Error> {
        let verdict = self.inner.providers.capture(known(purchase, id)?).await?;
        Ok(Progress::Happened(Event::PaymentDecided { payment: id, verdict }))
    }

    /// Asks again about a payment, once its time has come or the provider has told that it is worth it.
    pub(super) async fn look_up(
        &self,
        purchase: &Purchase,
        id: PaymentId,
    ) -> Result<Progress, Error> {
        let payment = known(purchase, id)?;
        let now = clock::now();
        let again = self.inner.providers.look_again(payment);
        let verdict = match self.inner.providers.look_up(payment).await? {
            // which the customer has had the time to do
            Some(Verdict::Confirm { until, .. })
                if payment.state == PaymentState::RequiresConfirmation && until > now =>
            {
                return Ok(Progress::Looked(Looked::Payment(id), Some(until)));
            }
            // whose time to confirm is over, or which the order needs no more
            Some(Verdict::Confirm { .. }) | None => {
                let is_late = payment.state == PaymentState::RequiresConfirmation;
                let code = if is_late { "not_confirmed" } else { "superseded" };
                let look_at = again.or(late_asker(payment, now));
                Verdict::Failed { code: code.to_owned(), look_at }
            }
            Some(verdict) => verdict,
        };
        let look_at = match &verdict {
            _ if payment.has_charged() => None,
            Verdict::Failed { look_at, .. } => *look_at,
            _ => again,
        };
        let event = Event::PaymentDecided { payment: id, verdict };
        let refused = |refused| Error::Refusal { order: purchase.id(), refused };
        match purchase.after(&event, now).map_err(refused)? {
            Some(_) => Ok(Progress::Happened(event)),
            None => Ok(Progress::Looked(Looked::Payment(id), look_at)),
        }
    }

    pub(super) async fn refund(
        &self,
        purchase: &Purchase,
        id: RefundId,
    ) -> Result<Progress, Error> {
        let unknown = || unknown(purchase);
        let refund = purchase.refund(id).ok_or_else(unknown)?;
        let payment = purchase.payment(refund.payment).ok_or_else(unknown)?;
        match self.inner.providers.refund(payment, refund).await? {
            RefundVerdict::UnderWay { look_at } => {
                Ok(Progress::Looked(Looked::Refund(id), Some(look_at)))
            }
            verdict => {
                if let RefundVerdict::Failed { code } = &verdict {
                    // money of somebody else stays here: one that nobody has asked for is tried again later
                    tracing::error!(
                        order_id = %purchase.id(),
                        payment_id = %payment.id,
                        refund_id = %id,
                        payment = payment.state.as_str(),
                        code,
                        "a provider refuses to give money back"
                    );
                }
                Ok(Progress::Happened(Event::RefundDecided { refund: id, verdict }))
            }
        }
    }
}

/// When a payment that is given up now, or was before, is looked at again.
fn late_asker(payment: &Payment, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let given_up = if payment.is_open() { now } else { payment.updated_at };
    LATE_ASKERS.into_iter().map(|after| given_up + after).find(|at| *at > now)
}

fn known(purchase: &Purchase, id: PaymentId) -> Result<&Payment, Error> {
    purchase.payment(id).ok_or_else(|| unknown(purchase))
}

fn unknown(purchase: &Purchase) -> Error {
    Error::Refusal { order: purchase.id(), refused: Refused::Unknown }
}
