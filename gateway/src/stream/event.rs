//! What a stream of answers tells its client.

use super::text::Text;
use crate::errors::problem::Problem;
use crate::response::caller::Caller;

/// One thing that it tells.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message of the service, as JSON, and where in the stream it is, if it says so.
    Message { id: Option<String>, json: Text },
    /// That there is nothing to tell: what says nothing for long is taken for dead.
    Heartbeat,
    /// That there is no more, for a good reason. Always the last one.
    End(Ending),
    /// That there is no more, because something went wrong. Always the last one.
    Error(Box<Problem>),
}

/// Why a stream ends without having failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The service has said all.
    Complete,
    /// It has lasted for as long as a stream may: its client may connect again.
    MaxDuration,
    /// The process ends: its client may connect again, and finds another one.
    Shutdown,
}

impl Ending {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::MaxDuration => "max_duration",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Event {
    /// Whether nothing comes after it.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Self::End(_) | Self::Error(_))
    }

    /// The event as one JSON object, whose only member says what it is: `result`, `end` or `error`.
    /// Nothing where there is nothing to tell.
    pub(crate) fn object(self, request_id: &str) -> Text {
        match self {
            Self::Message { json, .. } => json.within("{\"result\":", "}"),
            Self::Heartbeat => Text::default(),
            Self::End(ending) => {
                format!("{{\"end\":{{\"reason\":\"{}\"}}}}", ending.name()).into_bytes().into()
            }
            Self::Error(problem) => Caller::unknown(&problem, request_id).into(),
        }
    }
}
