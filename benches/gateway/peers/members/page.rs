//! A page of products as it is answered, with links to its neighbours.

use axum::http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use souk_proto::souk::catalog::v1::ListProductsResponse;

use super::super::product::Product;

/// Which page is asked for.
#[derive(Debug, Deserialize)]
pub struct Place {
    pub size: Option<i32>,
    #[serde(default)]
    pub cursor: String,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Page {
    data: Vec<Product>,
    pagination: Pagination,
    pub links: Links,
}

#[derive(Debug, Serialize)]
struct Pagination {
    size: i32,
    next_cursor: Option<String>,
    has_more: bool,
    total: i32,
    page: Option<i32>,
    pages: Option<i32>,
}

#[derive(Debug, Serialize)]
pub struct Links {
    #[serde(rename = "self")]
    this: String,
    first: String,
    next: Option<String>,
    prev: Option<String>,
}

impl Page {
    /// The page at `uri`, of this size where one was asked for.
    pub fn read(response: ListProductsResponse, uri: &Uri, size: Option<i32>) -> Option<Self> {
        let data = response.data.into_iter().map(Product::read).collect::<Option<_>>()?;
        let place = response.pagination?;
        let path = uri.path();
        let first = size.map_or_else(|| path.to_owned(), |size| format!("{path}?size={size}"));
        let next = place.next_cursor.as_deref().map(|cursor| {
            let separator = if size.is_some() { '&' } else { '?' };
            let cursor = utf8_percent_encode(cursor, NON_ALPHANUMERIC);
            format!("{first}{separator}cursor={cursor}")
        });
        Some(Self {
            data,
            pagination: Pagination {
                size: place.size,
                next_cursor: place.next_cursor,
                has_more: place.has_more,
                total: place.total,
                page: place.page,
                pages: place.pages,
            },
            links: Links { this: uri.to_string(), first, next, prev: None },
        })
    }
}

impl Links {
    /// The `Link` header (RFC 8288).
    pub fn header(&self) -> String {
        let mut header = format!("<{}>; rel=\"self\", <{}>; rel=\"first\"", self.this, self.first);
        if let Some(next) = &self.next {
            header.push_str(&format!(", <{next}>; rel=\"next\""));
        }
        header
    }
}
