//! What the targets share: messages with everything that a contract can have (those of the gateway's
//! transcoding tests), and JSON that is known to be right.

pub mod oracle;

use std::path::Path;
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor};
use souk_gateway::transcode::{InputError, MessageId, Plans, Style, WireError};

/// A message type in one style of JSON.
pub struct Message {
    /// What the gateway has compiled.
    pub plans: &'static Plans,
    /// Which message of them it is.
    pub id: MessageId,
    /// What the oracle knows of it.
    pub descriptor: MessageDescriptor,
    /// How its JSON looks.
    pub style: Style,
}

/// In the order of their letters, from `a` on. New ones go to the end, or all seeds change their meaning.
const NAMES: [&str; 13] = [
    "test.Scalars",
    "test.Optionals",
    "test.Lists",
    "test.Maps",
    "test.Oneofs",
    "test.Tree",
    "test.WellKnown",
    "test.Aliases",
    "test.Wide",
    "test.Nothing",
    "test.Groups",
    "uploads.Upload",
    // google.protobuf.Any, which only canonical JSON has
    "test.Holder",
];

static PLAIN: LazyLock<Vec<Message>> =
    LazyLock::new(|| compile(Style::Plain, &NAMES[..NAMES.len() - 1]));
static CANONICAL: LazyLock<Vec<Message>> = LazyLock::new(|| compile(Style::Canonical, &NAMES));

fn compile(style: Style, names: &[&str]) -> Vec<Message> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let includes = [root.join("../gateway/tests/transcoding"), root.join("../proto")];
    let mut compiler = protox::Compiler::new(includes).expect("the contracts are there");
    compiler.include_imports(true);
    for file in ["contract.proto", "groups.proto", "uploads.proto", "any.proto"] {
        compiler.open_file(file).expect("a contract");
    }
    let pool = DescriptorPool::decode(&*compiler.encode_file_descriptor_set()).expect("contracts");
    let descriptors: Vec<_> =
        names.iter().map(|name| pool.get_message_by_name(name).expect("a message")).collect();
    let plans = Plans::compile(descriptors.iter().cloned(), style).expect("messages with JSON");
    let plans: &Plans = Box::leak(Box::new(plans));
    let message = |descriptor: MessageDescriptor| {
        let id = plans.message(descriptor.full_name()).expect("a compiled message");
        Message { plans, id, descriptor, style }
    };
    descriptors.into_iter().map(message).collect()
}

/// Takes an input apart. Its first byte says which message is meant: a small letter in plain JSON, a
/// capital one in canonical.
pub fn message(data: &[u8]) -> Option<(&'static Message, &[u8])> {
    let (letter, rest) = data.split_first()?;
    let messages = if letter.is_ascii_lowercase() { &*PLAIN } else { &*CANONICAL };
    let index = letter.to_ascii_lowercase().checked_sub(b'a')?;
    Some((messages.get(usize::from(index))?, rest))
}

impl Message {
    /// The wire bytes of JSON. Nothing else may happen to what they are appended to.
    pub fn read(&self, json: &[u8]) -> Result<Vec<u8>, InputError> {
        let mut wire = BEFORE.to_vec();
        let read = self.plans.json_to_wire(self.id, json, &mut wire);
        appended(read, wire)
    }

    /// The JSON of wire bytes. Nothing else may happen to what it is appended to.
    pub fn write(&self, wire: &[u8]) -> Result<Vec<u8>, WireError> {
        let mut json = BEFORE.to_vec();
        let written = self.plans.wire_to_json(self.id, wire, &mut json);
        appended(written, json)
    }

    /// Reads JSON that was written, and panics unless it is then written as the same. Returns what was
    /// read, but for the two that are not meant to come back.
    pub fn read_back(&self, json: &[u8]) -> Option<Vec<u8>> {
        let text = str::from_utf8(json).expect("JSON is UTF-8");
        let wire = match self.read(json) {
            Ok(wire) => wire,
            // masks are written as they are, and read when they are names
            Err(error) if error.issue.starts_with("must be names") => return None,
            Err(error) => panic!("{error}: {text}"),
        };
        let again = self.write(&wire).expect("JSON, as there was some");
        // google.protobuf.NullValue is null whatever its number, and 0 when it is read
        if json != again && text.contains(r#""null":null"#) {
            return None;
        }
        assert_eq!(text, String::from_utf8_lossy(&again));
        Some(wire)
    }
}

/// What is there when something is appended.
pub const BEFORE: &[u8] = b"before";

/// What was appended, or nothing when there was an error.
pub fn appended<E>(result: Result<(), E>, all: Vec<u8>) -> Result<Vec<u8>, E> {
    let appended = all.strip_prefix(BEFORE).expect("what was there before");
    assert!(result.is_ok() || appended.is_empty());
    result.map(|()| appended.to_vec())
}
