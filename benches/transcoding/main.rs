//! Transcoding against its peers: prost with pbjson and serde_json, which knows the types at
//! compile time, and prost-reflect, which builds dynamic messages.
//!
//! Every round measures all of them one after the other; a ratio is the median over the rounds of
//! ratios within a round, so that a machine that is busy for a while does not favour one of them.

#![allow(clippy::expect_used, reason = "a bench stops where something is wrong")]

#[path = "../support/machine.rs"]
mod machine;
mod peer;
mod products;
mod rounds;

use std::hint::black_box;

use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use souk_gateway::transcode::{MessageId, Plans, Style};

use peer::souk::catalog::v1 as pbjson_types;
use rounds::{Contender, compare};

fn main() {
    machine::describe();
    println!();
    measure::<pbjson_types::Product>(
        "one product",
        "souk.catalog.v1.Product",
        &products::product(0).encode_to_vec(),
    );
    measure::<pbjson_types::ListProductsResponse>(
        "list of 20",
        "souk.catalog.v1.ListProductsResponse",
        &products::list(20).encode_to_vec(),
    );
}

/// One message type with its three ways to JSON and back.
fn measure<T: prost::Message + Default + Serialize + DeserializeOwned>(
    what: &str,
    name: &str,
    wire: &[u8],
) {
    let descriptor = souk_proto::descriptors().get_message_by_name(name).expect("a contract");
    let plans =
        Plans::compile([descriptor.clone()], Style::Plain).expect("a contract that JSON can say");
    let id = plans.message(name).expect("a compiled message");

    let ours = souk_to_json(&plans, id, wire);
    println!("{what}: {} bytes of wire, {} bytes of JSON", wire.len(), ours.len());
    compare(
        &format!("wire→json {what}"),
        &[
            Contender::new("souk", || drop(black_box(souk_to_json(&plans, id, black_box(wire))))),
            Contender::new("pbjson", || drop(black_box(pbjson_to_json::<T>(black_box(wire))))),
            Contender::new("prost-reflect", || {
                drop(black_box(reflect_to_json(&descriptor, black_box(wire))));
            }),
        ],
    );

    let theirs = pbjson_to_json::<T>(wire);
    let canonical = reflect_to_json(&descriptor, wire);
    compare(
        &format!("json→wire {what}"),
        &[
            Contender::new("souk", || drop(black_box(souk_to_wire(&plans, id, black_box(&ours))))),
            Contender::new("pbjson", || drop(black_box(pbjson_to_wire::<T>(black_box(&theirs))))),
            Contender::new("prost-reflect", || {
                drop(black_box(reflect_to_wire(&descriptor, black_box(&canonical))));
            }),
        ],
    );
}

fn souk_to_json(plans: &Plans, id: MessageId, wire: &[u8]) -> Vec<u8> {
    let mut json = Vec::new();
    plans.wire_to_json(id, wire, &mut json).expect("wire bytes of the message");
    json
}

fn souk_to_wire(plans: &Plans, id: MessageId, json: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    plans.json_to_wire(id, json, &mut wire).expect("JSON of the message");
    wire
}

fn pbjson_to_json<T: prost::Message + Default + Serialize>(wire: &[u8]) -> Vec<u8> {
    let message = T::decode(wire).expect("wire bytes of the message");
    serde_json::to_vec(&message).expect("a message that JSON can say")
}

fn pbjson_to_wire<T: prost::Message + DeserializeOwned>(json: &[u8]) -> Vec<u8> {
    let message: T = serde_json::from_slice(json).expect("JSON of the message");
    message.encode_to_vec()
}

fn reflect_to_json(descriptor: &MessageDescriptor, wire: &[u8]) -> Vec<u8> {
    let message = DynamicMessage::decode(descriptor.clone(), wire).expect("wire bytes");
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    let mut serializer = serde_json::Serializer::new(Vec::new());
    message.serialize_with_options(&mut serializer, &options).expect("a message");
    serializer.into_inner()
}

fn reflect_to_wire(descriptor: &MessageDescriptor, json: &[u8]) -> Vec<u8> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let options = DeserializeOptions::new();
    let message =
        DynamicMessage::deserialize_with_options(descriptor.clone(), &mut deserializer, &options);
    message.expect("JSON of the message").encode_to_vec()
}
