use serde_json::Value;
use souk_kit::id;
use souk_proto::descriptors;

use super::*;

fn decimal(value: &str) -> Option<Decimal> {
    Some(Decimal { value: value.to_owned() })
}

fn order() -> Order {
    Order {
        id: "ord_1".to_owned(),
        status: OrderStatus::PartiallyRefunded.into(),
        items: vec![OrderItem {
            product_id: "prod_1".to_owned(),
            name: "a \"cup\"\n".to_owned(),
            quantity: 2,
            unit_price: decimal("599.00"),
            line_total: decimal("1198.00"),
        }],
        total: decimal("1198.00"),
        currency: "USD".to_owned(),
        created_at: Some(Timestamp { seconds: 1_700_000_000, nanos: 120_000_000 }),
        updated_at: Some(Timestamp { seconds: 1_700_000_001, nanos: 1_000 }),
        customer_id: "usr_1".to_owned(),
        expires_at: None,
        number: "S-1001".to_owned(),
        shipping_address: Some(PostalAddress::default()),
        amount_paid: decimal("1198.00"),
        amount_refunded: decimal(""),
    }
}

fn event(order: Order) -> Event {
    let id = id::new();
    let told = OrderEvent {
        id: format!("{id}"),
        sequence: 7,
        occurred_at: order.updated_at,
        order: Some(order),
        action: "order.refund_part".to_owned(),
        ..OrderEvent::default()
    };
    Event {
        id,
        name: "order.partially_refunded".to_owned(),
        payload: Some(told.encode_to_vec()),
        occurred_at: OffsetDateTime::UNIX_EPOCH,
    }
}

fn text(event: &Event) -> String {
    String::from_utf8(of(event, id::new()).unwrap().to_vec()).unwrap()
}

/// The members of an object are the fields of a message, in their order.
fn assert_members(value: &Value, message: &str) {
    let message = descriptors().get_message_by_name(message).unwrap();
    let fields: Vec<String> = message.fields().map(|field| field.name().to_owned()).collect();
    let members: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, fields, "{}", message.full_name());
}

#[test]
fn an_order_has_all_members_that_the_contract_has_in_its_order() {
    let body: Value = serde_json::from_str(&text(&event(order()))).unwrap();
    let order = &body["data"]["order"];
    assert_members(order, "souk.orders.v1.Order");
    assert_members(&order["items"][0], "souk.orders.v1.OrderItem");
    assert_members(&order["shipping_address"], "souk.orders.v1.PostalAddress");
    assert_eq!(order["expires_at"], Value::Null);
}

#[test]
fn amounts_keep_their_digits_and_moments_their_precision() {
    let event = event(order());
    let text = text(&event);
    let begin = format!(
        r#"{{"type":"order.partially_refunded","timestamp":"2023-11-14T22:13:21.000001Z","data":{{"event_id":"{}","sequence":7,"ordering_key":"ord_1","action":"order.refund_part","order":{{"id":"ord_1","status":"partially_refunded","items":["#,
        event.id
    );
    assert!(text.starts_with(&begin), "{text}");
    for part in [
        r#""name":"a \"cup\"\n""#,
        r#""total":1198.00,"#,
        r#""amount_refunded":0}"#,
        r#""created_at":"2023-11-14T22:13:20.120Z""#,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_state_of_a_later_release_is_a_number() {
    let later = Order { status: 99, ..order() };
    assert!(text(&event(later)).contains(r#""status":99,"#));
}

#[test]
fn a_test_tells_of_no_order() {
    let event = Event {
        id: id::new(),
        name: "webhook.test".to_owned(),
        payload: None,
        occurred_at: OffsetDateTime::UNIX_EPOCH,
    };
    let body: Value = serde_json::from_str(&text(&event)).unwrap();
    assert_eq!(body["timestamp"], "1970-01-01T00:00:00Z");
    assert_eq!(body["data"]["event_id"], event.id.to_string());
}
