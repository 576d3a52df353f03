//! Transcoding against an oracle: prost-reflect, which knows the same contracts but builds messages.

#![allow(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod generate;
mod malformed;
mod oracle;
mod params;
mod tree;

use std::path::Path;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use generate::Random;
use oracle::{canonical_json, expected_json};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use souk_gateway::transcode::{MessageId, Plans};
use tree::{Tree, assert_same_json};

/// The contracts of the project, and one that has everything else.
struct Contracts {
    messages: Vec<MessageDescriptor>,
    plans: Plans,
}

static CONTRACTS: LazyLock<Contracts> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let includes = [root.join("tests/transcoding"), root.join("../proto")];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).open_file("contract.proto").unwrap();
    let bytes = compiler.encode_file_descriptor_set();
    let everything = DescriptorPool::decode(bytes.as_slice()).unwrap();
    let is_ours = |message: &MessageDescriptor| {
        let name = message.full_name();
        !message.is_map_entry() && (name.starts_with("souk.") || name.starts_with("test."))
    };
    let messages = souk_proto::descriptors().all_messages().chain(everything.all_messages());
    let messages: Vec<_> = messages.filter(is_ours).collect();
    let plans = Plans::compile(messages.iter().cloned()).unwrap();
    Contracts { messages, plans }
});

fn plans() -> &'static Plans {
    &CONTRACTS.plans
}

fn message_id(name: &str) -> MessageId {
    plans().message(name).unwrap()
}

fn descriptor(name: &str) -> &'static MessageDescriptor {
    CONTRACTS.messages.iter().find(|message| message.full_name() == name).unwrap()
}

/// A new seed for every run; `TRANSCODING_SEED` repeats one.
fn seed() -> u64 {
    let given = std::env::var("TRANSCODING_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64)
}

/// Runs `check` until it has been run `count` times, with each message type in turn.
fn for_messages(count: usize, check: impl Fn(&mut Random, &MessageDescriptor) -> bool) -> usize {
    let seed = seed();
    println!("TRANSCODING_SEED={seed}");
    let mut random = Random::new(seed);
    let types = CONTRACTS.messages.iter().cycle().take(count);
    types.filter(|descriptor| check(&mut random, descriptor)).count()
}

fn to_json(descriptor: &MessageDescriptor, wire: &[u8]) -> Vec<u8> {
    let mut json = Vec::new();
    let id = message_id(descriptor.full_name());
    plans().wire_to_json(id, wire, &mut json).unwrap_or_else(|error| panic!("{error}: {wire:?}"));
    json
}

fn to_message(descriptor: &MessageDescriptor, json: &[u8]) -> DynamicMessage {
    let mut wire = Vec::new();
    let id = message_id(descriptor.full_name());
    plans()
        .json_to_wire(id, json, &mut wire)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)));
    decode(descriptor, &wire)
}

fn decode(descriptor: &MessageDescriptor, wire: &[u8]) -> DynamicMessage {
    let message = DynamicMessage::decode(descriptor.clone(), wire).unwrap();
    // once more without the zeros that mean nothing
    DynamicMessage::decode(descriptor.clone(), &*message.encode_to_vec()).unwrap()
}

fn assert_same(actual: &DynamicMessage, expected: &DynamicMessage) {
    // NaN is not itself
    let has_nan = *expected != expected.clone();
    if let (true, Some(actual), Some(expected)) =
        (has_nan, expected_json(actual), expected_json(expected))
    {
        assert_same_json(&actual, &expected, "message with NaN");
    } else {
        assert!(actual == expected, "\n{actual}\nis not\n{expected}");
    }
}

#[test]
fn every_message_of_every_contract_reads_like_the_oracle() {
    let count = for_messages(10_000, |random, descriptor| {
        let wire = random.message(descriptor, 0).encode_to_vec();
        let message = decode(descriptor, &wire);
        let json = to_json(descriptor, &wire);
        let expected = expected_json(&message).expect("the generator makes what JSON can say");
        assert_same_json(&Tree::parse(&json), &expected, descriptor.full_name());
        assert_same(&to_message(descriptor, &json), &message);
        true
    });
    println!("{count} messages of {} types are the same", CONTRACTS.messages.len());
}

#[test]
fn canonical_json_is_understood() {
    let count = for_messages(5_000, |random, descriptor| {
        let message = random.message(descriptor, 0);
        if !speaks_canonical(descriptor, &mut Vec::new()) {
            return false;
        }
        let json = canonical_json(&message).unwrap();
        let message = decode(descriptor, &message.encode_to_vec());
        assert_same(&to_message(descriptor, &json), &message);
        true
    });
    println!("{count} messages in canonical JSON are understood");
    assert!(count > 1_000);
}

/// Whether all that the message holds has canonical JSON that we accept: not so Decimal, which is
/// an object there, and FieldMask, which has camel case there.
fn speaks_canonical(descriptor: &MessageDescriptor, seen: &mut Vec<String>) -> bool {
    let name = descriptor.full_name().to_owned();
    if ["google.type.Decimal", "google.protobuf.FieldMask"].contains(&&*name) {
        return false;
    }
    if seen.contains(&name) {
        return true;
    }
    seen.push(name);
    let kinds: Vec<_> = descriptor.fields().map(|field| field.kind()).collect();
    kinds.iter().filter_map(|kind| kind.as_message()).all(|inner| speaks_canonical(inner, seen))
}

#[test]
fn unusual_wire_bytes_mean_what_protobuf_says() {
    let count = for_messages(5_000, |random, descriptor| {
        let wire = random.unusual_wire(descriptor, 0);
        let message = DynamicMessage::decode(descriptor.clone(), &*wire).unwrap();
        let Some(expected) = expected_json(&message) else {
            return false;
        };
        let mut json = Vec::new();
        match plans().wire_to_json(message_id(descriptor.full_name()), &wire, &mut json) {
            Ok(()) => assert_same_json(&Tree::parse(&json), &expected, descriptor.full_name()),
            // two durations have been merged; the oracle makes one of them
            Err(error) => assert_eq!(error.issue, "is a duration of two signs", "{error}"),
        }
        true
    });
    println!("{count} unusual messages are the same");
    assert!(count > 4_500);
}

#[test]
fn a_list_of_products_reads_as_its_contract_says() {
    let json = br#"{"data":[{"id":"prod_1","sku":"A","name":"\u00c5 \"B\"","price":599.00,
        "available":3,"in_stock":true,"category_ids":["cat_1"],"created_at":"2025-01-31T12:00:00+01:00"}],
        "pagination":{"size":20}}"#;
    let mut wire = Vec::new();
    let id = message_id("souk.catalog.v1.ListProductsResponse");
    plans().json_to_wire(id, json, &mut wire).unwrap();
    let list = souk_proto::souk::catalog::v1::ListProductsResponse::decode(&*wire).unwrap();
    assert_eq!(list.data[0].price.as_ref().unwrap().value, "599.00");

    let mut json = Vec::new();
    plans().wire_to_json(id, &list.encode_to_vec(), &mut json).unwrap();
    assert_eq!(
        String::from_utf8(json).unwrap(),
        concat!(
            r#"{"data":[{"id":"prod_1","sku":"A","name":"Å \"B\"","description":"","price":599.00,"#,
            r#""available":3,"in_stock":true,"category_ids":["cat_1"],"#,
            r#""created_at":"2025-01-31T11:00:00Z","updated_at":null,"etag":""}],"#,
            r#""pagination":{"size":20,"next_cursor":null,"has_more":false,"total":0,"#,
            r#""page":null,"pages":null}}"#
        )
    );
}

#[test]
fn a_decimal_without_digits_is_zero() {
    let product = souk_proto::souk::catalog::v1::Product {
        price: Some(souk_proto::google::r#type::Decimal::default()),
        ..Default::default()
    };
    let json = to_json(descriptor("souk.catalog.v1.Product"), &product.encode_to_vec());
    assert!(String::from_utf8(json).unwrap().contains(r#""price":0,"#));
}

#[test]
fn the_keys_of_a_patch_are_those_of_its_body() {
    let id = message_id("souk.catalog.v1.UpdateProductRequest");
    let mut wire = Vec::new();
    let body = br#"{"price":null,"name":"New","category_ids":[]}"#;
    let keys = plans().json_to_wire_with_keys(id, body, &mut wire).unwrap();
    assert_eq!(keys, ["price", "name", "category_ids"]);
    let request = souk_proto::souk::catalog::v1::UpdateProductRequest::decode(&*wire).unwrap();
    assert_eq!((request.price, request.name.as_deref()), (None, Some("New")));
}

#[test]
fn fragments_merge_in_the_order_in_which_they_are_appended() {
    let id = message_id("test.Optionals");
    let mut wire = Vec::new();
    plans().json_to_wire(id, br#"{"text":"a","scalars":{"text":"b"}}"#, &mut wire).unwrap();
    plans().json_field_to_wire(id, "scalars", br#"{"bool_value":true}"#, &mut wire).unwrap();
    plans().json_to_wire(id, br#"{"text":"c"}"#, &mut wire).unwrap();
    let message = decode(descriptor("test.Optionals"), &wire);
    let expected = to_message(
        descriptor("test.Optionals"),
        br#"{"text":"c","scalars":{"text":"b","bool_value":true}}"#,
    );
    assert_eq!(message, expected);
}

#[test]
fn a_contract_that_json_cannot_say_is_refused_at_the_start() {
    let pool = DescriptorPool::global();
    let any = pool.get_message_by_name("google.protobuf.Any").unwrap();
    let error = Plans::compile([any]).unwrap_err();
    assert_eq!(error.name, "google.protobuf.Any");
}
