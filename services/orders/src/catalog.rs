//! The catalog, as the orders service needs it.

use std::time::Duration;

use souk_kit::auth::ServiceToken;
use souk_kit::id::{OrderId, ProductId};
use souk_kit::request::Context;
use souk_kit::{Channel, Currency, Money, wire};
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v2::{
    self as proto, BatchGetProductsRequest, CommitStockRequest, ListOrderStockMovesRequest,
    PinStockRequest, Product, ReleaseStockRequest, Reservation, ReservationStatus,
    ReserveStockRequest, ReturnStockRequest, StockLine, UnpinStockRequest,
};
use time::OffsetDateTime;
use tonic::{Code, Status};

use crate::Error;
use crate::history::{Actor, StockMove};
use crate::order::{Line, Quote};
use crate::shortage::Shortage;

/// A client of the catalog that calls with the service's own token.
#[derive(Debug)]
pub struct Catalog {
    client: CatalogServiceClient<Channel>,
    token: ServiceToken,
}

/// What the catalog says of the stock of an order.
#[derive(Debug)]
pub enum Outcome {
    /// It is held, until then where it is not pinned.
    Held(OffsetDateTime),
    /// Nothing is held.
    Short(Vec<Shortage>),
    /// It was held, and has gone back.
    Ended,
}

impl Catalog {
    pub fn new(channel: Channel, token: ServiceToken) -> Self {
        Self { client: CatalogServiceClient::new(channel), token }
    }

    /// The names and prices of products; those that do not exist are left out.
    pub async fn quote(
        &self,
        context: &Context,
        products: &[ProductId],
    ) -> Result<Vec<Quote>, Error> {
        let ids = products.iter().map(ToString::to_string).collect();
        let request = context.outgoing(BatchGetProductsRequest { ids });
        let request = self.token.authorize(request).await.map_err(Error::catalog)?;
        let products = self.client.clone().batch_get_products(request).await;
        let products = products.map_err(|status| self.refused(status))?.into_inner().products;
        products.into_iter().map(quote).collect()
    }

    /// Holds the stock of an order. Safe to repeat. With `again` it is held anew, and pinned, where it has gone back
    /// meanwhile.
    pub async fn reserve(
        &self,
        context: &Context,
        order: OrderId,
        lines: &[Line],
        ttl: Duration,
        fence: i64,
        again: bool,
    ) -> Result<Outcome, Error> {
        let line = |line: &Line| StockLine {
            product_id: line.product.to_string(),
            quantity: line.quantity,
        };
        let request = context.outgoing(ReserveStockRequest {
            order_id: order.to_string(),
            lines: lines.iter().map(line).collect(),
            ttl: prost_types::Duration::try_from(ttl).ok(),
            fence,
            again,
        });
        let request = self.token.authorize(request).await.map_err(Error::catalog)?;
        let reservation = self.client.clone().reserve_stock(request).await;
        let reservation = reservation.map_err(|status| self.refused(status))?.into_inner();
        match outcome(&reservation)? {
            Outcome::Held(_) if again => pinned(&reservation),
            outcome => Ok(outcome),
        }
    }

    /// Holds the stock of an order for as long as it takes. Safe to repeat.
    pub async fn pin(
        &self,
        context: &Context,
        order: OrderId,
        fence: i64,
    ) -> Result<Outcome, Error> {
        let request = context.outgoing(PinStockRequest { order_id: order.to_string(), fence });
        let request = self.token.authorize(request).await.map_err(Error::catalog)?;
        let reservation = self.client.clone().pin_stock(request).await;
        let reservation = reservation.map_err(|status| self.refused(status))?.into_inner();
        pinned(&reservation)
    }

    /// Lets the hold end when its time is over. Safe to repeat.
    pub async fn unpin(&self, context: &Context, order: OrderId, fence: i64) -> Result<(), Error> {
        let request = context.outgoing(UnpinStockRequest { order_id: order.to_string(), fence });
        let request = self.token.authorize(request).await.map_err(Error::catalog)?;
        let reservation = self.client.clone().unpin_stock(request).await;
        reservation.map(drop).map_err(|status| self.refused(status))
    }

    /// Gives the stock of an order back. Safe to repeat.
    pub async fn release(
        &self,
        context: &Context,
        order: OrderId,
        fence: i64,
    ) -> Result<(), Error> {
        let request = context.outgoing(ReleaseStockRequest { order_id: order.to_string(), fence });
        let request = self.token.authorize(request).await.map_err(Error::catalog)?;
        let reservation = self.client.clone().release_stock(request).await;
        reservation.map(drop).map_err(|status| self.refused(status))
    }

    /// Lets the stock of an order leave with it. Safe to repeat.
    pub async fn commit(&self, context: &Context, order: OrderId) -> Result<(), Error> {
        let request = context.outgoing(CommitStockRequest { order_id: order.to_string() });
        let request = self.token.authorize(request).await.map_err(Error::catalog)?;
        let reservation = self.client.clone().commit_stock(request).await;
        reservation.map(drop).map_err(|status| self.refused(status))
    }

    /// Puts back what had left with an order. Safe to repeat.
    pub async fn put_back(&self, context: &Context, order: OrderId) -> Result<(), Error> {
        let request = context.outgoing(ReturnStockRequest { order_id: order.to_string() });
        let request = self.token.authorize(request).await.map_err(Error::catalog)?;
        let reservation = self.client.clone().return_stock(request).await;
        reservation.map(drop).map_err(|status| self.refused(status))
    }

    /// What has moved for an order, oldest first.
    pub async fn moves(&self, context: &Context, order: OrderId) -> Result<Vec<StockMove>, Error> {
        let request = context.outgoing(ListOrderStockMovesRequest { order_id: order.to_string() });
        let request = self.token.authorize(request).await.map_err(Error::catalog)?;
        let moves = self.client.clone().list_order_stock_moves(request).await;
        let moves = moves.map_err(|status| self.refused(status))?.into_inner().data;
        moves.into_iter().map(moved).collect()
    }

    /// A refusal may be that of a token that is no longer good: the next call gets a new one.
    fn refused(&self, status: Status) -> Error {
        if status.code() == Code::Unauthenticated {
            self.token.forget();
        }
        Error::catalog(status)
    }
}

/// What is held must be pinned: somebody with a later claim may have taken the pin away, and a catalog of before there
/// were pins knows none.
fn pinned(reservation: &Reservation) -> Result<Outcome, Error> {
    match outcome(reservation)? {
        Outcome::Held(_) if !reservation.pinned => Err(unexpected("a hold without a pin")),
        outcome => Ok(outcome),
    }
}

fn outcome(reservation: &Reservation) -> Result<Outcome, Error> {
    match reservation.status() {
        ReservationStatus::Held => {
            let until = reservation.expires_at.as_ref().and_then(wire::time);
            until.map(Outcome::Held).ok_or_else(|| unexpected("a hold without an end"))
        }
        ReservationStatus::Rejected => {
            let shortages = reservation.shortages.iter().map(|shortage| {
                let product = shortage.product_id.parse::<ProductId>();
                let product = product.map_err(|_| unexpected("an unreadable product id"))?;
                let (requested, available) = (shortage.requested, shortage.available);
                Ok(Shortage { product: product.uuid(), requested, available })
            });
            shortages.collect::<Result<_, Error>>().map(Outcome::Short)
        }
        ReservationStatus::Released | ReservationStatus::Expired => Ok(Outcome::Ended),
        ReservationStatus::Committed
        | ReservationStatus::Returned
        | ReservationStatus::Unspecified => {
            Err(unexpected("a reservation in a state that no order here has asked for"))
        }
    }
}

fn moved(moved: proto::StockMove) -> Result<StockMove, Error> {
    let product = moved.product_id.parse();
    let at = moved.created_at.as_ref().and_then(wire::time);
    let kind = moved.kind().as_str_name().trim_start_matches("STOCK_MOVE_KIND_").to_lowercase();
    Ok(StockMove {
        product: product.map_err(|_| unexpected("an unreadable product id"))?,
        kind,
        available: moved.available,
        reserved: moved.reserved,
        actor: Actor::from_word(&moved.actor),
        at: at.ok_or_else(|| unexpected("a move without a time"))?,
    })
}

fn quote(product: Product) -> Result<Quote, Error> {
    let id = product.id.parse().map_err(|_| unexpected("an unreadable product id"))?;
    let price = product.price.unwrap_or_default();
    let currency: Currency =
        product.currency.parse().map_err(|_| unexpected("an unknown currency"))?;
    let price = Money::parse(&price.value, currency).map_err(|_| unexpected("no price"))?;
    Ok(Quote { product: id, name: product.name, price })
}

fn unexpected(what: &str) -> Error {
    Error::catalog(Status::internal(format!("the catalog answered {what}")))
}
