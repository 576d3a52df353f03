//! One page for each reason why a call fails: what the contract says of it, and an answer that a test
//! has got.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use souk_kit::Failure;
use souk_kit::failure::DOMAIN;
use souk_proto::souk::types::v1::Reason;
use souk_proto::{REASON_EXAMPLES, descriptors};
use tonic::Status;

use crate::api::comments::Comments;
use crate::docs::content::Content;
use crate::docs::page::{Frame, escape, prose};
use crate::problem::{docs_url, status_of};

/// The place of these pages in the bar.
const PLACE: &str = "/docs/errors";

/// A reason, as the contract documents it.
struct Entry {
    reason: Reason,
    meaning: String,
    cause: String,
    remedy: String,
}

/// The list of all reasons.
pub(super) fn index(frame: &Frame) -> Content {
    let mut rows = String::new();
    for entry in entries() {
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
pub(super) fn pages(frame: &Frame) -> Vec<(Reason, Content)> {
    let examples = examples();
    let page = |entry: Entry| {
        let example = examples.get(entry.reason.code()).copied();
        (entry.reason, frame.text(PLACE, entry.reason.code(), &main(&entry, example)))
    };
    entries().into_iter().map(page).collect()
}

fn main(entry: &Entry, example: Option<&str>) -> String {
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
    if let Some((request, response)) = example.and_then(|example| example.split_once("\n\nHTTP/")) {
        let (request, response) = (escape(request), escape(response));
        let _ = write!(
            html,
            "<h2>Example</h2><p>A request</p><pre tabindex=\"0\">{request}</pre><p>and its answer</p>\
             <pre tabindex=\"0\">HTTP/{response}</pre>"
        );
    }
    html.push_str("<p><a href=\"/docs/errors\">All errors</a></p>");
    html
}

/// Reads the reasons and their comments from the contract.
fn entries() -> Vec<Entry> {
    let reasons = descriptors().get_enum_by_name("souk.types.v1.Reason");
    let values = reasons.iter().flat_map(|reasons| reasons.values());
    let comments = Comments::of(descriptors());
    values
        .filter_map(|value| {
            let reason = Reason::try_from(value.number()).ok()?;
            let is_used = reason != Reason::Unspecified;
            is_used.then(|| entry(reason, comments.on(&value)))
        })
        .collect()
}

/// Takes a comment apart: what follows `Cause:` and `Remedy:`, and before these the meaning.
fn entry(reason: Reason, comment: &str) -> Entry {
    let mut entry =
        Entry { reason, meaning: String::new(), cause: String::new(), remedy: String::new() };
    let lines: Vec<_> = comment.lines().map(str::trim).collect();
    for paragraph in lines.split(|line| line.is_empty()) {
        let text = paragraph.join(" ");
        if let Some(cause) = text.strip_prefix("Cause: ") {
            entry.cause = cause.to_owned();
        } else if let Some(remedy) = text.strip_prefix("Remedy: ") {
            entry.remedy = remedy.to_owned();
        } else if !text.is_empty() {
            entry.meaning = text;
        }
    }
    entry
}

/// What came over the wire, by code.
fn examples() -> BTreeMap<&'static str, &'static str> {
    let sections = REASON_EXAMPLES.split("### ").filter_map(|section| section.split_once('\n'));
    sections.map(|(code, example)| (code, example.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_says_what_it_means_its_cause_and_its_remedy() {
        for Entry { reason, meaning, cause, remedy } in entries() {
            for text in [meaning, cause, remedy] {
                assert!(text.len() > 20 && text.ends_with('.'), "{}: {text:?}", reason.code());
            }
        }
    }

    #[test]
    fn every_reason_has_an_example_of_itself() {
        let examples = examples();
        for Entry { reason, .. } in entries() {
            let example = examples.get(reason.code()).copied().unwrap_or_default();
            let status = format!("\n\nHTTP/1.1 {}", reason.http_status());
            let code = format!("\"code\": \"{}\"", reason.code());
            assert!(example.contains(&status) && example.contains(&code), "{}", reason.code());
        }
    }
}
