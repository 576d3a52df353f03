//! The wire bytes of a request message, from the path, the query and the body of a request.

use souk_kit::failure::shortened;

use super::media::Media;
use super::multipart::Pair;
use crate::api::BodyRule;
use crate::routing::{FIELDS, Route, UPDATE_MASK};
use crate::transcode::{HttpBody, InputError, Params, Plans, query_pairs};

/// What a request says, besides its headers.
pub(crate) struct Given<'a> {
    /// The variables of the path, decoded, in their order.
    pub path: &'a [&'a str],
    /// The query, as it stands.
    pub query: &'a str,
    /// The form of the body.
    pub media: Media<'a>,
    /// The body.
    pub body: &'a [u8],
    /// Fields that came with it, in the parts of a form.
    pub fields: &'a [Pair],
    /// The name that the form gives its file.
    pub file_name: Option<&'a str>,
}

/// What a request asks.
pub(crate) struct Input {
    /// The wire bytes of the request message.
    pub wire: Vec<u8>,
    /// The fields of the answer that it wants, as it names them.
    pub fields: Option<String>,
}

/// Reads what a request asks of a route.
pub(crate) fn read(plans: &Plans, route: &Route, given: &Given<'_>) -> Result<Input, InputError> {
    let mut input = Reader {
        plans,
        route,
        params: Params::new(plans, route.input),
        wire: Vec::with_capacity(given.body.len() + given.query.len() + 64),
        changed: Vec::new(),
        fields: None,
    };
    // the body first: of a field that is given twice, the last value counts, and nothing in a body
    // may change what the path names
    match given.media {
        Media::Json if !given.body.is_empty() => input.json(given.body)?,
        Media::Frame if route.body == BodyRule::Ignored => input.whole(given.body)?,
        Media::Frame => input.json(given.body)?,
        Media::Bytes(content_type) => input.bytes(content_type, given.body)?,
        Media::Json | Media::Form => {}
    }
    for (variable, value) in route.variables.iter().zip(given.path) {
        input.params.append(&variable.field, value, &mut input.wire)?;
    }
    if given.media == Media::Form {
        input.form(given.body)?;
    }
    input.query(given.query)?;
    for (name, value) in given.fields {
        input.parameter(name, value)?;
    }
    if let Some((field, name)) = route.file_name.as_ref().zip(given.file_name)
        && !input.params.has(field)
    {
        input.params.append(field, name, &mut input.wire)?;
    }
    input.mask()?;
    if input.params.has_nested() {
        input.wire = plans.join(route.input, &input.wire).into_owned();
    }
    Ok(Input { wire: input.wire, fields: input.fields })
}

struct Reader<'a> {
    plans: &'a Plans,
    route: &'a Route,
    /// The parameters so far: the same one twice is refused.
    params: Params<'a>,
    wire: Vec<u8>,
    /// The fields that the body gives, for the mask of a PATCH.
    changed: Vec<String>,
    fields: Option<String>,
}

impl Reader<'_> {
    fn json(&mut self, body: &[u8]) -> Result<(), InputError> {
        let Self { plans, route, wire, .. } = self;
        match &route.body {
            BodyRule::Ignored => Ok(()),
            BodyRule::Whole => self.whole(body),
            BodyRule::Field(name) => {
                let whole = plans.json_field_to_wire(route.input, name, body, wire);
                whole.map_err(|error| inside(name, error))?;
                if let Some(message) = route.masked {
                    self.changed = plans.mask_paths(message, body)?;
                    // what the path names is not the body's to change
                    let is_variable = |path: &String| {
                        let path = format!("{name}.{path}");
                        route.variables.iter().any(|variable| variable.field == path)
                    };
                    self.changed.retain(|path| !is_variable(path));
                }
                Ok(())
            }
        }
    }

    /// JSON that is the message, but for what the path says.
    fn whole(&mut self, body: &[u8]) -> Result<(), InputError> {
        let Self { plans, route, wire, .. } = self;
        plans.json_to_wire(route.input, body, wire)?;
        if !route.variables.is_empty() {
            let is_variable =
                |path: &str| route.variables.iter().any(|variable| variable.field == path);
            if let Some(path) = plans.find_path(route.input, body, is_variable)? {
                return Err(error(&path, "is given by the path"));
            }
        }
        if route.masked.is_some() {
            self.changed = plans.mask_paths(route.input, body)?;
        }
        Ok(())
    }

    fn bytes(&mut self, content_type: &str, body: &[u8]) -> Result<(), InputError> {
        let Self { plans, route, wire, .. } = self;
        match &route.body {
            BodyRule::Ignored => return Ok(()),
            BodyRule::Whole => HttpBody::put_head(content_type, body.len(), wire),
            BodyRule::Field(name) => {
                plans.put_http_body_head(route.input, name, content_type, body.len(), wire)?;
            }
        }
        wire.extend_from_slice(body);
        Ok(())
    }

    fn form(&mut self, body: &[u8]) -> Result<(), InputError> {
        let text = std::str::from_utf8(body).map_err(|_| error("", "is not UTF-8"))?;
        // what curl calls a form unless it is told otherwise
        if text.trim_start().starts_with('{') {
            return Err(error("", "is JSON: content-type must be application/json"));
        }
        for pair in query_pairs(text) {
            let (name, value) = pair?;
            self.params.append(&name, &value, &mut self.wire)?;
            self.note_changed(self.plans.proto_path(self.route.input, &name));
        }
        Ok(())
    }

    /// Only fields that are not the body's: with `body: "*"` all of them are.
    fn query(&mut self, query: &str) -> Result<(), InputError> {
        for pair in query_pairs(query) {
            let (name, value) = pair?;
            if self.route.takes_fields && name == FIELDS {
                if self.fields.replace(value.into_owned()).is_some() {
                    return Err(error(FIELDS, "is given twice"));
                }
                continue;
            }
            self.parameter(&name, &value)?;
        }
        Ok(())
    }

    fn parameter(&mut self, name: &str, value: &str) -> Result<(), InputError> {
        let first = name.split('.').next().unwrap_or_default();
        let first = self.plans.proto_name(self.route.input, first);
        let Some(first) = first.filter(|first| self.route.takes_in_query(first)) else {
            return Err(self.unknown(name));
        };
        self.params.append(name, value, &mut self.wire)?;
        if first == UPDATE_MASK {
            self.note_changed([UPDATE_MASK.to_owned()]);
        }
        Ok(())
    }

    /// What to say of a parameter that there is not.
    #[cold]
    fn unknown(&self, name: &str) -> InputError {
        let Self { plans, route, .. } = self;
        let is_variable =
            |field: &str| route.variables.iter().any(|variable| variable.field == field);
        let is_known = |field: &str| route.takes_in_query(field) && !is_variable(field);
        let ours = route.takes_fields.then_some(FIELDS);
        plans.unknown(route.input, &shortened(name), is_known, ours)
    }

    /// The mask of a PATCH, unless the request has one of its own.
    fn mask(&mut self) -> Result<(), InputError> {
        if self.route.masked.is_none() || self.changed.iter().any(|field| field == UPDATE_MASK) {
            return Ok(());
        }
        self.plans.put_mask(self.route.input, UPDATE_MASK, &self.changed, &mut self.wire)
    }

    fn note_changed(&mut self, paths: impl IntoIterator<Item = String>) {
        if self.route.masked.is_some() {
            self.changed.extend(paths);
        }
    }
}

fn error(field: &str, issue: &'static str) -> InputError {
    InputError { field: field.to_owned(), issue: issue.into(), offset: None }
}

/// An error in a body that is one field, seen from the whole message.
fn inside(field: &str, mut error: InputError) -> InputError {
    let dot = if error.field.is_empty() || error.field.starts_with('[') { "" } else { "." };
    error.field = format!("{field}{dot}{}", error.field);
    error
}
