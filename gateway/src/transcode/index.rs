//! Where the fields of a message are in its wire bytes.

use super::error::{Fault, WireError};
use super::plan::{Cardinality, FieldPlan, Kind, MessagePlan};
use super::scalar::Scalar;
use super::wire::{Reader, WireType};

/// Where a field is in the wire bytes of its message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// How often it occurs.
    pub count: u32,
    /// The position of its first tag.
    first: u32,
    /// The position of its last value.
    last: u32,
}

/// Notes the places of all fields of a message. `places` has one for each field in the plan.
pub(super) fn note_places(
    plan: &MessagePlan,
    wire: &[u8],
    places: &mut [Place],
) -> Result<(), Fault> {
    if u32::try_from(wire.len()).is_err() {
        return Err(WireError::new("is too large"));
    }
    let mut reader = Reader::new(wire);
    while !reader.is_at_end() {
        let start = reader.position() as u32;
        let (known, wire_type) = read_tag(plan, &mut reader)?;
        if let Some(index) = known {
            for rival in &plan.fields[index].rivals {
                places[usize::from(*rival)] = Place::default();
            }
            let place = &mut places[index];
            if place.count == 0 {
                place.first = start;
            }
            place.count += 1;
            place.last = reader.position() as u32;
        }
        reader.skip(wire_type)?;
    }
    Ok(())
}

/// The index of the next field, if the plan has it, and how its value is delimited.
#[inline]
fn read_tag(
    plan: &MessagePlan,
    reader: &mut Reader<'_>,
) -> Result<(Option<usize>, WireType), Fault> {
    if let Some(index) = reader.peek().and_then(|byte| plan.field_by_short_tag(byte)) {
        reader.advance();
        return Ok((Some(index), plan.fields[index].wire_type));
    }
    let (number, wire_type) = reader.tag()?;
    let known = plan.field_by_number(number);
    if let Some(field) = known.map(|index| &plan.fields[index])
        && wire_type != field.wire_type
        && !is_packed(field, wire_type)
    {
        return Err(WireError::new("has the wrong wire type").in_field(&field.name));
    }
    Ok((known, wire_type))
}

/// Whether the values of a repeated field stand together, without tags between them. Every reader
/// must accept both forms, whatever the contract says.
pub(super) fn is_packed(field: &FieldPlan, wire_type: WireType) -> bool {
    wire_type == WireType::Len
        && matches!(field.kind, Kind::Scalar(_) | Kind::Enum(_))
        && field.wire_type != WireType::Len
        && matches!(field.cardinality, Cardinality::Packed | Cardinality::Repeated)
}

impl Place {
    /// The last value of a singular field.
    #[inline]
    pub(super) fn last_value(self, wire: &[u8]) -> Reader<'_> {
        Reader::starting_at(wire, self.last as usize)
    }

    /// All values of a field, in the order of the wire.
    pub(super) fn occurrences<'w>(self, field: &FieldPlan, wire: &'w [u8]) -> Occurrences<'w> {
        Occurrences {
            reader: Reader::starting_at(wire, self.first as usize),
            number: field.number,
            left: self.count,
        }
    }

    /// A singular message that occurs more than once is the merger of all of them, which is what
    /// their bytes make, one after the other.
    pub(super) fn merged(self, field: &FieldPlan, wire: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut merged = Vec::new();
        for occurrence in self.occurrences(field, wire) {
            merged.extend_from_slice(field.kind.content(&mut occurrence?.0)?);
        }
        Ok(merged)
    }

    /// Whether a field without presence has its zero value, as a list or map no items.
    pub(super) fn is_zero(self, field: &FieldPlan, wire: &[u8]) -> Result<bool, Fault> {
        if self.count == 0 {
            return Ok(true);
        }
        let mut value = self.last_value(wire);
        Ok(match (field.cardinality, field.kind) {
            (Cardinality::Map { .. }, _) => false,
            (Cardinality::Repeated | Cardinality::Packed, _) => {
                for occurrence in self.occurrences(field, wire) {
                    let (mut items, wire_type) = occurrence?;
                    if !is_packed(field, wire_type) || !items.length_delimited()?.is_empty() {
                        return Ok(false);
                    }
                }
                true
            }
            (Cardinality::Singular, Kind::Message(_) | Kind::Group { .. }) => false,
            (Cardinality::Singular, Kind::Enum(_)) => value.varint()? as u32 == 0,
            (Cardinality::Singular, Kind::Scalar(scalar)) => match scalar {
                Scalar::String | Scalar::Bytes => value.length_delimited()?.is_empty(),
                Scalar::Int32 | Scalar::Uint32 | Scalar::Sint32 => value.varint()? as u32 == 0,
                Scalar::Int64 | Scalar::Uint64 | Scalar::Sint64 | Scalar::Bool => {
                    value.varint()? == 0
                }
                Scalar::Fixed32 | Scalar::Sfixed32 | Scalar::Float => value.fixed32()? == [0; 4],
                Scalar::Fixed64 | Scalar::Sfixed64 | Scalar::Double => value.fixed64()? == [0; 8],
            },
        })
    }
}

/// The values of one field, each as a reader in front of it.
pub(super) struct Occurrences<'w> {
    reader: Reader<'w>,
    number: u32,
    left: u32,
}

impl<'w> Occurrences<'w> {
    fn advance(&mut self) -> Result<(Reader<'w>, WireType), Fault> {
        loop {
            let (number, wire_type) = self.reader.tag()?;
            let value = self.reader.clone();
            self.reader.skip(wire_type)?;
            if number == self.number {
                self.left -= 1;
                return Ok((value, wire_type));
            }
        }
    }
}

impl<'w> Iterator for Occurrences<'w> {
    type Item = Result<(Reader<'w>, WireType), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let occurrence = self.advance();
        if occurrence.is_err() {
            self.left = 0;
        }
        Some(occurrence)
    }
}
