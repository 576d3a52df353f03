//! Steps that have a provider move money, or say what has become of it.

use std::time::Duration;

use souk_kit::clock;
use souk_kit::id::{PaymentId, RefundId};

use super::{Progress, Saga};
use crate::Error;
use crate::payment::{Payment, PaymentState, Verdict};
use crate::purchase::{Event, Purchase, Refused};

/// When it is looked at again whether money has moved for a payment that was given up: longer than a call takes.
const LATE_ASKER: Duration = Duration::from_secs(60);

impl Saga {
    /// Has a payment decided. One that may have been asked for before is looked up first: what has been charged is
    /// never charged again.
    pub(super) async fn charge(
        &self,
        purchase: &Purchase,
        id: PaymentId,
        is_fresh: bool,
    ) -> Result<Progress, Error> {
        let payment = known(purchase, id)?;
        let providers = &self.inner.providers;
        let before = if is_fresh { None } else { providers.look_up(payment).await? };
        let verdict = match before {
            Some(verdict) => verdict,
            None => providers.charge(purchase.id(), payment).await?,
        };
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

    /// Asks again about a payment, once its time has come.
    pub(super) async fn look_up(
        &self,
        purchase: &Purchase,
        id: PaymentId,
    ) -> Result<Progress, Error> {
        let payment = known(purchase, id)?;
        let verdict = match self.inner.providers.look_up(payment).await? {
            Some(verdict @ Verdict::Succeeded { .. }) => verdict,
            Some(Verdict::Failed { look_at, .. }) if !payment.is_open() => {
                return Ok(Progress::Looked(id, look_at));
            }
            Some(verdict @ Verdict::Failed { .. }) => verdict,
            Some(Verdict::Confirm { .. }) | None if !payment.is_open() => {
                return Ok(Progress::Looked(id, None));
            }
            // whose time to confirm is over, or which the order needs no more. Somebody who has lost the order may
            // be about to ask for it: that would be found
            Some(Verdict::Confirm { .. }) | None => {
                let is_late = payment.state == PaymentState::RequiresConfirmation;
                let code = if is_late { "not_confirmed" } else { "superseded" };
                let look_at = Some(clock::now() + LATE_ASKER);
                Verdict::Failed { code: code.to_owned(), look_at }
            }
        };
        Ok(Progress::Happened(Event::PaymentDecided { payment: id, verdict }))
    }

    pub(super) async fn refund(
        &self,
        purchase: &Purchase,
        id: RefundId,
    ) -> Result<Progress, Error> {
        let unknown = || unknown(purchase);
        let refund = purchase.refund(id).ok_or_else(unknown)?;
        let payment = purchase.payment(refund.payment).ok_or_else(unknown)?;
        let verdict = self.inner.providers.refund(payment, refund).await?;
        Ok(Progress::Happened(Event::RefundDecided { refund: id, verdict }))
    }
}

fn known(purchase: &Purchase, id: PaymentId) -> Result<&Payment, Error> {
    purchase.payment(id).ok_or_else(|| unknown(purchase))
}

fn unknown(purchase: &Purchase) -> Error {
    Error::Refusal { order: purchase.id(), refused: Refused::Unknown }
}
