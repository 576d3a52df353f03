//! Protobuf's wire format: varints, tags and lengths.

/// How the bytes after a tag are delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Len = 2,
    /// Up to the tag that ends the group.
    Group = 3,
    EndGroup = 4,
    Fixed32 = 5,
}

/// The deepest nesting of messages, the same as prost's.
pub(super) const MAX_DEPTH: u32 = 100;

/// The tag of a field, as it stands on the wire.
pub(super) fn tag(number: u32, wire_type: WireType) -> u32 {
    number << 3 | wire_type as u32
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length and the bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Leaves room for a length that `close_length` writes once it is known.
pub(super) fn open_length(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Writes the length of everything after `start` in front of it.
pub(super) fn close_length(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
        return;
    }
    // one byte was left; a longer length moves the content
    let extra = (length.ilog2() / 7) as usize;
    out.resize(out.len() + extra, 0);
    out.copy_within(start..start + length, start + extra);
    let mut rest = length;
    for byte in &mut out[start - 1..start - 1 + extra] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[start - 1 + extra] = rest as u8;
}

pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads wire bytes from a position on. Its errors are what is wrong with the message.
#[derive(Clone)]
pub(super) struct Reader<'w> {
    bytes: &'w [u8],
    at: usize,
}

const TRUNCATED: &str = "ends too early";

impl<'w> Reader<'w> {
    pub(super) fn new(bytes: &'w [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn starting_at(bytes: &'w [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes a byte that has been peeked at.
    #[inline]
    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, &'static str> {
        match self.bytes.get(self.at..) {
            Some(&[byte, ..]) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            Some(&[low, high, ..]) if high < 0x80 => {
                self.at += 2;
                Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(TRUNCATED)?;
            self.at += 1;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("has a varint of more than 64 bits")
    }

    /// The number and the wire type of the next field.
    #[inline]
    pub(super) fn tag(&mut self) -> Result<(u32, WireType), &'static str> {
        let tag = u32::try_from(self.varint()?).map_err(|_| "has a bad tag")?;
        let wire_type = match tag & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Len,
            3 => WireType::Group,
            4 => WireType::EndGroup,
            5 => WireType::Fixed32,
            _ => return Err("has an unknown wire type"),
        };
        match tag >> 3 {
            0 => Err("has a field with the number 0"),
            number => Ok((number, wire_type)),
        }
    }

    #[inline]
    pub(super) fn length_delimited(&mut self) -> Result<&'w [u8], &'static str> {
        let length = usize::try_from(self.varint()?).map_err(|_| TRUNCATED)?;
        self.take(length)
    }

    #[inline]
    pub(super) fn text(&mut self) -> Result<&'w str, &'static str> {
        utf8(self.length_delimited()?)
    }

    /// The fields of a group. Passes the tag that ends it, too.
    pub(super) fn group(&mut self) -> Result<&'w [u8], &'static str> {
        let start = self.at;
        let mut open = 1u32;
        loop {
            let end = self.at;
            match self.tag()? {
                (_, WireType::Group) => open += 1,
                (_, WireType::EndGroup) if open == 1 => return Ok(&self.bytes[start..end]),
                (_, WireType::EndGroup) => open -= 1,
                (_, wire_type) => self.skip(wire_type)?,
            }
        }
    }

    pub(super) fn fixed32(&mut self) -> Result<[u8; 4], &'static str> {
        let bytes = self.take(4)?;
        bytes.try_into().map_err(|_| TRUNCATED)
    }

    pub(super) fn fixed64(&mut self) -> Result<[u8; 8], &'static str> {
        let bytes = self.take(8)?;
        bytes.try_into().map_err(|_| TRUNCATED)
    }

    /// Passes a value.
    #[inline]
    pub(super) fn skip(&mut self, wire_type: WireType) -> Result<(), &'static str> {
        match wire_type {
            WireType::Len => self.length_delimited().map(drop),
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.take(8).map(drop),
            WireType::Fixed32 => self.take(4).map(drop),
            WireType::Group => self.group().map(drop),
            WireType::EndGroup => Err("has the end of a group that has not begun"),
        }
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'w [u8], &'static str> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or(TRUNCATED)?;
        self.at += length;
        Ok(taken)
    }
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_any_size_stands_before_its_content() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let mut out = b"before".to_vec();
            let start = open_length(&mut out);
            out.extend((0..length).map(|byte| byte as u8));
            close_length(&mut out, start);

            let mut expected = b"before".to_vec();
            let content: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            put_bytes(&mut expected, &content);
            assert!(out == expected, "length {length}");
        }
    }

    #[test]
    fn every_varint_is_read_as_it_was_written() {
        for value in (0..64).flat_map(|bit| [1u64 << bit, (1u64 << bit) - 1]).chain([u64::MAX]) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(Reader::new(&out).varint(), Ok(value));
            assert_eq!(unzigzag(zigzag(value as i64)), value as i64);
        }
        assert!(Reader::new(&[0xff; 11]).varint().is_err());
        assert!(Reader::new(&[0x80]).varint().is_err());
    }
}
