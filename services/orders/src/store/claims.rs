use std::collections::HashSet;
use std::time::Duration;

use souk_db::Access;
use souk_kit::id::{OrderId, PaymentId, RefundId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::changes::Due;
use super::purchases;
use crate::purchase::Purchase;
use crate::state::State;
use crate::stock::Stock;

/// How long a claim on an order lasts: longer than a step takes, and as long as a crash delays it.
pub const LEASE: Duration = Duration::from_secs(10);

/// Claims orders that are due, so that nobody else does for the length of the lease, each with its
/// epoch; and how many were claimed, with those that cannot be read. States that this version does not
/// know are left to the one that does.
pub async fn claim_due(
    access: &Access,
    limit: usize,
) -> Result<(Vec<(Purchase, i64)>, usize), sqlx::Error> {
    let claims: Vec<(Uuid, i64)> = sqlx::query_as(
        "update orders set epoch = epoch + 1, attempts = attempts + 1,
             due_at = now() + $1 * interval '1 second'
         where id in (
             select id from orders where due_at <= now() and state = any ($3)
             order by due_at limit $2 for update skip locked)
         returning id, epoch",
    )
    .bind(LEASE.as_secs_f64())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(State::ALL.map(State::as_str))
    .fetch_all(access)
    .await?;
    let wanted: Vec<_> = claims.iter().map(|(id, _)| (OrderId::from_uuid(*id), None)).collect();
    let found = purchases::get_many(access, &wanted).await?;
    // under this claim, whatever the order's last is now
    let claimed = found.into_iter().zip(&claims);
    let claimed = claimed.filter_map(|(found, (_, epoch))| Some((found.ok().flatten()?.0, *epoch)));
    Ok((claimed.collect(), claims.len()))
}

/// What the saga notes of an order without a change of it.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub stock: Stock,
    /// When it looks at the order again; `None` for never.
    pub due: Due,
    /// What it has looked at, and when it does so again.
    pub looked: Option<(Looked, Option<OffsetDateTime>)>,
}

/// The same, for whoever has a claim on it.
#[derive(Debug, Clone, Copy)]
pub struct Note {
    pub order: OrderId,
    pub epoch: i64,
    pub progress: Progress,
}

/// What a provider was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    Payment(PaymentId),
    Refund(RefundId),
}

impl Looked {
    fn uuid(self) -> Uuid {
        match self {
            Self::Payment(id) => id.uuid(),
            Self::Refund(id) => id.uuid(),
        }
    }
}

/// Makes a claim last so long from now on. Whether it was still good.
pub async fn prolong(
    access: &Access,
    id: OrderId,
    epoch: i64,
    lease: Duration,
) -> Result<bool, sqlx::Error> {
    let prolonged = sqlx::query(
        "update orders set due_at = now() + $3 * interval '1 second' where id = $1 and epoch = $2",
    );
    let prolonged = prolonged.bind(id.uuid()).bind(epoch).bind(lease.as_secs_f64());
    Ok(prolonged.execute(access).await?.rows_affected() > 0)
}

/// Notes how far the saga is with orders: with which of them and under which claims, since those were still good.
pub async fn note(access: &Access, notes: &[Note]) -> Result<HashSet<(Uuid, i64)>, sqlx::Error> {
    let progress = || notes.iter().map(|note| note.progress);
    let due = || progress().map(|progress| progress.due.parts());
    let done: Vec<(Uuid, i64)> = sqlx::query_as(
        // a little later at least: this process's clock may be behind the database's
        "with given as (
             select * from unnest(
                     $1::uuid[], $2::bigint[], $3::text[], $4::float8[], $5::timestamptz[], $6::uuid[],
                     $7::timestamptz[])
                 as given (id, held, stock, due_after, due_at, looked_at, look_at)
         ), locked as (
             -- in one order for all: two statements never wait for each other
             select orders.id, held from orders join given using (id) where epoch = held
             order by orders.id for update of orders
         ), noted as (
             update orders set attempts = 0, stock = given.stock,
                 due_at = case when given.due_at is null
                     then now() + due_after * interval '1 second'
                     else greatest(given.due_at, now() + interval '200 milliseconds') end
             from given join locked using (id, held) where orders.id = given.id and epoch = held
             returning orders.id, held, looked_at, look_at
         ), looked as (
             update payments set look_at = noted.look_at from noted where payments.id = looked_at
         ), asked as (
             update refunds set look_at = noted.look_at from noted where refunds.id = looked_at
         )
         select id, held from noted",
    )
    .bind(notes.iter().map(|note| note.order.uuid()).collect::<Vec<_>>())
    .bind(notes.iter().map(|note| note.epoch).collect::<Vec<_>>())
    .bind(progress().map(|progress| progress.stock.as_str()).collect::<Vec<_>>())
    .bind(due().map(|(delay, _)| delay).collect::<Vec<_>>())
    .bind(due().map(|(_, at)| at).collect::<Vec<_>>())
    .bind(progress().map(|it| it.looked.map(|(looked, _)| looked.uuid())).collect::<Vec<_>>())
    .bind(progress().map(|it| it.looked.and_then(|(_, at)| at)).collect::<Vec<_>>())
    .fetch_all(access)
    .await?;
    Ok(done.into_iter().collect())
}

/// Puts an order off, longer with every attempt, up to `last`, with jitter so that orders that
/// failed together do not come back together; and no further than `until`.
pub async fn postpone(
    access: &Access,
    id: OrderId,
    epoch: i64,
    (first, last): (Duration, Duration),
    until: Option<OffsetDateTime>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update orders set due_at = least($5, now() + (0.5 + random() / 2)
             * least($3 * power(2, least(attempts, 20)), $4) * interval '1 second')
         where id = $1 and epoch = $2 and due_at is not null",
    )
    .bind(id.uuid())
    .bind(epoch)
    .bind(first.as_secs_f64())
    .bind(last.as_secs_f64())
    .bind(until)
    .execute(access)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use souk_db::Database;
    use souk_testing::TestDatabase;

    use super::*;
    use crate::MIGRATOR;

    #[tokio::test]
    async fn a_note_under_a_claim_that_is_lost_is_not_answered_by_that_of_who_has_it() {
        let test = TestDatabase::new(&MIGRATOR).await;
        test.sql(
            "insert into orders (id, customer_id, idempotency_key, fingerprint, state, total_minor,
                 currency, request_id, epoch)
             select ('01900000-0000-7000-8000-00000000000' || n)::uuid, gen_random_uuid(), 'key', '',
                 'paid', 100, 'USD', 'request', 6
             from generate_series(1, 2) as n",
        )
        .await;
        let database = Database::open(test.options.clone(), &MIGRATOR, 2).await.unwrap();
        let id = |n: u128| Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n);
        let note = |n, epoch, stock| {
            let progress = Progress { stock, due: Due::At(None), looked: None };
            Note { order: OrderId::from_uuid(id(n)), epoch, progress }
        };
        let notes =
            [note(1, 5, Stock::Held), note(1, 6, Stock::Committed), note(2, 5, Stock::Held)];
        let access = database.within(Duration::from_secs(10));
        let noted = super::note(&access, &notes).await.unwrap();
        assert_eq!(noted, HashSet::from([(id(1), 6)]));
        assert_eq!(test.count("orders where stock = 'committed'").await, 1);
        assert_eq!(test.count("orders where stock = 'unknown'").await, 1);
    }
}
