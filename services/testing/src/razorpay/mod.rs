//! A Razorpay of our own: orders, payments and refunds in memory, and whatever may go wrong on the way to it.

mod events;
mod routes;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

pub use self::events::Event;
use self::routes::{
    capture, create_order, get_payment, is_us, list_orders, list_payments, list_refunds, problem,
    refund,
};

/// The name of the key.
pub const KEY_ID: &str = "rzp_test_key";
/// The key.
pub const KEY_SECRET: &str = "the secret of the key";
/// What events are signed with.
pub const WEBHOOK_SECRET: &str = "the secret of the events";

/// What becomes of an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends before it.
    Lost,
    /// It breaks off after its head.
    Broken,
    /// It takes this long.
    Late(Duration),
    /// A status takes its place.
    Status(u16),
    /// The same, with a wish for patience.
    Busy(u16, &'static str),
    /// It is elsewhere.
    Redirect,
    /// It never ends.
    Huge,
    /// It is a page of somebody in between.
    Garbage,
}

/// A fault, of which calls, and whether the work is done all the same.
struct Planned {
    calls: &'static str,
    fault: Fault,
    is_done: bool,
}

/// A call as it has come.
#[derive(Debug, Clone)]
pub struct Call {
    /// `POST /v1/orders`
    pub what: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, which is JSON.
    pub body: String,
}

#[derive(Default)]
struct World {
    orders: Vec<Value>,
    payments: Vec<Value>,
    refunds: Vec<Value>,
    /// The request and the refund of each idempotency key.
    keys: HashMap<String, (Value, Value)>,
    faults: VecDeque<Planned>,
    calls: Vec<Call>,
    receipts_are_unique: bool,
    captures_are_empty: bool,
    refunds_are_slow: bool,
    refunds_are_refused: bool,
    events: usize,
}

/// The provider. Cheap to clone.
#[derive(Clone)]
pub struct Fake {
    world: Arc<Mutex<World>>,
    /// Where it is.
    pub url: Url,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fake").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;
type Texts = HashMap<String, String>;

impl Fake {
    /// One that listens on a port of its own.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let fake = Self { world: Arc::default(), url };
        let router = Router::new()
            .route("/v1/orders", post(create_order).get(list_orders))
            .route("/v1/orders/{id}/payments", get(list_payments))
            .route("/v1/payments/{id}", get(get_payment))
            .route("/v1/payments/{id}/capture", post(capture))
            .route("/v1/payments/{id}/refund", post(refund))
            .route("/v1/payments/{id}/refunds", get(list_refunds))
            .route("/elsewhere", get(|| async { Json(json!({ "items": [] })) }))
            .layer(from_fn_with_state(fake.clone(), meddle))
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    /// What becomes of the next calls, without doing what they ask for.
    pub fn fails(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan("", faults, false);
    }

    /// The same, but what they ask for is done.
    pub fn fails_after_work(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan("", faults, true);
    }

    /// The same of the next calls that begin so: `POST /v1/orders`.
    pub fn plan(
        &self,
        calls: &'static str,
        faults: impl IntoIterator<Item = Fault>,
        is_done: bool,
    ) {
        let planned = faults.into_iter().map(|fault| Planned { calls, fault, is_done });
        self.world().faults.extend(planned);
    }

    /// Nothing goes wrong any more.
    pub fn recovers(&self) {
        self.world().faults.clear();
    }

    /// A receipt is good for one order.
    pub fn refuses_used_receipts(&self) {
        self.world().receipts_are_unique = true;
    }

    /// Captures are answered, and nothing is captured.
    pub fn answers_captures_without_capturing(&self) {
        self.world().captures_are_empty = true;
    }

    /// Refunds stay pending until they are settled.
    pub fn is_slow_with_refunds(&self) {
        self.world().refunds_are_slow = true;
    }

    /// Refunds are refused, since there is no money left; or no longer.
    pub fn refuses_refunds(&self, refuses: bool) {
        self.world().refunds_are_refused = refuses;
    }

    /// Every call that has come.
    pub fn calls(&self) -> Vec<Call> {
        self.world().calls.clone()
    }

    /// How many calls began like this: `POST /v1/orders`.
    pub fn count(&self, what: &str) -> usize {
        self.calls().iter().filter(|call| call.what.starts_with(what)).count()
    }

    /// Every order.
    pub fn orders(&self) -> Vec<Value> {
        self.world().orders.clone()
    }

    /// Every payment.
    pub fn payments(&self) -> Vec<Value> {
        self.world().payments.clone()
    }

    /// Every refund.
    pub fn refunds(&self) -> Vec<Value> {
        self.world().refunds.clone()
    }

    /// Somebody pays, or tries to.
    pub fn pay(&self, order_id: &str, status: &str) -> String {
        let mut world = self.world();
        let order = world.orders.iter_mut().find(|order| order["id"] == order_id).unwrap();
        order["status"] = if status == "captured" { "paid" } else { "attempted" }.into();
        let (amount, currency) = (order["amount"].clone(), order["currency"].clone());
        let id = format!("pay_{:014}", world.payments.len());
        let error = if status == "failed" { json!("BAD_REQUEST_ERROR") } else { json!(null) };
        world.payments.push(json!({
            "id": id, "entity": "payment", "amount": amount, "currency": currency,
            "status": status, "order_id": order_id, "method": "upi", "amount_refunded": 0,
            "captured": status == "captured", "notes": [], "fee": null, "error_code": error,
            "created_at": 1_701_688_684,
        }));
        id
    }

    /// What becomes of a payment without us: late authorizations, captures by others, authorizations that lapse.
    pub fn settle(&self, payment_id: &str, status: &str) {
        let mut world = self.world();
        let payment = world.payments.iter_mut().find(|payment| payment["id"] == payment_id);
        let payment = payment.unwrap();
        payment["status"] = status.into();
        payment["captured"] = (status == "captured").into();
        if status == "refunded" {
            payment["amount_refunded"] = payment["amount"].clone();
        }
    }

    /// What becomes of refunds that are pending.
    pub fn settle_refunds(&self, status: &str) {
        for refund in &mut self.world().refunds {
            if refund["status"] == "pending" {
                refund["status"] = status.into();
            }
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

/// Notes a call, asks who it is from, and lets happen to it what is planned.
async fn meddle(State(fake): State<Fake>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let what = format!("{} {}", head.method, head.uri);
    let call = Call {
        what,
        headers: head.headers.clone(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let planned = {
        let mut world = fake.world();
        let place = world.faults.iter().position(|planned| call.what.starts_with(planned.calls));
        world.calls.push(call);
        place.and_then(|place| world.faults.remove(place))
    };
    let work = async {
        if is_us(&head.headers) {
            next.run(Request::from_parts(head, Body::from(body))).await
        } else {
            problem(StatusCode::UNAUTHORIZED, "Authentication failed").into_response()
        }
    };
    match planned {
        None => work.await,
        Some(Planned { fault: Fault::Late(delay), .. }) => {
            let answer = work.await;
            tokio::time::sleep(delay).await;
            answer
        }
        Some(Planned { fault, is_done, .. }) => {
            if is_done {
                work.await;
            }
            instead(fault)
        }
    }
}

fn instead(fault: Fault) -> Response {
    match fault {
        // ends the connection's task without the noise of a panic
        Fault::Lost | Fault::Late(_) => std::panic::resume_unwind(Box::new(())),
        Fault::Broken => {
            let pieces = [Ok("{\"id\": "), Err(std::io::Error::other("gone"))];
            Body::from_stream(futures::stream::iter(pieces)).into_response()
        }
        Fault::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Fault::Busy(status, wait) => {
            (StatusCode::from_u16(status).unwrap(), [(header::RETRY_AFTER, wait)]).into_response()
        }
        Fault::Redirect => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/elsewhere")]).into_response()
        }
        Fault::Huge => {
            let piece = std::iter::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 4096]));
            Body::from_stream(futures::stream::iter(piece)).into_response()
        }
        Fault::Garbage => "<html>we will be back soon</html>".into_response(),
    }
}
