//! google.api.HttpBody: bytes of any media type, and which that is. The bytes are not copied on their
//! way out of a message, and stand at its end on their way in.

use bytes::Bytes;

use super::error::{Fault, InputError, WireError};
use super::plan::{MessageId, Plans};
use super::wire::{Reader, WireType, put_bytes, put_varint, tag};

/// The numbers of its fields.
const CONTENT_TYPE: u32 = 1;
const DATA: u32 = 2;

/// A body, and what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpBody {
    /// Its media type, as the message has it: not looked at, and empty when there is none.
    pub content_type: Bytes,
    /// The body.
    pub data: Bytes,
}

impl HttpBody {
    /// Takes a message apart: both parts are slices of it. Extensions are passed over.
    ///
    /// # Errors
    ///
    /// The bytes are no such message.
    pub fn from_wire(wire: &Bytes) -> Result<Self, WireError> {
        let mut body = Self::default();
        body.merge(wire, wire).map_err(|fault| *fault)?;
        Ok(body)
    }

    /// Appends all of a message but its data: the next `length` bytes must be these.
    pub fn put_head(content_type: &str, length: usize, out: &mut Vec<u8>) {
        put_varint(out, tag(CONTENT_TYPE, WireType::Len).into());
        put_bytes(out, content_type.as_bytes());
        put_varint(out, tag(DATA, WireType::Len).into());
        put_varint(out, length as u64);
    }

    /// Adds the fields of a message that is a part of `wire`.
    fn merge(&mut self, wire: &Bytes, message: &[u8]) -> Result<(), Fault> {
        let mut reader = Reader::new(message);
        while !reader.is_at_end() {
            match reader.tag()? {
                (CONTENT_TYPE, WireType::Len) => {
                    self.content_type = wire.slice_ref(reader.length_delimited()?);
                }
                (DATA, WireType::Len) => self.data = wire.slice_ref(reader.length_delimited()?),
                (CONTENT_TYPE | DATA, _) => return Err(WireError::new("has the wrong wire type")),
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        Ok(())
    }
}

impl Plans {
    /// Whether a message is google.api.HttpBody.
    pub fn is_http_body(&self, message: MessageId) -> bool {
        self.message("google.api.HttpBody") == Some(message)
    }

    /// The body in a field of a message, as in [`HttpBody::from_wire`]. Empty if the field is absent.
    ///
    /// # Errors
    ///
    /// The message has no such field, or the bytes are no such message.
    pub fn http_body_of_field(
        &self,
        message: MessageId,
        field: &str,
        wire: &Bytes,
    ) -> Result<HttpBody, WireError> {
        let plan = self.plan(message);
        let read = || -> Result<HttpBody, Fault> {
            let index = plan.field_by_any_name(field).ok_or("is not a known field")?;
            let mut body = HttpBody::default();
            let mut reader = Reader::new(wire);
            while !reader.is_at_end() {
                match reader.tag()? {
                    (number, WireType::Len) if number == plan.fields[index].number => {
                        body.merge(wire, reader.length_delimited()?)?;
                    }
                    (_, wire_type) => reader.skip(wire_type)?,
                }
            }
            Ok(body)
        };
        read().map_err(|fault| *fault.in_field(field))
    }

    /// Appends a field of a message that is a body, all but its data, as in [`HttpBody::put_head`].
    ///
    /// # Errors
    ///
    /// The message has no such field.
    pub fn put_http_body_head(
        &self,
        message: MessageId,
        field: &str,
        content_type: &str,
        length: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), InputError> {
        let plan = self.plan(message);
        let Some(index) = plan.field_by_any_name(field) else {
            return Err(*InputError::value("is not a known field").in_field(field));
        };
        let mut head = Vec::with_capacity(content_type.len() + 16);
        HttpBody::put_head(content_type, length, &mut head);
        put_varint(out, plan.fields[index].tag());
        put_varint(out, (head.len() + length) as u64);
        out.extend_from_slice(&head);
        Ok(())
    }
}
