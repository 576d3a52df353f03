//! google.protobuf.Any in canonical JSON: the members of the message that it holds, and its type. A
//! message that is no object in JSON stands in `value`.

use std::mem::replace;

use souk_kit::failure::shortened;

use super::error::{Fault, InputError, Refusal, WireError};
use super::escape::put_string;
use super::json::deeper;
use super::json_to_wire::{Decoder, Members};
use super::plan::{MessageId, Plans, Shape};
use super::wire::{WireType, close_length, open_length, put_bytes, put_varint, tag};
use super::wire_to_json::Encoder;

/// The numbers of its fields.
const TYPE_URL: u32 = 1;
const VALUE: u32 = 2;

impl Plans {
    /// The message type of `type.googleapis.com/package.Message`, whatever is before the slash.
    fn message_of_url(&self, url: &str) -> Option<MessageId> {
        let (_, name) = url.rsplit_once('/')?;
        self.message(name)
    }
}

impl Decoder<'_, '_, '_> {
    /// An Any, without a length in front. Without members it is empty.
    pub(super) fn any(&mut self, depth: u32) -> Result<(), Refusal> {
        let mut members = self.json.clone();
        if !members.take(b'{') {
            return Err(self.json.mismatch("must be an object"));
        }
        if members.take(b'}') {
            self.json = members;
            return Ok(());
        }
        let of_type = |issue: String| InputError::value(issue).in_field("@type");
        let Some(url) = self.types.of_object(&members)? else {
            return Err(of_type("must say what the object is".to_owned()));
        };
        let Some(message) = self.plans.message_of_url(&url) else {
            return Err(of_type(format!("names {}, which is not a known type", shortened(&url))));
        };
        put_varint(self.out, tag(TYPE_URL, WireType::Len).into());
        put_bytes(self.out, url.as_bytes());
        put_varint(self.out, tag(VALUE, WireType::Len).into());
        let start = open_length(self.out);
        self.held(message, &url, deeper(depth)?)?;
        close_length(self.out, start);
        Ok(())
    }

    /// The message that an Any holds, from all members of its object.
    fn held(&mut self, message: MessageId, url: &str, depth: u32) -> Result<(), Refusal> {
        let plan = self.plans.plan(message);
        let is_object = plan.shape == Shape::Object;
        // some put it in `value`, some do not
        let is_empty = url.ends_with("/google.protobuf.Empty");
        let (mut has_type, mut has_value) = (false, false);
        let mut before = Members::default();
        self.members(|decoder, key| match &*key {
            "@type" => {
                refuse_second(&mut has_type, &key)?;
                decoder.json.skip_value()
            }
            "value" if !is_object || is_empty => {
                refuse_second(&mut has_value, &key)?;
                decoder.message(message, depth).map_err(|error| error.in_field(&key))
            }
            _ if is_object => decoder.known_member(plan, &mut before, &key, depth),
            _ => Err(InputError::value("is not a known field").in_field(&shortened(&key))),
        })?;
        if is_object || has_value {
            return Ok(());
        }
        Err(InputError::value("must be given").in_field("value"))
    }
}

fn refuse_second(is_there: &mut bool, key: &str) -> Result<(), Refusal> {
    if replace(is_there, true) {
        return Err(InputError::value("is given twice").in_field(key));
    }
    Ok(())
}

impl Encoder<'_, '_> {
    /// An Any whose fields have their places from `base` on. An empty one has no members.
    pub(super) fn any(&mut self, wire: &[u8], base: usize, depth: u32) -> Result<(), Fault> {
        let (url, value) = (self.places[base], self.places[base + 1]);
        if url.count == 0 && value.count == 0 {
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        let url = if url.count == 0 { "" } else { url.last_value(wire).text()? };
        let held =
            if value.count == 0 { &[][..] } else { value.last_value(wire).length_delimited()? };
        let Some(message) = self.plans.message_of_url(url) else {
            let issue = format!("holds {}, which is not a known type", shortened(url));
            return Err(WireError::new(issue));
        };
        let plan = self.plans.plan(message);
        let start = self.out.len();
        self.out.extend_from_slice(b",\"@type\":");
        put_string(self.out, url);
        if plan.shape == Shape::Object {
            let base = self.open(plan, held, depth + 1)?;
            self.members(plan, held, base, depth + 1)?;
            self.places.truncate(base);
        } else {
            self.out.extend_from_slice(b",\"value\":");
            self.message(message, held, depth + 1)?;
        }
        self.enclose(start, b'{', b'}');
        Ok(())
    }
}
