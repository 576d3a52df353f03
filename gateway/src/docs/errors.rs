//! One page for each reason why a call fails: what the contract says of it, and an answer that a test
//! has got.

use std::fmt::Write as _;

use souk_kit::Failure;
use souk_kit::failure::DOMAIN;
use souk_proto::souk::types::v1::Reason;
use tonic::Status;

use crate::api::reasons::{Documented, documented};
use crate::docs::page::{Frame, escape, prose};
use crate::docs::resource::Resource;
use crate::problem::{docs_url, status_of};

/// The place of these pages in the bar.
const PLACE: &str = "/docs/errors";

/// The list of all reasons.
pub(super) fn index(frame: &Frame) -> Resource {
    let mut rows = String::new();
    for entry in documented() {
        let (url, code) = (docs_url(entry.reason), entry.reason.code());
        let status = status_of(entry.reason).as_u16();
        let meaning = prose(&entry.meaning);
        let _ = write!(
            rows,
            "<tr><td><a href=\"{url}\"><code>{code}</code></a></td><td>{status}</td>\
             <td>{meaning}</td></tr>"
        );
    }
    let main = format!(
        "<p class=\"lead\">Why a call fails: <code>error.code</code> over REST, the \
         <code>reason</code> of <code>google.rpc.ErrorInfo</code> over gRPC. Codes are stable: branch \
         on them, and not on the words of a message.</p>\
         <table><thead><tr><th>Code</th><th>HTTP</th><th>Meaning</th></tr></thead>\
         <tbody>{rows}</tbody></table>"
    );
    frame.text(PLACE, "Errors", &main)
}

/// A page for each reason.
pub(super) fn pages(frame: &Frame) -> Vec<(Reason, Resource)> {
    let page =
        |entry: Documented| (entry.reason, frame.text(PLACE, entry.reason.code(), &main(&entry)));
    documented().into_iter().map(page).collect()
}

fn main(entry: &Documented) -> String {
    let code = entry.reason.code();
    let status = status_of(entry.reason);
    let grpc = Status::from(Failure::new(entry.reason, "")).code();
    let mut html = format!(
        "<p class=\"lead\">{}</p><h2>Cause</h2><p>{}</p><h2>Remedy</h2><p>{}</p>\
         <h2>How it is told</h2><dl><dt>REST</dt><dd>HTTP <b>{status}</b>, with <code>error.code</code> \
         <code>{code}</code></dd><dt>gRPC</dt><dd><code>{grpc:?}</code>, with the reason \
         <code>{code}</code> in <code>google.rpc.ErrorInfo</code> of the domain <code>{DOMAIN}</code>\
         </dd></dl>",
        prose(&entry.meaning),
        prose(&entry.cause),
        prose(&entry.remedy),
    );
    if let Some((request, response)) = entry.example {
        let (request, response) = (escape(request), escape(response));
        let _ = write!(
            html,
            "<h2>Example</h2><p>A request</p><pre tabindex=\"0\">{request}</pre><p>and its answer</p>\
             <pre tabindex=\"0\">{response}</pre>"
        );
    }
    html.push_str("<p><a href=\"/docs/errors\">All errors</a></p>");
    html
}
