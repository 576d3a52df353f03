//! Whoever dies at whatever instant: no order is lost, doubled or oversold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::{Http, PATIENCE, Suite, assert_ledger, product};

const ROUNDS: usize = 3;
const ORDERS: usize = 500;
/// After how many acknowledged orders of a round the processes are killed.
const ACKNOWLEDGED: usize = 60;

/// Which order a key was told to have placed.
type Answers = BTreeMap<String, String>;

/// The clients of one round: each places one order under a key of its own.
#[derive(Clone)]
struct Buyers {
    token: String,
    products: Arc<[String]>,
    round: usize,
}

impl Buyers {
    fn key(&self, buyer: usize) -> String {
        format!("round-{}-buyer-{buyer}", self.round)
    }

    /// One attempt: the key and the order, when there is an answer that is final.
    async fn order(&self, http: &Http, buyer: usize) -> Option<(String, String)> {
        let product = &self.products[buyer % self.products.len()];
        let items = json!([{ "product_id": product, "quantity": 1 + buyer % 3 }]);
        let key = self.key(buyer);
        let response = http.order(&self.token, &key, &items).await?;
        let answer = response.json();
        let order = match response.status {
            StatusCode::CREATED => &answer["id"],
            StatusCode::CONFLICT if response.code() == "OUT_OF_STOCK" => {
                &answer["error"]["metadata"]["order_id"]
            }
            // still running, overloaded, or not there: a client asks again
            _ => return None,
        };
        Some((key, order.as_str().expect("an order id").to_owned()))
    }

    /// Asks until there is an answer.
    async fn insist(&self, http: &Http, buyer: usize) -> (String, String) {
        // a storm on a busy machine: everybody waits for everybody
        let deadline = Instant::now() + 4 * PATIENCE;
        loop {
            if let Some(answer) = self.order(http, buyer).await {
                return answer;
            }
            assert!(Instant::now() < deadline, "{} has no answer", self.key(buyer));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// All at once, until enough are acknowledged; the rest are left in the middle of it.
    async fn storm(&self, http: &Http) -> Answers {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut buyers = JoinSet::new();
        for buyer in 0..ORDERS {
            let (this, http, sender) = (self.clone(), http.clone(), sender.clone());
            buyers.spawn(async move { sender.send(this.insist(&http, buyer).await) });
        }
        drop(sender);
        let mut answers = Answers::new();
        while answers.len() < ACKNOWLEDGED {
            answers.extend([receiver.recv().await.expect("buyers who ask")]);
        }
        // what was answered until now counts as well
        while let Ok(answer) = receiver.try_recv() {
            answers.extend([answer]);
        }
        answers
    }

    /// Every key again, until each has its answer.
    async fn retry(&self, http: &Http) -> Answers {
        let attempts = (0..ORDERS).map(|buyer| self.insist(http, buyer));
        futures::stream::iter(attempts).buffer_unordered(50).collect().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_in_the_middle_of_500_orders_loses_doubles_and_oversells_none() {
    let mut suite = Suite::start_with_own_database().await;
    let mut stock = Vec::new();
    for (sku, available) in [("A", 400), ("B", 300), ("C", 2_000)] {
        stock.push((product(&suite, sku, "5.00", available).await.id, available));
    }
    let token = suite.user().await;
    let products: Arc<[String]> = stock.iter().map(|(product, _)| product.clone()).collect();

    let mut answers = Answers::new();
    for round in 0..ROUNDS {
        let buyers = Buyers { token: token.clone(), products: products.clone(), round };
        let acknowledged = buyers.storm(&suite.http()).await;
        suite.kill();
        assert!(acknowledged.len() < ORDERS, "the kill came in the middle");
        suite.restart();
        for order in acknowledged.values() {
            let found = suite.http().get_as(&token, &format!("/v1/orders/{order}")).await;
            assert_eq!(found.status, StatusCode::OK, "an acknowledged order is lost");
        }
        let retried = buyers.retry(&suite.http()).await;
        for (key, order) in acknowledged {
            assert_eq!(retried[&key], order, "{key} was answered with two orders");
        }
        answers.extend(retried);
    }

    let orders = all_orders(&suite.http(), &token).await;
    assert_eq!(orders.len(), ROUNDS * ORDERS, "one order for each key");
    let answered: BTreeSet<&String> = answers.values().collect();
    assert_eq!(orders.keys().collect::<BTreeSet<_>>(), answered);
    for (id, order) in &orders {
        let status = order["status"].as_str().unwrap();
        assert!(matches!(status, "reserved" | "rejected"), "{id} is {status}");
    }
    for (product, initial) in &stock {
        let found = suite.http().get(&format!("/v1/products/{product}")).await.json();
        let sold: i64 = orders.values().map(|order| reserved_units(order, product)).sum();
        assert_eq!(
            found["available"].as_i64().unwrap() + sold,
            i64::from(*initial),
            "{}",
            found["sku"]
        );
    }
    suite.kill();
    let (server, mut database) = suite.database_afterwards("catalog").await;
    assert_ledger(&mut database).await;
    drop(database);
    if let Some(server) = server {
        server.stop().await.unwrap();
    }
}

async fn all_orders(http: &Http, token: &str) -> BTreeMap<String, Value> {
    let mut orders = BTreeMap::new();
    let mut path = "/v1/orders?size=100".to_owned();
    loop {
        let page = http.get_as(token, &path).await.json();
        for order in page["data"].as_array().unwrap() {
            let id = order["id"].as_str().unwrap().to_owned();
            assert!(orders.insert(id, order.clone()).is_none(), "a page repeats an order");
        }
        match page["pagination"]["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/orders?size=100&cursor={cursor}"),
            None => return orders,
        }
    }
}

fn reserved_units(order: &Value, product: &str) -> i64 {
    if order["status"] != "reserved" {
        return 0;
    }
    let items = order["items"].as_array().unwrap().iter();
    let of_product = items.filter(|item| item["product_id"] == product);
    of_product.map(|item| item["quantity"].as_i64().unwrap()).sum()
}
