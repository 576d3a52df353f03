//! Where the other pages of a list are: `Link` headers (RFC 8288), and `links` in the body.

use http::{HeaderValue, Method, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message as _;
use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor};
use serde::Serialize;
use souk_proto::souk::types::v1::Pagination;

use crate::api::HttpRule;
use crate::field_path::FieldPath;

const PAGINATION: &str = "souk.types.v1.Pagination";

/// How the pages of a list are found.
#[derive(Debug)]
pub(crate) enum Paging {
    /// The response has a `souk.types.v1.Pagination`; the request a `cursor` or a `page`.
    Pagination(FieldPath),
    /// The response has a `next_page_token`, the request a `page_token` (AIP-158). Its items are in the
    /// field of this name.
    Token(FieldPath, String),
}

/// The pages around one, as references that are relative to the host.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(crate) struct Links {
    #[serde(rename = "self")]
    this: String,
    first: String,
    next: Option<String>,
    prev: Option<String>,
}

impl Paging {
    /// That of what an RPC answers where it has this rule; `None` where that is no page: not got, not
    /// whole, or not alone.
    pub(crate) fn of(rule: &HttpRule, rpc: &MethodDescriptor) -> Option<Self> {
        let is_whole = rule.response_body.is_none() && !rpc.is_server_streaming();
        let is_got = rule.method == Some(Method::GET);
        Self::of_list(&rpc.output()).filter(|_| is_whole && is_got)
    }

    fn of_list(response: &MessageDescriptor) -> Option<Self> {
        let pagination = FieldPath::message("pagination", PAGINATION, response);
        let token = || {
            let items = response.fields().find(|field| field.is_list() && is_message(field))?;
            let token = FieldPath::string("next_page_token", response).ok()?;
            Some(Self::Token(token, items.name().to_owned()))
        };
        pagination.ok().map(Self::Pagination).or_else(token)
    }

    /// The field that the items of a page are in.
    pub(crate) fn items(&self) -> &str {
        match self {
            Self::Pagination(_) => "data",
            Self::Token(_, items) => items,
        }
    }

    /// Whether its links are in the body too: those of others have no room for them.
    pub(crate) fn is_in_body(&self) -> bool {
        matches!(self, Self::Pagination(_))
    }

    /// The links of a page.
    pub(crate) fn links(&self, uri: &Uri, response: &[u8]) -> Links {
        match self {
            Self::Pagination(field) => {
                let pagination = field.bytes(response).unwrap_or_default();
                let pagination = Pagination::decode(pagination).unwrap_or_default();
                of_pagination(uri, &pagination)
            }
            Self::Token(field, _) => {
                let next = field.text(response).filter(|token| !token.is_empty());
                Links {
                    this: target(uri),
                    first: with(uri, None),
                    next: next.map(|token| with(uri, Some(("page_token", token)))),
                    prev: None,
                }
            }
        }
    }
}

fn is_message(field: &FieldDescriptor) -> bool {
    field.kind().as_message().is_some()
}

fn of_pagination(uri: &Uri, pagination: &Pagination) -> Links {
    let page = |number: i32| with(uri, Some(("page", &number.to_string())));
    let next_cursor = pagination.next_cursor.as_deref();
    let this = target(uri);
    match pagination.page {
        Some(number) => Links {
            this,
            first: page(1),
            next: (number < pagination.pages.unwrap_or_default()).then(|| page(number + 1)),
            prev: (number > 1).then(|| page(number - 1)),
        },
        None => Links {
            this,
            first: with(uri, None),
            next: next_cursor.map(|cursor| with(uri, Some(("cursor", cursor)))),
            // a cursor leads one way
            prev: None,
        },
    }
}

fn target(uri: &Uri) -> String {
    match uri.query() {
        Some(query) => format!("{}?{query}", path(uri)),
        None => path(uri),
    }
}

/// The path, also where it begins with two slashes: what follows those would be a host (RFC 3986,
/// section 4.2).
fn path(uri: &Uri) -> String {
    let path = uri.path();
    if path.starts_with("//") { format!("/.{path}") } else { path.to_owned() }
}

/// The same list at another place.
fn with(uri: &Uri, place: Option<(&str, &str)>) -> String {
    const PLACES: [&str; 4] = ["cursor", "page", "page_token", "pageToken"];
    let query = uri.query().unwrap_or_default().split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && !PLACES.contains(&name)
    });
    let mut target = path(uri);
    let mut separator = '?';
    for pair in query {
        target.push(separator);
        target.push_str(pair);
        separator = '&';
    }
    if let Some((name, value)) = place {
        target.push(separator);
        target.push_str(name);
        target.push('=');
        target.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    target
}

impl Links {
    /// The `Link` header.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let others = [("next", &self.next), ("prev", &self.prev)];
        let others = others.into_iter().filter_map(|(rel, target)| Some((rel, target.as_ref()?)));
        let all = [("self", &self.this), ("first", &self.first)].into_iter().chain(others);
        let all: Vec<String> =
            all.map(|(rel, target)| format!("<{target}>; rel=\"{rel}\"")).collect();
        HeaderValue::try_from(all.join(", ")).ok()
    }

    /// Appends them to the JSON object of a page.
    pub(crate) fn append(&self, json: &mut Vec<u8>) {
        if json.last() == Some(&b'}') && json.len() > 2 {
            json.pop();
            json.extend_from_slice(b",\"links\":");
            json.extend(serde_json::to_vec(self).unwrap_or_default());
            json.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(uri: &str, pagination: Pagination) -> Links {
        of_pagination(&uri.parse().unwrap(), &pagination)
    }

    #[test]
    fn a_cursor_leads_to_the_next_page_and_keeps_the_rest_of_the_query() {
        let pagination =
            Pagination { next_cursor: Some("a/b".to_owned()), ..Pagination::default() };
        let links = links("/v1/things?size=5&cursor=old&q=x%20y&attr.page=1%26", pagination);
        let expected = Links {
            this: "/v1/things?size=5&cursor=old&q=x%20y&attr.page=1%26".to_owned(),
            first: "/v1/things?size=5&q=x%20y&attr.page=1%26".to_owned(),
            next: Some("/v1/things?size=5&q=x%20y&attr.page=1%26&cursor=a%2Fb".to_owned()),
            prev: None,
        };
        assert_eq!(links, expected);
    }

    #[test]
    fn numbered_pages_have_neighbours_where_there_are_some() {
        let page = |page, pages| {
            let pagination =
                Pagination { page: Some(page), pages: Some(pages), ..Pagination::default() };
            let links = links("/v1/things?page=9", pagination);
            (links.prev, links.next)
        };
        let at = |number: i32| Some(format!("/v1/things?page={number}"));
        assert_eq!(page(1, 1), (None, None));
        assert_eq!(page(1, 3), (None, at(2)));
        assert_eq!(page(2, 3), (at(1), at(3)));
        assert_eq!(page(3, 3), (at(2), None));
    }

    #[test]
    fn a_path_with_two_slashes_at_its_beginning_names_no_host() {
        let links = links("//example.com/things?size=5", Pagination::default());
        assert_eq!(links.this, "/.//example.com/things?size=5");
        assert_eq!(links.first, links.this);
    }

    #[test]
    fn they_are_a_header_and_a_member_of_the_body() {
        let links = links("/v1/things", Pagination::default());
        assert_eq!(
            links.header().unwrap(),
            "</v1/things>; rel=\"self\", </v1/things>; rel=\"first\""
        );
        let mut json = b"{\"data\":[]}".to_vec();
        links.append(&mut json);
        let expected = r#"{"data":[],"links":{"self":"/v1/things","first":"/v1/things","next":null,"prev":null}}"#;
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }
}
