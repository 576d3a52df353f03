//! Downloads: which of its bytes a service is asked for, and what its first message says of all of them.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{Kind, MessageDescriptor};
use souk_proto::souk::policy::v1;

use super::range::Range;
use crate::field_path::FieldPath;
use crate::transcode::{InputError, MessageId, Params, Plans};

/// What the name of a file in a header may have as it stands (RFC 8187, `attr-char`).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The fields that say it.
#[derive(Debug)]
pub(crate) struct Download {
    offset: String,
    limit: String,
    size: FieldPath,
    name: Option<FieldPath>,
    attachment: bool,
}

impl Download {
    /// Finds the fields that a policy names.
    ///
    /// # Errors
    ///
    /// A message has no such field.
    pub(crate) fn compile(
        policy: &v1::Download,
        input: &MessageDescriptor,
        output: &MessageDescriptor,
    ) -> anyhow::Result<Self> {
        let of_request = |name: &str| {
            let field = input.get_field_by_name(name);
            let field =
                field.with_context(|| format!("{} has no field `{name}`", input.full_name()))?;
            let is_integer = field.kind() == Kind::Int64 && !field.is_list();
            ensure!(is_integer, "`{name}` of {} is no int64", input.full_name());
            Ok(name.to_owned())
        };
        let name = Some(&policy.file_name_field).filter(|name| !name.is_empty());
        Ok(Self {
            offset: of_request(&policy.offset_field)?,
            limit: of_request(&policy.limit_field)?,
            size: FieldPath::integer(&policy.size_field, &[Kind::Int64], output)?,
            name: name.map(|name| FieldPath::string(name, output)).transpose()?,
            attachment: policy.attachment,
        })
    }

    /// Whether a field of the request says which bytes are asked for: that is for `Range` to say.
    pub(crate) fn has(&self, field: &str) -> bool {
        field == self.offset || field == self.limit
    }

    /// A request for a range only; for all where there is none.
    pub(crate) fn ask(
        &self,
        plans: &Plans,
        message: MessageId,
        request: Bytes,
        range: Option<Range>,
    ) -> Result<Bytes, InputError> {
        let Some(range) = range else { return Ok(request) };
        let (offset, limit) = bounds(range);
        let (mut params, mut wire) = (Params::new(plans, message), Vec::from(request));
        for (field, number) in [(&self.offset, offset), (&self.limit, limit)] {
            params.append(field, &number.to_string(), &mut wire)?;
        }
        Ok(wire.into())
    }

    /// How many bytes there are in all, as the first message says.
    pub(crate) fn size(&self, first: &[u8]) -> u64 {
        u64::try_from(self.size.varint(first).unwrap_or_default().cast_signed()).unwrap_or_default()
    }

    /// The `Content-Disposition` of what the first message names (RFC 6266).
    pub(crate) fn disposition(&self, first: &[u8]) -> Option<HeaderValue> {
        let kind = if self.attachment { "attachment" } else { "inline" };
        let name = self.name.as_ref().and_then(|name| name.text(first));
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return self.attachment.then_some(HeaderValue::from_static("attachment"));
        };
        let is_plain = |char: char| {
            char == ' ' || char.is_ascii_graphic() && !['"', '\\', '%'].contains(&char)
        };
        let plain: String =
            name.chars().map(|char| if is_plain(char) { char } else { '_' }).collect();
        let mut value = format!("{kind}; filename=\"{plain}\"");
        if plain != name {
            value.push_str("; filename*=UTF-8''");
            value.extend(utf8_percent_encode(name, ENCODED));
        }
        HeaderValue::try_from(value).ok()
    }
}

/// Where a range begins, and how long it is, as a service is told.
fn bounds(range: Range) -> (i64, i64) {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    match range {
        Range::From(first, last) => {
            (signed(first), last.map_or(0, |last| signed((last - first).saturating_add(1))))
        }
        // nothing
        Range::Last(0) => (i64::MAX, 0),
        Range::Last(count) => (-signed(count), 0),
    }
}
