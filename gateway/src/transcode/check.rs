//! Whether bytes are a message at all. They are then somebody else's to read: what is refused here would be
//! a fault of theirs otherwise.

use super::plan::{Cardinality, Kind, MessageId, Plans};
use super::scalar::Scalar;
use super::wire::{MAX_DEPTH, Reader, WireType};

impl Plans {
    /// # Errors
    ///
    /// What is wrong with the bytes.
    pub fn check(&self, message: MessageId, wire: &[u8]) -> Result<(), &'static str> {
        self.check_fields(message, wire, 0)
    }

    fn check_fields(
        &self,
        message: MessageId,
        wire: &[u8],
        depth: u32,
    ) -> Result<(), &'static str> {
        if depth > MAX_DEPTH {
            return Err("is nested too deep");
        }
        let (plan, mut reader) = (self.plan(message), Reader::new(wire));
        while !reader.is_at_end() {
            let (number, wire_type) = reader.tag()?;
            let field = plan.field_by_number(number).map(|index| &plan.fields[index]);
            match field.map(|field| (field.cardinality, field.kind)) {
                Some((Cardinality::Map { key, value }, _)) if wire_type == WireType::Len => {
                    let entry = reader.length_delimited()?;
                    self.check_entry(Kind::Scalar(key), value, entry, depth)?;
                }
                // what has another wire type is no value of the field; all packed ones are alike
                Some((_, kind)) if wire_type == kind.wire_type() => {
                    self.check_value(kind, wire_type, &mut reader, depth)?;
                }
                _ => reader.skip(wire_type)?,
            }
        }
        Ok(())
    }

    fn check_entry(
        &self,
        key: Kind,
        value: Kind,
        entry: &[u8],
        depth: u32,
    ) -> Result<(), &'static str> {
        let mut reader = Reader::new(entry);
        while !reader.is_at_end() {
            match reader.tag()? {
                (1, wire_type) if wire_type == key.wire_type() => {
                    self.check_value(key, wire_type, &mut reader, depth)?;
                }
                (2, wire_type) if wire_type == value.wire_type() => {
                    self.check_value(value, wire_type, &mut reader, depth)?;
                }
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        Ok(())
    }

    fn check_value(
        &self,
        kind: Kind,
        wire_type: WireType,
        reader: &mut Reader<'_>,
        depth: u32,
    ) -> Result<(), &'static str> {
        match kind {
            Kind::Message(message) | Kind::Group { message, .. } => {
                let content = kind.content(reader)?;
                self.check_fields(message, content, depth + 1)
            }
            Kind::Scalar(Scalar::String) => reader.text().map(drop),
            Kind::Scalar(_) | Kind::Enum(_) => reader.skip(wire_type),
        }
    }
}
