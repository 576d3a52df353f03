//! The contracts that are tested, in both styles.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use souk_gateway::transcode::{MessageId, Plans, Style};

use crate::generate::Random;
use crate::oracle::expected_json;
use crate::tree::assert_same_json;

/// Contracts and their plans.
pub struct Contracts {
    pub style: Style,
    pub pool: DescriptorPool,
    pub messages: Vec<MessageDescriptor>,
    pub plans: Plans,
}

/// The contracts of the project, and one that has everything else.
pub static PLAIN: LazyLock<Contracts> =
    LazyLock::new(|| Contracts::compile(Style::Plain, &["contract", "groups", "uploads"]));

/// The same, and one that only canonical JSON has.
pub static CANONICAL: LazyLock<Contracts> = LazyLock::new(|| {
    Contracts::compile(Style::Canonical, &["contract", "groups", "uploads", "any"])
});

/// Both.
pub fn styles() -> [&'static Contracts; 2] {
    [&PLAIN, &CANONICAL]
}

impl Contracts {
    fn compile(style: Style, files: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let includes = [root.join("tests/transcoding"), root.join("../proto")];
        let mut compiler = protox::Compiler::new(includes).unwrap();
        compiler.include_imports(true);
        for file in files {
            compiler.open_file(format!("{file}.proto")).unwrap();
        }
        let bytes = compiler.encode_file_descriptor_set();
        let everything = DescriptorPool::decode(bytes.as_slice()).unwrap();
        let is_ours = |message: &MessageDescriptor| {
            let name = message.full_name();
            !message.is_map_entry()
                && (name.starts_with("souk.") || name.starts_with("test."))
                && !carries_bytes(message)
        };
        let messages = souk_proto::descriptors().all_messages().chain(everything.all_messages());
        let messages: Vec<_> = messages.filter(is_ours).collect();
        let plans = Plans::compile(messages.iter().cloned(), style).unwrap();
        Self { style, pool: everything, messages, plans }
    }

    pub fn id(&self, name: &str) -> MessageId {
        self.plans.message(name).unwrap()
    }

    pub fn descriptor(&self, name: &str) -> &MessageDescriptor {
        self.messages.iter().find(|message| message.full_name() == name).unwrap()
    }

    /// Runs `check` until it has been run `count` times, with each message type in turn.
    pub fn for_messages(
        &self,
        count: usize,
        check: impl Fn(&mut Random, &MessageDescriptor) -> bool,
    ) -> usize {
        let seed = seed();
        println!("TRANSCODING_SEED={seed}");
        let mut random = Random::new(seed);
        let types = self.messages.iter().cycle().take(count);
        types.filter(|descriptor| check(&mut random, descriptor)).count()
    }

    pub fn to_json(&self, descriptor: &MessageDescriptor, wire: &[u8]) -> Vec<u8> {
        let mut json = Vec::new();
        let id = self.id(descriptor.full_name());
        let written = self.plans.wire_to_json(id, wire, &mut json);
        written.unwrap_or_else(|error| panic!("{error}: {wire:?}"));
        json
    }

    pub fn to_message(&self, descriptor: &MessageDescriptor, json: &[u8]) -> DynamicMessage {
        let mut wire = Vec::new();
        let id = self.id(descriptor.full_name());
        let read = self.plans.json_to_wire(id, json, &mut wire);
        read.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)));
        decode(descriptor, &wire)
    }

    /// The wire bytes of a message that is given as JSON.
    pub fn wire(&self, name: &str, json: &str) -> Vec<u8> {
        let mut wire = Vec::new();
        let read = self.plans.json_to_wire(self.id(name), json.as_bytes(), &mut wire);
        read.unwrap_or_else(|error| panic!("{error}: {json}"));
        wire
    }

    pub fn assert_same(&self, actual: &DynamicMessage, expected: &DynamicMessage) {
        // NaN is not itself, and in google.protobuf.Any the same fields are not always the same bytes
        if let (true, Some(actual), Some(expected)) = (
            actual != expected,
            expected_json(actual, self.style),
            expected_json(expected, self.style),
        ) {
            assert_same_json(&actual, &expected, "message");
        } else {
            assert!(actual == expected, "\n{actual}\nis not\n{expected}");
        }
    }
}

/// Whether a message is one of bytes, which are no JSON: `http_body.rs` is about these.
fn carries_bytes(message: &MessageDescriptor) -> bool {
    let is_body = |field: FieldDescriptor| match field.kind() {
        Kind::Message(inner) => inner.full_name() == "google.api.HttpBody",
        _ => false,
    };
    message.fields().any(is_body)
}

/// A new seed for every run; `TRANSCODING_SEED` repeats one.
pub fn seed() -> u64 {
    let given = std::env::var("TRANSCODING_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64)
}

pub fn decode(descriptor: &MessageDescriptor, wire: &[u8]) -> DynamicMessage {
    let message = DynamicMessage::decode(descriptor.clone(), wire).unwrap();
    // once more without the zeros that mean nothing
    DynamicMessage::decode(descriptor.clone(), &*message.encode_to_vec()).unwrap()
}
