//! google.api.HttpBody: bytes of any media type in a message.

use bytes::Bytes;
use prost_reflect::DynamicMessage;
use souk_gateway::transcode::{HttpBody, Plans, Style};

use crate::contracts::PLAIN;

fn plans(style: Style) -> Plans {
    let upload = PLAIN.pool.get_message_by_name("uploads.Upload").unwrap();
    Plans::compile([upload], style).unwrap()
}

#[test]
fn a_body_is_written_as_its_head_and_its_data() {
    let descriptor = PLAIN.pool.get_message_by_name("google.api.HttpBody").unwrap();
    for data in [&b""[..], b"abc", &[7; 300]] {
        let mut wire = Vec::new();
        HttpBody::put_head("image/png", data.len(), &mut wire);
        wire.extend_from_slice(data);
        let message = DynamicMessage::decode(descriptor.clone(), &*wire).unwrap();
        let content_type = message.get_field_by_name("content_type").unwrap();
        assert_eq!(content_type.as_str(), Some("image/png"));
        assert_eq!(message.get_field_by_name("data").unwrap().as_bytes().unwrap(), data);

        let wire = Bytes::from(wire);
        let body = HttpBody::from_wire(&wire).unwrap();
        assert_eq!((&*body.content_type, &*body.data), (&b"image/png"[..], data));
        // a slice, no copy
        assert!(data.is_empty() || body.data.as_ptr() == wire[wire.len() - data.len()..].as_ptr());
    }
    assert_eq!(HttpBody::from_wire(&Bytes::new()).unwrap(), HttpBody::default());
}

#[test]
fn a_body_may_be_a_field() {
    for plans in [plans(Style::Plain), plans(Style::Canonical)] {
        let id = plans.message("uploads.Upload").unwrap();
        let mut wire = Vec::new();
        plans.json_to_wire(id, br#"{"folder":"a"}"#, &mut wire).unwrap();
        plans.put_http_body_head(id, "file", "text/plain", 200, &mut wire).unwrap();
        wire.extend_from_slice(&[b'x'; 200]);
        let upload = PLAIN.pool.get_message_by_name("uploads.Upload").unwrap();
        let message = DynamicMessage::decode(upload, &*wire).unwrap();
        assert_eq!(message.get_field_by_name("folder").unwrap().as_str(), Some("a"));

        let body = plans.http_body_of_field(id, "file", &wire.into()).unwrap();
        assert_eq!((&*body.content_type, &*body.data), (&b"text/plain"[..], &[b'x'; 200][..]));
        let absent = plans.http_body_of_field(id, "file", &Bytes::new()).unwrap();
        assert_eq!(absent, HttpBody::default());
        let error = plans.http_body_of_field(id, "nothing", &Bytes::new()).unwrap_err();
        assert_eq!(error.to_string(), "nothing is not a known field");
        assert!(plans.put_http_body_head(id, "nothing", "", 0, &mut Vec::new()).is_err());
        assert!(plans.is_http_body(plans.message("google.api.HttpBody").unwrap()));
        assert!(!plans.is_http_body(id));
    }
}

#[test]
fn the_last_of_several_counts_and_others_are_passed_over() {
    let wire = Bytes::from_static(b"\x12\x01a\x1a\x02\x08\x01\x12\x01b\x0a\x01t\xa3\x06\xa4\x06");
    let body = HttpBody::from_wire(&wire).unwrap();
    assert_eq!((&*body.content_type, &*body.data), (&b"t"[..], &b"b"[..]));
    for wire in [&b"\x12\x05a"[..], b"\x10\x01", b"\x1b", b"\x12"] {
        assert!(HttpBody::from_wire(&Bytes::from_static(wire)).is_err(), "{wire:?}");
    }
}

#[test]
fn plain_json_knows_a_body_without_its_extensions() {
    let plans = plans(Style::Plain);
    let id = plans.message("uploads.Upload").unwrap();
    let mut wire = Vec::new();
    let json = br#"{"folder":"","file":{"content_type":"a/b","data":"YWJj"}}"#;
    plans.json_to_wire(id, json, &mut wire).unwrap();
    let mut out = Vec::new();
    plans.wire_to_json(id, &wire, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap().as_bytes(), json);
    let json = br#"{"file":{"extensions":[]}}"#;
    let error = plans.json_to_wire(id, json, &mut Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "file.extensions is not a known field: known are content_type, data"
    );
}
