//! The pages that `docs_url` points to: one for each reason, made from the contract's comments.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use souk_kit::Failure;
use souk_proto::descriptors;
use souk_proto::souk::types::v1::Reason;
use tonic::Status;

use crate::openapi::{Comments, on_one_line};
use crate::problem::{Problem, docs_url, status_of};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;\
    padding:0 1rem;color:#222}code{background:#f2f2f2;padding:.1em .3em;border-radius:3px}\
    table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.4em 1em .4em 0;\
    border-bottom:1px solid #ddd}";

/// The pages, written once.
pub(crate) struct Pages {
    index: Bytes,
    reasons: BTreeMap<&'static str, Bytes>,
}

/// `/docs/errors` and `/docs/errors/{code}`.
pub(crate) fn router(pages: Pages) -> Router {
    Router::new()
        .route("/docs/errors", get(async |State(pages): State<Arc<Pages>>| html(&pages.index)))
        .route("/docs/errors/{code}", get(page))
        .with_state(Arc::new(pages))
}

async fn page(State(pages): State<Arc<Pages>>, code: Result<Path<String>, PathError>) -> Response {
    let found = code.ok().and_then(|Path(code)| pages.reasons.get(code.as_str()));
    match found {
        Some(page) => html(page),
        None => Problem::new(Reason::NotFound, "there is no such reason").into_response(),
    }
}

type PathError = axum::extract::rejection::PathRejection;

fn html(page: &Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "public, max-age=300"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    (headers, page.clone()).into_response()
}

/// A reason, as the contract documents it.
struct Entry {
    reason: Reason,
    comment: String,
}

impl Pages {
    /// Reads the reasons and their comments from the contract.
    pub(crate) fn build() -> Self {
        let entries = entries();
        let index = index(&entries).into();
        let reasons =
            entries.iter().map(|entry| (entry.reason.code(), reason_page(entry).into())).collect();
        Self { index, reasons }
    }
}

fn entries() -> Vec<Entry> {
    let comments = Comments::of(descriptors());
    let reasons = descriptors().get_enum_by_name("souk.types.v1.Reason");
    let values = reasons.iter().flat_map(|reasons| reasons.values());
    values
        .filter_map(|value| {
            let reason = Reason::try_from(value.number()).ok()?;
            let is_used = reason != Reason::Unspecified;
            is_used.then(|| Entry { reason, comment: on_one_line(comments.on(&value)) })
        })
        .collect()
}

fn index(entries: &[Entry]) -> String {
    let rows: String = entries
        .iter()
        .map(|entry| {
            format!(
                "<tr><td><a href=\"{}\">{}</a></td><td>{}</td><td>{}</td></tr>",
                docs_url(entry.reason),
                escape(entry.reason.code()),
                status_of(entry.reason).as_u16(),
                prose(&entry.comment),
            )
        })
        .collect();
    let body = format!(
        "<p>Why a call fails: <code>error.code</code> over REST, the <code>reason</code> of \
         <code>google.rpc.ErrorInfo</code> over gRPC.</p>\
         <table><tr><th>Code</th><th>HTTP</th><th>Meaning</th></tr>{rows}</table>"
    );
    document("Errors", &body)
}

fn reason_page(entry: &Entry) -> String {
    let code = escape(entry.reason.code());
    let http = status_of(entry.reason);
    let grpc = Status::from(Failure::new(entry.reason, "")).code();
    let body = format!(
        "<p>{}</p><table>\
         <tr><th>HTTP</th><td>{http}, with <code>\"code\": \"{code}\"</code> in <code>error</code>\
         </td></tr>\
         <tr><th>gRPC</th><td><code>{grpc:?}</code>, with the reason <code>{code}</code> in \
         <code>google.rpc.ErrorInfo</code> of the domain <code>{}</code></td></tr></table>\
         <p><a href=\"/docs/errors\">All errors</a></p>",
        prose(&entry.comment),
        souk_kit::failure::DOMAIN,
    );
    document(&code, &body)
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>"
    )
}

/// A comment as HTML: what stands between backquotes is code.
fn prose(comment: &str) -> String {
    let escaped = escape(comment);
    let mut html = String::new();
    for (index, part) in escaped.split('`').enumerate() {
        if index % 2 == 1 {
            html.push_str(&format!("<code>{part}</code>"));
        } else {
            html.push_str(part);
        }
    }
    html
}

fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_comment_that_becomes_its_page() {
        for entry in entries() {
            assert!(entry.comment.len() > 20, "{}", entry.reason.code());
        }
    }

    #[test]
    fn comments_are_escaped() {
        assert_eq!(prose("a <b> `c & d`"), "a &lt;b&gt; <code>c &amp; d</code>");
    }
}
