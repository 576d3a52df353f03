//! What several operations refer to: parameters, headers and responses.

use serde_json::{Map, Value, json};

use super::headers::Header;

/// `components`, without schemas.
#[derive(Default)]
pub(super) struct Shared {
    pub parameters: Map<String, Value>,
    pub headers: Map<String, Value>,
    pub responses: Map<String, Value>,
}

impl Shared {
    /// A header of a request.
    pub(super) fn parameter(&mut self, header: &Header, is_required: bool) -> Value {
        let parameter = || header.in_request(is_required);
        self.parameters.entry(header.name).or_insert_with(parameter);
        json!({ "$ref": format!("#/components/parameters/{}", header.name) })
    }

    /// The headers of a response.
    pub(super) fn headers<'h>(
        &mut self,
        headers: impl IntoIterator<Item = &'h Header>,
    ) -> Map<String, Value> {
        let mut all = Map::new();
        for header in headers {
            self.headers.entry(header.name).or_insert_with(|| header.in_response());
            let reference = json!({ "$ref": format!("#/components/headers/{}", header.name) });
            all.insert(header.name.to_owned(), reference);
        }
        all
    }

    /// A response of this name, which is made when it is first referred to.
    pub(super) fn response(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.responses.contains_key(name) {
            let response = make(self);
            self.responses.insert(name.to_owned(), response);
        }
        json!({ "$ref": format!("#/components/responses/{name}") })
    }
}
