//! Values that are given as text: in JSON strings, and in parameters.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::error::Issue;
use super::field_mask::{put_paths, snake_case};
use super::number::{is_number, put_quoted_number};
use super::plan::{Cardinality, Kind, MessagePlan, Plans, Shape};
use super::scalar::Scalar;
use super::time::{Time, parse_duration, parse_timestamp};
use super::wire::{WireType, close_length, open_length, put_bytes, put_varint, tag};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Appends the length and the bytes that base64 text stands for, in either alphabet, with or
/// without padding.
pub(super) fn put_base64(out: &mut Vec<u8>, text: &str) -> Result<(), Issue> {
    let engine = if text.contains(['-', '_']) { &BASE64_URL } else { &BASE64 };
    let start = open_length(out);
    let decoded = engine.decode_vec(text, out);
    decoded.map_err(|_| "must be base64")?;
    close_length(out, start);
    Ok(())
}

/// Appends the content of a message that is text in JSON.
pub(super) fn put_message_text(out: &mut Vec<u8>, shape: Shape, text: &str) -> Result<(), Issue> {
    match shape {
        Shape::Timestamp => put_time(out, parse_timestamp(text)?),
        Shape::Duration => put_time(out, parse_duration(text)?),
        Shape::FieldMask => return put_paths(out, text),
        Shape::CamelMask if text.contains('_') => {
            return Err("must be names in lowerCamelCase with commas between".into());
        }
        Shape::CamelMask => return put_paths(out, &snake_case(text)),
        Shape::Decimal if is_number(text) => {
            put_varint(out, tag(1, WireType::Len).into());
            put_bytes(out, text.as_bytes());
        }
        Shape::Decimal => return Err("must be a number".into()),
        Shape::Object | Shape::OnlyField | Shape::AnyValue | Shape::Any => {
            return Err("must be given by its fields".into());
        }
    }
    Ok(())
}

/// Zeros are written too: after an earlier value they must win.
fn put_time(out: &mut Vec<u8>, time: Time) {
    put_varint(out, tag(1, WireType::Varint).into());
    put_varint(out, time.seconds as u64);
    put_varint(out, tag(2, WireType::Varint).into());
    put_varint(out, i64::from(time.nanos) as u64);
}

impl Plans {
    /// Appends one value of a field, as a parameter gives it, with a length if its type has one.
    pub(super) fn put_text(&self, out: &mut Vec<u8>, kind: Kind, text: &str) -> Result<(), Issue> {
        match kind {
            Kind::Scalar(scalar) => put_scalar_text(out, scalar, text),
            Kind::Enum(id) => {
                let number = self.enumeration(id).number(text);
                if number.is_err() && is_number(text) {
                    return put_quoted_number(out, Scalar::Int32, text);
                }
                put_varint(out, i64::from(number?) as u64);
                Ok(())
            }
            Kind::Message(id) => {
                let start = open_length(out);
                self.put_message_parameter(out, self.plan(id), text)?;
                close_length(out, start);
                Ok(())
            }
            Kind::Group { .. } => Err("must be given by its fields".into()),
        }
    }

    fn put_message_parameter(
        &self,
        out: &mut Vec<u8>,
        plan: &MessagePlan,
        text: &str,
    ) -> Result<(), Issue> {
        match (plan.shape, &plan.fields[..]) {
            (Shape::OnlyField, [only]) if only.cardinality == Cardinality::Singular => {
                put_varint(out, only.tag());
                self.put_text(out, only.kind, text)
            }
            (Shape::OnlyField | Shape::AnyValue | Shape::Any, _) => {
                Err("cannot be a parameter".into())
            }
            // parameters may have proto names in any style
            (Shape::CamelMask, _) => put_paths(out, &snake_case(text)),
            (shape, _) => put_message_text(out, shape, text),
        }
    }
}

fn put_scalar_text(out: &mut Vec<u8>, scalar: Scalar, text: &str) -> Result<(), Issue> {
    match (scalar, text) {
        (Scalar::String, _) => put_bytes(out, text.as_bytes()),
        (Scalar::Bytes, _) => return put_base64(out, text),
        (Scalar::Bool, "true") => out.push(1),
        (Scalar::Bool, "false") => out.push(0),
        (Scalar::Bool, _) => return Err("must be true or false".into()),
        _ => return put_quoted_number(out, scalar, text),
    }
    Ok(())
}

/// Appends bytes as base64 in quotation marks: the standard alphabet, with padding.
pub(super) fn put_base64_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let encoded = BASE64.encode(bytes);
    out.push(b'"');
    out.extend_from_slice(encoded.as_bytes());
    out.push(b'"');
}
