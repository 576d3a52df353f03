//! How servers read requests.

use std::collections::HashMap;
use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::ProstEncoder;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::ERROR_DOMAIN;
use crate::souk::types::v1::Reason;

/// tonic's codec, except that a request that cannot be read is the caller's fault: tonic's says
/// INTERNAL, as it must where it reads a response.
pub(crate) struct ServerCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ServerCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for ServerCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = RequestDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        RequestDecoder(PhantomData)
    }
}

/// Reads requests.
pub(crate) struct RequestDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for RequestDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(buffer).map(Some).map_err(|error| malformed(&error))
    }
}

fn malformed(error: &prost::DecodeError) -> Status {
    let text = error.to_string();
    let what = text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text);
    Status::with_error_details(
        Code::InvalidArgument,
        format!("the request cannot be read: {what}"),
        ErrorDetails::with_error_info(
            Reason::MalformedRequest.code(),
            ERROR_DOMAIN,
            HashMap::new(),
        ),
    )
}
