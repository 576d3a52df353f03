//! An orders process that dies before and after each call and each commit of the saga: what it leaves behind, others
//! bring to its end.

use std::time::{Duration, Instant};

use futures::future::join_all;
use souk_proto::souk::orders::v1::orders_service_client::OrdersServiceClient;
use souk_proto::souk::orders::v1::payments_service_client::PaymentsServiceClient;
use souk_proto::souk::orders::v1::{
    CancelOrderRequest, ConfirmPaymentRequest, CreateOrderRequest, CreatePaymentRequest,
    CreateRefundRequest, Payment, PaymentStatus,
};
use sqlx::PgConnection;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::support::{PATIENCE, Suite, assert_ledger, keyed, product, signed};

/// Orders at each point.
const BUYERS: usize = 20;
/// How often they come until the process has died: another one may do the work.
const ROUNDS: usize = 20;

/// The steps of the saga, and what customers do who go through them.
const STEPS: [(&str, &[Story]); 14] = [
    ("place", &[Story::Paid]),
    ("reserve", &[Story::Paid]),
    ("change", &[Story::Paid, Story::Cancelled, Story::Refunded]),
    ("pin", &[Story::Paid, Story::Twice]),
    ("charge", &[Story::Paid, Story::Twice, Story::Silent]),
    ("confirm", &[Story::Confirmed]),
    ("unpin", &[Story::Declined]),
    ("commit", &[Story::Paid]),
    ("release", &[Story::Cancelled]),
    ("return", &[Story::Refunded]),
    ("refund", &[Story::Refunded, Story::Twice]),
    ("expire", &[Story::Left]),
    ("look_up", &[Story::Late]),
    ("secure", &[Story::Late]),
];

/// What a customer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    Paid,
    Twice,
    /// The provider does not answer.
    Silent,
    Confirmed,
    /// Declined first, and paid then.
    Declined,
    Cancelled,
    /// Paid, and given back.
    Refunded,
    /// Never paid.
    Left,
    /// Paid when its time is over.
    Late,
}

impl Story {
    fn method(self) -> &'static str {
        match self {
            Self::Twice => "twice",
            Self::Silent => "timeout",
            Self::Confirmed => "confirm",
            Self::Declined => "declined",
            Self::Late => "late",
            Self::Paid | Self::Cancelled | Self::Refunded | Self::Left => "ok",
        }
    }

    /// How its order ends.
    fn end(self) -> &'static str {
        match self {
            Self::Paid | Self::Twice | Self::Silent | Self::Confirmed => "paid",
            Self::Declined | Self::Late => "paid",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
            Self::Left => "expired",
        }
    }
}

/// Somebody who goes through a story at one process.
struct Buyer<'a> {
    orders: OrdersServiceClient<Channel>,
    payments: PaymentsServiceClient<Channel>,
    token: &'a str,
    admin: &'a str,
    product: &'a str,
    key: String,
    story: Story,
}

impl Buyer<'_> {
    /// Goes through the story from the beginning, as far as the process answers.
    async fn play(&mut self) -> Result<(), Status> {
        let message = CreateOrderRequest {
            product_id: Some(self.product.to_owned()),
            ..CreateOrderRequest::default()
        };
        let order = self.orders.create_order(keyed(self.token, &self.key, message)).await?;
        let order = order.into_inner().id;
        match self.story {
            Story::Left => return Ok(()),
            Story::Cancelled => {
                let message = CancelOrderRequest { id: order };
                return self.orders.cancel_order(signed(self.token, message)).await.map(drop);
            }
            _ => {}
        }
        let payment = self.pay(&order, "first", self.story.method()).await?;
        match self.story {
            Story::Confirmed => {
                assert_ne!(payment.status(), PaymentStatus::Failed);
                let message = ConfirmPaymentRequest {
                    order_id: order,
                    id: payment.id,
                    ..ConfirmPaymentRequest::default()
                };
                let key = format!("{}-confirm", self.key);
                self.payments.confirm_payment(keyed(self.token, &key, message)).await.map(drop)
            }
            Story::Declined => {
                assert_eq!(payment.status(), PaymentStatus::Failed);
                self.pay(&order, "second", "ok").await.map(drop)
            }
            Story::Refunded => {
                let message =
                    CreateRefundRequest { order_id: order, ..CreateRefundRequest::default() };
                let key = format!("{}-refund", self.key);
                self.payments.create_refund(keyed(self.admin, &key, message)).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn pay(&mut self, order: &str, name: &str, method: &str) -> Result<Payment, Status> {
        let message = CreatePaymentRequest {
            order_id: order.to_owned(),
            provider: "sandbox".to_owned(),
            method: method.to_owned(),
        };
        let key = format!("{}-{name}", self.key);
        let paid = self.payments.create_payment(keyed(self.token, &key, message)).await?;
        match paid.into_inner() {
            payment if payment.status() == PaymentStatus::Pending => {
                Err(Status::aborted("still under way"))
            }
            payment => Ok(payment),
        }
    }

    /// Goes through it until it has come to its end.
    async fn insist(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Err(status) = self.play().await else { return };
            // still running, or not there: a client asks again. What the first call has done, stands
            let is_passing =
                matches!(status.code(), Code::Aborted | Code::Unavailable | Code::DeadlineExceeded);
            assert!(is_passing, "{} {:?}: {status}", self.key, self.story);
            assert!(Instant::now() < deadline, "{}: {status}", self.key);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// What the test knows of the shop.
struct World {
    suite: Suite,
    database: PgConnection,
    token: String,
    admin: String,
    product: String,
}

impl World {
    fn buyers(&self, url: &str, key: &str, stories: &[Story]) -> Vec<Buyer<'_>> {
        let channel = Endpoint::from_shared(url.to_owned()).unwrap().connect_lazy();
        let buyer = |number: usize| Buyer {
            orders: OrdersServiceClient::new(channel.clone()),
            payments: PaymentsServiceClient::new(channel.clone()),
            token: &self.token,
            admin: &self.admin,
            product: &self.product,
            key: format!("{key}-{number}"),
            story: stories[number % stories.len()],
        };
        (0..BUYERS).map(buyer).collect()
    }

    /// Makes due what is, and ends the reservations of those who pay late or never.
    async fn let_time_pass(&mut self) {
        let sql = "update orders set due_at = now() where due_at is not null;
            update orders set reserved_until = now() - interval '1 second', due_at = now()
            where state in ('reserved', 'payment_failed')
                and (idempotency_key like '%Left%' or idempotency_key like '%Late%')";
        sqlx::raw_sql(sql).execute(&mut self.database).await.unwrap();
    }

    async fn ask(&mut self, sql: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::query_scalar(sql).fetch_one(&mut self.database).await.unwrap()
    }

    /// The process that dies at a point, and those who are there when it does.
    async fn die(&mut self, point: &str, stories: &[Story]) {
        let (dying, url) = self.suite.another_orders_process(&[("SOUK_CRASH_POINT", point)]);
        let mut keys = Vec::new();
        for round in 0..ROUNDS {
            let key = format!("{point}-{:?}-{round}", stories[0]);
            keys.push(key.clone());
            let plays = self.buyers(&url, &key, stories).into_iter().map(|mut buyer| async move {
                // the process may die at any moment
                let _ = buyer.play().await;
            });
            join_all(plays).await;
            for _ in 0..if stories[0] == Story::Late { 50 } else { 8 } {
                self.let_time_pass().await;
                if dying.has_ended() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            if dying.has_ended() {
                break;
            }
        }
        assert!(dying.has_ended(), "{point} was never reached");
        self.recover(point, &keys, stories).await;
    }

    /// Everybody comes again, to those who are left.
    async fn recover(&mut self, point: &str, keys: &[String], stories: &[Story]) {
        self.let_time_pass().await;
        let url = self.suite.url_of("souk.orders.v1.OrdersService").to_owned();
        for key in keys {
            let insisting = self.buyers(&url, key, stories).into_iter();
            join_all(insisting.map(|mut buyer| async move { buyer.insist().await })).await;
        }
        let ends: Vec<String> = (0..BUYERS)
            .zip(stories.iter().cycle())
            .map(|(number, story)| {
                let end = story.end();
                format!("idempotency_key like '%-{number}' and state <> '{end}'")
            })
            .collect();
        let unfinished = format!(
            "select count(*) from orders where idempotency_key like '{point}-%'
             and (due_at is not null or {})",
            ends.join(" or ")
        );
        let deadline = Instant::now() + PATIENCE;
        while self.ask(&unfinished).await > 0 {
            assert!(Instant::now() < deadline, "{point}: an order does not come to its end");
            self.let_time_pass().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_at_whatever_step_leaves_nothing_that_others_do_not_finish() {
    let suite = Suite::start().await;
    let product = product(&suite, "BOOK", "5.00", 1_000_000).await.id;
    let (token, admin) = (suite.user().await, suite.admin().await);
    let database = suite.database("orders").await;
    let mut world = World { suite, database, token, admin, product };
    for (step, stories) in STEPS {
        let moments: &[&str] = match step {
            "place" | "change" => &["writes", "written"],
            _ => &["calls", "called", "writes", "written"],
        };
        for moment in moments {
            world.die(&format!("{step}.{moment}"), stories).await;
        }
    }
    // one charge for each order that is paid, and none for the others
    let wrong = "select count(*) from orders left join (
            select order_id, count(*) filter (where charged_at <= now())
                - count(refund_id) as charges
            from sandbox_charges left join sandbox_refunds using (reference) group by order_id
        ) as bank on order_id = orders.id
        where coalesce(charges, 0) <> case when state = 'paid' then 1 else 0 end";
    assert_eq!(world.ask(wrong).await, 0);
    let wrong = "select count(*) from (
            select count(*) from orders group by idempotency_key having count(*) > 1) as doubled";
    assert_eq!(world.ask(wrong).await, 0);
    assert_ledger(&mut world.suite.database("catalog").await).await;
}
