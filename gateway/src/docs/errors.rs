//! One page for each code of an error: what the contract says of the reason, and an answer that a test
//! has got; or what a gRPC status means of any service.

use std::fmt::Write as _;

use souk_kit::Failure;
use souk_kit::failure::DOMAIN;
use tonic::Status;

use crate::api::Api;
use crate::api::reasons::{self, Documented};
use crate::api::statuses::{self, Told};
use crate::docs::page::{Frame, escape, prose};
use crate::docs::resource::Resource;
use crate::errors::problem::{docs_url, status_of};

/// The place of these pages in the bar.
const PLACE: &str = "/docs/errors";

/// The list of all codes.
pub(super) fn index(api: &Api, frame: &Frame) -> Resource {
    let reasons: String = reasons::served(api).iter().map(row_of_reason).collect();
    let mut main = format!(
        "<p class=\"lead\">Why a call fails: <code>error.code</code> over REST, the \
         <code>reason</code> of <code>google.rpc.ErrorInfo</code> over gRPC. Codes are stable: branch \
         on them, and not on the words of a message.</p>{}",
        table(&reasons)
    );
    let statuses: String = statuses::served(api).map(row_of_status).collect();
    if !statuses.is_empty() {
        let _ = write!(
            main,
            "<h2>From services with codes of their own</h2><p>They tell a gRPC status. Where they add \
             a reason, that is <code>error.code</code>, and their documentation explains it; where not, \
             it is the name of the status.</p>{}",
            table(&statuses)
        );
    }
    frame.text(PLACE, "Errors", &main)
}

fn table(rows: &str) -> String {
    format!(
        "<table><thead><tr><th>Code</th><th>HTTP</th><th>Meaning</th></tr></thead>\
         <tbody>{rows}</tbody></table>"
    )
}

fn row_of_reason(entry: &Documented) -> String {
    row(entry.reason.code(), status_of(entry.reason).as_u16(), &entry.meaning)
}

fn row_of_status(told: &Told) -> String {
    row(told.name(), told.problem().status().as_u16(), told.meaning)
}

fn row(code: &str, status: u16, meaning: &str) -> String {
    let (url, meaning) = (docs_url(code), prose(meaning));
    format!(
        "<tr><td><a href=\"{url}\"><code>{code}</code></a></td><td>{status}</td>\
         <td>{meaning}</td></tr>"
    )
}

/// A page for each code, also where a reason and a status have the same.
pub(super) fn pages(api: &Api, frame: &Frame) -> Vec<(&'static str, Resource)> {
    let reasons = reasons::served(api);
    let reasons = reasons.iter().map(|entry| (entry.reason.code(), of_reason(entry)));
    let mut texts: Vec<(&str, String)> = reasons.collect();
    for told in statuses::served(api) {
        match texts.iter_mut().find(|(known, _)| *known == told.name()) {
            Some((_, text)) => {
                text.push_str("<h2>From services with codes of their own</h2>");
                text.push_str(&of_status(told));
            }
            None => texts.push((told.name(), of_status(told))),
        }
    }
    let page = |(code, text): (&'static str, String)| {
        let main = format!("{text}<p><a href=\"/docs/errors\">All errors</a></p>");
        (code, frame.text(PLACE, code, &main))
    };
    texts.into_iter().map(page).collect()
}

fn of_reason(entry: &Documented) -> String {
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
    html
}

fn of_status(told: &Told) -> String {
    let (code, status) = (told.name(), told.problem().status().as_u16());
    format!(
        "<p class=\"lead\">{}</p><p>{}</p><p>What it means of a call, the documentation of its service \
         says.</p><dl><dt>REST</dt><dd>HTTP <b>{status}</b>, with <code>error.code</code> \
         <code>{code}</code>, or the reason that the service gives</dd><dt>gRPC</dt>\
         <dd><code>{code}</code></dd></dl>",
        prose(told.meaning),
        prose(told.remedy),
    )
}
