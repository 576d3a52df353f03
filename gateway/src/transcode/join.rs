//! Fragments of messages, put together. Protobuf says that a message field which is there several times
//! is merged, but some runtimes keep only the last one: nobody shall depend on theirs.

use std::borrow::Cow;
use std::collections::HashMap;

use super::plan::{Cardinality, FieldPlan, Kind, MessageId, Plans};
use super::wire::{Reader, WireType, put_bytes, put_varint, tag};

/// What a message is made of.
enum Piece<'w> {
    /// As it stands.
    Other(&'w [u8]),
    /// The fragments of a field, by its index.
    Joined(usize, Vec<&'w [u8]>),
}

impl Plans {
    /// The same message, in which each singular field that is a message is there only once.
    pub fn join<'w>(&self, message: MessageId, wire: &'w [u8]) -> Cow<'w, [u8]> {
        // nothing but what we have written comes here; what cannot be read, the service refuses
        self.pieces(message, wire)
            .map_or(Cow::Borrowed(wire), |pieces| self.write(message, wire, pieces))
    }

    fn pieces<'w>(
        &self,
        message: MessageId,
        wire: &'w [u8],
    ) -> Result<Vec<Piece<'w>>, &'static str> {
        let plan = self.plan(message);
        let (mut reader, mut pieces) = (Reader::new(wire), Vec::new());
        // where the fragments of a field are among the pieces
        let mut places = HashMap::new();
        while !reader.is_at_end() {
            let start = reader.position();
            let (number, wire_type) = reader.tag()?;
            let index = plan
                .field_by_number(number)
                .filter(|index| is_one(&plan.fields[*index], wire_type));
            let Some(index) = index else {
                reader.skip(wire_type)?;
                pieces.push(Piece::Other(&wire[start..reader.position()]));
                continue;
            };
            let content = plan.fields[index].kind.content(&mut reader)?;
            let place = *places.entry(index).or_insert(pieces.len());
            match pieces.get_mut(place) {
                Some(Piece::Joined(_, fragments)) => fragments.push(content),
                _ => pieces.push(Piece::Joined(index, vec![content])),
            }
        }
        Ok(pieces)
    }

    fn write<'w>(
        &self,
        message: MessageId,
        wire: &'w [u8],
        pieces: Vec<Piece<'w>>,
    ) -> Cow<'w, [u8]> {
        let is_several =
            |piece: &Piece<'_>| matches!(piece, Piece::Joined(_, parts) if parts.len() > 1);
        if !pieces.iter().any(is_several) {
            return Cow::Borrowed(wire);
        }
        let mut out = Vec::with_capacity(wire.len());
        for piece in pieces {
            match piece {
                Piece::Other(bytes) => out.extend_from_slice(bytes),
                Piece::Joined(index, fragments) => {
                    let field = &self.plan(message).fields[index];
                    self.put_joined(field, &fragments, &mut out);
                }
            }
        }
        out.into()
    }

    fn put_joined(&self, field: &FieldPlan, fragments: &[&[u8]], out: &mut Vec<u8>) {
        let content = fragments.concat();
        // the fragments may have fragments of the same message
        let content = match field.kind.message() {
            Some(message) if fragments.len() > 1 => self.join(message, &content),
            _ => Cow::Borrowed(&content[..]),
        };
        put_varint(out, field.tag());
        if let Kind::Group { number, .. } = field.kind {
            out.extend_from_slice(&content);
            put_varint(out, tag(number, WireType::EndGroup).into());
        } else {
            put_bytes(out, &content);
        }
    }
}

/// Whether a value on the wire is the message of a singular field.
fn is_one(field: &FieldPlan, wire_type: WireType) -> bool {
    field.cardinality == Cardinality::Singular
        && field.kind.message().is_some()
        && field.wire_type == wire_type
}
