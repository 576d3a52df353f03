//! Clients of a Razorpay of our own.

use std::time::Duration;

use souk_orders::http::Limits;
use souk_orders::razorpay::{Options, Razorpay};

pub use souk_testing::razorpay::{Fake, Fault, KEY_ID, KEY_SECRET, WEBHOOK_SECRET};

/// Who calls it.
pub trait Clients {
    /// A client with less patience than usual.
    fn client(&self) -> Razorpay {
        self.client_with(KEY_SECRET)
    }

    fn client_with(&self, key_secret: &str) -> Razorpay;
}

impl Clients for Fake {
    fn client_with(&self, key_secret: &str) -> Razorpay {
        let options = Options {
            key_id: KEY_ID.into(),
            key_secret: key_secret.into(),
            webhook_secret: WEBHOOK_SECRET.into(),
            base_url: self.url.clone(),
        };
        Razorpay::with_limits(options, limits()).unwrap()
    }
}

pub fn limits() -> Limits {
    Limits {
        connect: Duration::from_millis(500),
        read: Duration::from_millis(300),
        backoff: Duration::from_millis(20),
        max_backoff: Duration::from_millis(50),
    }
}
