//! Whose fault it is when a message cannot be read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use http_body_util::Full;
use prost::Message as _;
use prost::bytes::Bytes;
use souk_proto::souk::orders::v1::orders_service_client::OrdersServiceClient;
use souk_proto::souk::orders::v1::orders_service_server::{OrdersService, OrdersServiceServer};
use souk_proto::souk::orders::v1::{
    CancelOrderRequest, CreateOrderRequest, GetOrderRequest, GetTimelineRequest, ListOrdersRequest,
    ListOrdersResponse, Order, Timeline,
};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;
use tower::{ServiceExt as _, service_fn};

const PATH: &str = "/souk.orders.v1.OrdersService/GetOrder";

/// A service that gets every order.
struct Orders;

#[tonic::async_trait]
impl OrdersService for Orders {
    async fn create_order(
        &self,
        _: Request<CreateOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        Ok(Response::new(Order { id: request.into_inner().id, ..Order::default() }))
    }

    async fn list_orders(
        &self,
        _: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn cancel_order(
        &self,
        _: Request<CancelOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_timeline(
        &self,
        _: Request<GetTimelineRequest>,
    ) -> Result<Response<Timeline>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// The body of a call or answer with one message.
fn framed(message: &[u8]) -> Full<Bytes> {
    let length = u32::try_from(message.len()).unwrap();
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    Full::new(frame.into())
}

/// Sends bytes as the message of a GetOrder.
async fn get(message: &[u8]) -> Result<(), Status> {
    let request = http::Request::post(PATH).header("content-type", "application/grpc");
    let request = request.body(framed(message)).unwrap();
    let response = OrdersServiceServer::new(Orders).oneshot(request).await.unwrap();
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != Code::Ok => Err(status),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_the_callers_fault() {
    for (message, what) in [
        // field 1 is a string
        (&b"\x0a\x02\xff\xff"[..], "GetOrderRequest.id: invalid string value"),
        (&b"\x08\x01"[..], "GetOrderRequest.id: invalid wire type"),
        (&b"\x0a\x7fabc"[..], "GetOrderRequest.id: buffer underflow"),
        (&b"\x0a"[..], "GetOrderRequest.id: invalid varint"),
        (&b"\x0f"[..], "invalid wire type value: 7"),
    ] {
        let status = get(message).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let expected = format!("the request cannot be read: {what}");
        assert!(status.message().starts_with(&expected), "{}", status.message());
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("MALFORMED_REQUEST", "souk"));
    }
}

#[tokio::test]
async fn a_request_that_can_be_read_is_served() {
    let request = GetOrderRequest { id: "ord_1".to_owned() };
    get(&request.encode_to_vec()).await.unwrap();
    // nobody has to know every field
    get(b"\x7a\x01x").await.unwrap();

    let mut client = OrdersServiceClient::new(OrdersServiceServer::new(Orders));
    assert_eq!(client.get_order(request).await.unwrap().into_inner().id, "ord_1");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_no_fault_of_the_caller() {
    let garbling = service_fn(|_: http::Request<tonic::body::Body>| async {
        let answer = http::Response::builder().header("content-type", "application/grpc");
        Ok::<_, std::convert::Infallible>(answer.body(framed(b"\x0a\x02\xff\xff")).unwrap())
    });
    let request = GetOrderRequest { id: "ord_1".to_owned() };
    let status = OrdersServiceClient::new(garbling).get_order(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status:?}");
}
