//! Random messages, wire bytes and damage, all from one seed.

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

/// What a google.protobuf.Any holds: first what is deep, then what is not.
const HELD: [&str; 11] = [
    "google.protobuf.Any",
    "google.protobuf.Struct",
    "test.Holder",
    "test.Oneofs",
    "test.Scalars",
    "test.Nothing",
    "google.protobuf.Empty",
    "google.protobuf.Duration",
    "google.protobuf.FieldMask",
    "google.protobuf.BytesValue",
    "google.type.Decimal",
];

/// SplitMix64: small, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Integers at the edges as often as in the middle.
    fn integer(&mut self) -> i64 {
        let edges =
            [0, 1, -1, i32::MAX.into(), i32::MIN.into(), u32::MAX.into(), i64::MAX, i64::MIN];
        match self.below(3) {
            0 => self.pick(&edges),
            1 => self.below(200) as i64 - 100,
            _ => (self.next() >> self.below(64)) as i64,
        }
    }

    fn float(&mut self) -> f64 {
        match self.below(6) {
            0 => self.pick(&[0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0]),
            1 => f64::from_bits(self.next()),
            2 => self.below(1_000_000) as f64 / 100.0,
            3 => self.below(100) as f64,
            4 => 10f64.powi(self.below(600) as i32 - 300),
            _ => f64::from(f32::from_bits(self.next() as u32)),
        }
    }

    fn finite(&mut self) -> f64 {
        Some(self.float()).filter(|float| float.is_finite()).unwrap_or(0.5)
    }

    fn text(&mut self) -> String {
        let pieces = [
            "plain",
            " ",
            "\"",
            "\\",
            "\n",
            "\u{0}",
            "\u{1f}",
            "\u{7f}",
            "é",
            "日本語",
            "🛒",
            "/",
            "a longer piece of text",
            "\u{2028}",
            "\u{ffff}",
            "null",
            "1",
            "\t",
            "\u{8}",
            "\u{c}",
            "\r",
        ];
        (0..self.below(8)).map(|_| self.pick(&pieces)).collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(12)).map(|_| self.next() as u8).collect()
    }

    fn decimal(&mut self) -> String {
        let whole = self.next() >> self.below(64);
        let sign = self.pick(&["", "", "-"]);
        match self.below(4) {
            0 => format!("{sign}{whole}"),
            1 => format!("{sign}{whole}.{:02}", self.below(100)),
            2 => format!("{sign}{whole}.{}{}", self.next(), self.next()),
            _ => format!("{sign}{whole}.5e{}", self.below(2000) as i32 - 1000),
        }
    }

    pub fn message(&mut self, descriptor: &MessageDescriptor, depth: u32) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        if self.well_known(&mut message, depth) {
            return message;
        }
        for field in descriptor.fields() {
            // absent or null, JSON cannot tell: see the documentation of the module
            let is_value = !field.is_list()
                && !field.is_map()
                && field.containing_oneof().is_none()
                && field
                    .kind()
                    .as_message()
                    .is_some_and(|kind| kind.full_name() == "google.protobuf.Value");
            if is_value || !self.one_in(3) && (depth < 3 || field.kind().as_message().is_none()) {
                let value = self.field(&field, depth);
                message.set_field(&field, value);
            }
        }
        message
    }

    fn field(&mut self, field: &FieldDescriptor, depth: u32) -> Value {
        if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            let entries = (0..self.below(4))
                .map(|_| (self.map_key(&key.kind()), self.value(&value.kind(), depth)));
            return Value::Map(entries.collect());
        }
        if field.is_list() {
            return Value::List(
                (0..self.below(4)).map(|_| self.value(&field.kind(), depth)).collect(),
            );
        }
        self.value(&field.kind(), depth)
    }

    fn map_key(&mut self, kind: &Kind) -> MapKey {
        match self.value(kind, 0) {
            Value::Bool(key) => MapKey::Bool(key),
            Value::I32(key) => MapKey::I32(key),
            Value::I64(key) => MapKey::I64(key),
            Value::U32(key) => MapKey::U32(key),
            Value::U64(key) => MapKey::U64(key),
            Value::String(key) => MapKey::String(key),
            other => panic!("{other:?} cannot be a key"),
        }
    }

    fn value(&mut self, kind: &Kind, depth: u32) -> Value {
        match kind {
            Kind::Double => Value::F64(self.float()),
            Kind::Float => Value::F32(self.float() as f32),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(self.integer() as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(self.integer()),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(self.integer() as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(self.integer() as u64),
            Kind::Bool => Value::Bool(self.one_in(2)),
            Kind::String => Value::String(self.text()),
            Kind::Bytes => Value::Bytes(self.bytes().into()),
            Kind::Enum(kind) if kind.full_name() == "google.protobuf.NullValue" => {
                Value::EnumNumber(0)
            }
            Kind::Enum(_) if self.one_in(10) => Value::EnumNumber(self.integer() as i32),
            Kind::Enum(kind) => {
                let values: Vec<i32> = kind.values().map(|value| value.number()).collect();
                Value::EnumNumber(self.pick(&values))
            }
            Kind::Message(descriptor) => Value::Message(self.message(descriptor, depth + 1)),
        }
    }

    fn well_known(&mut self, message: &mut DynamicMessage, depth: u32) -> bool {
        let descriptor = message.descriptor();
        let mut set = |name: &str, value: Value| message.set_field_by_name(name, value);
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => {
                let seconds = self.next() % (253_402_300_799 + 62_135_596_800);
                set("seconds", Value::I64(seconds as i64 - 62_135_596_800));
                set("nanos", Value::I32(self.nanos()));
            }
            "google.protobuf.Duration" => {
                let sign = self.pick(&[1, -1]);
                let seconds = (self.next() >> self.below(64)) % 315_576_000_000;
                set("seconds", Value::I64(seconds as i64 * i64::from(sign)));
                set("nanos", Value::I32(self.nanos() * sign));
            }
            "google.protobuf.FieldMask" => {
                let paths = ["name", "unit_price", "data.created_at", "a.b.c"];
                let paths = (0..self.below(4)).map(|_| Value::String(self.pick(&paths).into()));
                set("paths", Value::List(paths.collect()));
            }
            "google.protobuf.Value" => {
                let choices = if depth < 5 { 6 } else { 4 };
                let field = descriptor.get_field(1 + self.below(choices) as u32).unwrap();
                let value = match field.kind() {
                    Kind::Double => Value::F64(self.finite()),
                    kind => self.value(&kind, depth),
                };
                message.set_field(&field, value);
            }
            // the oracle writes others as null
            "google.protobuf.DoubleValue" => set("value", Value::F64(self.finite())),
            "google.protobuf.FloatValue" => {
                set("value", Value::F32(self.below(1_000) as f32 / 8.0))
            }
            "google.type.Decimal" => set("value", Value::String(self.decimal())),
            "google.protobuf.Any" => {
                let types: &[&str] = if depth < 3 { &HELD } else { &HELD[4..] };
                let name = self.pick(types);
                let held = descriptor.parent_pool().get_message_by_name(name).unwrap();
                let held = self.message(&held, depth + 1).encode_to_vec();
                set("type_url", Value::String(format!("type.googleapis.com/{name}")));
                set("value", Value::Bytes(held.into()));
            }
            _ => return false,
        }
        true
    }

    fn nanos(&mut self) -> i32 {
        let nanos = self.below(1_000_000_000) as i32;
        self.pick(&[0, nanos, nanos / 1_000 * 1_000, nanos / 1_000_000 * 1_000_000])
    }

    /// Wire bytes that no encoder would write but every decoder must read: several messages merged,
    /// fields in any order, packed and unpacked lists, unknown fields; at every depth.
    pub fn unusual_wire(&mut self, descriptor: &MessageDescriptor, depth: u32) -> Vec<u8> {
        let mut pieces = Vec::new();
        for _ in 0..1 + self.below(3) {
            let message = self.message(descriptor, depth);
            pieces.extend(
                message.fields().map(|(field, value)| self.unusual_field(&field, value, depth)),
            );
        }
        if self.one_in(2) {
            pieces.push(self.unknown_field());
        }
        for index in (1..pieces.len()).rev() {
            pieces.swap(index, self.below(index + 1));
        }
        pieces.concat()
    }

    fn unusual_field(&mut self, field: &FieldDescriptor, value: &Value, depth: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let Kind::Message(descriptor) = field.kind() else {
            let mut single = DynamicMessage::new(field.parent_message().clone());
            single.set_field(field, value.clone());
            return match value {
                Value::List(values) if self.one_in(2) => self.repacked(field, values),
                _ => single.encode_to_vec(),
            };
        };
        for _ in 0..1 + self.below(2) {
            let inner =
                if depth > 3 { Vec::new() } else { self.unusual_wire(&descriptor, depth + 1) };
            if field.is_group() {
                prost::encoding::encode_varint((field.number() << 3 | 3).into(), &mut out);
                out.extend(inner);
                prost::encoding::encode_varint((field.number() << 3 | 4).into(), &mut out);
                continue;
            }
            prost::encoding::encode_varint((field.number() << 3 | 2).into(), &mut out);
            prost::encoding::encode_varint(inner.len() as u64, &mut out);
            out.extend(inner);
        }
        out
    }

    /// A list of scalars with a tag for each, or all behind one, whatever its contract asks for.
    fn repacked(&mut self, field: &FieldDescriptor, values: &[Value]) -> Vec<u8> {
        let wire_type = match field.kind() {
            Kind::String | Kind::Bytes => 2,
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
            _ => 0,
        };
        let mut tagged = Vec::new();
        let mut packed = Vec::new();
        for value in values {
            let mut single = DynamicMessage::new(field.parent_message().clone());
            single.set_field(field, Value::List(vec![value.clone()]));
            let wire = single.encode_to_vec();
            let content = value_of_single(&wire, field.is_packed());
            prost::encoding::encode_varint((field.number() << 3 | wire_type).into(), &mut tagged);
            tagged.extend_from_slice(content);
            packed.extend_from_slice(content);
        }
        if wire_type == 2 || self.one_in(2) {
            return tagged;
        }
        let mut out = Vec::new();
        prost::encoding::encode_varint((field.number() << 3 | 2).into(), &mut out);
        prost::encoding::encode_varint(packed.len() as u64, &mut out);
        out.extend(packed);
        out
    }

    fn unknown_field(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let wire_type = self.pick(&[0, 1, 2, 3, 5]);
        prost::encoding::encode_varint(99_999 << 3 | wire_type, &mut out);
        match wire_type {
            0 => prost::encoding::encode_varint(self.next(), &mut out),
            1 => out.extend([1; 8]),
            2 => out.extend(b"\x03abc"),
            // a group in a group
            3 => {
                out.extend(b"\x0b\x10\x05\x0c");
                prost::encoding::encode_varint(99_999 << 3 | 4, &mut out);
            }
            _ => out.extend([2; 4]),
        }
        out
    }

    /// Changes, removes, inserts or repeats a few bytes.
    pub fn damage(&mut self, bytes: &mut Vec<u8>, alphabet: &[u8]) {
        for _ in 0..1 + self.below(3) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.insert(at, self.pick(alphabet)),
                3 => {
                    let piece = bytes[at..(at + self.below(20)).min(bytes.len())].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
                _ if at < bytes.len() => bytes[at] = self.pick(alphabet),
                _ => (),
            }
        }
    }
}

/// The bytes of the only value, behind its tag and, where it is packed, its length.
fn value_of_single(mut wire: &[u8], is_packed: bool) -> &[u8] {
    prost::encoding::decode_varint(&mut wire).unwrap();
    if is_packed {
        prost::encoding::decode_varint(&mut wire).unwrap();
    }
    wire
}
