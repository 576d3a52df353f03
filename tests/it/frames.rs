//! Imports from clients that send each row in an HTTP/2 frame of its own, as those of Go, Java and
//! Node do, and as fast as flow control lets them.

use bytes::Bytes;
use prost::Message as _;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v1::{ImportProductsRequest, ImportProductsResponse};
use tokio::time::timeout;
use tonic::Code;

use crate::support::{Answer, Http2, PATIENCE, Suite, framed};

/// A row of about 50 bytes.
fn row(stream: usize, number: usize) -> Bytes {
    let row = ImportProductsRequest {
        line: i32::try_from(number).unwrap(),
        sku: format!("frame-{stream}-{number:06}"),
        name: "a row of fifty bytes".to_owned(),
        price: Some(Decimal { value: "1.00".to_owned() }),
        ..ImportProductsRequest::default()
    };
    framed(&row.encode_to_vec())
}

/// Imports rows over some streams of one connection at once.
async fn import(suite: &Suite, streams: usize, rows: usize) {
    let bearer = format!("Bearer {}", suite.admin().await);
    let connection = Http2::connect(suite.catalog_address()).await;
    let mut answers = Vec::new();
    let headers = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("authorization", bearer.as_str()),
    ];
    for stream in 0..streams {
        let path = "/souk.catalog.v1.CatalogService/ImportProducts";
        let (response, mut data) = connection.begin("POST", path, &headers).await;
        for number in 1..=rows {
            // each piece is a frame, which waits here until the window has room for it
            data.send_data(row(stream, number), number == rows).unwrap();
        }
        answers.push(Answer::of(response));
    }
    for answer in answers {
        let answer = timeout(PATIENCE, answer).await.expect("an answer");
        assert_eq!(answer.grpc().0, Code::Ok, "{answer:?}");
        let report = ImportProductsResponse::decode(answer.body.slice(5..)).unwrap();
        assert_eq!((report.created, report.rejected), (i32::try_from(rows).unwrap(), 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_rows_in_frames_of_their_own_are_imported() {
    import(&Suite::start().await, 1, 20_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_imports_share_a_connection() {
    import(&Suite::start().await, 4, 4_000).await;
}
