//! Downloads of strangers that are begun and never taken.

// clients of several addresses, which other systems have not
#![cfg(target_os = "linux")]

use bytes::Bytes;
use futures::future::join_all;
use http::{Method, StatusCode};
use prost::Message as _;
use serde_json::json;
use souk_kit::listener::raise_descriptor_limit;
use souk_proto::souk::catalog::v2::DownloadImageRequest;
use tokio::time::timeout;

use crate::images::png;
use crate::stalled::assert_others_are_served;
use crate::support::{Http2, PATIENCE, Suite, framed, product, unique};

/// Downloads of an image over gRPC and REST from so many addresses, which have begun, and of which nothing is
/// taken.
async fn stalled_downloads(suite: &Suite, id: &str, addresses: usize) -> Vec<impl Sized> {
    let request = DownloadImageRequest { id: id.to_owned(), ..DownloadImageRequest::default() };
    let message = framed(&request.encode_to_vec());
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    let (rpc, path) = ("/souk.catalog.v2.CatalogService/DownloadImage", format!("/v2/images/{id}"));
    let mut begun = Vec::new();
    for number in 0..addresses {
        let own = format!("127.0.0.{}", number + 2);
        let services = Http2::connect_from(&own, suite.catalog_address(), 1).await;
        let gateway = Http2::connect_from(&own, suite.http_address(), 1).await;
        for _ in 0..64 {
            let (answer, mut body) = services.begin("POST", rpc, &grpc).await;
            body.send_data(message.clone(), true).unwrap();
            begun.push(answer.await.unwrap());
            let (answer, mut body) = gateway.begin("GET", &path, &[]).await;
            body.send_data(Bytes::new(), true).unwrap();
            begun.push(answer.await.unwrap());
        }
    }
    begun
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_that_nobody_takes_leave_orders_and_uploads_alone_and_do_not_last() {
    raise_descriptor_limit();
    let limits =
        [("SOUK_MAX_CALLS", "256"), ("SOUK_MAX_STREAMS", "64"), ("SOUK_MAX_DOWNLOADS", "256")];
    let suite = Suite::start_with(&limits).await;
    let (token, book) = (suite.user().await, product(&suite, "BOOK", "5.00", 100).await);
    let bearer = format!("Bearer {}", suite.admin().await);
    let upload = async || {
        let headers = [("authorization", bearer.as_str()), ("content-type", "image/png")];
        let path = format!("/v2/products/{}/images", book.id);
        suite.http().send(Method::POST, &path, &headers, png(500_000)).await.unwrap()
    };
    let id = upload().await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v2/images/{id}");
    let _stalled = stalled_downloads(&suite, &id, 8).await;
    for _ in 0..10 {
        let items = json!([{ "product_id": book.id, "quantity": 1 }]);
        let placed = suite.http().order(&token, &unique("key"), &items).await.unwrap();
        assert_eq!(placed.status, StatusCode::CREATED, "{:?}", placed.json());
    }
    assert_eq!(upload().await.status, StatusCode::CREATED);
    assert_others_are_served(&suite).await;
    // a page of a shop finds its places again
    let page = async {
        loop {
            let images =
                join_all((0..50).map(async |_| suite.http().get(&path).await.status)).await;
            if images.iter().all(|status| *status == StatusCode::OK) {
                break;
            }
        }
    };
    timeout(PATIENCE, page).await.expect("all images");
}
