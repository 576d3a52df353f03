//! What the generated validation says of messages around every rule of every contract, as JSON
//! lines: for `tests/oracle/compare.py`, which asks another implementation the same.
//!
//! The first line has the descriptors and the rules, each other line a message and its violations.
//! The same contracts give the same lines.

mod cases;
mod dice;
mod patterns;
mod rules;
mod values;

use std::io::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prost_reflect::MessageDescriptor;
use prost_reflect::prost::Message;
use serde_json::json;
use souk_proto::{DESCRIPTORS, Validate, Violation, descriptors};

include!(concat!(env!("OUT_DIR"), "/validation_by_name.rs"));

fn check<M: Message + Default + Validate>(bytes: &[u8]) -> Vec<Violation> {
    let message = M::decode(bytes).unwrap_or_else(|error| panic!("{error}"));
    message.validate().err().unwrap_or_default()
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let ours = || {
        let messages = descriptors().all_messages();
        let is_ours = |message: &MessageDescriptor| {
            message.package_name().starts_with("souk.") && !message.is_map_entry()
        };
        messages.filter(is_ours)
    };
    let rules: Vec<(String, String)> = ours().flat_map(|message| rules::ids(&message)).collect();
    let descriptors = BASE64_STANDARD.encode(DESCRIPTORS);
    writeln!(out, "{}", json!({"descriptors": descriptors, "rules": rules}))?;

    for message in ours() {
        let name = message.full_name();
        let good = violations(name, &cases::good(&message, 0).encode_to_vec());
        assert!(good.is_empty(), "{name}: every case starts from this one: {good:?}");
        for case in cases::all(&message) {
            let bytes = case.encode_to_vec();
            let violations = violations(name, &bytes)
                .into_iter()
                .map(|Violation { field, issue }| json!({"field": field, "issue": issue}));
            let violations: Vec<_> = violations.collect();
            let bytes = BASE64_STANDARD.encode(bytes);
            writeln!(out, "{}", json!({"type": name, "bytes": bytes, "violations": violations}))?;
        }
    }
    out.flush()
}
