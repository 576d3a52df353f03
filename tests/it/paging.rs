//! Who reads a list page by page while others write to it sees every row that was there all the time, and none twice.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use souk_kit::Channel;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v2::{
    CreateProductRequest, DeleteProductRequest, ListProductsRequest, UpdateProductRequest,
};

use crate::support::{Suite, signed, unique};

const WRITERS: usize = 10;
const READERS: usize = 10;
const RUN: Duration = Duration::from_secs(10);
/// Products that are there from beginning to end.
const LASTING: usize = 300;

/// The orders whose key nobody changes here.
const ORDERS: [&str; 4] = ["created_at", "-created_at", "name", "-name"];

#[derive(Clone)]
struct Shop {
    client: CatalogServiceClient<Channel>,
    admin: String,
}

impl Shop {
    async fn create(&self, name: &str) -> String {
        let request = CreateProductRequest {
            sku: unique("SKU"),
            name: name.to_owned(),
            price: Some(Decimal { value: "5.00".to_owned() }),
            ..CreateProductRequest::default()
        };
        let request = signed(&self.admin, request);
        self.client.clone().create_product(request).await.unwrap().into_inner().id
    }

    /// Comes, changes and goes, again and again, and changes what lasts.
    async fn write(&self, writer: usize, lasting: &[String], is_over: &AtomicBool) {
        for round in 0.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let id = self
                .create(&format!("Comes and goes {}", (writer * 31 + round * 17) % 1_000))
                .await;
            let lasts = &lasting[(writer * 37 + round) % lasting.len()];
            for id in [&id, lasts] {
                let update = UpdateProductRequest {
                    id: id.clone(),
                    price: Some(Decimal { value: format!("{}.00", 1 + round % 90) }),
                    description: Some(format!("of round {round}")),
                    ..UpdateProductRequest::default()
                };
                self.client.clone().update_product(signed(&self.admin, update)).await.unwrap();
            }
            let delete = signed(&self.admin, DeleteProductRequest { id });
            self.client.clone().delete_product(delete).await.unwrap();
        }
    }

    /// The ids of all pages of a list.
    async fn read(&self, sort: &str) -> Vec<String> {
        let mut request = ListProductsRequest {
            size: Some(20),
            sort: sort.to_owned(),
            ..ListProductsRequest::default()
        };
        let mut seen = Vec::new();
        loop {
            let page =
                self.client.clone().list_products(request.clone()).await.unwrap().into_inner();
            seen.extend(page.data.into_iter().map(|product| product.id));
            match page.pagination.unwrap().next_cursor {
                Some(cursor) => request.cursor = cursor,
                None => return seen,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_misses_a_product_that_lasts_or_sees_one_twice_while_others_write() {
    let suite = Suite::start().await;
    let client = CatalogServiceClient::new(suite.channel("souk.catalog.v2.CatalogService"));
    let shop = Shop { client, admin: suite.admin().await };
    let mut lasting = Vec::with_capacity(LASTING);
    for place in 0..LASTING {
        lasting.push(shop.create(&format!("Lasts {}", place * 7 % LASTING)).await);
    }
    let (is_over, lists) = (AtomicBool::new(false), AtomicUsize::new(0));
    let writers = (0..WRITERS).map(|writer| shop.write(writer, &lasting, &is_over));
    let readers = (0..READERS).map(|reader| {
        let (shop, lasting, is_over, lists) = (&shop, &lasting, &is_over, &lists);
        async move {
            let sort = ORDERS[reader % ORDERS.len()];
            while !is_over.load(Ordering::Relaxed) {
                let seen = shop.read(sort).await;
                let once: HashSet<&String> = seen.iter().collect();
                assert_eq!(once.len(), seen.len(), "by {sort}: a product twice");
                let missed = lasting.iter().filter(|id| !once.contains(id)).count();
                assert_eq!(missed, 0, "by {sort}: products that were there all the time");
                lists.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let clock = async {
        tokio::time::sleep(RUN).await;
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(join_all(writers), join_all(readers), clock);
    assert!(lists.load(Ordering::Relaxed) >= READERS, "each reader has read a list");
}
