//! The gRPC codec of a gateway: messages are wire bytes before it and after it.

use bytes::{Buf as _, BufMut as _, Bytes};
use souk_kit::frame::HEADER;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::pipe::BrokenOff;

/// Passes wire bytes through.
pub(crate) struct WireBytes {
    request_len: usize,
}

impl WireBytes {
    /// For a request of this length, so that its buffer fits.
    pub(crate) fn for_request(wire: &[u8]) -> Self {
        Self { request_len: wire.len() }
    }
}

impl Codec for WireBytes {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = WireEncoder;
    type Decoder = WireDecoder;

    fn encoder(&mut self) -> WireEncoder {
        WireEncoder { buffer: self.request_len + HEADER }
    }

    fn decoder(&mut self) -> WireDecoder {
        WireDecoder
    }
}

pub(crate) struct WireEncoder {
    buffer: usize,
}

impl Encoder for WireEncoder {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, wire: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(wire);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(self.buffer, self.buffer)
    }
}

/// The same for a stream of requests.
pub(crate) struct WireStream;

impl Codec for WireStream {
    type Encode = Result<Bytes, BrokenOff>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = WireDecoder;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> WireDecoder {
        WireDecoder
    }
}

impl Encoder for WireStream {
    type Item = Result<Bytes, BrokenOff>;
    type Error = Status;

    fn encode(&mut self, wire: Self::Item, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // a service of tonic takes a stream that is cancelled for one that has come to its end
        out.put(wire.map_err(|error| Status::aborted(error.to_string()))?);
        Ok(())
    }
}

pub(crate) struct WireDecoder;

impl Decoder for WireDecoder {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
