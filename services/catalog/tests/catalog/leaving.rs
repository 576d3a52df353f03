//! Callers that leave at each `await` of each call that writes.

use futures::stream;
use souk_kit::id::{self, OrderId};
use souk_proto::souk::catalog::v2::{
    CommitStockRequest, DeleteProductRequest, ImportProductsRequest, PinStockRequest,
    ReleaseStockRequest, ReplaceCategoryRequest, ReplaceProductRequest, ReserveStockRequest,
    ReturnStockRequest, UpdateCategoryRequest, UpdateProductRequest,
};
use souk_testing::{Moment, leave_after};
use tonic::{Response, Status};

use crate::support::{
    Shop, World, adjustment, deletion, new_category, new_product, price, reservation, sku,
};

/// Somebody whose every write is looked at.
struct Honest<'a> {
    world: &'a World,
    shop: &'a Shop,
    product: String,
    writes: i32,
}

impl<'a> Honest<'a> {
    async fn new(world: &'a World, shop: &'a Shop) -> Self {
        let product = shop.product(&sku(), 0).await.id;
        Self { world, shop, product, writes: 0 }
    }

    /// Writes in one statement, and in a transaction.
    async fn write(&mut self) {
        self.writes += 1;
        let category = self.shop.category(&format!("honest-{}", self.writes)).await;
        let id: id::CategoryId = category.id.parse().unwrap();
        let found = format!("categories where id = '{}'", id.uuid());
        assert_eq!(self.world.test.count(&found).await, 1, "an answered write is lost");
        let key = format!("honest-{}", self.writes);
        self.shop.adjust(&key, &self.product, 1).await.unwrap();
        assert_eq!(self.world.stock(&self.product).await, (self.writes, 0));
    }
}

/// Has a caller leave at each `await` of a call, each time of one that `prepare` has made ready.
async fn leave<X, T>(
    honest: &mut Honest<'_>,
    prepare: impl AsyncFn() -> X,
    call: impl AsyncFn(X) -> Result<Response<T>, Status>,
) {
    for moment in Moment::ALL {
        for polls in 0.. {
            let prepared = prepare().await;
            let answer = leave_after(polls, moment, call(prepared)).await;
            honest.write().await;
            honest.world.audit().await;
            if let Some(answer) = answer {
                answer.unwrap();
                assert!(polls > 0, "the call waited for nothing");
                break;
            }
        }
    }
}

#[tokio::test]
async fn who_leaves_while_writing_products_costs_nobody_anything() {
    let world = World::new().await;
    let shop = world.shop().await;
    let mut honest = Honest::new(&world, &shop).await;
    let category = shop.category("books").await.id;
    let product = async || shop.product(&sku(), 3).await.id;

    let create = async |sku: String| {
        let mut message = new_product(&sku, 3);
        message.category_ids = vec![category.clone()];
        shop.client().create_product(shop.admin(message)).await
    };
    leave(&mut honest, async || sku(), create).await;
    let update = async |id| {
        let category_ids = vec![category.clone()];
        let message = UpdateProductRequest { id, category_ids, ..Default::default() };
        shop.client().update_product(shop.admin(message)).await
    };
    leave(&mut honest, product, update).await;
    let replace = async |id| {
        let message = ReplaceProductRequest {
            id,
            sku: sku(),
            name: "Another".to_owned(),
            price: Some(price("7.00")),
            ..ReplaceProductRequest::default()
        };
        shop.client().replace_product(shop.admin(message)).await
    };
    leave(&mut honest, product, replace).await;
    let delete =
        async |id| shop.client().delete_product(shop.admin(DeleteProductRequest { id })).await;
    leave(&mut honest, product, delete).await;
}

#[tokio::test]
async fn who_leaves_while_writing_categories_costs_nobody_anything() {
    let world = World::new().await;
    let shop = world.shop().await;
    let mut honest = Honest::new(&world, &shop).await;
    let slug = async || sku().to_lowercase();
    let category = async || {
        let category = shop.category(&slug().await).await;
        shop.product_in(&sku(), 1, &[&category]).await;
        category.id
    };

    let create =
        async |slug: String| shop.client().create_category(shop.admin(new_category(&slug))).await;
    leave(&mut honest, slug, create).await;
    let update = async |id| {
        let name = Some("Another".to_owned());
        let message = UpdateCategoryRequest { id, name, ..Default::default() };
        shop.client().update_category(shop.admin(message)).await
    };
    leave(&mut honest, category, update).await;
    let replace = async |id| {
        let (slug, name) = (slug().await, "Another".to_owned());
        let message = ReplaceCategoryRequest { id, slug, name, ..Default::default() };
        shop.client().replace_category(shop.admin(message)).await
    };
    leave(&mut honest, category, replace).await;
    let delete = async |id| shop.client().delete_category(shop.admin(deletion(id))).await;
    leave(&mut honest, category, delete).await;
}

#[tokio::test]
async fn who_leaves_while_moving_stock_costs_nobody_anything() {
    let world = World::new().await;
    let shop = world.shop().await;
    let mut honest = Honest::new(&world, &shop).await;
    let product = shop.product(&sku(), 1_000).await.id;
    let other = shop.product(&sku(), 1_000).await.id;
    let lines = [(product.as_str(), 2), (other.as_str(), 1)];
    let order = async || -> OrderId { id::new() };
    let held = async || {
        let order = id::new();
        shop.reserve(order, &lines).await.unwrap();
        order
    };

    let adjust = async |key: OrderId| {
        let request = shop.keyed(&key.to_string(), adjustment(&product, 1));
        shop.client().adjust_stock(request).await
    };
    leave(&mut honest, order, adjust).await;
    let reserve =
        async |order| shop.client().reserve_stock(shop.warehouse(reservation(order, &lines))).await;
    leave(&mut honest, order, reserve).await;
    let release = async |order: OrderId| {
        let message = ReleaseStockRequest { order_id: order.to_string(), fence: 1 };
        shop.client().release_stock(shop.warehouse(message)).await
    };
    leave(&mut honest, held, release).await;
    let commit = async |order: OrderId| {
        let message = CommitStockRequest { order_id: order.to_string() };
        shop.client().commit_stock(shop.warehouse(message)).await
    };
    leave(&mut honest, held, commit).await;

    let pin = async |order: OrderId| {
        let message = PinStockRequest { order_id: order.to_string(), fence: 1 };
        shop.client().pin_stock(shop.warehouse(message)).await
    };
    leave(&mut honest, held, pin).await;
    let released = async || {
        let order = held().await;
        shop.release(order).await.unwrap();
        order
    };
    let again = async |order| {
        let message = ReserveStockRequest { fence: 1, again: true, ..reservation(order, &lines) };
        shop.client().reserve_stock(shop.warehouse(message)).await
    };
    leave(&mut honest, released, again).await;
    let committed = async || {
        let order = held().await;
        shop.commit(order).await.unwrap();
        order
    };
    let take_back = async |order: OrderId| {
        let message = ReturnStockRequest { order_id: order.to_string() };
        shop.client().return_stock(shop.warehouse(message)).await
    };
    leave(&mut honest, committed, take_back).await;
}

#[tokio::test]
async fn who_leaves_while_importing_costs_nobody_anything() {
    let world = World::new().await;
    let shop = world.shop().await;
    let mut honest = Honest::new(&world, &shop).await;
    let rows = async || {
        let row = |line| ImportProductsRequest {
            line,
            sku: sku(),
            name: "Imported".to_owned(),
            price: Some(price("1.00")),
            stock: Some(5),
            categories: vec!["imported".to_owned()],
            ..ImportProductsRequest::default()
        };
        (1..=20).map(row).collect::<Vec<_>>()
    };
    let import = async |rows| shop.client().import_products(shop.admin(stream::iter(rows))).await;
    leave(&mut honest, rows, import).await;
    // each is there whole, or not at all
    assert_eq!(world.test.count("products where name = 'Imported'").await % 20, 0);
    let whole = "stock join products on id = product_id where name = 'Imported' and available = 5";
    assert_eq!(world.test.count(whole).await % 20, 0);
}
