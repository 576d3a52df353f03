//! The forms in which HTTP carries a stream of answers, and which of them a client takes.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use souk_proto::souk::types::v1::Reason;

use super::event::Event;
use super::text::Text;
use crate::errors::problem::Problem;
use crate::request::media::{EVENTS, LINES};
use crate::response::accept::weight;

/// The form of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A JSON object in each line.
    Lines,
    /// Server-sent events, for the `EventSource` of browsers.
    Events,
}

impl Form {
    /// The form that a client takes. Lines are for all who do not say, or take anything.
    ///
    /// # Errors
    ///
    /// It takes none of them.
    pub(crate) fn of(headers: &HeaderMap, has_websocket: bool) -> Result<Self, Problem> {
        let (lines, events) = (weight(headers, LINES), weight(headers, EVENTS));
        if lines.0 <= 0.0 && events.0 <= 0.0 {
            let others = if has_websocket { ", or a WebSocket" } else { "" };
            let message = format!("the answer is a stream: {LINES} or {EVENTS}{others}");
            return Err(Problem::new(Reason::NotAcceptable, message));
        }
        Ok(if events > lines { Self::Events } else { Self::Lines })
    }

    /// The `Content-Type` of the form.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Lines => LINES,
            Self::Events => EVENTS,
        })
    }

    /// An event in this form.
    pub(super) fn frame(self, event: Event, request_id: &str) -> Bytes {
        match self {
            Self::Lines => event.object(request_id).within("", "\n"),
            Self::Events => server_sent(event, request_id),
        }
        .into()
    }
}

/// An event as HTML's section on server-sent events wants it. JSON has no line breaks here.
fn server_sent(event: Event, request_id: &str) -> Text {
    let name = match event {
        Event::Message { id, json } => {
            let id = id.filter(|id| is_kept(id));
            let id = id.map_or(String::new(), |id| format!("id: {id}\n"));
            return json.within(&format!("{id}data: "), "\n\n");
        }
        Event::Heartbeat => return b": heartbeat\n\n".to_vec().into(),
        Event::End(_) => "end",
        Event::Error(_) => "error",
    };
    event.object(request_id).within(&format!("event: {name}\ndata: "), "\n\n")
}

/// Whether clients keep an id. Without one, they keep that of the event before.
fn is_kept(id: &str) -> bool {
    !id.contains(['\n', '\r', '\0'])
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::super::event::Ending;
    use super::*;

    fn form(accept: &str) -> Option<Form> {
        let headers = [(ACCEPT, HeaderValue::try_from(accept).unwrap())].into_iter().collect();
        Form::of(&headers, true).ok()
    }

    #[test]
    fn lines_are_for_all_who_do_not_ask_for_events() {
        assert_eq!(Form::of(&HeaderMap::new(), true).ok(), Some(Form::Lines));
        for accept in ["*/*", "", "application/*", "application/x-ndjson, text/event-stream"] {
            assert_eq!(form(accept), Some(Form::Lines), "{accept}");
        }
        let events = [
            "text/event-stream",
            "Text/Event-Stream, */*",
            "text/*",
            "application/x-ndjson;q=0.5, text/event-stream;q=0.9",
            "*/*, application/x-ndjson;q=0",
        ];
        for accept in events {
            assert_eq!(form(accept), Some(Form::Events), "{accept}");
        }
        for accept in ["application/json", "text/html", "*/*;q=0", "text/event-stream;q=0"] {
            assert_eq!(form(accept), None, "{accept}");
        }
    }

    #[test]
    fn an_event_says_what_it_is_in_each_form() {
        let frame = |form: Form, event: Event| {
            String::from_utf8(form.frame(event, "req_1").to_vec()).unwrap()
        };
        let json = || b"{}".to_vec().into();
        let message = |id: &str| Event::Message { id: Some(id.to_owned()), json: json() };
        assert_eq!(frame(Form::Lines, message("7")), "{\"result\":{}}\n");
        assert_eq!(frame(Form::Events, message("7")), "id: 7\ndata: {}\n\n");
        assert_eq!(frame(Form::Events, message("7\n8")), "data: {}\n\n");
        let message = Event::Message { id: None, json: json() };
        assert_eq!(frame(Form::Events, message), "data: {}\n\n");
        assert_eq!(frame(Form::Lines, Event::Heartbeat), "\n");
        assert_eq!(frame(Form::Events, Event::Heartbeat), ": heartbeat\n\n");
        let end = || Event::End(Ending::Complete);
        assert_eq!(frame(Form::Lines, end()), "{\"end\":{\"reason\":\"complete\"}}\n");
        let event = "event: end\ndata: {\"end\":{\"reason\":\"complete\"}}\n\n";
        assert_eq!(frame(Form::Events, end()), event);
        let error = || Event::Error(Box::new(Problem::new(Reason::NotFound, "no")));
        let object = r#"{"error":{"code":"NOT_FOUND","message":"no","#;
        assert!(frame(Form::Lines, error()).starts_with(object));
        assert!(frame(Form::Events, error()).starts_with(&format!("event: error\ndata: {object}")));
    }
}
