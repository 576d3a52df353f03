//! TypeIDs: a prefix that names the kind and a base32 UUIDv7. Each kind is a Rust type of its own,
//! so an order's id cannot be passed for a product's.

use type_safe_id::{StaticType, TypeSafeId};
use uuid::Uuid;

/// An id of something of kind `K`; `Display` and `FromStr` are its wire form.
pub type Id<K> = TypeSafeId<K>;

/// An id that nothing has yet. Ids of one process sort by the time they were made.
pub fn new<K: StaticType>() -> Id<K> {
    // not `Id::new`: `now_v7` also counts within a millisecond
    Id::from_uuid(Uuid::now_v7())
}

/// The kinds.
pub mod kind {
    use super::StaticType;

    /// `prod_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Product;
    impl StaticType for Product {
        const TYPE: &'static str = "prod";
    }

    /// `cat_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Category;
    impl StaticType for Category {
        const TYPE: &'static str = "cat";
    }

    /// `usr_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct User;
    impl StaticType for User {
        const TYPE: &'static str = "usr";
    }

    /// `ses_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Session;
    impl StaticType for Session {
        const TYPE: &'static str = "ses";
    }

    /// `ord_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Order;
    impl StaticType for Order {
        const TYPE: &'static str = "ord";
    }

    /// `evt_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Event;
    impl StaticType for Event {
        const TYPE: &'static str = "evt";
    }

    /// `pay_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Payment;
    impl StaticType for Payment {
        const TYPE: &'static str = "pay";
    }

    /// `ref_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Refund;
    impl StaticType for Refund {
        const TYPE: &'static str = "ref";
    }

    /// `shp_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Shipment;
    impl StaticType for Shipment {
        const TYPE: &'static str = "shp";
    }

    /// `adr_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Address;
    impl StaticType for Address {
        const TYPE: &'static str = "adr";
    }

    /// `whk_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct WebhookEndpoint;
    impl StaticType for WebhookEndpoint {
        const TYPE: &'static str = "whk";
    }

    /// `whd_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct WebhookDelivery;
    impl StaticType for WebhookDelivery {
        const TYPE: &'static str = "whd";
    }

    /// `imp_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Import;
    impl StaticType for Import {
        const TYPE: &'static str = "imp";
    }

    /// `img_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Image;
    impl StaticType for Image {
        const TYPE: &'static str = "img";
    }

    /// `req_…`
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Request;
    impl StaticType for Request {
        const TYPE: &'static str = "req";
    }
}

/// The id of an image, `img_…`.
pub type ImageId = Id<kind::Image>;
/// The id of an import, `imp_…`.
pub type ImportId = Id<kind::Import>;
/// The id of a product, `prod_…`.
pub type ProductId = Id<kind::Product>;
/// The id of a category, `cat_…`.
pub type CategoryId = Id<kind::Category>;
/// The id of an account, `usr_…`.
pub type UserId = Id<kind::User>;
/// The id of a sign-in, `ses_…`.
pub type SessionId = Id<kind::Session>;
/// The id of an order, `ord_…`.
pub type OrderId = Id<kind::Order>;
/// The id of an event, `evt_…`.
pub type EventId = Id<kind::Event>;
/// The id of an attempt to pay, `pay_…`.
pub type PaymentId = Id<kind::Payment>;
/// The id of a refund, `ref_…`.
pub type RefundId = Id<kind::Refund>;
/// The id of a shipment, `shp_…`.
pub type ShipmentId = Id<kind::Shipment>;
/// The id of an address, `adr_…`.
pub type AddressId = Id<kind::Address>;
/// The id of an endpoint for webhooks, `whk_…`.
pub type WebhookEndpointId = Id<kind::WebhookEndpoint>;
/// The id of the delivery of a webhook, `whd_…`.
pub type WebhookDeliveryId = Id<kind::WebhookDelivery>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let product: ProductId = new();
        assert!(product.to_string().starts_with("prod_"));
        assert!(product.to_string().parse::<OrderId>().is_err());
        assert_eq!(product.to_string().parse::<ProductId>().unwrap(), product);
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let ids: Vec<ProductId> = (0..1000).map(|_| new()).collect();
        assert!(ids.windows(2).all(|pair| pair[0].uuid() < pair[1].uuid()));
    }
}
