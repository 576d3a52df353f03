//! Stock: adjusted, held for orders, given back, sent.

use std::time::Duration;

use futures::FutureExt as _;
use souk_db::idempotency::{self, Answer, Call};
use souk_kit::Failure;
use souk_kit::request::{open, open_named};
use souk_proto::souk::catalog::v2::{
    AdjustStockRequest, CommitStockRequest, ReleaseStockRequest, Reservation, ReserveStockRequest,
    Stock,
};
use tonic::{Request, Response};

use super::messages::parse_id;
use super::messages::stock::lines;
use super::products::product_id;
use super::v1::market;
use super::{ADJUST_STOCK, Handlers, Reply, actor};
use crate::{Error, adjusting, reservation};

pub async fn adjust(handlers: &Handlers, request: Request<AdjustStockRequest>) -> Reply<Stock> {
    let market = market(&request);
    let (context, product, message) = open_named(request, |message| product_id(&message.id))?;
    let (call, actor) = (Call::of(&context, ADJUST_STOCK, &message)?, actor(&context)?);
    let AdjustStockRequest { delta, reason, .. } = message;
    let access = handlers.until(&context);
    let adjust = idempotency::once(&access, call, move |transaction| {
        async move {
            let stock =
                adjusting::adjust(transaction, product, market, delta, reason, actor).await?;
            Ok::<_, Error>(Answer::success(&Stock::from(stock)))
        }
        .boxed()
    });
    let kept = adjust.await?;
    kept.answer.reply(kept.replayed)
}

pub async fn reserve(
    handlers: &Handlers,
    request: Request<ReserveStockRequest>,
) -> Reply<Reservation> {
    let (context, message) = open(request)?;
    let ttl = message.ttl.and_then(|ttl| Duration::try_from(ttl).ok());
    let request = reservation::Request {
        order: parse_id("order_id", &message.order_id)?,
        lines: lines(&message.lines)?,
        ttl: ttl.ok_or_else(|| Failure::invalid("ttl", "is required"))?,
        actor: actor(&context)?,
    };
    let reservation = handlers.reserving.reserve(request).await?;
    Ok(Response::new(reservation.into()))
}

pub async fn release(
    handlers: &Handlers,
    request: Request<ReleaseStockRequest>,
) -> Reply<Reservation> {
    let (context, message) = open(request)?;
    let order = parse_id("order_id", &message.order_id)?;
    let access = handlers.until(&context);
    let reservation = handlers.reserving.release(&access, order, &actor(&context)?).await?;
    Ok(Response::new(reservation.into()))
}

pub async fn commit(
    handlers: &Handlers,
    request: Request<CommitStockRequest>,
) -> Reply<Reservation> {
    let (context, message) = open(request)?;
    let order = parse_id("order_id", &message.order_id)?;
    let access = handlers.until(&context);
    let reservation = handlers.reserving.commit(&access, order, &actor(&context)?).await?;
    Ok(Response::new(reservation.into()))
}
