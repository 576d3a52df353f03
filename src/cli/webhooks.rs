use clap::{ArgAction, Args};

/// Where webhooks may go.
#[derive(Debug, Clone, Copy, Args)]
pub struct Webhooks {
    /// Whether webhooks may go to addresses that are not public, such as those of this machine; for the role
    /// orders
    #[arg(long, env = "SOUK_WEBHOOK_ALLOW_PRIVATE", default_value_t = false,
          action = ArgAction::Set, value_name = "BOOL")]
    pub webhook_allow_private: bool,
    /// Whether they may go over plain HTTP
    #[arg(long, env = "SOUK_WEBHOOK_ALLOW_HTTP", default_value_t = false, action = ArgAction::Set,
          value_name = "BOOL")]
    pub webhook_allow_http: bool,
}

impl Webhooks {
    /// The same for the orders service.
    pub fn policy(self) -> souk_orders::WebhookPolicy {
        souk_orders::WebhookPolicy {
            allow_private: self.webhook_allow_private,
            allow_http: self.webhook_allow_http,
        }
    }
}
