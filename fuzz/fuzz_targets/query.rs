//! Query strings and forms to wire bytes: they are refused, or they are a message, and
//! that has JSON which reads back.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::DynamicMessage;
use souk_fuzz::message;
use souk_gateway::transcode::{Params, query_pairs};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((message, query)) = message(data) else { return Corpus::Reject };
    let Ok(query) = std::str::from_utf8(query) else { return Corpus::Reject };
    let mut wire = Vec::new();
    if Params::new(message.plans, message.id).append_query(query, &mut wire).is_err() {
        return Corpus::Keep;
    }
    let decode = |wire: &[u8]| DynamicMessage::decode(message.descriptor.clone(), wire);
    let decoded = decode(&wire).expect("a message");
    let joined = message.plans.join(message.id, &wire);
    // NaN is not itself
    assert_eq!(decode(&joined).expect("a message").to_string(), decoded.to_string());
    assert_eq!(message.plans.join(message.id, &joined), joined);
    match message.write(&wire) {
        Ok(json) => drop(message.read_back(&json)),
        // masks may have names of the contract here, in any style
        Err(error) => assert_eq!(error.issue, "has a name that JSON cannot say"),
    }

    let mut again = String::new();
    for (name, value) in query_pairs(query).flatten() {
        let path = message.plans.proto_path(message.id, &name);
        assert!(path.is_some(), "{name} is a parameter, but no field");
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        again.push_str(&format!("{}={}&", encoded(&name), encoded(&value)));
    }
    let mut same = Vec::new();
    let read = Params::new(message.plans, message.id).append_query(&again, &mut same);
    assert_eq!((read, same), (Ok(()), wire), "{again}");
    Corpus::Keep
});
