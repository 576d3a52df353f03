//! A catalog that answers at once, for gateways to stand before: what it takes itself does not
//! hold them up.

use std::convert::Infallible;
use std::future::{Ready, ready};

use anyhow::Result;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use prost_types::Timestamp;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v1::{GetProductRequest, Product};
use tokio::net::TcpListener;
use tonic::Status;
use tonic::server::{Grpc, UnaryService};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_prost::ProstCodec;

/// Serves gRPC until the bench is gone.
pub async fn serve(listener: TcpListener) -> Result<()> {
    let path = "/souk.catalog.v1.CatalogService/GetProduct";
    let routes = Routes::from(Router::new().route(path, post(get_product)));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder().add_routes(routes).serve_with_incoming(incoming).await?)
}

async fn get_product(request: Request) -> Result<Response, Infallible> {
    let mut grpc = Grpc::new(ProstCodec::<Product, GetProductRequest>::default());
    Ok(grpc.unary(GetProduct, request).await.map(axum::body::Body::new))
}

struct GetProduct;

impl UnaryService<GetProductRequest> for GetProduct {
    type Response = Product;
    type Future = Ready<Result<tonic::Response<Product>, Status>>;

    fn call(&mut self, request: tonic::Request<GetProductRequest>) -> Self::Future {
        let time = Timestamp { seconds: 1_795_568_724, nanos: 360_123_000 };
        let category = |letter| format!("cat_01h455vb4pex5vsknk084sn0{letter}q");
        ready(Ok(tonic::Response::new(Product {
            id: request.into_inner().id,
            sku: "BK-00001".to_owned(),
            name: "The Hunger Games (The Hunger Games, #1)".to_owned(),
            description: String::new(),
            price: Some(Decimal { value: "44.99".to_owned() }),
            available: 116,
            in_stock: true,
            category_ids: ["a", "b", "c"].map(category).into(),
            created_at: Some(time),
            updated_at: Some(time),
            etag: "\"1\"".to_owned(),
        })))
    }
}
