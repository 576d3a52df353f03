//! HTML: what surrounds every page, and text on its way into one.

use std::fmt::Write as _;

use crate::docs::assets::Assets;
use crate::docs::resource::Resource;

/// For pages of our own, which have no script.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Where the bar at the top leads.
const PLACES: [(&str, &str); 4] =
    [("/", "Overview"), ("/docs", "Try it"), ("/redoc", "Reference"), ("/docs/errors", "Errors")];

/// What surrounds every page.
#[derive(Debug)]
pub(super) struct Frame {
    style: String,
    icon: String,
}

impl Frame {
    pub(super) fn with(assets: &Assets) -> Self {
        Self { style: assets.style.url(), icon: assets.icon.url() }
    }

    /// A page of text, at a place of the bar.
    pub(super) fn text(&self, place: &str, title: &str, main: &str) -> Resource {
        let title = escape(title);
        let main = format!("<main id=\"main\" class=\"text\"><h1>{title}</h1>{main}</main>");
        Resource::html(self.around(place, &title, "", &main), POLICY)
    }

    /// The document around a head and a body.
    pub(super) fn around(&self, place: &str, title: &str, head: &str, body: &str) -> String {
        let Self { style, icon } = self;
        let mut places = String::new();
        for (path, name) in PLACES {
            let current = if path == place { " aria-current=\"true\"" } else { "" };
            let _ = write!(places, "<a href=\"{path}\"{current}>{name}</a>");
        }
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\
             <link rel=\"icon\" href=\"{icon}\"><link rel=\"stylesheet\" href=\"{style}\">{head}</head>\
             <body><a class=\"skip\" href=\"#main\">Skip to the content</a>\
             <nav class=\"places\" aria-label=\"Documentation\">{places}</nav>{body}</body></html>"
        )
    }
}

/// A comment as HTML: what stands between backquotes is code.
pub(super) fn prose(comment: &str) -> String {
    let escaped = escape(comment);
    let mut html = String::new();
    for (index, part) in escaped.split('`').enumerate() {
        if index % 2 == 1 {
            let _ = write!(html, "<code>{part}</code>");
        } else {
            html.push_str(part);
        }
    }
    html
}

/// Text as it may stand in an element or an attribute.
pub(super) fn escape(text: &str) -> String {
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
    fn comments_are_escaped() {
        assert_eq!(prose("a <b> `c & d`"), "a &lt;b&gt; <code>c &amp; d</code>");
    }
}
