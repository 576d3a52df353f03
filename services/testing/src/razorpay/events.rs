//! What the provider tells without being asked, signed as the real one signs it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Fake, KEY_SECRET, WEBHOOK_SECRET};

/// An event, as it is sent.
#[derive(Debug, Clone)]
pub struct Event {
    /// The same, however often it is sent.
    pub id: String,
    /// The bytes that are signed.
    pub body: Vec<u8>,
    /// In hexadecimal digits.
    pub signature: String,
}

impl Fake {
    /// An event about a payment, as it is now: `payment.captured` and so on.
    pub fn payment_event(&self, name: &str, payment_id: &str) -> Event {
        let payments = self.payments();
        let payment = payments.iter().find(|payment| payment["id"] == payment_id).unwrap();
        self.event(name, json!({ "payment": { "entity": payment } }))
    }

    /// An event about a refund, as it is now: `refund.processed` and so on.
    pub fn refund_event(&self, name: &str, refund_id: &str) -> Event {
        let refunds = self.refunds();
        let refund = refunds.iter().find(|refund| refund["id"] == refund_id).unwrap();
        self.event(name, json!({ "refund": { "entity": refund } }))
    }

    /// An event about anything.
    pub fn event(&self, name: &str, payload: Value) -> Event {
        let number = {
            let mut world = self.world();
            world.events += 1;
            world.events
        };
        let body = json!({
            "entity": "event", "account_id": "acc_0", "event": name, "payload": payload,
            "created_at": 1_567_674_606,
        });
        let body = body.to_string().into_bytes();
        let signature = sign(WEBHOOK_SECRET, &body);
        Event { id: format!("event_{number:014}"), body, signature }
    }

    /// What a checkout brings back beside the ids.
    pub fn checkout_signature(order_id: &str, payment_id: &str) -> String {
        sign(KEY_SECRET, format!("{order_id}|{payment_id}").as_bytes())
    }
}

fn sign(secret: &str, message: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
