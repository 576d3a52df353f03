//! What a route needs to know to answer requests.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use souk_proto::souk::types::v1::Reason;

use crate::api::BodyRule;
use crate::errors::problem::Problem;
use crate::event_id::EventId;
use crate::field_path::FieldPath;
use crate::response::accept::Accepted;
use crate::response::deprecation::Successor;
use crate::response::download::Download;
use crate::response::links::Paging;
use crate::response::location::Location;
use crate::template::Place;
use crate::transcode::{InputError, MessageId, Plans, Selection};
use crate::upstream::target::Target;

/// The parameter that says which fields of the answer the client wants.
pub(crate) const FIELDS: &str = "fields";

/// One HTTP method and path, and the RPC behind it.
#[derive(Debug)]
pub(crate) struct Route {
    pub target: Arc<Target>,
    /// The request message.
    pub input: MessageId,
    /// The response message.
    pub output: MessageId,
    /// The variables of the path, in their order.
    pub variables: Vec<PathVariable>,
    /// Whether its path begins with a wildcard, and may so be any.
    pub begins_with_wildcard: bool,
    /// What the body is.
    pub body: BodyRule,
    /// Whether that is a `google.api.HttpBody`: bytes of any media type.
    pub takes_bytes: bool,
    /// The message whose keys make the mask of a PATCH; `None` when there is no mask to make.
    pub masked: Option<MessageId>,
    /// Whether `fields` is ours, and not a field of the request message. What takes a stream has no such
    /// parameter.
    pub takes_fields: bool,
    /// The field of the request that has the name of a file.
    pub file_name: Option<String>,
    /// How the bytes of its answers can be asked for in parts.
    pub download: Option<Download>,
    /// The field of the response that its body is; `None` is the whole of it.
    pub response_body: Option<String>,
    /// Whether that is a `google.api.HttpBody`.
    pub gives_bytes: bool,
    /// Whether its messages can go over a WebSocket.
    pub has_websocket: bool,
    /// The status of a success.
    pub success: StatusCode,
    /// The `Location` of a success.
    pub location: Option<Location>,
    /// The field of a response that is the version of the resource.
    pub version: Option<FieldPath>,
    /// How the pages around a response are found, where it is a page of a list.
    pub paging: Option<Paging>,
    /// Where the messages of a stream say what their id is.
    pub event_id: Option<EventId>,
    /// The major version of the contract that the path names.
    pub contract: Option<u32>,
    /// Whether anyone may get the answer that another got, by the contract.
    pub is_kept: bool,
    /// Where what takes its place is, when it is deprecated.
    pub successor: Option<Successor>,
    /// The headers that every success has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Route {
    /// The form of the answer that a client takes.
    ///
    /// # Errors
    ///
    /// None that there is, or that of another version than the path's.
    pub(crate) fn accepted(&self, headers: &HeaderMap) -> Result<Accepted, Problem> {
        if self.gives_bytes {
            // of which type they are, the service says
            return Ok(Accepted::Json);
        }
        let accepted = Accepted::of(headers)?;
        match (accepted, self.contract) {
            (Accepted::Version(asked), Some(version)) if asked != version => {
                let message = format!("the path is of version {version}");
                Err(Problem::new(Reason::NotAcceptable, message))
            }
            _ => Ok(accepted),
        }
    }
}

impl Route {
    /// Whether a field of the request may come in its query: all that neither its body nor its headers
    /// have.
    pub(crate) fn takes_in_query(&self, field: &str) -> bool {
        let is_bodys = match &self.body {
            BodyRule::Ignored => false,
            BodyRule::Whole => true,
            BodyRule::Field(body) => body == field,
        };
        !is_bodys && !self.download.as_ref().is_some_and(|download| download.has(field))
    }

    /// The fields of an answer that a client names. Those of a list are those of its items.
    ///
    /// # Errors
    ///
    /// A name that is none.
    pub(crate) fn select(&self, plans: &Plans, names: &str) -> Result<Selection, InputError> {
        let items = self.paging.as_ref().map(Paging::items);
        let selected = match items.or(self.response_body.as_deref()) {
            Some(field) => plans.select_within(self.output, field, names),
            None => plans.select(self.output, names),
        };
        selected.map_err(|error| InputError { field: FIELDS.to_owned(), ..error })
    }
}

/// A field of the request that is in the path.
#[derive(Debug)]
pub(crate) struct PathVariable {
    /// The path of the field: `id`, `thing.id`.
    pub field: String,
    /// Its first segment.
    pub start: Place,
    /// The segment after its last one.
    pub end: Place,
    /// Whether a slash can be a part of it.
    pub is_multi_segment: bool,
}
