//! Calls an RPC with wire bytes.

use bytes::Bytes;
use tonic::Status;
use tonic::client::Grpc;

use crate::codec::WireBytes;
use crate::routing::Route;

/// The largest answer of a service, in bytes. Services bound their pages well below.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A call of one message that is answered with one.
pub(crate) async fn unary(
    route: &Route,
    request: tonic::Request<Bytes>,
) -> Result<tonic::Response<Bytes>, Status> {
    let codec = WireBytes::for_request(request.get_ref());
    let mut client = Grpc::new(route.channel.clone()).max_decoding_message_size(MAX_ANSWER);
    client.ready().await.map_err(Status::from_error)?;
    client.unary(request, route.path.clone(), codec).await
}
