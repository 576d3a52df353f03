//! `?fields=`: names are refused, or what is written is a part of the whole.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;
use souk_fuzz::{BEFORE, appended, message};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((message, rest)) = message(data) else { return Corpus::Reject };
    // the names, a line break, and the wire bytes
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Corpus::Reject };
    let (names, wire) = (&rest[..end], &rest[end + 1..]);
    let Ok(names) = std::str::from_utf8(names) else { return Corpus::Reject };
    let Ok(selection) = message.plans.select(message.id, names) else { return Corpus::Keep };

    let mut part = BEFORE.to_vec();
    let written = message.plans.wire_to_json_selected(&selection, wire, &mut part);
    match (appended(written, part), message.write(wire)) {
        (Ok(part), Ok(whole)) => assert_part(&part, &whole),
        // what is passed over may be wrong
        (_, Err(_)) => (),
        (Err(error), Ok(_)) => panic!("{error}"),
    }
    Corpus::Keep
});

fn assert_part(part: &[u8], whole: &[u8]) {
    // deeper than this oracle goes, or a number beyond it
    let Ok(whole) = serde_json::from_slice(whole) else { return };
    let part = serde_json::from_slice(part).expect("JSON");
    assert!(is_part(&part, &whole), "{part}\nis no part of\n{whole}");
}

fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| is_part(part, whole)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len()
                && part.iter().zip(whole).all(|(part, whole)| is_part(part, whole))
        }
        _ => part == whole,
    }
}
