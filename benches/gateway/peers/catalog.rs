//! A catalog that answers at once, for gateways to stand before: what it takes itself does not
//! hold them up.

use std::convert::Infallible;
use std::future::{Ready, ready};

use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use prost_types::Timestamp;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v1::{
    GetProductRequest, ListProductsRequest, ListProductsResponse, Product,
};
use souk_proto::souk::types::v1::Pagination;
use tonic::server::{Grpc, UnaryService};
use tonic::service::Routes;
use tonic::{Response, Status};
use tonic_prost::ProstCodec;

use crate::contracts::members::catalog_server::{Catalog, CatalogServer};

/// Souk's own RPC for one product, and a shop for members.
pub fn routes() -> Routes {
    let path = "/souk.catalog.v1.CatalogService/GetProduct";
    let routes = Routes::from(Router::new().route(path, post(get_product)));
    routes.add_service(CatalogServer::new(Members))
}

async fn get_product(request: Request) -> Result<axum::response::Response, Infallible> {
    let mut grpc = Grpc::new(ProstCodec::<Product, GetProductRequest>::default());
    Ok(grpc.unary(GetProduct, request).await.map(axum::body::Body::new))
}

struct GetProduct;

impl UnaryService<GetProductRequest> for GetProduct {
    type Response = Product;
    type Future = Ready<Result<Response<Product>, Status>>;

    fn call(&mut self, request: tonic::Request<GetProductRequest>) -> Self::Future {
        ready(Ok(Response::new(product(request.into_inner().id))))
    }
}

struct Members;

#[tonic::async_trait]
impl Catalog for Members {
    async fn get_product(
        &self,
        request: tonic::Request<GetProductRequest>,
    ) -> Result<Response<Product>, Status> {
        Ok(Response::new(product(request.into_inner().id)))
    }

    async fn list_products(
        &self,
        request: tonic::Request<ListProductsRequest>,
    ) -> Result<Response<ListProductsResponse>, Status> {
        let size = request.into_inner().size.unwrap_or(20);
        let id = |number| format!("prod_01h455vb4pex5vsknk084s{number:04}");
        let pagination = Pagination {
            size,
            next_cursor: Some("eyJhZnRlciI6InByb2RfMDFoNDU1dmI0cGV4NXZza25rMDg0c24wMnEifQ".into()),
            has_more: true,
            total: 10_000,
            ..Pagination::default()
        };
        let data = (0..size).map(|number| product(id(number))).collect();
        Ok(Response::new(ListProductsResponse { data, pagination: Some(pagination) }))
    }
}

fn product(id: String) -> Product {
    let time = Timestamp { seconds: 1_795_568_724, nanos: 360_123_000 };
    let category = |letter| format!("cat_01h455vb4pex5vsknk084sn0{letter}q");
    Product {
        id,
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
    }
}
