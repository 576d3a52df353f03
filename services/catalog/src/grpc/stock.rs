//! Stock: read, adjusted, held for orders, given back, sent.

use std::time::Duration;

use futures::FutureExt as _;
use souk_db::idempotency::{self, Answer, Call};
use souk_kit::page::Page;
use souk_kit::request::{open, open_named};
use souk_kit::{Failure, wire};
use souk_proto::souk::catalog::v2::{
    AdjustStockRequest, CommitStockRequest, GetStockRequest, ListOrderStockMovesRequest,
    ListOrderStockMovesResponse, ListStockMovesRequest, ListStockMovesResponse, PinStockRequest,
    ReleaseStockRequest, Reservation, ReserveStockRequest, ReturnStockRequest, SetStockRequest,
    Stock, StockMove, UnpinStockRequest, UpdateStockRequest,
};
use tonic::{Request, Response};

use super::messages::parse_id;
use super::messages::stock::{lines, threshold};
use super::products::product_id;
use super::v1::market;
use super::{ADJUST_STOCK, Handlers, Reply, SET_STOCK, actor};
use crate::reservation::{self, Pin};
use crate::stock::{Level, list_of};
use crate::{Error, adjusting, editing};

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

pub async fn set(handlers: &Handlers, request: Request<SetStockRequest>) -> Reply<Stock> {
    let (context, product, message) = open_named(request, |message| product_id(&message.id))?;
    let (call, actor) = (Call::of(&context, SET_STOCK, &message)?, actor(&context)?);
    let SetStockRequest { available, expected, reason, .. } = message;
    let access = handlers.until(&context);
    let set = idempotency::once(&access, call, move |transaction| {
        async move {
            let available = available.ok_or_else(|| Error::invalid("available", "is required"))?;
            let level = Level { available, expected };
            let stock = adjusting::set(transaction, product, level, reason, actor).await?;
            Ok::<_, Error>(Answer::success(&Stock::from(stock)))
        }
        .boxed()
    });
    let kept = set.await?;
    kept.answer.reply(kept.replayed)
}

pub async fn get(handlers: &Handlers, request: Request<GetStockRequest>) -> Reply<Stock> {
    let (context, product, _) = open_named(request, |message| product_id(&message.id))?;
    let stock = handlers.reading.stock(&handlers.until(&context), product).await?;
    Ok(Response::new(stock.into()))
}

pub async fn update(handlers: &Handlers, request: Request<UpdateStockRequest>) -> Reply<Stock> {
    let (context, product, message) = open_named(request, |message| product_id(&message.id))?;
    let access = handlers.until(&context);
    let stock = match threshold(message) {
        Some(threshold) => editing::set_low_threshold(&access, product, threshold).await?,
        None => handlers.reading.stock(&access, product).await?,
    };
    Ok(Response::new(stock.into()))
}

pub async fn list_moves(
    handlers: &Handlers,
    request: Request<ListStockMovesRequest>,
) -> Reply<ListStockMovesResponse> {
    let (context, product, message) = open_named(request, |message| product_id(&message.id))?;
    let ListStockMovesRequest { size, cursor, page, .. } = message;
    let (reading, list) = (&handlers.reading, list_of(product));
    let page = Page::parse(reading.cursors(), &list, size, &cursor, page)?;
    let _place = handlers.database.place_to_list().await;
    let (rows, position) = reading.list_moves(&handlers.until(&context), product, &page).await?;
    let data = rows.into_iter().map(StockMove::from).collect();
    let pagination = Some(wire::pagination(position));
    Ok(Response::new(ListStockMovesResponse { data, pagination }))
}

pub async fn list_moves_of_order(
    handlers: &Handlers,
    request: Request<ListOrderStockMovesRequest>,
) -> Reply<ListOrderStockMovesResponse> {
    let (context, message) = open(request)?;
    let order = parse_id("order_id", &message.order_id)?;
    let moves = handlers.reading.moves_of_order(&handlers.until(&context), order).await?;
    let data = moves.into_iter().map(StockMove::from).collect();
    Ok(Response::new(ListOrderStockMovesResponse { data }))
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
        fence: message.fence,
        again: message.again,
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
    let (access, actor) = (handlers.until(&context), actor(&context)?);
    let reservation = handlers.reserving.release(&access, order, message.fence, actor).await?;
    Ok(Response::new(reservation.into()))
}

pub async fn pin(handlers: &Handlers, request: Request<PinStockRequest>) -> Reply<Reservation> {
    let (_, message) = open(request)?;
    let order = parse_id("order_id", &message.order_id)?;
    let pin = Pin { order, pinned: true, fence: message.fence };
    let reservation = handlers.reserving.set_pinned(pin).await?;
    Ok(Response::new(reservation.into()))
}

pub async fn unpin(handlers: &Handlers, request: Request<UnpinStockRequest>) -> Reply<Reservation> {
    let (_, message) = open(request)?;
    let order = parse_id("order_id", &message.order_id)?;
    let pin = Pin { order, pinned: false, fence: message.fence };
    let reservation = handlers.reserving.set_pinned(pin).await?;
    Ok(Response::new(reservation.into()))
}

pub async fn commit(
    handlers: &Handlers,
    request: Request<CommitStockRequest>,
) -> Reply<Reservation> {
    let (context, message) = open(request)?;
    let order = parse_id("order_id", &message.order_id)?;
    let reservation = handlers.reserving.commit(order, actor(&context)?).await?;
    Ok(Response::new(reservation.into()))
}

pub async fn take_back(
    handlers: &Handlers,
    request: Request<ReturnStockRequest>,
) -> Reply<Reservation> {
    let (context, message) = open(request)?;
    let order = parse_id("order_id", &message.order_id)?;
    let reservation = handlers.reserving.take_back(order, actor(&context)?).await?;
    Ok(Response::new(reservation.into()))
}
