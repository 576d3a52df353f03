//! Webhooks as messages of the contract.

use souk_kit::mask::Mask;
use souk_kit::{Failure, wire};
use souk_proto::souk::orders::v1 as proto;
use souk_proto::souk::orders::v1::{
    CreateWebhookEndpointRequest, UpdateWebhookEndpointRequest, WebhookDeliveryStatus,
    WebhookDisabledReason,
};

use crate::webhooks::delivery::{Delivery, State};
use crate::webhooks::endpoint::{Changes, Disabled, Endpoint, Settings};

pub fn settings(request: CreateWebhookEndpointRequest) -> Settings {
    let CreateWebhookEndpointRequest { url, description, events, all_orders, strict_order } =
        request;
    Settings { url, description, events, all_orders, strict_order }
}

pub fn changes(message: UpdateWebhookEndpointRequest) -> Result<Changes, Failure> {
    let mask = Mask::of(message.update_mask);
    let events = Some(message.events).filter(|events| !events.is_empty());
    Ok(Changes {
        url: mask.required("url", message.url)?,
        description: mask.clearable("description", message.description),
        events: mask.clearable("events", events),
        all_orders: mask.required("all_orders", message.all_orders)?,
        strict_order: mask.required("strict_order", message.strict_order)?,
        enabled: mask.required("enabled", message.enabled)?,
    })
}

/// The state that a status is of.
pub fn state(status: WebhookDeliveryStatus) -> Option<State> {
    State::ALL.into_iter().find(|state| WebhookDeliveryStatus::from(*state) == status)
}

impl From<Endpoint> for proto::WebhookEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        let Settings { url, description, events, all_orders, strict_order } = endpoint.settings;
        let reason = endpoint.disabled.map(WebhookDisabledReason::from);
        Self {
            id: endpoint.id.to_string(),
            url,
            description,
            events,
            all_orders,
            strict_order,
            enabled: endpoint.disabled_at.is_none(),
            disabled_reason: reason.map(i32::from),
            disabled_at: endpoint.disabled_at.map(wire::timestamp),
            secret: None,
            previous_secret_expires_at: endpoint.previous_until.map(wire::timestamp),
            created_at: Some(wire::timestamp(endpoint.created_at)),
            updated_at: Some(wire::timestamp(endpoint.updated_at)),
            owner_id: endpoint.owner.to_string(),
        }
    }
}

impl From<Disabled> for WebhookDisabledReason {
    fn from(disabled: Disabled) -> Self {
        match disabled {
            Disabled::Failing => Self::Failing,
            Disabled::Gone => Self::Gone,
            Disabled::Later => Self::Unspecified,
        }
    }
}

impl From<Delivery> for proto::WebhookDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            endpoint_id: delivery.endpoint.to_string(),
            event_id: delivery.event.to_string(),
            event_type: delivery.event_type,
            order_id: delivery.order.map(|order| order.to_string()).unwrap_or_default(),
            sequence: delivery.sequence.unwrap_or_default(),
            status: WebhookDeliveryStatus::from(delivery.state).into(),
            attempts: delivery.attempts,
            last_attempt_at: delivery.attempted_at.map(wire::timestamp),
            last_outcome: delivery.outcome,
            response_status: delivery.status,
            response_excerpt: delivery.excerpt,
            response_ms: delivery.took_ms,
            next_attempt_at: delivery.due_at.map(wire::timestamp),
            delivered_at: delivery.delivered_at.map(wire::timestamp),
            created_at: Some(wire::timestamp(delivery.created_at)),
        }
    }
}

impl From<State> for WebhookDeliveryStatus {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Delivered => Self::Delivered,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
            State::Later => Self::Unspecified,
        }
    }
}
