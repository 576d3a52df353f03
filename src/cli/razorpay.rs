//! Payments through Razorpay.

use clap::Args;
use souk_orders::razorpay::BASE_URL;
use url::Url;

#[derive(Debug, Args)]
pub struct Razorpay {
    /// Where Razorpay is. Orders can be paid through it where SOUK_RAZORPAY_KEY_ID,
    /// SOUK_RAZORPAY_KEY_SECRET and SOUK_RAZORPAY_WEBHOOK_SECRET are set, or files with them
    /// (…_FILE); for the role orders
    #[arg(long = "razorpay-url", env = "SOUK_RAZORPAY_URL", default_value = BASE_URL,
          value_name = "URL")]
    pub url: Url,
}
