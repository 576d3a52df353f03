//! What the provider answers: orders, payments and refunds as the real one writes them.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Answer, Fake, KEY_ID, KEY_SECRET, Texts};

pub(super) fn is_us(headers: &HeaderMap) -> bool {
    let expected = format!("Basic {}", STANDARD.encode(format!("{KEY_ID}:{KEY_SECRET}")));
    headers.get(header::AUTHORIZATION).is_some_and(|sent| sent == expected.as_str())
}

pub(super) fn problem(status: StatusCode, description: &str) -> (StatusCode, Json<Value>) {
    let body = json!({ "error": {
        "code": "BAD_REQUEST_ERROR", "description": description, "source": "business",
        "step": "payment_initiation", "reason": "input_validation_failed", "metadata": {},
    } });
    (status, Json(body))
}

fn refused(description: &str) -> Answer {
    Err(problem(StatusCode::BAD_REQUEST, description))
}

fn collection(items: Vec<Value>) -> Answer {
    Ok(Json(json!({ "entity": "collection", "count": items.len(), "items": items })))
}

/// Ten at once, as long as nobody asks for more.
fn page(items: impl Iterator<Item = Value>, query: &Texts) -> Answer {
    let number = |name, default| query.get(name).map_or(default, |text| text.parse().unwrap());
    collection(items.skip(number("skip", 0)).take(number("count", 10).min(100)).collect())
}

pub(super) async fn create_order(State(fake): State<Fake>, Json(new): Json<Value>) -> Answer {
    let mut world = fake.world();
    if new["amount"].as_i64().is_none_or(|amount| amount < 100) {
        return refused("Order amount less than minimum amount allowed");
    }
    let is_used = world.orders.iter().any(|order| order["receipt"] == new["receipt"]);
    if is_used && world.receipts_are_unique {
        return refused("Order receipt should be unique.");
    }
    let count = world.orders.len();
    let order = json!({
        "id": format!("order_{count:014}"), "entity": "order", "amount": new["amount"],
        "amount_paid": 0, "amount_due": new["amount"], "currency": new["currency"],
        "receipt": new["receipt"], "offer_id": null, "status": "created", "attempts": 0,
        "notes": [], "created_at": 1_582_637_108 + count,
    });
    world.orders.push(order.clone());
    Ok(Json(order))
}

pub(super) async fn list_orders(State(fake): State<Fake>, Query(query): Query<Texts>) -> Answer {
    let receipt = query.get("receipt").cloned().unwrap_or_default();
    let orders = fake.orders().into_iter();
    page(orders.filter(|order| order["receipt"].as_str().unwrap().contains(&receipt)), &query)
}

pub(super) async fn list_payments(State(fake): State<Fake>, Path(id): Path<String>) -> Answer {
    let payments = fake.world().payments.clone();
    collection(payments.into_iter().filter(|payment| payment["order_id"] == id.as_str()).collect())
}

pub(super) async fn get_payment(State(fake): State<Fake>, Path(id): Path<String>) -> Answer {
    let payment =
        fake.world().payments.iter().find(|payment| payment["id"] == id.as_str()).cloned();
    payment.map_or_else(|| refused("The id provided does not exist"), |payment| Ok(Json(payment)))
}

pub(super) async fn capture(
    State(fake): State<Fake>,
    Path(id): Path<String>,
    Json(asked): Json<Value>,
) -> Answer {
    let mut world = fake.world();
    let Some(at) = world.payments.iter().position(|payment| payment["id"] == id.as_str()) else {
        return refused("The id provided does not exist");
    };
    let order_id = world.payments[at]["order_id"].clone();
    let order = world.orders.iter().position(|order| order["id"] == order_id).unwrap();
    let is_paid = world.orders[order]["status"] == "paid";
    if world.captures_are_empty {
        return Ok(Json(world.payments[at].clone()));
    }
    let payment = &mut world.payments[at];
    if payment["captured"] == true {
        return refused("This payment has already been captured");
    }
    if is_paid {
        return refused("Your payment has been declined as the order is already paid.");
    }
    if payment["status"] != "authorized" {
        return refused(
            "Only payments which have been authorized and not yet captured can be captured",
        );
    }
    if payment["amount"] != asked["amount"] || payment["currency"] != asked["currency"] {
        return refused("Capture amount must be equal to the amount authorized");
    }
    payment["status"] = "captured".into();
    payment["captured"] = true.into();
    let payment = payment.clone();
    world.orders[order]["status"] = "paid".into();
    Ok(Json(payment))
}

pub(super) async fn refund(
    State(fake): State<Fake>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Answer {
    let mut world = fake.world();
    let key = headers["x-refund-idempotency"].to_str().unwrap().to_owned();
    if let Some((first, refund)) = world.keys.get(&key) {
        let conflict =
            "Different request with the same idempotency key has already been processed.";
        let same = *first == asked;
        return same.then(|| Json(refund.clone())).ok_or(problem(StatusCode::CONFLICT, conflict));
    }
    if world.refunds_are_refused {
        return refused(
            "Your account does not have enough balance to carry out the refund operation.",
        );
    }
    let count = world.refunds.len();
    let status = if world.refunds_are_slow { "pending" } else { "processed" };
    let Some(payment) = world.payments.iter_mut().find(|payment| payment["id"] == id.as_str())
    else {
        return refused("The id provided does not exist");
    };
    let sum = payment["amount_refunded"].as_i64().unwrap() + asked["amount"].as_i64().unwrap();
    if payment["captured"] != true || sum > payment["amount"].as_i64().unwrap() {
        return refused("The refund amount provided is greater than amount captured.");
    }
    payment["amount_refunded"] = sum.into();
    if payment["amount_refunded"] == payment["amount"] {
        payment["status"] = "refunded".into();
    }
    let refund = json!({
        "id": format!("rfnd_{count:014}"), "entity": "refund", "amount": asked["amount"],
        "currency": payment["currency"], "payment_id": id, "notes": [],
        "receipt": asked["receipt"], "acquirer_data": { "arn": null }, "batch_id": null,
        "created_at": 1_597_078_866, "status": status,
    });
    world.refunds.push(refund.clone());
    world.keys.insert(key, (asked, refund.clone()));
    Ok(Json(refund))
}

pub(super) async fn list_refunds(
    State(fake): State<Fake>,
    Path(id): Path<String>,
    Query(query): Query<Texts>,
) -> Answer {
    let refunds = fake.refunds().into_iter();
    page(refunds.filter(|refund| refund["payment_id"] == id.as_str()), &query)
}
