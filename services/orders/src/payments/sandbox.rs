//! A provider that moves no money: what becomes of a payment, its method says. It keeps what a bank would keep, so
//! that a charge which nobody knows of can be found.

use std::str::FromStr;
use std::time::Duration;

use souk_db::{Access, Batches, Database, Limits, Work};
use souk_kit::id::{OrderId, PaymentId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Error;
use crate::payment::{Payment, Verdict};
use crate::refund::{Refund, RefundVerdict};

/// How long a late success takes.
const LATE: Duration = Duration::from_secs(3);
/// How long a customer has to confirm.
const CONFIRM: Duration = Duration::from_secs(15 * 60);
/// How long a statement may take.
const LIMIT: Duration = Duration::from_secs(4);

/// What becomes of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Ok,
    Declined,
    Timeout,
    Twice,
    Late,
    Confirm,
}

impl FromStr for Method {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "ok" => Self::Ok,
            "declined" => Self::Declined,
            "timeout" => Self::Timeout,
            "twice" => Self::Twice,
            "late" => Self::Late,
            "confirm" => Self::Confirm,
            _ => return Err(()),
        })
    }
}

/// Checks that there is such a method.
pub fn check(method: &str) -> Result<(), Error> {
    let issue = "must be ok, declined, timeout, twice, late or confirm";
    Method::from_str(method).map(drop).map_err(|()| Error::invalid("method", issue))
}

/// The sandbox. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sandbox {
    database: Database,
    charges: Batches<Charges>,
}

/// Charges that are asked for while one statement is under way go together in the next.
struct Charges(Database);

/// A charge, as the bank keeps it.
#[derive(Debug, Clone)]
struct Charge {
    reference: String,
    payment: Uuid,
    order: Uuid,
    method: String,
    amount: i64,
    currency: &'static str,
    is_declined: bool,
    /// So long after it was asked for; never by itself where the customer confirms.
    charged_after: Option<f64>,
}

impl Work for Charges {
    type Item = Vec<Charge>;
    type Outcome = ();

    async fn run(&self, charges: &[Vec<Charge>]) -> Result<Vec<()>, sqlx::Error> {
        let all = || charges.iter().flatten();
        sqlx::query(
            // what is said of a payment is written to the same log behind it and waits for the disk: who has heard
            // of a charge does not miss it, and one that is lost was never told of
            "with soon as (
                 select set_config('synchronous_commit', 'off', true) as durable
             )
             insert into sandbox_charges (reference, payment_id, order_id, method, amount_minor,
                 currency, declined, charged_at)
             select reference, payment_id, order_id, method, amount_minor, currency, declined,
                 now() + charged_after * interval '1 second'
             from soon, unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[],
                     $7::bool[], $8::float8[])
                 as charge (reference, payment_id, order_id, method, amount_minor, currency,
                     declined, charged_after)
             order by reference
             on conflict do nothing",
        )
        .bind(all().map(|charge| charge.reference.as_str()).collect::<Vec<_>>())
        .bind(all().map(|charge| charge.payment).collect::<Vec<_>>())
        .bind(all().map(|charge| charge.order).collect::<Vec<_>>())
        .bind(all().map(|charge| charge.method.as_str()).collect::<Vec<_>>())
        .bind(all().map(|charge| charge.amount).collect::<Vec<_>>())
        .bind(all().map(|charge| charge.currency).collect::<Vec<_>>())
        .bind(all().map(|charge| charge.is_declined).collect::<Vec<_>>())
        .bind(all().map(|charge| charge.charged_after).collect::<Vec<_>>())
        .execute(&self.0.for_many())
        .await?;
        Ok(charges.iter().map(|_| ()).collect())
    }
}

impl Sandbox {
    pub fn new(database: Database) -> Self {
        Self { charges: Batches::new(Charges(database.clone()), Limits::WRITES), database }
    }

    pub async fn charge(&self, order: OrderId, payment: &Payment) -> Result<Verdict, Error> {
        let method = method(payment)?;
        let charge = |place: i32| Charge {
            reference: reference(payment.id, place),
            payment: payment.id.uuid(),
            order: order.uuid(),
            method: payment.method.clone(),
            amount: payment.amount.minor(),
            currency: payment.amount.currency().code(),
            is_declined: matches!(method, Method::Declined | Method::Late),
            charged_after: match method {
                Method::Ok | Method::Timeout | Method::Twice => Some(0.0),
                Method::Late => Some(LATE.as_secs_f64()),
                Method::Declined | Method::Confirm => None,
            },
        };
        let places = if method == Method::Twice { 2 } else { 1 };
        self.charges.submit((1..=places).map(charge).collect()).await?;
        match method {
            // it is charged, and the answer is lost
            Method::Timeout => Err(Error::ProviderSilent("sandbox")),
            Method::Ok | Method::Twice => Ok(Verdict::Succeeded {
                references: (1..=places).map(|place| reference(payment.id, place)).collect(),
            }),
            Method::Declined => Ok(declined(None)),
            Method::Late => {
                Ok(declined(Some(OffsetDateTime::now_utc() + LATE + Duration::from_millis(500))))
            }
            Method::Confirm => Ok(Verdict::Confirm {
                reference: reference(payment.id, 1),
                until: payment.created_at + CONFIRM,
            }),
        }
    }

    pub async fn look_up(&self, payment: &Payment) -> Result<Option<Verdict>, Error> {
        let rows: Vec<(String, bool, bool)> = sqlx::query_as(
            "select reference, declined, coalesce(charged_at <= now(), false) as charged
             from sandbox_charges where payment_id = $1 order by reference",
        )
        .bind(payment.id.uuid())
        .fetch_all(&self.access())
        .await?;
        let charged: Vec<String> = (rows.iter())
            .filter(|(.., is_charged)| *is_charged)
            .map(|(reference, ..)| reference.clone())
            .collect();
        if !charged.is_empty() {
            return Ok(Some(Verdict::Succeeded { references: charged }));
        }
        let Some((reference, is_declined, _)) = rows.into_iter().next() else { return Ok(None) };
        if is_declined {
            let is_late = method(payment)? == Method::Late;
            return Ok(Some(declined(is_late.then(|| OffsetDateTime::now_utc() + LATE))));
        }
        Ok(Some(Verdict::Confirm { reference, until: payment.created_at + CONFIRM }))
    }

    pub async fn confirm(&self, payment: &Payment) -> Result<Verdict, Error> {
        let confirmed = sqlx::query(
            "update sandbox_charges set charged_at = coalesce(charged_at, now())
             where payment_id = $1 and method = 'confirm'",
        );
        confirmed.bind(payment.id.uuid()).execute(&self.access()).await?;
        Ok(Verdict::Succeeded { references: vec![reference(payment.id, 1)] })
    }

    /// Refuses what is more than was charged, as a bank would.
    pub async fn refund(&self, payment: &Payment, refund: &Refund) -> Result<RefundVerdict, Error> {
        let known: Option<i32> = sqlx::query_scalar(
            "with charge as (
                 select reference, amount_minor from sandbox_charges
                 where reference = $2 and charged_at <= now() for update
             ), refunded as (
                 insert into sandbox_refunds (refund_id, reference, amount_minor)
                 select $1, reference, $3 from charge
                 where $3 + (select coalesce(sum(amount_minor), 0) from sandbox_refunds
                             where reference = $2 and refund_id <> $1) <= amount_minor
                 on conflict (refund_id) do update set refund_id = excluded.refund_id
                 returning 1 as one
             )
             select one from refunded",
        )
        .bind(refund.id.uuid())
        .bind(payment.reference.as_deref().unwrap_or_default())
        .bind(refund.amount.minor())
        .fetch_optional(&self.access())
        .await?;
        Ok(match known {
            Some(_) => {
                RefundVerdict::Succeeded { reference: format!("sbx_{}", refund.id.uuid().simple()) }
            }
            None => RefundVerdict::Failed { code: "more_than_charged".to_owned() },
        })
    }

    fn access(&self) -> Access {
        self.database.within(LIMIT)
    }
}

fn method(payment: &Payment) -> Result<Method, Error> {
    payment.method.parse().map_err(|()| Error::NoProvider("sandbox"))
}

fn reference(payment: PaymentId, place: i32) -> String {
    format!("sbx_{}_{place}", payment.uuid().simple())
}

fn declined(look_at: Option<OffsetDateTime>) -> Verdict {
    Verdict::Failed { code: "card_declined".to_owned(), look_at }
}
